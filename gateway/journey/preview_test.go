package journey

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"touchpoint/gateway"
)

// A preview says whom a publication would enroll and what becomes of who is
// inside, and what it says comes true.
func TestPreview(t *testing.T) {
	const one = `name: fans
purpose: service
trigger: {event: brew_finished}
steps:
  - {id: rest, wait: {for: 9d}}
  - {id: gone, wait: {for: 9d}}
`
	const two = `name: fans
purpose: service
trigger:
  threshold: {count: steam_used, within: 10d, at_least: 2}
filter: customer.country == "DE"
migrate: {rest: later}
existing: enroll
steps:
  - {id: later, wait: {for: 9d}}
`
	w := NewWorld(Config{}, 1, true)
	w.SetClock(100 * dayMillis)
	submit := func(c gateway.Command) {
		t.Helper()
		if err := w.Submit(0, gateway.Input{Command: c}); err != nil {
			t.Fatal(err)
		}
	}
	var history []gateway.Event
	event := func(typ string, c gateway.CustomerID) {
		ev := gateway.Event{ID: typ + c.String(), Type: typ, Customer: c, OccurredAt: w.Clock(), ReceivedAt: w.Clock()}
		ev.ID += ev.OccurredAt.String()
		history = append(history, ev)
		if err := w.Submit(0, gateway.Input{Event: ev}); err != nil {
			t.Fatal(err)
		}
	}
	submit(gateway.PublishJourney{Journey: "fans", Version: 1, Definition: []byte(one)})
	for c := gateway.CustomerID(1); c <= 4; c++ {
		country := "DE"
		if c == 3 {
			country = "AT"
		}
		submit(gateway.UpsertCustomer{Customer: c, Mask: []string{"country"}, Country: country})
		event("steam_used", c)
		if err := w.Advance(w.Clock() + 3600_000); err != nil {
			t.Fatal(err)
		}
		if c < 4 {
			event("steam_used", c)
		}
	}
	event("brew_finished", 2)
	event("brew_finished", 4)

	pv, err := NewPreview([]byte(two), "migrate", Config{}, w.Clock())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]gateway.FillNeed{{Type: "steam_used", From: w.Clock() - 10*dayMillis}}, pv.Needs()); d != "" {
		t.Error(d)
	}
	for i := range history {
		if history[i].Type == "steam_used" {
			pv.Count(history[i].Customer, &history[i])
		}
	}
	before := w.Partitions()[0].AppendSnapshot(nil)
	var got PreviewResult
	pv.Look(w.Partitions()[0], &got)
	want := PreviewResult{Meet: 3, Reasons: map[gateway.Reason]int64{"enrolled": 1, "filtered": 1, "already_enrolled": 1},
		Steps: []PreviewStep{{Version: 1, Step: "rest", Outcome: "goes_on", Target: "later", Count: 2}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if string(before) != string(w.Partitions()[0].AppendSnapshot(nil)) {
		t.Error("the preview changed the state")
	}
}
