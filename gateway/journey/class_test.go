package journey

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

func classConfig() Config {
	return Config{
		Traits: map[string]map[string]any{
			"brews": {"count": "brew", "within": "7d"}, "cups": {"sum": "brew.cups", "within": "2d"}, "calls": {"count": "call"}},
		Segments: []Rule{{"heavy", "trait.brews >= 3"}, {"thirsty", "trait.cups >= 4.0"}, {"callers", "trait.calls > 0"}, {"club", "customer.club == true"}},
		Stages: []Rule{{"loyal", `"heavy" in customer.segments && "club" in customer.segments`}, {"active", "trait.brews > 0"},
			{"dormant", ""}},
	}
}

// TestRulesAreLookedAtOnChange counts the evaluations: a rule is looked at when
// something that it depends on moved, and only then.
func TestRulesAreLookedAtOnChange(t *testing.T) {
	w := newWorld(t, classConfig(), 1)
	w.clock = modelStart
	p := w.parts[0]
	last := 0
	looked := func(what string, want int, do func()) {
		t.Helper()
		do()
		if got := p.evaluated - last; got != want {
			t.Errorf("%s: %d evaluations, want %d", what, got, want)
		}
		last = p.evaluated
	}
	event := func(name string) func() {
		return func() {
			w.clock += 1000
			w.submit(0, gateway.Input{Event: gateway.Event{Type: name, Customer: 1, ID: fmt.Sprint(w.clock), OccurredAt: w.clock, ReceivedAt: w.clock,
				Properties: gateway.Properties{{Key: "cups", Value: gateway.Int(1)}}}})
		}
	}
	upsert := func(key string, v gateway.Value) func() {
		return func() {
			w.submit(0, gateway.Input{Command: gateway.UpsertCustomer{Customer: 1, Mask: []string{"attributes"}, Attributes: gateway.Properties{{Key: key, Value: v}}}})
		}
	}
	looked("a new customer: all rules", 7, upsert("colour", gateway.String("red")))
	looked("an event that nothing counts", 0, event("other"))
	looked("a thousand of them", 0, func() {
		for range 1000 {
			event("other")()
		}
	})
	looked("a call: one segment, one stage that looks at segments", 1+1, event("call"))
	looked("another call: the segment stays", 1, event("call"))
	looked("a brew: two segments and the stage that counts it", 2+1, event("brew"))
	looked("an attribute that no rule reads", 0, upsert("colour", gateway.String("blue")))
	looked("one that a segment reads, and so a stage", 1+1, upsert("club", gateway.Bool(true)))
	looked("the same value again", 0, upsert("club", gateway.Bool(true)))
	looked("a month without events: each window lets one brew go", 1+2, func() { w.advance(w.clock + 30*dayMillis) })
	looked("a year without events", 0, func() { w.advance(w.clock + 365*dayMillis) })
	w.check()
}

// TestClassModel: after every event and at any time, segments and stage are
// what all rules say about all events.
func TestClassModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, classConfig(), 1)
		w.clock = modelStart
		type seen struct {
			at    gateway.Instant
			cups  int64
			brews bool
		}
		var events []seen
		club := false
		check := func() {
			var brews, calls int
			var cups int64
			for _, e := range events {
				if e.brews && e.at > w.clock-7*dayMillis {
					brews++
				}
				if e.brews && e.at > w.clock-2*dayMillis {
					cups += e.cups
				}
				if !e.brews {
					calls++
				}
			}
			var want []string
			for i, in := range []bool{brews >= 3, cups >= 4, calls > 0, club} {
				if in {
					want = append(want, classConfig().Segments[i].Name)
				}
			}
			stage := "dormant"
			if brews >= 3 && club {
				stage = "loyal"
			} else if brews > 0 {
				stage = "active"
			}
			v, ok := w.parts[0].View(1)
			if !ok {
				return
			}
			if got := v.Stages[len(v.Stages)-1].Stage; got != stage || fmt.Sprint(v.Segments) != fmt.Sprint(want) {
				rt.Fatalf("at %v: stage %s %v, want %s %v", w.clock, got, v.Segments, stage, want)
			}
		}
		for i := range rapid.IntRange(1, 25).Draw(rt, "things") {
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0:
				club = !club
				w.submit(0, gateway.Input{Command: gateway.UpsertCustomer{Customer: 1, Mask: []string{"attributes"},
					Attributes: gateway.Properties{{Key: "club", Value: gateway.Bool(club)}}}})
			case 1:
				w.advance(w.clock + gateway.Instant(rapid.IntRange(0, 3*24).Draw(rt, "hours"))*hour)
			case 2:
				w.restart()
			default:
				e := seen{at: w.clock - gateway.Instant(rapid.SampledFrom([]int{0, 0, 0, 5, 47, 48, 167, 168, 170}).Draw(rt, "late"))*hour,
					cups: int64(rapid.IntRange(0, 4).Draw(rt, "cups")), brews: rapid.IntRange(0, 5).Draw(rt, "brew") > 0}
				events = append(events, e)
				name := map[bool]string{true: "brew", false: "call"}[e.brews]
				w.submit(0, gateway.Input{Event: gateway.Event{Type: name, Customer: 1, ID: fmt.Sprint(i), OccurredAt: e.at, ReceivedAt: w.clock,
					Properties: gateway.Properties{{Key: "cups", Value: gateway.Int(e.cups)}}}})
			}
			check()
		}
		w.check()
	})
}

