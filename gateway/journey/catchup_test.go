package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

const fansJourney = "name: fans\npurpose: service\ntrigger: {milestone: {event: brew, nth: 1}}\nsteps: [{id: rest, wait: {for: 9h}}]\n"

// twoParts is a world of two partitions, and customers who live in each, by id:
// the i-th of one partition lies between the i-th and the next of the other.
func twoParts(t *testing.T, n int) (w *world, first, second []gateway.CustomerID) {
	w = newWorld(t, Config{}, 2)
	w.clock = modelStart
	for id := gateway.CustomerID(1); len(second) < n; id++ {
		switch home := gateway.HomeOf(id, 0, 2); {
		case home == 0 && len(first) == len(second):
			first = append(first, id)
		case home == 1 && len(first) > len(second):
			second = append(second, id)
		}
	}
	return w, first, second
}

// homeGroup is a group that lives in a partition.
func homeGroup(w *world, part int) gateway.GroupID {
	for g := gateway.GroupID(1); ; g++ {
		if gateway.HomeOf(1, g, len(w.parts)) == part {
			return g
		}
	}
}

func (w *world) join(id gateway.CustomerID, part int) {
	w.submit(part, gateway.Input{Command: gateway.JoinGroup{Customer: id, Group: homeGroup(w, part), At: w.clock}})
}

func (w *world) leave(id gateway.CustomerID) {
	w.submit(gateway.HomeOf(id, 0, len(w.parts)), gateway.Input{Command: gateway.LeaveGroup{Customer: id, At: w.clock}})
}

func (w *world) brew(id gateway.CustomerID) {
	w.submit(gateway.HomeOf(id, 0, len(w.parts)), gateway.Input{Event: gateway.Event{ID: "e", Type: "brew", Customer: id, OccurredAt: w.clock, ReceivedAt: w.clock}})
}

// TestCatchUp: customers move while both partitions go over those who met the
// entry before, and each rests at the customer whose day it is not yet. Who comes
// behind that place, and was not looked at where he came from, is a guest; who
// comes before it is not, nor who was looked at.
func TestCatchUp(t *testing.T) {
	w, a, b := twoParts(t, 6) // a0 < b0 < a1 < b1 …
	entered := map[gateway.CustomerID]int{}
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			if d.Reason == gateway.ReasonEnrolled {
				entered[d.Customer]++
			}
		}
	}
	publish := func(version uint32, existing string) {
		for part := range w.parts {
			w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: "fans", Version: version, Effective: w.clock,
				Existing: existing, Definition: []byte(fansJourney)}})
		}
	}
	publish(1, "ignore")
	for part := range w.parts {
		w.submit(part, gateway.Input{Command: gateway.SetJourneyState{Journey: "fans", State: gateway.JourneyArchived}})
	}
	for i := range a {
		w.brew(a[i])
		w.brew(b[i])
	}
	publish(2, "enroll 2 per day")
	w.ok(w.Settle())
	w.advance(w.clock + dayMillis) // two more
	p, q := w.parts[0], w.parts[1]
	scans := func() string {
		return fmt.Sprint(slices.Index(a, p.journeys[0].scan.next), slices.Index(b, q.journeys[0].scan.next), len(entered))
	}
	if got := scans(); got != "4 0 4" {
		t.Fatalf("the scans stand at %s", got)
	}
	guests := func(what string, want ...gateway.CustomerID) { // of the first one; the other one has none
		t.Helper()
		w.check()
		g0, g1 := p.journeys[0].scan.guests, q.journeys[0].scan.guests
		if !slices.Equal(g0, want) || len(g1) > 0 {
			t.Errorf("%s: guests %v and %v, want %v and none", what, g0, g1, want)
		}
	}
	w.join(a[0], 1)
	w.join(a[3], 1)
	guests("who was looked at")
	w.join(a[5], 1)
	w.join(b[4], 0)
	guests("to whom it will come")
	w.join(a[4], 1)
	w.leave(a[4])
	guests("the one at the place, away and back")
	w.join(b[3], 0)
	w.join(b[0], 0)
	guests("behind the place", b[3], b[0])
	w.leave(b[3])
	guests("home again", b[0])
	w.join(b[3], 0)
	guests("once more", b[0], b[3])
	w.ok(w.Restart())
	p, q = w.parts[0], w.parts[1]
	guests("from a snapshot", b[0], b[3])
	w.advance(w.clock + 5*dayMillis)
	w.check()
	for i := range a {
		if entered[a[i]] != 1 || entered[b[i]] != 1 {
			t.Errorf("customers %d and %d entered %d and %d times", a[i], b[i], entered[a[i]], entered[b[i]])
		}
	}
	if p.journeys[0].scan.kind != scanNone || q.journeys[0].scan.kind != scanNone {
		t.Error("a scan goes on")
	}
}

