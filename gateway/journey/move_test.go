package journey

import (
	"fmt"
	"strings"
	"testing"

	"touchpoint/gateway"
)

const moving = `name: ping
purpose: service
trigger: {event: brew}
steps: [{id: rest%d, wait: {for: 1h}}, {id: say, send: {channels: [stream], texts: {en: {title: Hello}}}}]
`

// awayFrom returns a customer whose own partition is not the one of the group.
func awayFrom(group gateway.GroupID, partitions int) gateway.CustomerID {
	for c := gateway.CustomerID(1); ; c++ {
		if gateway.HomeOf(c, 0, partitions) != gateway.HomeOf(c, group, partitions) {
			return c
		}
	}
}

// TestMoveBeforeTheDefinition: a customer comes to a partition that has not seen
// the version yet on which he runs, or the whole journey. He waits with all that
// comes for him, until it has; nothing is lost, and what waits for somebody else
// goes on waiting.
func TestMoveBeforeTheDefinition(t *testing.T) {
	for known := range 2 { // the destination has no version of the journey, or the first one
		const group = 5
		w := newWorld(t, Config{}, 2)
		w.clock = modelStart
		c := awayFrom(group, 2)
		home, to := gateway.HomeOf(c, 0, 2), gateway.HomeOf(c, group, 2)
		var decided []string
		w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
			for _, d := range s.Decisions {
				if d.Customer != 0 {
					decided = append(decided, fmt.Sprintf("%s %s %s @%d", d.Kind, d.Reason, d.Step, s.Partition))
				}
			}
		}
		publish := func(part int, version uint32) {
			w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: "ping", Version: version, Effective: w.clock,
				Definition: fmt.Appendf(nil, moving, version)}})
		}
		publish(home, 1)
		if known > 0 {
			publish(to, 1)
		}
		publish(home, 2)
		event := gateway.Event{ID: "a", Type: "brew", Customer: c, OccurredAt: w.clock, ReceivedAt: w.clock}
		w.submit(home, gateway.Input{Event: event})
		w.submit(to, gateway.Input{Command: gateway.JoinGroup{Customer: c, Group: group, At: w.clock}})
		w.submit(home, gateway.Input{Command: gateway.UpsertCustomer{Customer: c, Mask: []string{"country"}, Country: "DE"}})
		w.submit(home, gateway.Input{Event: event}) // once more: it is known
		w.check()
		w.restart()
		if p := w.parts[to]; p.customers[c] != nil || len(p.awaited[c]) == 0 {
			t.Fatalf("%d: he lives where his journey is unknown", known)
		}
		// somebody else is on his way: what comes for him goes on waiting
		other := gateway.CustomerID(c + 1)
		for gateway.HomeOf(other, 0, 2) != home {
			other++
		}
		w.ok(w.HoldForwards(true))
		w.submit(to, gateway.Input{Command: gateway.JoinGroup{Customer: other, Group: group, At: w.clock}})
		if known == 0 {
			publish(to, 1)
			if w.parts[to].customers[c] != nil {
				t.Fatal("he lives where his version is unknown")
			}
		}
		publish(to, 2)
		if len(w.parts[to].awaited[other]) == 0 {
			t.Error("what waits for the other one is gone")
		}
		w.ok(w.HoldForwards(false))
		w.advance(w.clock + 2*hour)
		w.check()
		for _, id := range []gateway.CustomerID{c, other} {
			if v := w.parts[to].customers[id]; v == nil || id == c && v.country != "DE" {
				t.Errorf("%d: customer %d is not there with what came for him: %+v", known, id, v)
			}
		}
		want := fmt.Sprintf("entry enrolled  @%d\nstep elapsed rest2 @%d\nsend sent say @%[2]d\nexit completed  @%[2]d", home, to)
		if got := strings.Join(decided, "\n"); got != want {
			t.Errorf("%d: decided\n%s\nwant\n%s", known, got, want)
		}
	}
}

