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
		{"a late block at the instant of a start", "a b", "x", "a@5 x@5+75 b@85:end", ""},
		{"a late block before a start", "a b", "x", "a@6 x@5+75 b@85:end", "end"},
		{"a late start before a late block", "a b", "x", "x@5+75 a@4+80 b@90:end", ""},
		{"a late start behind a late block", "a b", "x", "x@5+75 a@6+80 b@90:end", "end"},
		{"a late start behind the later one of two late blocks", "a b", "x", "x@7+75 x@5+77 a@6+80 b@90:end", ""},
		{"a late second step at the instant of the first", "a b c", "", "a@5 b@5+75 c@85:end", ""},
		{"a late first step before an earlier one", "a b", "", "a@30+75 a@5+101 b@107:end", "end"},
		{"a late first step, and the time is up", "a b", "", "a@5+75 b@305:end", ""},
		{"a late first step, and the time is not quite up", "a b", "", "a@6+75 b@305:end", "end"},
		{"a flood of third steps", "a b c d", "", "a@1 b@5 " + strings.Repeat("c@6 ", 70) + "d@7:one", "one"},
		{"a third step before a folded second, and none behind it", "a b c d", "", "a@1 b@5 " + strings.Repeat("b@6 ", 70) + "c@4+3 d@8:end", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &sequenceModel{steps: strings.Fields(c.steps), without: c.without, within: 300 * 60_000}
			r := newSequenceRun(t, t, m)
			for i, text := range strings.Fields(c.events) {
				r.takeText(t, i, text)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(r.fired)), " "); got != c.fired {
				t.Errorf("fired %q, want %q", got, c.fired)
			}
			r.w.check()
		})
	}
}

// takeText feeds the i-th event of a case.
func (r *sequenceRun) takeText(t *testing.T, i int, text string) {
	t.Helper()
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

// TestSequenceTooLate: an end that comes too late is said where it would have
// fired, and only there.
func TestSequenceTooLate(t *testing.T) {
	for _, c := range []struct{ name, steps, without, events, late string }{
		{"behind the start", "a b", "", "a@5 b@6+75:end", "end"},
		{"at its instant", "a b", "", "a@5 b@5+75:end", ""},
		{"before it", "a b", "", "a@10 b@5+75:end", ""},
		{"without a start", "a b", "", "x@1 b@5+75:end", ""},
		{"when the time is up", "a b", "", "a@5 b@305+75:end", ""},
		{"when it is not quite up", "a b", "", "a@6 b@305+75:end", "end"},
		{"behind a block", "a b", "x", "a@5 x@6 b@7+75:end", ""},
		{"of a start that came late, too", "a b", "", "a@5+75 b@6+76:end", "end"},
		{"at the bound of its age it fires", "a b", "", "a@5 b@6+60:end", ""},
		{"a minute later it does not", "a b", "", "a@5 b@6+61:end", "end"},
		{"by a start that came too late", "a b", "", "b@70:end a@5+75", "end"},
		{"among three, behind the second", "a b c", "", "a@5 b@6 c@7+75:end", "end"},
		{"among three, no second", "a b c", "", "a@5 c@7+75:end", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newSequenceRun(t, t, &sequenceModel{steps: strings.Fields(c.steps), without: c.without, within: 300 * 60_000})
			for i, text := range strings.Fields(c.events) {
				r.takeText(t, i, text)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(r.tooLate)), " "); got != c.late {
				t.Errorf("too late: %q, want %q", got, c.late)
			}
			r.w.check()
		})
	}
}

// TestSequenceOldestAgain: the oldest of as many events as are kept, told again
// by another way, changes nothing.
func TestSequenceOldestAgain(t *testing.T) {
	r := newSequenceRun(t, t, &sequenceModel{steps: []string{"a", "b"}, within: 300 * 60_000})
	s := newSequenceState(r.w.parts[0].journeys[0].active, 0)
	for i := range maxSequenceEvents {
		s.add(sequenceEvent{at: sequenceStart + gateway.Instant(i), key: "k", steps: 1}, 0)
	}
	s.add(s.recent[0], 0)
	if len(s.recent) != maxSequenceEvents || s.open[0] != never {
		t.Errorf("%d events, folded: %v", len(s.recent), s.open)
	}
	s.add(sequenceEvent{at: sequenceStart - 1, key: "k", steps: 1}, 0)
	if len(s.recent) != maxSequenceEvents || s.open[0] != sequenceStart-1 {
		t.Errorf("an older one: %d events, folded: %v", len(s.recent), s.open)
	}
}
