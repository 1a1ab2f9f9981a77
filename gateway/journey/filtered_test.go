package journey

import (
	"fmt"
	"testing"

	"touchpoint/gateway"
)

// TestCountsOfAStep: what triggers turn away is counted once per version in a
// step, however many records the step holds.
func TestCountsOfAStep(t *testing.T) {
	p := NewPartition(Config{Partitions: 1})
	text := func(name, where string) []byte {
		return []byte("name: " + name + "\npurpose: service\ntrigger: {milestone: {event: brew, nth: 2, where: " + where + "}}\nsteps: [{id: s, wait: {for: 1h}}]\n")
	}
	cup := func(id string, device gateway.DeviceID, ml int64) gateway.Input {
		return gateway.Input{Event: gateway.Event{ID: id, Type: "brew", Device: device, Product: "brewer", ReceivedAt: modelStart, OccurredAt: modelStart,
			Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(ml)}}}}
	}
	var s gateway.Step
	seq := uint64(0)
	apply := func(inputs ...gateway.Input) {
		seq++
		p.Apply(&gateway.Batch{Seq: seq, RecordTime: modelStart, Observed: modelStart, Inputs: inputs}, &s)
	}
	for name, where := range map[string]string{"big": "event.ml > 100", "small": "event.ml < 100"} {
		apply(gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Effective: modelStart, Definition: text(name, where)}})
	}
	apply(gateway.Input{Command: gateway.UnbindDevice{Device: 1, At: modelStart}})
	s = gateway.Step{}
	apply(cup("a", 1, 200), cup("b", 1, 200))
	apply(cup("c", 1, 200), cup("d", 1, 50), cup("e", 1, 200))
	got := map[string]string{}
	for _, f := range s.Filtered {
		if got[f.Journey] != "" {
			t.Errorf("%s is told twice: %+v", f.Journey, s.Filtered)
		}
		got[f.Journey] = fmt.Sprint(f.Version, f.Count, f.Unowned)
	}
	// the first one that each would count is told of in a decision
	if got["big"] != "1 1 3" || got["small"] != "1 4 0" || len(s.Decisions) != 2 {
		t.Errorf("counted %v, %d decisions", got, len(s.Decisions))
	}
	s = gateway.Step{}
	apply()
	if len(s.Filtered) != 0 {
		t.Errorf("told again: %+v", s.Filtered)
	}
}

// TestExplainLimitsElsewhere: a partition tells of the accounts that it keeps,
// of a journey that is live.
func TestExplainLimitsElsewhere(t *testing.T) {
	const capped = "name: capped\npurpose: service\ntrigger: {event: brew}\nentry_cap: {max: 3, per: 1d}\nsteps: [{id: s, wait: {for: 1h}}]\n"
	told := 0
	for i := range 4 {
		p := NewPartition(Config{Partition: i, Partitions: 4})
		if got := p.ExplainLimits("capped"); got != nil {
			t.Errorf("partition %d tells of what is not published: %+v", i, got)
		}
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: gateway.PublishJourney{
			Journey: "capped", Version: 1, Effective: modelStart + 1000, Definition: []byte(capped)}}}}, &s)
		if got := p.ExplainLimits("capped"); got != nil {
			t.Errorf("partition %d tells of what is not in force: %+v", i, got)
		}
		p.Apply(&gateway.Batch{Seq: 2, RecordTime: modelStart + 2000, Observed: modelStart + 2000}, &s)
		told += len(p.ExplainLimits("capped"))
	}
	if told != 1 {
		t.Errorf("%d partitions tell of the places", told)
	}
}

// TestCountsOfTwoVersions: what two versions of a journey turn away in one record
// is counted for each.
func TestCountsOfTwoVersions(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	publish := func(version uint32, where string) gateway.Input {
		return gateway.Input{Command: gateway.PublishJourney{Journey: "big", Version: version, Effective: modelStart, Definition: []byte(
			"name: big\npurpose: service\ntrigger: {event: brew, where: " + where + "}\nsteps: [{id: s, wait: {for: 1h}}]\n")}}
	}
	cup := func(id string) gateway.Input {
		return gateway.Input{Event: gateway.Event{ID: id, Type: "brew", Customer: 1, ReceivedAt: modelStart, OccurredAt: modelStart,
			Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(50)}}}}
	}
	got := ""
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) { got = fmt.Sprint(s.Filtered) }
	w.submit(0, publish(1, "event.ml > 100"), cup("a"), cup("b"), publish(2, "event.ml > 200"), cup("c"))
	if want := fmt.Sprint([]gateway.FilteredCount{{Journey: "big", Version: 1, Count: 2}, {Journey: "big", Version: 2, Count: 1}}); got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
	w.submit(0, cup("d"))
	if want := fmt.Sprint([]gateway.FilteredCount{{Journey: "big", Version: 2, Count: 1}}); got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
	w.check()
}

// TestZoneOfNoName: limits of an installation whose zone nobody knows go by UTC.
func TestZoneOfNoName(t *testing.T) {
	if zone := NewPartition(Config{Zone: "Nowhere/Land"}).projectZone(); zone.String() != "UTC" {
		t.Errorf("the zone is %v", zone)
	}
}