// TestMoveBetweenVersions: a customer comes from a partition that has gone over
// its customers for one version to one that has done so for the next. What the
// next version asks for is made good: he enters, and migrates if it says so.
func TestMoveBetweenVersions(t *testing.T) {
	for running, want := range map[string]string{"": "1", "pin": "1", "migrate": "2", "restart": "2"} {
		w, a, b := twoParts(t, 1)
		versions := map[gateway.CustomerID]string{}
		publish := func(part int, name string, version uint32, existing, running, text string) {
			w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: version, Effective: w.clock,
				Existing: existing, Running: running, Definition: []byte(text)}})
		}
		for part := range w.parts {
			publish(part, "fans", 1, "ignore", "", strings.Replace(fansJourney, "nth: 1", "nth: 2", 1))
			publish(part, "ping", 1, "", "", fmt.Sprintf(moving, 1))
		}
		w.brew(a[0])
		w.brew(b[0])
		publish(1, "fans", 2, "enroll", "", fansJourney)
		publish(1, "ping", 2, "", running, strings.Replace(fmt.Sprintf(moving, 1), "{for: 1h}", "{for: 2h}", 1))
		w.advance(w.clock + 1000) // over there all is done
		w.join(a[0], 1)
		w.ok(w.Settle())
		w.check()
		for _, e := range w.parts[1].customers[a[0]].enrollments {
			versions[a[0]] += e.v.journey.name + fmt.Sprint(e.v.number) + " "
		}
		if got := versions[a[0]]; got != "ping"+want+" fans2 " {
			t.Errorf("%q: he is in %s", running, got)
		}
	}
}

// TestMoveToWhereNothingIsLive: the journey of which a customer's waiting entry
// speaks is known where he comes to, and begins there later: then he enters.
func TestMoveToWhereNothingIsLive(t *testing.T) {
	for _, name := range []string{"ping", "pong", "pang"} { // the places are kept here, or there
		text := strings.Replace(fmt.Sprintf(moving, 1), "steps:", "entry_cap: {max: 3, per: 7d}\nsteps:", 1)
		text = strings.Replace(text, "name: ping", "name: "+name, 1)
		w, a, _ := twoParts(t, 2)
		for part := range w.parts {
			w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Definition: []byte(text),
				Effective: w.clock + gateway.Instant(1000*part)}})
		}
		var entered []string
		w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
			for _, d := range s.Decisions {
				if d.Kind == gateway.DecisionEntry && d.Reason == gateway.ReasonEnrolled {
					entered = append(entered, fmt.Sprintf("%d @%d", slices.Index(a, d.Customer), s.Partition))
				}
			}
		}
		keeps := w.parts[1].coordinates(w.parts[1].journeys[0])
		w.ok(w.HoldForwards(true))
		for _, id := range a {
			w.brew(id)
		}
		w.join(a[0], 1)
		w.ok(w.HoldForwards(false))
		w.advance(w.clock + 5*60_000)
		w.check()
		slices.Sort(entered)
		want := []string{"0 @0", "1 @0"}
		if keeps {
			want[0] = "0 @1"
		}
		if !slices.Equal(entered, want) {
			t.Errorf("%s, places kept over there %t: %v entered, want %v", name, keeps, entered, want)
		}
	}
}

