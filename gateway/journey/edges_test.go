package journey

import (
	"math"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestEdges: the limits of texts and numbers, on both sides.
func TestEdges(t *testing.T) {
	big := strings.Repeat("#", maxDefinitionSize)
	if _, err := Compile([]byte(big+"#"), Env{}); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("too long: %v", err)
	}
	deep := "name: " + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	if _, err := Compile([]byte(deep), Env{}); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("too deep: %v", err)
	}
	for text, want := range map[string]string{"de-CH": "de", "de_CH": "de", "fr": "en", "": "en", "en": "en"} {
		def := Definition{Templates: map[string]map[string]Template{"say": {"de": {Title: "Hallo"}, "en": {Title: "Hello"}}}}
		if _, got, ok := def.Template("say", text); !ok || got != want {
			t.Errorf("the text for %q is in %q, not %q", text, got, want)
		}
	}
	var d Duration
	for _, bad := range []string{"99999999999999w", "5300w", "36601d", "1d36600d", "d", "1", "-1d", "1y"} {
		if err := d.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is read as %s", bad, d)
		}
	}
	for text, want := range map[string]Duration{"36600d": maxDuration, "1h30m": 5400_000, "1ms": 1, "1w1d": 8 * dayMillis} {
		if err := d.UnmarshalText([]byte(text)); err != nil || d != want {
			t.Errorf("%q is %d, %v", text, d, err)
		}
	}
	for f, want := range map[float64]int64{math.NaN(): 0, 0: 0, -0.0000004: 0, -0.0000006: -1, 0.0000006: 1, 0.0000004: 0, 1e300: 1 << 61, -1e300: -(1 << 61)} {
		if got := toMicros(f); got != want {
			t.Errorf("toMicros(%v) is %d, not %d", f, got, want)
		}
	}
}

// TestErasedOnTheWay: an event of a former owner who was erased while it was on
// its way belongs to nobody, and a decision says so.
func TestErasedOnTheWay(t *testing.T) {
	p := NewPartition(Config{})
	apply := func(c gateway.Command) (s gateway.Step) {
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: c}}}, &s)
		return s
	}
	apply(gateway.PublishJourney{Journey: "big", Version: 1, Effective: modelStart, Definition: []byte(modelJourneys["big"])})
	apply(gateway.EraseCustomer{Customer: 9})
	s := apply(gateway.CustomerEvent{Customer: 9, Event: gateway.Event{ID: "e", Type: "brew", Device: 1, OccurredAt: modelStart,
		Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(200)}}}})
	if len(s.Decisions) != 1 || s.Decisions[0].Reason != gateway.ReasonNoCustomer {
		t.Errorf("decided %+v", s.Decisions)
	}
}
