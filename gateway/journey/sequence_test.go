package journey

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// sequenceModel is the obviously right account of a sequence: it keeps all
// events and tries every chain.
type sequenceModel struct {
	steps   []string
	without string
	within  gateway.Instant
	events  []gateway.Event // that came, by (occurred_at, id)
}

func (m *sequenceModel) add(ev gateway.Event) {
	m.events = append(m.events, ev)
	slices.SortFunc(m.events, func(a, b gateway.Event) int {
		return cmp.Or(cmp.Compare(a.OccurredAt, b.OccurredAt), cmp.Compare(a.ID, b.ID))
	})
}

// completed returns the ids of the events that end a chain.
func (m *sequenceModel) completed() map[string]bool {
	out := map[string]bool{}
	var chain func(step, from, first int)
	chain = func(step, from, first int) {
		for i := from; i < len(m.events); i++ {
			if m.events[i].Type != m.steps[step] {
				continue
			}
			if step == 0 {
				first = i
			}
			if step < len(m.steps)-1 {
				chain(step+1, i+1, first)
				continue
			}
			blocked := slices.ContainsFunc(m.events[first+1:i], func(ev gateway.Event) bool { return ev.Type == m.without })
			if !blocked && m.events[i].OccurredAt-m.events[first].OccurredAt < m.within {
				out[m.events[i].ID] = true
			}
		}
	}
	chain(0, 0, 0)
	return out
}

func (m *sequenceModel) yaml() string {
	without := ""
	if m.without != "" {
		without = "without: " + m.without
	}
	return fmt.Sprintf(`name: seq
purpose: service
max_event_age: 1h
key: event.n
reentry: concurrent_per_key
trigger:
  sequence:
    events: [%s]
    within: %s
    %s
steps:
  - {id: rest, wait: {for: 30d}}
`, strings.Join(m.steps, ", "), Duration(m.within), without)
}

const sequenceStart = gateway.Instant(1_800_000_000_000)

func drawSequence(rt *rapid.T, longest int) *sequenceModel {
	m := &sequenceModel{within: gateway.Instant(rapid.IntRange(1, 15).Draw(rt, "within")) * 60_000}
	for range rapid.IntRange(2, longest).Draw(rt, "steps") {
		m.steps = append(m.steps, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "step"))
	}
	if rapid.Bool().Draw(rt, "blocked") {
		m.without = rapid.SampledFrom([]string{"x", "a", "b"}).Draw(rt, "without")
	}
	return m
}

// sequenceRun feeds events to a partition and to the model.
type sequenceRun struct {
	w       *world
	m       *sequenceModel
	fired   map[string]bool
	undone  int
	tooLate map[string]bool
}

func newSequenceRun(rt rapid.TB, t *testing.T, m *sequenceModel) *sequenceRun {
	r := &sequenceRun{w: newWorld(t, Config{}, 1), m: m, fired: map[string]bool{}, tooLate: map[string]bool{}}
	r.w.clock = sequenceStart
	r.w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "seq", Version: 1, Effective: sequenceStart, Definition: []byte(m.yaml())}})
	r.w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			switch d.Reason {
			case gateway.ReasonEnrolled:
				if r.fired[d.EventID] || r.tooLate[d.EventID] {
					rt.Errorf("%s is decided about twice", d.EventID)
				}
				r.fired[d.EventID] = true
			case gateway.ReasonTooLateToAct:
				r.tooLate[d.EventID] = true
			case gateway.ReasonBlockedLate:
				r.undone++
			default:
				rt.Errorf("decision %+v", d)
			}
		}
	}
	return r
}

func (r *sequenceRun) take(ev gateway.Event, at gateway.Instant) {
	r.w.clock = max(r.w.clock, at)
	ev.ReceivedAt = r.w.clock
	ev.Properties = gateway.Properties{{Key: "n", Value: gateway.String(ev.ID)}}
	r.m.add(ev)
	r.w.submit(0, gateway.Input{Event: ev})
}

func drawSequenceEvents(rt *rapid.T, minutes int) (out []gateway.Event) {
	for i := range rapid.IntRange(1, 14).Draw(rt, "events") {
		out = append(out, gateway.Event{Type: rapid.SampledFrom([]string{"a", "b", "c", "x"}).Draw(rt, "type"), Customer: 1,
			ID: fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "id"), "-", i), OccurredAt: sequenceStart + gateway.Instant(rapid.IntRange(0, minutes).Draw(rt, "at"))*60_000})
	}
	return out
}