// TestWaitForTheDefinitionAtHome: who comes home to where his version is not known
// yet waits, although nobody there has asked for him; a publication of something
// else changes nothing about that.
func TestWaitForTheDefinitionAtHome(t *testing.T) {
	w, a, _ := twoParts(t, 1)
	w.SetConfig(Config{Segments: []Rule{{"fan", "trait.cups >= 1"}}, Traits: map[string]map[string]any{"cups": {"count": "brew"}}})
	w.ok(w.Restart()) // a counter that both know
	for i := range w.shadows {
		w.shadows[i] = w.newPartition(i)
	}
	id, told := a[0], 0
	publish := func(part int, name string, version uint32) {
		w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: version, Effective: w.clock,
			Definition: []byte(strings.Replace(fmt.Sprintf(moving, version), "name: ping", "name: "+name, 1))}})
	}
	publish(0, "ping", 1)
	publish(1, "ping", 1)
	w.join(id, 1)
	publish(1, "ping", 2)
	w.brew(id)
	var outcomes []gateway.Outcome
	w.onStep = func(b *gateway.Batch, s *gateway.Step) {
		told += len(s.Profiles)
		for i, in := range b.Inputs {
			if _, is := in.Command.(gateway.AdmitCustomer); is {
				outcomes = append(outcomes, s.Outcomes[i])
			}
		}
	}
	w.leave(id)
	w.submit(0, gateway.Input{Command: gateway.UpsertCustomer{Customer: id, Mask: []string{"country"}, Country: "DE"}})
	want := []gateway.Outcome{{Disposition: gateway.Held, Customer: id}}
	if p := w.parts[0]; p.customers[id] != nil || len(p.awaited[id]) != 2 || !slices.Equal(outcomes, want) {
		t.Fatalf("he does not wait: %v, %v", p.awaited[id], outcomes)
	}
	before := fmt.Sprintf("%T %T", w.parts[0].awaited[id][0].Command, w.parts[0].awaited[id][1].Command)
	publish(0, "pong", 1)
	w.check()
	if got := fmt.Sprintf("%T %T", w.parts[0].awaited[id][0].Command, w.parts[0].awaited[id][1].Command); got != before || len(w.parts[0].awaited[id]) != 2 {
		t.Errorf("what waits is %s, it was %s", got, before)
	}
	publish(0, "ping", 2)
	w.check()
	if c := w.parts[0].customers[id]; c == nil || c.country != "DE" || len(w.parts[0].awaited) > 0 || told != 1 {
		t.Errorf("he is not at home: %+v, %v wait, his profile is told %d times", c, w.parts[0].awaited, told)
	}
}

// TestMoveInAPause: a customer comes to where a journey stands still whose next
// version has been published there alone. A counter notes that he is to enter on
// resume; where none does, he is a guest, if the version takes existing customers.
func TestMoveInAPause(t *testing.T) {
	const segment = "name: fans\npurpose: service\ntrigger: {segment: {enter: fan}}\nsteps: [{id: rest, wait: {for: 9h}}]\n"
	for _, tt := range []struct {
		text, existing string
		guests         int
		enters         bool
	}{
		{fansJourney, "", 0, false}, {fansJourney, "enroll", 0, true}, {fansJourney, "enroll 5 per day", 1, true},
		{segment, "", 0, false}, {segment, "enroll", 1, true}, {segment, "enroll 5 per day", 1, true},
	} {
		w, a, b := twoParts(t, 1)
		w.SetConfig(Config{Segments: []Rule{{"fan", "trait.cups >= 1"}}, Traits: map[string]map[string]any{"cups": {"count": "brew"}}})
		w.ok(w.Restart())
		for i := range w.shadows {
			w.shadows[i] = w.newPartition(i)
		}
		entered := 0
		w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
			for _, d := range s.Decisions {
				if d.Reason == gateway.ReasonEnrolled && d.Customer == a[0] {
					entered++
				}
			}
		}
		publish := func(part int, version uint32, existing, text string) {
			w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: "fans", Version: version, Effective: w.clock,
				Existing: existing, Definition: []byte(text)}})
		}
		for part := range w.parts {
			publish(part, 1, "", strings.Replace(fansJourney, "nth: 1", "nth: 9", 1))
		}
		w.brew(a[0])
		w.brew(b[0])
		publish(1, 2, tt.existing, tt.text)
		w.advance(w.clock + 1000)
		state := func(s gateway.JourneyState) {
			w.submit(1, gateway.Input{Command: gateway.SetJourneyState{Journey: "fans", State: s}})
		}
		state(gateway.JourneyPaused)
		w.advance(w.clock + 1000)
		w.join(a[0], 1)
		w.check()
		if n := len(w.parts[1].journeys[0].scan.guests); n != tt.guests || entered > 0 {
			t.Errorf("%.40q existing %q: %d guests, %d entered in the pause", tt.text, tt.existing, n, entered)
		}
		w.advance(w.clock + 1000)
		state(gateway.JourneyPublished)
		w.advance(w.clock + 1000)
		w.check()
		if entered != boolInt(tt.enters) {
			t.Errorf("%.40q existing %q: he entered %d times", tt.text, tt.existing, entered)
		}
	}
}