// TestMoveErasedBeforeTheDefinition: a customer who is erased while he waits for a
// definition is gone.
func TestMoveErasedBeforeTheDefinition(t *testing.T) {
	const group = 5
	w := newWorld(t, Config{}, 2)
	w.clock = modelStart
	c := awayFrom(group, 2)
	home, to := gateway.HomeOf(c, 0, 2), gateway.HomeOf(c, group, 2)
	w.submit(home, gateway.Input{Command: gateway.PublishJourney{Journey: "ping", Version: 1, Effective: w.clock,
		Definition: fmt.Appendf(nil, moving, 1)}})
	w.submit(home, gateway.Input{Event: gateway.Event{ID: "a", Type: "brew", Customer: c, OccurredAt: w.clock, ReceivedAt: w.clock}})
	w.submit(to, gateway.Input{Command: gateway.JoinGroup{Customer: c, Group: group, At: w.clock}})
	for part := range 2 {
		w.submit(part, gateway.Input{Command: gateway.EraseCustomer{Customer: c}})
	}
	if len(w.parts[to].awaited) > 0 {
		t.Errorf("what is of him waits on: %v", w.parts[to].awaited)
	}
	w.submit(to, gateway.Input{Command: gateway.PublishJourney{Journey: "ping", Version: 1, Effective: w.clock,
		Definition: fmt.Appendf(nil, moving, 1)}})
	w.advance(w.clock + 2*hour)
	w.check()
	for i, p := range w.parts {
		if p.customers[c] != nil || len(p.awaited) > 0 {
			t.Errorf("partition %d: %v, %v", i, p.customers[c], p.awaited)
		}
	}
}

// TestBrokenArrival: a customer's state that was cut off on its way is refused and
// changes nothing.
func TestBrokenArrival(t *testing.T) {
	const group = 5
	w := newWorld(t, Config{}, 2)
	w.clock = modelStart
	c := awayFrom(group, 2)
	home, to := gateway.HomeOf(c, 0, 2), gateway.HomeOf(c, group, 2)
	for part := range 2 {
		w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: "ping", Version: 1, Effective: w.clock,
			Definition: []byte(strings.Replace(fmt.Sprintf(moving, 1), "steps:", "entry_cap: {max: 2}\nsteps:", 1))}})
	}
	w.submit(home, gateway.Input{Command: gateway.BindDevice{Device: 1, Customer: c, Role: "owner", At: w.clock}},
		gateway.Input{Event: gateway.Event{ID: "a", Type: "brew", Customer: c, OccurredAt: w.clock, ReceivedAt: w.clock}})
	w.ok(w.HoldForwards(true)) // of two entries one waits for its place
	w.submit(home, gateway.Input{Event: gateway.Event{ID: "b", Type: "brew", Customer: c, OccurredAt: w.clock, ReceivedAt: w.clock}})
	var admit gateway.AdmitCustomer
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, f := range s.Forwards {
			if a, is := f.Input.Command.(gateway.AdmitCustomer); is {
				admit = a
			}
		}
	}
	w.submit(home, gateway.Input{Command: gateway.ReleaseCustomer{Customer: c, To: to}})
	if len(admit.State) == 0 {
		t.Fatal("nobody was sent")
	}
	p := w.parts[to]
	apply := func(a gateway.AdmitCustomer) gateway.Disposition {
		var s gateway.Step
		p.Apply(&gateway.Batch{Partition: to, Seq: 100, RecordTime: w.clock, Observed: w.clock, Inputs: []gateway.Input{{Command: a}}}, &s)
		return s.Outcomes[0].Disposition
	}
	apply(gateway.AdmitCustomer{}) // moves the place alone
	before := string(p.AppendSnapshot(nil))
	for n := range admit.State {
		if d := apply(gateway.AdmitCustomer{Customer: c, State: admit.State[:n]}); d != gateway.Refused {
			t.Fatalf("cut off behind byte %d: %v", n, d)
		}
	}
	if apply(gateway.AdmitCustomer{State: admit.State}) != gateway.Refused {
		t.Error("the state of nobody is taken")
	}
	if string(p.AppendSnapshot(nil)) != before {
		t.Error("a broken state changed something")
	}
	w.submit(to, gateway.Input{Command: gateway.JoinGroup{Customer: c, Group: group, At: w.clock}})
	if d := apply(admit); d != gateway.Accepted || p.customers[c] == nil {
		t.Errorf("the whole state: %v", d)
	}
	before = string(p.AppendSnapshot(nil))
	if d := apply(admit); d != gateway.Refused || string(p.AppendSnapshot(nil)) != before {
		t.Errorf("once more: %v", d)
	}
}

