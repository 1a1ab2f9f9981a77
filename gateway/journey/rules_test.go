package journey

import (
	"reflect"
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
