package journey

import (
	"testing"

	"touchpoint/gateway"
)

// TestWindowEndsOnTheWay: a customer who is on his way to another partition when
// a brew leaves the window of a segment leaves the segment on arrival, and what
// waits for that starts there.
func TestWindowEndsOnTheWay(t *testing.T) {
	const group = 5
	w := newWorld(t, Config{Traits: map[string]map[string]any{"week": {"count": "brew", "within": "7d"}},
		Segments: []Rule{{"busy", "trait.week >= 1"}}}, 2)
	w.clock = modelStart
	c := awayFrom(group, 2)
	home, to := gateway.HomeOf(c, 0, 2), gateway.HomeOf(c, group, 2)
	entered := 0
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			if d.Reason == gateway.ReasonEnrolled {
				entered++
			}
		}
	}
	for part := range 2 {
		w.submit(part, gateway.Input{Command: gateway.PublishJourney{Journey: "miss", Version: 1, Effective: w.clock, Definition: []byte(
			"name: miss\npurpose: service\ntrigger: {segment: {leave: busy}}\nsteps: [{id: rest, wait: {for: 1h}}]\n")}})
	}
	w.submit(home, gateway.Input{Event: gateway.Event{ID: "a", Type: "brew", Customer: c, OccurredAt: w.clock, ReceivedAt: w.clock}})
	w.clock += 6 * dayMillis
	w.ok(w.HoldForwards(true))
	w.submit(to, gateway.Input{Command: gateway.JoinGroup{Customer: c, Group: group, At: w.clock}})
	release := w.waiting[0] // it sets him on his way
	w.waiting = w.waiting[1:]
	w.submit(release.to, release.in)
	w.clock += 2 * dayMillis
	w.ok(w.HoldForwards(false))
	w.advance(w.clock + 1)
	if in, known := w.parts[to].inSegment(w.parts[to].customers[c], "busy"); in || !known || entered != 1 {
		t.Errorf("in the segment: %v (known: %v), entered %d times", in, known, entered)
	}
	w.check()
}