// TestManyAreTakenBack: the brake takes back what many customers were not shown,
// in portions, each message once.
func TestManyAreTakenBack(t *testing.T) {
	const customers = 2*scanSize + 7
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	for i, name := range []string{"ping", "pong"} {
		text := strings.Replace(fmt.Sprintf(moving, i), "name: ping", "name: "+name, 1)
		text = strings.Replace(text, "wait: {for: 1h}", "wait: {for: 1m}", 1)
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Effective: w.clock, Definition: []byte(text)}})
	}
	for c := range gateway.CustomerID(customers) {
		w.submit(0, gateway.Input{Event: gateway.Event{ID: "a", Type: "brew", Customer: c + 1, OccurredAt: w.clock, ReceivedAt: w.clock}})
	}
	w.advance(w.clock + hour)
	back := map[gateway.MessageID]string{}
	most := 0
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		most = max(most, len(s.Updates))
		for _, u := range s.Updates {
			if back[u.Message] != "" {
				t.Fatalf("%s is taken back twice", u.Message)
			}
			back[u.Message] = u.Detail
		}
	}
	w.submit(0, gateway.Input{Command: gateway.SetJourneyState{Journey: "pong", State: gateway.JourneyPaused, Withdraw: true}})
	w.advance(w.clock + 1)
	if len(back) != customers {
		t.Fatalf("the pause took back %d of %d", len(back), customers)
	}
	if w.parts[0].Braked() {
		t.Error("a pause is no brake")
	}
	w.submit(0, gateway.Input{Command: gateway.SetBrake{On: true}})
	w.advance(w.clock + 1)
	if len(back) != 2*customers || !w.parts[0].Braked() {
		t.Fatalf("the brake took back %d of %d", len(back)-customers, customers)
	}
	left := 0
	w.parts[0].Unfinished(func(gateway.Message) { left++ })
	if left > 0 {
		t.Errorf("%d messages are still to be handed over", left)
	}
	w.check()
}

// TestMoveDuringAScan: a customer moves while his old and his new partition go over
// all customers, each as far as it has come. He is migrated, and enters what he met
// before, once.
func TestMoveDuringAScan(t *testing.T) {
	const group = 5
	for old := range 2 { // bit: the scan there is done
		for fresh := range 2 {
			for _, running := range []string{"migrate", "pin"} {
				w := newWorld(t, Config{}, 2)
				w.clock = modelStart
				c := awayFrom(group, 2)
				home, to := gateway.HomeOf(c, 0, 2), gateway.HomeOf(c, group, 2)
				entered := map[string]int{}
				w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
					for _, d := range s.Decisions {
						if d.Reason == gateway.ReasonEnrolled {
							entered[d.Journey]++
						}
					}
				}
				everywhere := func(name string, version uint32, existing, text string) {
					for part := range 2 {
						w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: version, Effective: w.clock,
							Running: running, Existing: existing, Definition: []byte(text)}})
					}
				}
				const fans = "name: fans\npurpose: service\ntrigger: {milestone: {event: brew, nth: 1}}\nsteps: [{id: rest, wait: {for: 9h}}]\n"
				everywhere("ping", 1, "", fmt.Sprintf(moving, 1))
				everywhere("fans", 1, "", strings.Replace(fans, "nth: 1", "nth: 7", 1))
				w.submit(home, gateway.Input{Event: gateway.Event{ID: "a", Type: "brew", Customer: c, OccurredAt: w.clock, ReceivedAt: w.clock}})
				everywhere("ping", 2, "", strings.Replace(fmt.Sprintf(moving, 1), "{for: 1h}", "{for: 2h}", 1))
				everywhere("fans", 2, "enroll", fans)
				for part, done := range map[int]int{home: old, to: fresh} {
					if done == 1 {
						w.submit(part, gateway.Input{Command: gateway.Tick{}})
					}
				}
				w.submit(to, gateway.Input{Command: gateway.JoinGroup{Customer: c, Group: group, At: w.clock}})
				w.ok(w.Settle())
				w.check()
				p := w.parts[to]
				if p.customers[c] == nil {
					t.Fatal("he is not there")
				}
				want := uint32(1)
				if running == "migrate" {
					want = 2
				}
				for _, e := range p.customers[c].enrollments {
					if e.v.journey.name == "ping" && e.v.number != want {
						t.Errorf("scans done %d, %d: %s leaves him on version %d", old, fresh, running, e.v.number)
					}
				}
				if entered["fans"] != 1 || entered["ping"] != 1 {
					t.Errorf("scans done %d, %d, %s: he entered %v", old, fresh, running, entered)
				}
			}
		}
	}
}