// TestLeavingIsNotLost: something else may change at the very instant at which
// an event leaves a window that a rule looks at, before the timer of that instant.
func TestLeavingIsNotLost(t *testing.T) {
	w := newWorld(t, classConfig(), 1)
	w.clock = modelStart
	w.submit(0, gateway.Input{Event: gateway.Event{Type: "brew", Customer: 1, ID: "e", OccurredAt: w.clock, ReceivedAt: w.clock}})
	w.clock += 7 * dayMillis
	w.submit(0, gateway.Input{Command: gateway.UpsertCustomer{Customer: 1, Mask: []string{"attributes"},
		Attributes: gateway.Properties{{Key: "club", Value: gateway.Bool(true)}}}})
	w.submit(0, gateway.Input{Command: gateway.Tick{}})
	if v, _ := w.parts[0].View(1); v.Stages[len(v.Stages)-1].Stage != "dormant" {
		t.Errorf("a week after his last brew the customer is %v", v.Stages)
	}
}

// TestRulesRefused: rules that cannot be run change nothing and are said once;
// those before go on.
func TestRulesRefused(t *testing.T) {
	traits := func(n int) map[string]map[string]any {
		out := map[string]map[string]any{}
		for i := range n {
			out[fmt.Sprint("t", i)] = map[string]any{"count": "brew", "within": fmt.Sprint(i+1, "d")}
		}
		return out
	}
	journey := "name: counts\npurpose: service\ntrigger: {api: {}}\ntraits:\n"
	for i := range 64 {
		journey += fmt.Sprintf("  t%d: {count: brew, within: %dm}\n", i, i+1)
	}
	journey += "steps: [{id: e, end: {}}]\n"
	many := make([]Rule, 65)
	for i := range many {
		many[i] = Rule{fmt.Sprint("s", i), "customer.vip == true"}
	}
	none := Config{Segments: []Rule{{"vip", "customer.vip >"}}}
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	said := 0
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) { said += len(s.Decisions) }
	w.SetConfig(none)
	w.restart()
	for i := range 3 {
		w.submit(0, gateway.Input{Command: gateway.UpsertCustomer{Customer: gateway.CustomerID(i + 1)}})
	}
	if said != 1 || w.parts[0].classRules != nil {
		t.Errorf("where no rules were before: said %d times", said)
	}
	for name, tt := range map[string]struct {
		rules Config
		want  string
	}{
		"faulty":        {Config{Segments: []Rule{{"vip", "customer.vip >"}}}, "is no condition"},
		"many counters": {Config{Segments: []Rule{{"vip", "trait.t0 > 0"}}, Traits: traits(1)}, "event type brew would move more than 64 counters"},
		"many traits":   {Config{Segments: []Rule{{"vip", "trait.t0 > 0"}}, Traits: traits(65)}, "has 65 entries; 64 are allowed"},
		"many segments": {Config{Segments: many}, "has 65 entries; 64 are allowed"},
		"lists":         {Config{Segments: []Rule{{"vip", "trait.t > 0"}}, Traits: map[string]map[string]any{"t": {"count": []any{"brew"}}}}, "is a list, where a single value belongs"},
		"nothing":       {Config{Segments: []Rule{{"vip", "trait.t > 0"}}, Traits: map[string]map[string]any{"t": {"count": nil}}}, "has no value; write one, or leave the key out"},
	} {
		w := newWorld(t, Config{Segments: []Rule{{"vip", "customer.vip == true"}}}, 1)
		w.clock = modelStart
		var said []string
		w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
			for _, d := range s.Decisions {
				if d.Reason == gateway.ReasonInvalid {
					said = append(said, d.Rule)
				}
			}
		}
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "counts", Version: 1, Effective: w.clock, Definition: []byte(journey)}})
		w.SetConfig(tt.rules)
		w.restart()
		for i := range 2 {
			w.submit(0, gateway.Input{Command: gateway.UpsertCustomer{Customer: gateway.CustomerID(i + 1), Mask: []string{"attributes"},
				Attributes: gateway.Properties{{Key: "vip", Value: gateway.Bool(true)}}}})
		}
		if len(said) != 1 || !strings.Contains(said[0], tt.want) {
			t.Errorf("%s: said %q, want %s once", name, said, tt.want)
		}
		for i := range 2 {
			if in, known := w.parts[0].inSegment(w.parts[0].customers[gateway.CustomerID(i+1)], "vip"); !in || !known {
				t.Errorf("%s: customer %d is not in the segment of before", name, i+1)
			}
		}
		w.check()
	}
}

