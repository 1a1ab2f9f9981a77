package journey

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// modelJourneys count in every way, so that the model has something to compare.
var modelJourneys = map[string]string{
	"third": `name: third
purpose: service
trigger: {milestone: {event: brew, nth: 3}}
steps: [{id: say, send: {channels: [product], texts: {en: {title: Third}}}}]
`,
	"busy": `name: busy
purpose: service
trigger: {threshold: {count: brew, at_least: 5, within: 24h}}
traits:
  day: {count: brew, within: 24h}
  water: {sum: brew.ml, within: 48h}
  ever: {count: brew}
steps: [{id: say, send: {channels: [product], texts: {en: {title: Busy}}}}]
`,
	"hundred": `name: hundred
purpose: service
trigger: {threshold: {count: brew, every: 4, within: 12h}}
reentry: after_exit
steps: [{id: say, send: {channels: [product], texts: {en: {title: Four}}}}]
`,
	"big": `name: big
purpose: service
trigger: {event: brew, where: event.ml > 150}
steps:
  - {id: say, send: {channels: [product], expires_after: 6h, texts: {en: {title: Big}}}}
  - {id: rest, wait: {until_event: rinse, timeout: 3h}}
`,
	"silence": `name: silence
purpose: service
trigger: {absence: {event: brew, for: 20h}}
steps: [{id: say, send: {channels: [product], texts: {en: {title: Silent}}}}]
`,
}

const (
	modelStart     = gateway.Instant(1_777_593_600_000)
	modelDevices   = 3
	modelCustomers = 3
	hour           = 3600_000
)

// modelEvent is an accepted event as the model knows it.
type modelEvent struct {
	at       gateway.Instant
	customer gateway.CustomerID
	ml       int64
}

// model is the slow, obviously right account of what was accepted: it keeps all
// events and counts them anew each time.
type model struct {
	owners map[gateway.DeviceID][]ownership
	// unsure devices were bound while forwards were held back: what their holder
	// took before it heard of that is the former owner's.
	unsure map[gateway.DeviceID]bool
	events map[string]modelEvent // accepted ones by identity
}

func eventKey(ev *gateway.Event) string {
	return fmt.Sprint(ev.Device, ev.ID, ev.HasSeq, ev.Seq)
}

// accept notes an event that a partition applied: each exactly once, for the
// owner at its time.
func (m *model) accept(rt *rapid.T, ev *gateway.Event, o gateway.Outcome) {
	if o.Disposition != gateway.Accepted {
		return
	}
	key := eventKey(ev)
	if _, twice := m.events[key]; twice {
		rt.Errorf("event %s was accepted twice", key)
	}
	if want := m.owner(ev.Device, ev.OccurredAt); o.Customer != want && !m.unsure[ev.Device] {
		rt.Errorf("event %s was credited to %d, not to %d", key, o.Customer, want)
	}
	m.events[key] = modelEvent{at: ev.OccurredAt, customer: o.Customer, ml: ev.Properties[0].Value.AsInt()}
}

func (m *model) owner(d gateway.DeviceID, at gateway.Instant) gateway.CustomerID {
	var owner gateway.CustomerID
	for _, o := range m.owners[d] { // later bindings come later
		if o.from <= at {
			owner = o.customer
		}
	}
	return owner
}

func (m *model) count(c gateway.CustomerID, after gateway.Instant) (n int64, sum int64) {
	for _, e := range m.events {
		if e.customer == c && e.at > after {
			n++
			sum += e.ml
		}
	}
	return n, sum
}

// publishAll publishes the model's journeys everywhere.
func publishAll(w *world) {
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range modelJourneys {
			if !yield(n) {
				return
			}
		}
	}) {
		for i := range w.parts {
			w.submit(i, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Effective: modelStart,
				Definition: []byte(modelJourneys[name])}})
		}
	}
}

