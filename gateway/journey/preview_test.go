package journey

import (
	"strings"
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

// A preview of each way with who is inside, on every kind of step, and of those
// whom a check would turn away.
func TestPreviewWays(t *testing.T) {
	const one = `name: fans
purpose: service
trigger: {event: brew_finished}
steps:
  - {id: stays, wait: {for: 9d}}
  - {id: moves, wait: {for: 9d}}
  - {id: leaves, wait: {for: 9d}}
  - {id: gone, wait: {for: 9d}}
`
	const two = `name: fans
purpose: marketing
trigger: {milestone: {event: steam_used, nth: 1}}
reentry: once
existing: enroll
migrate: {moves: last, leaves: end}
steps:
  - {id: stays, wait: {for: 9d}}
  - {id: last, wait: {for: 9d}}
`
	const other = `name: other
purpose: service
trigger: {event: brew_finished}
steps: [{id: stays, wait: {for: 90d}}]
`
	w := newWorld(t, Config{}, 1)
	w.clock = 100 * dayMillis
	w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "fans", Version: 1, Definition: []byte(one)}},
		gateway.Input{Command: gateway.PublishJourney{Journey: "other", Version: 1, Definition: []byte(other)}})
	event := func(typ string, c gateway.CustomerID) gateway.Event {
		ev := gateway.Event{ID: typ, Type: typ, Customer: c, OccurredAt: w.clock, ReceivedAt: w.clock}
		w.submit(0, gateway.Input{Event: ev})
		return ev
	}
	var history []gateway.Event
	for c := gateway.CustomerID(1); c <= 5; c++ { // the first one is through, the last one at the first step
		event("brew_finished", c)
		if c != 4 {
			w.submit(0, gateway.Input{Command: gateway.SetConsent{Customer: c, Purpose: gateway.PurposeMarketing, Granted: true}})
		}
		history = append(history, event("steam_used", c), event("cleaned", c))
		if c < 5 {
			w.advance(w.clock + 9*dayMillis)
		}
	}
	w.submit(0, gateway.Input{Command: gateway.SetConsent{Customer: 6, Purpose: gateway.PurposeMarketing, Granted: true}})
	history = append(history, event("steam_used", 6), event("steam_used", 0))
	w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "fans", Version: 2, Definition: []byte(one)}})
	event("brew_finished", 7)

	look := func(text, running string) (r PreviewResult) {
		pv, err := NewPreview([]byte(text), running, Config{}, w.clock)
		if err != nil {
			t.Fatal(err)
		}
		for i := range history {
			pv.Count(history[i].Customer, &history[i])
		}
		pv.Look(w.parts[0], &r)
		return r
	}
	inside := func(outcomes ...string) (list []PreviewStep) {
		for i, o := range outcomes {
			s := PreviewStep{Version: 1, Step: []string{"gone", "leaves", "moves", "stays", "stays"}[i], Count: 1}
			if i == 4 {
				s.Version = 2
			}
			if s.Outcome, s.Target, _ = strings.Cut(o, " "); s.Target == "" {
				s.Target = s.Step
			}
			list = append(list, s)
		}
		return list
	}
	// once: who was through enters no more, who is inside neither; one has no consent
	reasons := map[gateway.Reason]int64{"enrolled": 1, "reentry_once": 1, "already_enrolled": 3, "no_consent": 1}
	for _, tt := range []struct {
		running string
		want    []PreviewStep
	}{
		{"pin", inside("stays", "stays", "stays", "stays", "stays")},
		{"migrate", inside("pinned", "goes_on end", "goes_on last", "goes_on stays", "goes_on stays")},
		{"restart", inside("starts_again stays", "starts_again stays", "starts_again stays", "starts_again stays", "starts_again stays")},
	} {
		if d := cmp.Diff(PreviewResult{Meet: 6, Reasons: reasons, Steps: tt.want}, look(two, tt.running)); d != "" {
			t.Errorf("%s: %s", tt.running, d)
		}
	}
	if r := look(strings.Replace(two, "name: fans", "name: nobodys", 1), "pin"); r.Meet != 6 || r.Reasons["enrolled"] != 5 || r.Steps != nil {
		t.Errorf("a journey that is new: %+v", r)
	}
	if r := look(one, "pin"); r.Meet != 0 || len(r.Reasons) != 0 {
		t.Errorf("a trigger that nobody meets by counters: %+v", r)
	}
	if _, err := NewPreview([]byte("name: broken"), "pin", Config{}, w.clock); err == nil {
		t.Error("a broken definition has a preview")
	}
}
