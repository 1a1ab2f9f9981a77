package journey

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestSequenceCases: orders of arrival that went wrong once. An event is
// type@minute, +lag = minutes until it comes, :id = its id.
func TestSequenceCases(t *testing.T) {
	for _, c := range []struct{ name, steps, without, events, fired string }{
		{"ids order an instant: 1 before 10", "a b", "", "a@1:1 b@1:10", "10"},
		{"and 10 behind 1", "a b", "", "a@1:10 b@1:1", ""},
		{"a late start that blocks the start before it", "a b", "a", "a@0 x@70 a@5+61 b@72:end", "end"},
		{"a late event that only blocks", "b a", "a", "a@62 b@0+62 a@63:end", ""},
		{"a late third step occurred before the second", "a b c d", "", "a@0 b@10 c@5+75 d@85:end", ""},
		{"a late second step is joined", "a b c", "", "a@0 b@5+75 c@85:end", "end"},
		{"a late second step occurred before the first", "a b c", "", "a@10 b@5+75 c@85:end", ""},
		{"a late event blocks a longer chain", "a b c", "x", "a@0 b@10 x@5+75 c@85:end", ""},
		{"a late start behind a block", "a b", "x", "x@5 a@6+75 b@85:end", "end"},
		{"a late start before a block", "a b", "x", "x@5 a@4+75 b@85:end", ""},
		{"a start before a block that a flood folded", "a b", "x", "x@5 " + strings.Repeat("b@6 ", 70) + "a@4+3 b@8:end", ""},
		{"a flood of third steps", "a b c d", "", "a@1 b@5 " + strings.Repeat("c@6 ", 70) + "d@7:one", "one"},
		{"a third step before a folded second, and none behind it", "a b c d", "", "a@1 b@5 " + strings.Repeat("b@6 ", 70) + "c@4+3 d@8:end", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &sequenceModel{steps: strings.Fields(c.steps), without: c.without, within: 300 * 60_000}
			r := newSequenceRun(t, t, m)
			for i, text := range strings.Fields(c.events) {
				text, id, named := strings.Cut(text, ":")
				if !named {
					id = fmt.Sprint("e", i)
				}
				var at, lag gateway.Instant
				if n, _ := fmt.Sscanf(text[2:], "%d+%d", &at, &lag); n == 0 {
					t.Fatal(text)
				}
				at = sequenceStart + at*60_000
				r.take(gateway.Event{Type: text[:1], Customer: 1, ID: id, OccurredAt: at}, at+lag*60_000)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(r.fired)), " "); got != c.fired {
				t.Errorf("fired %q, want %q", got, c.fired)
			}
			r.w.check()
		})
	}
}
