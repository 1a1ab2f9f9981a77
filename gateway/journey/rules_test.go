package journey

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestRulesAreNoted: by the first step, once a day, and when they change.
func TestRulesAreNoted(t *testing.T) {
	cfg := Config{
		Zone: "Europe/Berlin", Holdout: map[gateway.Purpose]float64{gateway.PurposeMarketing: 12.5},
		Caps:       []CapRule{{Name: "two", Max: 2, Per: 7 * dayMillis, Channels: []string{"product"}}, {Name: "day", Max: 1, Calendar: "day"}},
		QuietHours: []QuietHours{{From: 22 * 60, To: 8*60 + 30, Days: []Weekday{0, 6}, OnHit: "discard"}},
	}
	p := NewPartition(cfg)
	apply := func(p *Partition, at gateway.Instant) []byte {
		var s gateway.Step
		p.Apply(&gateway.Batch{RecordTime: at, Inputs: []gateway.Input{{Command: gateway.Tick{}}}}, &s)
		return s.Rules
	}
	text := apply(p, 100*dayMillis)
	rules, err := ParseRules(text)
	if err != nil || !rules.First {
		t.Fatalf("%s: %v", text, err)
	}
	want := cfg.WithDefaults()
	want.TimersPerStep = 0
	if !reflect.DeepEqual(rules.Config, want) {
		t.Errorf("got  %+v\nwant %+v", rules.Config, want)
	}
	if other := rules.String(); other != string(text) {
		t.Errorf("%s is told as %s", text, other)
	}
	if text := apply(p, 100*dayMillis+5); text != nil {
		t.Errorf("noted again: %s", text)
	}
	if rules, err := ParseRules(apply(p, 101*dayMillis)); err != nil || rules.First {
		t.Errorf("a day later: %+v, %v", rules, err)
	}
	cfg.Zone = "UTC"
	other := NewPartition(cfg)
	if err := other.Restore(p.AppendSnapshot(nil)); err != nil {
		t.Fatal(err)
	}
	if rules, err := ParseRules(apply(other, 101*dayMillis+7)); err != nil || rules.First || rules.Config.Zone != "UTC" {
		t.Errorf("after a change: %+v, %v", rules, err)
	}
}

// TestRulesOfAnotherRelease: what is no rules is an error that says so.
func TestRulesOfAnotherRelease(t *testing.T) {
	if _, err := ParseRules([]byte("{")); err == nil || !strings.Contains(err.Error(), "rules that this release cannot read") {
		t.Errorf("broken rules: %v", err)
	}
}

// TestWarm: a draft counts from then on, what is published already is left alone,
// and what cannot be run is an error.
func TestWarm(t *testing.T) {
	p := NewPartition(Config{})
	if err := p.Warm([]byte("name: broken")); err == nil || len(p.journeys) > 0 {
		t.Fatalf("a broken draft: %v, %d journeys", err, len(p.journeys))
	}
	draft := []byte(strings.Replace(fansEntry, "nth: 1", "nth: 2", 1))
	for range 2 {
		if err := p.Warm(draft); err != nil {
			t.Fatal(err)
		}
		if len(p.journeys) != 1 || len(p.journeys[0].versions) != 1 || p.journeys[0].active != nil || p.out != nil {
			t.Fatalf("warmed up as %+v", p.journeys)
		}
	}
	at := gateway.Instant(modelStart)
	apply := func(in gateway.Input) []gateway.Decision {
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: at, Observed: at, Inputs: []gateway.Input{in}}, &s)
		at++
		return s.Decisions
	}
	brew := func() []gateway.Decision {
		return apply(gateway.Input{Event: gateway.Event{ID: at.String(), Type: "brew", Customer: 1, OccurredAt: at, ReceivedAt: at}})
	}
	if d := brew(); len(d) > 0 {
		t.Errorf("a draft decides %+v", d)
	}
	apply(gateway.Input{Command: gateway.PublishJourney{Journey: "fans", Version: 1, Effective: at, Definition: draft}})
	if d := brew(); len(d) != 1 || d[0].Reason != gateway.ReasonEnrolled {
		t.Errorf("the second brew: %+v", d)
	}
	if got := p.journeys[0].active.def.StepNames(); !slices.Equal(got, []string{"rest"}) {
		t.Errorf("the steps are %q", got)
	}
}

// TestActive: what others ask about the versions that are live.
func TestActive(t *testing.T) {
	p := NewPartition(Config{})
	var s gateway.Step
	for version, effective := range []gateway.Instant{modelStart, modelStart + 10} {
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: gateway.PublishJourney{
			Journey: "fans", Version: uint32(version + 1), Effective: effective, Definition: []byte(fansEntry)}}}}, &s)
	}
	p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: gateway.PublishJourney{
		Journey: "later", Version: 1, Effective: modelStart + 10, Definition: []byte(strings.Replace(fansEntry, "fans", "later", 1))}}}}, &s)
	for _, tt := range []struct {
		name    string
		version uint32
		want    bool
	}{{"fans", 1, true}, {"fans", 2, false}, {"fans", 3, false}, {"later", 1, false}, {"none", 1, false}, {"none", 0, false}} {
		if got := p.Active(tt.name, tt.version); got != tt.want {
			t.Errorf("%s v%d is active: %t", tt.name, tt.version, got)
		}
	}
	if got := Closest("lter", p.JourneyNames()); got != "later" {
		t.Errorf("near lter is %q", got)
	}
}