// TestSequenceOrder: whatever the order of arrival, a sequence fires for the
// events that the ordered stream fires for, each once; beyond them only where
// a blocking event came too late, and then a decision says so.
func TestSequenceOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := drawSequence(rt, 4)
		r := newSequenceRun(rt, t, m)
		events := drawSequenceEvents(rt, 20)
		blocked := 0
		for _, ev := range rapid.Permutation(events).Draw(rt, "arrival") {
			before := maps.Clone(r.fired)
			r.take(ev, sequenceStart+30*60_000)
			now := m.completed()
			for id := range before {
				if !now[id] && ev.Type == m.without {
					blocked++
				}
			}
			for id := range now {
				if !r.fired[id] {
					rt.Fatalf("%s completes the sequence and did not fire", id)
				}
			}
			for id := range r.fired {
				if !before[id] && !now[id] {
					rt.Fatalf("%s fired and completes nothing", id)
				}
			}
		}
		if (blocked > 0) != (r.undone > 0) {
			rt.Errorf("%d firings were blocked afterwards, %d decisions say so", blocked, r.undone)
		}
		if m.without == "" && !maps.Equal(r.fired, m.completed()) {
			rt.Errorf("fired %v, want %v", r.fired, m.completed())
		}
		if len(r.tooLate) > 0 {
			rt.Errorf("too late: %v", r.tooLate)
		}
		r.w.check()
	})
}

// TestSequenceLate: over hours, with events that come later than max_event_age.
// A sequence of two is exact but for instants shared with what is folded; no
// sequence fires without a chain.
func TestSequenceLate(t *testing.T) {
	const age = 3600_000
	rapid.Check(t, func(rt *rapid.T) {
		m := drawSequence(rt, 4)
		m.within *= gateway.Instant(rapid.SampledFrom([]int{1, 10, 30}).Draw(rt, "times"))
		r := newSequenceRun(rt, t, m)
		arrivals := map[string]gateway.Instant{}
		events := drawSequenceEvents(rt, 400)
		shared := rapid.Bool().Draw(rt, "shared")
		for i := range events {
			if !shared { // of what is folded, ids order an instant no more
				events[i].OccurredAt += gateway.Instant(i)
			}
		}
		for _, ev := range events {
			arrivals[ev.ID] = ev.OccurredAt + gateway.Instant(rapid.SampledFrom([]int{0, 0, 1, 20, 60, 61, 200}).Draw(rt, "lag"))*60_000
		}
		slices.SortStableFunc(events, func(a, b gateway.Event) int { return cmp.Compare(arrivals[a.ID], arrivals[b.ID]) })
		decided, late := map[string]bool{}, false
		for _, ev := range events {
			before := maps.Clone(r.fired)
			r.take(ev, arrivals[ev.ID])
			now := m.completed()
			for id := range r.fired {
				if !before[id] && (!now[id] || r.w.clock-ev.OccurredAt > age) {
					rt.Fatalf("%s fired by %s and should not", id, ev.ID)
				}
			}
			late = late || r.w.clock-ev.OccurredAt > age
			for id := range now {
				if !decided[id] && r.w.clock-ev.OccurredAt <= age && !r.fired[id] && (len(m.steps) == 2 && !shared || !late) {
					rt.Fatalf("%s completes the sequence by %s and did not fire", id, ev.ID)
				}
				decided[id] = true
			}
		}
		r.w.check()
	})
}

// TestSequenceBound: a flood keeps a bounded state, and what is kept fires.
func TestSequenceBound(t *testing.T) {
	m := &sequenceModel{steps: []string{"a", "b"}, within: 30 * 60_000}
	w := newWorld(t, Config{}, 1)
	w.clock = sequenceStart
	w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "seq", Version: 1, Effective: sequenceStart, Definition: []byte(m.yaml())}})
	entered := 0
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) { entered += len(s.Entered) }
	for i := range 1000 {
		w.clock += 1000
		w.submit(0, gateway.Input{Event: gateway.Event{Type: "a", Customer: 1, ID: fmt.Sprint(i), OccurredAt: w.clock, ReceivedAt: w.clock}})
	}
	if n := len(w.parts[0].customers[1].more.sequences[0].recent); n != maxSequenceEvents {
		t.Errorf("%d events are kept", n)
	}
	w.submit(0, gateway.Input{Event: gateway.Event{Type: "b", Customer: 1, ID: "b", OccurredAt: w.clock, ReceivedAt: w.clock}})
	if entered != 1 {
		t.Errorf("entered %d times", entered)
	}
	w.check()
}
