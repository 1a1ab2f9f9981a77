package journey

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// TestPaceModel: `existing: enroll N per day` lets in N of those who met the entry
// before on every day, over all partitions, each once, until nobody is left: no
// more in pauses and while answers are late, and no fewer on quiet days,
// whoever moves meanwhile.
func TestPaceModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pace := rapid.IntRange(1, 4).Draw(rt, "pace")
		customers := rapid.IntRange(0, 12).Draw(rt, "customers")
		w := newWorld(t, Config{}, rapid.SampledFrom([]int{1, 2, 4, 5}).Draw(rt, "partitions"))
		w.clock = modelStart
		w.pick = func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "first") }
		everywhere := func(c gateway.Command) {
			for i := range w.parts {
				w.submit(i, gateway.Input{Command: c})
			}
		}
		publish := func(version uint32, existing string) {
			everywhere(gateway.PublishJourney{Journey: "fans", Version: version, Effective: w.clock, Existing: existing, Definition: []byte(`name: fans
purpose: service
trigger: {milestone: {event: brew, nth: 1}}
steps: [{id: rest, wait: {for: 1h}}]
`)})
		}
		perDay, entered := map[gateway.Instant]int{}, map[gateway.CustomerID]int{}
		w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
			for _, d := range s.Decisions {
				if d.Kind != gateway.DecisionEntry {
					continue
				}
				if d.Reason != gateway.ReasonEnrolled {
					rt.Fatalf("%s at %s", d.Reason, d.At)
				}
				perDay[d.At/dayMillis]++
				entered[d.Customer]++
			}
		}
		publish(1, "ignore")
		everywhere(gateway.SetJourneyState{Journey: "fans", State: gateway.JourneyArchived})
		for id := range gateway.CustomerID(customers) {
			w.submit(gateway.CustomerSubject(id+1).Partition(len(w.parts)), gateway.Input{Event: gateway.Event{ID: "e", Type: "brew",
				Customer: id + 1, OccurredAt: w.clock, ReceivedAt: w.clock}})
		}
		publish(2, fmt.Sprintf("enroll %d per day", pace))
		for _, what := range rapid.SliceOfN(rapid.IntRange(0, 9), 0, 20).Draw(rt, "what") {
			switch what {
			case 0, 1:
				w.ok(w.HoldForwards(what == 0))
			case 2:
				everywhere(gateway.SetJourneyState{Journey: "fans", State: gateway.JourneyPaused})
			case 3:
				everywhere(gateway.SetJourneyState{Journey: "fans", State: gateway.JourneyPublished})
			case 4:
				w.restart()
			case 5, 6: // somebody moves, or comes home
				id := gateway.CustomerID(rapid.IntRange(1, max(customers, 1)).Draw(rt, "who"))
				group := gateway.GroupID(rapid.IntRange(0, 4).Draw(rt, "group"))
				if group > 0 {
					w.submit(gateway.HomeOf(id, group, len(w.parts)), gateway.Input{Command: gateway.JoinGroup{Customer: id, Group: group, At: w.clock}})
				} else {
					w.submit(gateway.HomeOf(id, 0, len(w.parts)), gateway.Input{Command: gateway.LeaveGroup{Customer: id, At: w.clock}})
				}
			default:
				w.advance(w.clock + 60_000*gateway.Instant(rapid.IntRange(1, 600).Draw(rt, "minutes")))
			}
		}
		w.ok(w.HoldForwards(false))
		everywhere(gateway.SetJourneyState{Journey: "fans", State: gateway.JourneyPublished})
		w.advance((w.clock/dayMillis+1)*dayMillis + 3600_000) // the answers of before are here
		for len(entered) < customers {
			today, left := (w.clock+dayMillis)/dayMillis, customers-len(entered)
			w.advance(w.clock + dayMillis)
			if perDay[today] != min(pace, left) {
				rt.Fatalf("%d entered on a quiet day, %d at most, %d are left", perDay[today], pace, left)
			}
		}
		w.check()
		for day, n := range perDay {
			if n > pace {
				rt.Fatalf("%d entered on day %d, %d at most", n, day, pace)
			}
		}
		for id, n := range entered {
			if n != 1 {
				rt.Fatalf("customer %d entered %d times", id, n)
			}
		}
	})
}
