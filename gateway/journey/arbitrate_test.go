package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestArbitrationOrder: whoever wins a slot wins it in whatever order the inputs
// of the instant came, and however they were cut into records.
func TestArbitrationOrder(t *testing.T) {
	want := ""
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for cut := range 4 { // bit i: a new record after the i-th input
			got := compete(t, order, cut)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("order %v, cut %d:\n%s\nwant\n%s", order, cut, got, want)
			}
		}
	}
	if !strings.Contains(want, "b sent") || strings.Count(want, "capped") != 2 {
		t.Errorf("the higher priority did not win:\n%s", want)
	}
}

// compete lets three journeys compete for one slot and returns what became of
// them.
func compete(t *testing.T, order []int, cut int) string {
	t.Helper()
	w := NewWorld(Config{Caps: []CapRule{{Name: "one", Max: 1, Per: dayMillis}}}, 1, true)
	w.SetClock(modelStart)
	var inputs []gateway.Input
	for i, name := range []string{"a", "b", "c"} {
		text := fmt.Sprintf(`name: %s
purpose: service
priority: %d
trigger: {event: go_%s}
steps: [{id: say, send: {channels: [product], texts: {en: {title: Hello}}}}]
`, name, []int{1, 5, 1}[i], name)
		submit(t, w, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Effective: modelStart, Definition: []byte(text)}})
		inputs = append(inputs, gateway.Input{Event: gateway.Event{ID: name, Type: "go_" + name, Device: 1,
			OccurredAt: modelStart, ReceivedAt: modelStart}})
	}
	submit(t, w, gateway.Input{Command: gateway.BindDevice{Device: 1, Customer: 1, Role: "owner", At: modelStart}})
	var said []string
	w.OnStep(func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			if d.Kind == gateway.DecisionSend {
				said = append(said, fmt.Sprintf("%s %s %s %v at %d", d.Journey, d.Reason, d.Rule, d.Values, d.At))
			}
		}
	})
	var record []gateway.Input
	for i, n := range order {
		record = append(record, inputs[n])
		if cut>>i&1 == 1 || i == len(order)-1 {
			submit(t, w, record...)
			record = nil
		}
	}
	if len(said) > 0 {
		t.Errorf("decided before the instant was over: %v", said)
	}
	if err := w.Advance(modelStart + 1); err != nil {
		t.Fatal(err)
	}
	if err := w.Check(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(said)
	return strings.Join(said, "\n")
}

func submit(t *testing.T, w *World, inputs ...gateway.Input) {
	t.Helper()
	if err := w.Submit(0, inputs...); err != nil {
		t.Fatal(err)
	}
}

// TestArbitrationComesLast: what falls due together competes together, so the
// timers of candidates fire behind all others of their instant.
func TestArbitrationComesLast(t *testing.T) {
	for id := range gateway.CustomerID(100) {
		c := &customer{id: id + 1}
		for _, timer := range []timed{&occasion{c: c, journey: &journey{}}, &class{c: c}, &enrollment{c: c, extras: noExtras, id: gateway.EnrollmentID{255, byte(id)}}} {
			if _, _, k := timer.timer(); k&lastOfInstant != 0 {
				t.Errorf("a timer of customer %d fires among the candidates: %T", id+1, timer)
			}
		}
	}
}