// TestModel drives random streams with duplicates, late and shuffled arrivals,
// wrong routes, bindings across partitions and restarts through partitions that
// carry their forwards, and compares counters, messages and crossings with the
// model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		partitions := rapid.SampledFrom([]int{1, 2, 5}).Draw(rt, "partitions")
		w := newWorld(t, Config{Caps: []CapRule{{Name: "five", Max: 5, Per: 24 * hour}}}, partitions)
		w.clock = modelStart
		m := &model{owners: map[gateway.DeviceID][]ownership{}, unsure: map[gateway.DeviceID]bool{}, events: map[string]modelEvent{}}
		sends := map[gateway.MessageID]int{}
		milestones := map[gateway.CustomerID]int{}
		bigs := map[string]int{}
		w.onStep = func(b *gateway.Batch, s *gateway.Step) {
			for i, o := range s.Outcomes {
				if b.Inputs[i].Command == nil {
					m.accept(rt, &b.Inputs[i].Event, o)
				}
			}
			for i := range s.Late {
				m.accept(rt, &s.Late[i].Event, s.Late[i].Outcome)
			}
			for _, msg := range s.Messages {
				sends[msg.ID]++
			}
			for _, d := range s.Decisions {
				switch {
				case d.Kind == gateway.DecisionEntry && d.Journey == "third":
					milestones[d.Customer]++
				case d.Kind == gateway.DecisionEntry && d.Journey == "big":
					bigs[d.Device.String()+d.EventID]++
				}
			}
		}
		publishAll(w)
		var sent []gateway.Event // for duplicates
		steps := rapid.IntRange(5, 60).Draw(rt, "steps")
		for i := range steps {
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				d := gateway.DeviceID(rapid.IntRange(1, modelDevices).Draw(rt, "device"))
				c := gateway.CustomerID(rapid.IntRange(1, modelCustomers).Draw(rt, "customer"))
				w.clock += 1000
				m.owners[d] = append(m.owners[d], ownership{customer: c, from: w.clock})
				m.unsure[d] = m.unsure[d] || w.held
				w.submit(gateway.CustomerSubject(c).Partition(partitions), gateway.Input{Command: gateway.BindDevice{
					Device: d, Product: "brewer", Customer: c, Role: "owner", At: w.clock,
					Holder: rapid.IntRange(0, partitions-1).Draw(rt, "hint")}})
			case 1:
				w.advance(w.clock + gateway.Instant(rapid.IntRange(1, 30*hour).Draw(rt, "advance")))
			case 2:
				w.restart()
			case 3:
				w.held = !w.held
				w.carry()
			case 4:
				if len(sent) > 0 {
					ev := rapid.SampledFrom(sent).Draw(rt, "again")
					w.submit(rapid.IntRange(0, partitions-1).Draw(rt, "route"), gateway.Input{Event: ev})
				}
			default:
				w.clock += gateway.Instant(rapid.IntRange(0, 2*hour).Draw(rt, "gap"))
				ev := gateway.Event{Type: "brew", Device: gateway.DeviceID(rapid.IntRange(1, modelDevices).Draw(rt, "device")),
					Product: "brewer", ReceivedAt: w.clock, OccurredAt: w.clock,
					Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(int64(rapid.IntRange(1, 200).Draw(rt, "ml")))}}}
				if rapid.IntRange(0, 3).Draw(rt, "late") == 0 {
					ev.OccurredAt -= gateway.Instant(rapid.IntRange(0, 30*hour).Draw(rt, "age"))
				}
				if rapid.Bool().Draw(rt, "numbered") {
					ev.HasSeq, ev.Boot, ev.Seq = true, 1, uint64(i)
				} else {
					ev.ID = fmt.Sprint("e", i)
				}
				sent = append(sent, ev)
				w.submit(rapid.IntRange(0, partitions-1).Draw(rt, "route"), gateway.Input{Event: ev})
			}
		}
		w.held = false
		w.carry()
		for i := range sent {
			if _, ok := m.events[eventKey(&sent[i])]; !ok {
				rt.Errorf("event %s was lost\n%s", eventKey(&sent[i]), w.whereabouts(sent[i].Device))
			}
		}
		w.check()
		m.compare(rt, w)
		for id, n := range sends {
			if n != 1 {
				rt.Errorf("message %s was decided %d times", id, n)
			}
		}
		for c, n := range milestones {
			if c != 0 && n > 1 {
				rt.Errorf("the milestone of %s was decided %d times", c, n)
			}
		}
		for key, n := range bigs {
			if n != 1 && len(key) > 15 { // numbered events carry no id
				rt.Errorf("event %s has %d entry decisions", key, n)
			}
		}
	})
}

// compare counts anew and compares with the counters.
func (m *model) compare(rt *rapid.T, w *world) {
	for c := gateway.CustomerID(1); c <= modelCustomers; c++ {
		p := w.parts[gateway.CustomerSubject(c).Partition(len(w.parts))]
		cust := p.customers[c]
		v := p.journeyNamed("busy").active
		for name, after := range map[string]gateway.Instant{"day": p.now - 24*hour, "water": p.now - 48*hour, "ever": -1 << 62} {
			n, sum := m.count(c, after)
			want := gateway.Int(n)
			if name == "water" {
				want = gateway.Float(float64(sum))
			}
			got := gateway.Int(0)
			if cust != nil {
				if value, ok := p.traitValue(cust, v, 0, name); ok {
					got = value
				}
			}
			if !equalValues(got, want) {
				rt.Errorf("customer %d: %s is %s, the model has %s", c, name, got, want)
			}
		}
	}
}

// TestSeen compares the duplicate memory with a map, within the window.
func TestSeen(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s seen
		known := map[identity]uint16{}
		today := uint16(100)
		for range rapid.IntRange(1, 300).Draw(rt, "n") {
			if rapid.IntRange(0, 9).Draw(rt, "what") == 0 {
				today += uint16(rapid.IntRange(0, 3).Draw(rt, "days"))
			}
			oldest := today - 8
			id := identity{numbered: rapid.Bool().Draw(rt, "numbered")}
			if id.numbered {
				id.boot, id.seq = uint32(rapid.IntRange(1, 3).Draw(rt, "boot")), rapid.Uint64Range(0, 40).Draw(rt, "seq")
			} else {
				id.hash = rapid.Uint64Range(1, 60).Draw(rt, "hash")
			}
			day, had := known[id]
			want := had && day >= oldest
			if id.numbered && had && !want { // a range is forgotten by its latest day, never too early
				want = s.has(id, oldest)
			}
			if got := s.has(id, oldest); got != want {
				rt.Fatalf("has(%+v) is %v, want %v", id, got, want)
			}
			if want {
				continue
			}
			known[id] = today
			id.day = today
			s.add(id, oldest)
			if rapid.IntRange(0, 20).Draw(rt, "copy") == 0 {
				var e encoder
				e.seen(&s, oldest)
				d := decoder{b: e.b}
				s = d.seen()
				if d.err("seen") != nil {
					rt.Fatal("broken encoding")
				}
				var again encoder
				again.seen(&s, oldest)
				if !bytes.Equal(e.b, again.b) {
					rt.Fatal("not canonical")
				}
			}
		}
	})
}

// whereabouts shows who knows what of a device.
func (w *world) whereabouts(d gateway.DeviceID) (out string) {
	for i, p := range w.parts {
		held, expected := p.expected[d]
		to, moved := p.moved[d]
		out += fmt.Sprintf("partition %d: here %v, expected %v with %d held, moved %v to %d\n", i, p.devices.get(d) != nil, expected, len(held), moved, to)
	}
	return out
}