// TestRulesReadNestedFields: a rule is looked at when what it reads changes, what
// lies below that, or what hides it; names that only begin alike are others.
func TestRulesReadNestedFields(t *testing.T) {
	r := rule{fields: []string{"home.city", "car"}}
	for field, want := range map[string]bool{"home.city": true, "home": true, "home.city.part": true, "hom": false, "home.cit": false,
		"home.street": false, "home.cityname": false, "car": true, "car.maker": true, "cargo": false, "c": false} {
		if got := r.reads(field); got != want {
			t.Errorf("%s: %v", field, got)
		}
	}
}

// TestRulesReplacedInAScan: a scan by rules that others replace is over.
func TestRulesReplacedInAScan(t *testing.T) {
	p := NewPartition(Config{})
	for _, name := range []string{"one", "two"} {
		rs, err := compileRules(`{"segments":[{"name":"` + name + `","when":"customer.a == 1"}]}`)
		if err != nil {
			t.Fatal(err)
		}
		before := p.classRules
		p.putRules(rs)
		if before != nil && before.scan.kind != scanNone {
			t.Errorf("%s: the scan before it goes on: %+v", name, before.scan)
		}
		rs.scan = scan{kind: scanEntry, due: modelStart}
	}
}

// TestRulesOfMany: rules that change look at every customer, in portions.
func TestRulesOfMany(t *testing.T) {
	for _, n := range []int{scanSize - 1, scanSize, scanSize + 1, 2*scanSize + 3} {
		w := NewWorld(Config{}, 1, false)
		w.SetClock(modelStart)
		for i := range n {
			submit(t, w, gateway.Input{Command: gateway.UpsertCustomer{Customer: gateway.CustomerID(i + 1), Mask: []string{"country"}, Country: "DE"}})
		}
		w.SetConfig(Config{Segments: []Rule{{"german", `customer.country == "DE"`}}})
		if err := w.Restart(); err != nil {
			t.Fatal(err)
		}
		submit(t, w, gateway.Input{Command: gateway.UpsertCustomer{Customer: gateway.CustomerID(n + 1)}})
		w.SetClock(modelStart + 1)
		submit(t, w, gateway.Input{Command: gateway.UpsertCustomer{Customer: gateway.CustomerID(n + 2)}})
		p, in := w.Partitions()[0], 0
		for id := range gateway.CustomerID(n + 3) {
			if is, known := p.inSegment(p.customer(id), "german"); is && known {
				in++
			}
		}
		if in != n || p.classRules.scan.kind != scanNone {
			t.Errorf("of %d customers %d are in the segment", n, in)
		}
	}
}
