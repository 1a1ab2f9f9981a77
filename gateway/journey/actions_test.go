package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// starter is a journey whose first steps start others.
func starter(name, trigger string, starts []string, end string) string {
	text := "name: " + name + "\npurpose: service\nreentry: concurrent_per_key\nkey: event.k\ntrigger: " + trigger + "\nsteps:\n"
	for i, other := range starts {
		text += fmt.Sprintf("  - {id: s%d, start_journey: %s}\n", i, other)
	}
	return text + "  - {id: last, " + end + "}\n"
}

// entered plays an event to journeys that start each other, and lists what was
// entered and what was refused because it goes in a circle.
func entered(t *testing.T, journeys []string) (names, rules []string) {
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	for _, text := range journeys {
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "name: "), "\n")
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Effective: w.clock, Definition: []byte(text)}})
	}
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, d := range s.Decisions {
			switch d.Reason {
			case gateway.ReasonEnrolled:
				names = append(names, d.Journey)
			case gateway.ReasonLoop:
				rules = append(rules, d.Rule)
			case gateway.ReasonInvalid:
				t.Fatalf("%s: %s", d.Journey, d.Rule)
			}
		}
	}
	w.submit(0, gateway.Input{Event: gateway.Event{Type: "go", ID: "a", Customer: 1, OccurredAt: w.clock, ReceivedAt: w.clock}})
	w.check()
	w.advance(w.clock + 2*hour)
	w.check()
	return names, rules
}

// TestChainsEnd: of journeys that start each other without a wait sixteen follow
// each other; behind a wait the count begins anew.
func TestChainsEnd(t *testing.T) {
	chain := func(waits int) (list []string) {
		for i := range maxChain + 4 {
			end := "end: {}"
			trigger, next := "{api: {}}", fmt.Sprintf("j%02d", i+1)
			if i == 0 {
				trigger = "{event: go}"
			}
			text := starter(fmt.Sprintf("j%02d", i), trigger, []string{next}, end)
			if i == waits {
				text = strings.Replace(text, "steps:\n", "steps:\n  - {id: rest, wait: {for: 1h}}\n", 1)
			}
			list = append(list, text)
		}
		return append(list, starter(fmt.Sprintf("j%02d", maxChain+4), "{api: {}}", nil, "end: {}"))
	}
	all := make([]string, maxChain+5)
	for i := range all {
		all[i] = fmt.Sprintf("j%02d", i)
	}
	names, rules := entered(t, chain(-1))
	if !slices.Equal(names, all[:maxChain]) || !slices.Equal(rules, []string{strings.Join(all[:maxChain+1], " → ")}) {
		t.Errorf("without a wait %v are entered, refused: %v", names, rules)
	}
	if names, rules = entered(t, chain(8)); !slices.Equal(names, all) || len(rules) > 0 {
		t.Errorf("with a wait %v are entered, refused: %v", names, rules)
	}
}

// TestOneInputEnds: what one input leads to is bounded.
func TestOneInputEnds(t *testing.T) {
	const fan = 32 // squared it is the bound
	var first, second []string
	for i := range fan {
		first = append(first, fmt.Sprintf("b%02d", i))
		second = append(second, "c")
	}
	journeys := []string{starter("a", "{event: go}", first, "end: {}"), starter("c", "{api: {}}", nil, "end: {}")}
	for _, name := range first {
		journeys = append(journeys, starter(name, "{api: {}}", second, "end: {}"))
	}
	names, rules := entered(t, journeys)
	if want := append([]string{"a"}, first[:fan-1]...); fan*fan != maxActions || !slices.Equal(names, want) {
		t.Errorf("%v are entered, want %v", names, want)
	}
	// the last of them, and what those before it start
	if want := 1 + (fan-1)*fan; len(rules) != want || rules[0] != "a → b31" || rules[1] != "a → b00 → c" {
		t.Errorf("%d are refused, want %d: %v…", len(rules), want, rules[:min(3, len(rules))])
	}
}
