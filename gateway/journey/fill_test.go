package journey

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"touchpoint/gateway"
)

// fillingPartition has a version without new counters, two that wait for history,
// and rules.
func fillingPartition(t *testing.T) *Partition {
	p := NewPartition(Config{})
	apply := func(c gateway.Command) {
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: 4, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: c}}}, &s)
		if d := s.Outcomes[0].Disposition; d != gateway.Accepted {
			t.Fatalf("%+v: %v", c, d)
		}
	}
	apply(gateway.UpsertCustomer{Customer: 1})
	for _, tt := range []struct {
		name, traits string
		version      uint32
	}{
		{"plain", "", 1}, {"fans", "{same: {count: brew}, twice: {count: brew}, week: {count: brew, within: 7d}}", 1},
		{"fans", "{same: {count: brew}, hot: {mean: steam.temp, within: 3d}, warm: {mean: brew.temp, within: 30d}, ever: {distinct: brew.drink}}", 3},
	} {
		apply(gateway.PublishJourney{Journey: tt.name, Version: tt.version, Fill: true, Effective: modelStart,
			Definition: []byte(fmt.Sprintf("name: %s\npurpose: service\ntrigger: {api: {}}\n%ssteps: [{id: rest, wait: {for: 1h}}]\n", tt.name,
				map[bool]string{false: "traits: " + tt.traits + "\n"}[tt.traits == ""]))})
	}
	return p
}

// TestFillings: history is asked for what the new counters need: per type of
// event, from when on the longest window begins.
func TestFillings(t *testing.T) {
	p := fillingPartition(t)
	got := p.Fillings()
	if len(got) != 2 {
		t.Fatalf("asked for %+v", got)
	}
	for i, want := range []gateway.Filling{
		{Journey: "fans", Version: 1, Needs: []gateway.FillNeed{{Type: "brew"}}},
		{Journey: "fans", Version: 3, Needs: []gateway.FillNeed{{Type: "brew"}, {Type: "steam", From: modelStart - 3*dayMillis}}},
	} {
		if g := got[i]; g.Journey != want.Journey || g.Version != want.Version || !slices.Equal(g.Needs, want.Needs) || g.Seq != 4 || g.PublishedAt != modelStart {
			t.Errorf("asked for %+v, want %+v", g, want)
		}
	}
	v := p.journeys[1].versions[1]
	if v.traits[3].spec.within = 9 * dayMillis; v.needs()[0].From != modelStart-30*dayMillis {
		t.Errorf("asked for %+v", v.needs())
	}
	v.fill.at = dayMillis
	if n := v.needs(); n[0].From != 1 || n[1].From != 1 {
		t.Errorf("soon after 1970 asked for %+v", n)
	}
	for name, number := range map[string]uint32{"plain": 1, "fans": 2, "other": 1, "": 1} {
		if p.fillingVersion(name, number) != nil {
			t.Errorf("%s %d waits for history", name, number)
		}
	}
	for _, number := range []uint32{1, 3} {
		if v := p.fillingVersion("fans", number); v == nil || v.number != number || v.journey.name != "fans" {
			t.Errorf("version %d: %+v", number, v)
		}
	}
	if a, b := p.journeys[1].versions[0], p.journeys[1].versions[1]; p.waitsForOthers(a) || !p.waitsForOthers(b) {
		t.Errorf("waits for others: %v, %v", p.waitsForOthers(a), p.waitsForOthers(b))
	}
}

// TestBrokenFillChanges: a change that names no version that is filled, or no stage, is
// refused.
func TestBrokenFillChanges(t *testing.T) {
	p := fillingPartition(t)
	p.addRules(&classRules{v: &version{journey: &journey{}, def: &Definition{}, fill: &fill{foreign: map[uint64]struct{}{}}}})
	for _, tt := range []struct {
		index, number   uint64
		stage           byte
		filled, foreign bool
	}{
		{2, 1, fillMoved, true, true}, {2, 3, fillDone, true, true}, {2, 3, fillArmed, true, true}, {0, 1, fillMoved, true, true},
		{1, 1, fillArmed, true, false}, {1, 1, fillMoved, false, false}, {1, 1, fillDone, false, false}, {2, 1, 0, false, true}, {2, 1, 4, false, true},
		{2, 2, fillMoved, false, false}, {2, 0, fillMoved, false, false}, {0, 0, fillMoved, false, false}, {0, 2, fillMoved, false, false},
		{3, 1, fillMoved, false, false}, {1 << 60, 1, fillMoved, false, false}, {0, 1 << 60, fillMoved, false, false},
	} {
		var e encoder
		e.uint(tt.index)
		e.uint(tt.number)
		e.byte(tt.stage)
		e.at(77)
		e.uint(5)
		d := decoder{b: e.b}
		c, ok := d.fillChange(p).(fillChange)
		var again encoder
		if ok = ok && d.err("change") == nil; ok {
			c.encode(&again)
		}
		if ok != tt.filled || ok && !bytes.Equal(again.b[1:], e.b) {
			t.Errorf("%+v: read %v, as %x of %x", tt, ok, again.b, e.b)
		}
		e, again = encoder{}, encoder{}
		e.uint(tt.index)
		e.uint(tt.number)
		e.fixed(12345)
		d = decoder{b: e.b}
		f, ok := d.foreignChange(p).(foreignChange)
		if ok = ok && d.err("change") == nil; ok {
			f.encode(&again)
		}
		if ok != tt.foreign || ok && !bytes.Equal(again.b[1:], e.b) {
			t.Errorf("%+v: an event elsewhere is read %v", tt, ok)
		}
	}
	d := decoder{}
	if d.fillChange(p) != nil || d.foreignChange(p) != nil {
		t.Error("nothing is read as a change")
	}
}

// TestForeignHash: two events that are the same event have one hash, others have another.
func TestForeignHash(t *testing.T) {
	seen := map[uint64]string{}
	for what, ev := range map[string]gateway.Event{
		"id": {Device: 1, ID: "a"}, "other id": {Device: 1, ID: "b"}, "other device": {Device: 2, ID: "a"}, "nobody": {ID: "a"},
		"number": {Device: 1, HasSeq: true, Seq: 5, Boot: 1}, "other number": {Device: 1, HasSeq: true, Seq: 6, Boot: 1},
		"other boot": {Device: 1, HasSeq: true, Seq: 5, Boot: 2}, "number elsewhere": {Device: 2, HasSeq: true, Seq: 5, Boot: 1},
	} {
		h := foreignHash(&ev)
		if other, twice := seen[h]; twice {
			t.Errorf("%s is taken for %s", what, other)
		}
		seen[h] = what
		ev.Type, ev.OccurredAt, ev.PayloadHash = "brew", 5, 6
		if foreignHash(&ev) != h {
			t.Errorf("%s: what is not its identity counts", what)
		}
	}
}

// TestRulesReplaced: rules that others replaced while history came to their
// counters never come into force, also behind a restart.
func TestRulesReplaced(t *testing.T) {
	config := func(count int) Config {
		traits := map[string]map[string]any{}
		for i := range count {
			traits[fmt.Sprint("t", i)] = map[string]any{"count": fmt.Sprint("brew", i), "within": "7d"}
		}
		return Config{FillRules: true, Traits: traits, Segments: []Rule{{Name: fmt.Sprint("s", count), When: "customer.vip == true"}}}
	}
	p := NewPartition(config(0))
	seq := uint64(0)
	apply := func(inputs ...gateway.Input) (s gateway.Step) {
		seq++
		p.Apply(&gateway.Batch{Seq: seq, RecordTime: modelStart, Observed: modelStart, Inputs: inputs}, &s)
		return s
	}
	restart := func(count int) {
		q := NewPartition(config(count))
		if err := q.Restore(p.AppendSnapshot(nil)); err != nil {
			t.Fatal(err)
		}
		p = q
	}
	apply(gateway.Input{Command: gateway.UpsertCustomer{Customer: 1}})
	for _, count := range []int{1, 2} {
		restart(count)
		apply()
	}
	finish := func(version uint32, want gateway.Disposition) {
		t.Helper()
		if s := apply(gateway.Input{Command: gateway.FinishFill{Version: version}}); s.Outcomes[0].Disposition != want {
			t.Errorf("rules %d: %v", version, s.Outcomes[0].Disposition)
		}
	}
	forced := func(name string, standing ...byte) {
		t.Helper()
		var got []byte
		for _, rs := range p.classSets {
			got = append(got, rs.standing())
		}
		if p.classRules.segments[0].name != name || !slices.Equal(got, standing) {
			t.Errorf("%s is in force, the rules stand at %v, want %s and %v", p.classRules.segments[0].name, got, name, standing)
		}
	}
	forced("s0", rulesForced, rulesFilling, rulesFilling)
	finish(3, gateway.Duplicate) // it names a counter of the others
	finish(2, gateway.Accepted)
	forced("s0", rulesForced, rulesDropped, rulesFilling)
	restart(2)
	forced("s0", rulesForced, rulesDropped, rulesFilling)
	finish(3, gateway.Accepted)
	forced("s2", rulesForced, rulesDropped, rulesForced)
	restart(2)
	forced("s2", rulesForced, rulesDropped, rulesForced)
	if p.latestRules() != p.classRules || NewPartition(Config{}).latestRules() != nil {
		t.Error("the latest rules are others")
	}
}
