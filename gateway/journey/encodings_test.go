package journey

import (
	"bytes"
	"testing"

	"touchpoint/gateway"
)

// beside returns an empty partition that knows the definitions of p.
func beside(p *Partition) *Partition {
	q := NewPartition(p.cfg)
	q.now, q.observed = p.now, p.observed
	q.journeys, q.traits, q.types, q.classRules, q.classSets = p.journeys, p.traits, p.types, p.classRules, p.classSets
	return q
}

// TestRecordsOfChanges: every record of a step is needed in full; a part of one
// is refused and changes nothing.
func TestRecordsOfChanges(t *testing.T) {
	p, steps := everything(t)
	ahead, q := NewPartition(p.cfg), NewPartition(p.cfg)
	for _, s := range steps {
		for d := (decoder{b: s.Changes[1:]}); len(d.b) > 0; {
			record := d.b
			if !d.change(ahead) {
				t.Fatalf("step %d: %q is refused", s.Number, record)
			}
			record = record[:len(record)-len(d.b)]
			for n := range record {
				if part := (decoder{b: record[:n]}); part.change(q) {
					t.Fatalf("step %d: %d bytes of %q are read", s.Number, n, record)
				}
			}
			if whole := (decoder{b: record}); !whole.change(q) || len(whole.b) > 0 {
				t.Fatalf("step %d: %q is refused behind its parts", s.Number, record)
			}
		}
	}
	if !bytes.Equal(q.AppendSnapshot(nil), p.AppendSnapshot(nil)) {
		t.Error("the records lead elsewhere")
	}
}

// TestRefusedRecords: a record that speaks of what is not there, or says what
// cannot be, is refused.
func TestRefusedRecords(t *testing.T) {
	p, _ := everything(t)
	anna := sortedIDs(p.customers)[0]
	before := p.AppendSnapshot(nil)
	j, all, chain := p.journeys[0], p.journeys[0].versions[0], p.journeys[1].versions[0]
	strange := &journey{index: len(p.journeys), name: "strange"}
	e1, m1 := *p.customers[anna].enrollments[0], *p.customers[anna].messages[0]
	with := func(change func(*enrollment)) enrollmentChange { e := e1; change(&e); return enrollmentChange{anna, e} }
	state := func(change func(*journeyChange)) journeyChange { c := j.put(); change(&c); return c }
	unknown := &trait{id: len(p.traits)}
	rules := &classRules{text: p.classRules.text}
	for name, c := range map[string]change{
		"a counter that is none":             flagsChange{counterRef{anna, unknown, 0}, latched},
		"a use of a counter that is none":    useUpChange{counterRef{anna, unknown, 0}},
		"a mark of an unknown journey":       markChange{anna, mark{journey: strange, past: noPast}},
		"a mark with an arm beyond all":      markChange{anna, mark{journey: j, past: noPast, arm: armHoldout + 1}},
		"an unknown version":                 with(func(e *enrollment) { e.v = &version{journey: j, number: 99, def: all.def} }),
		"a version of an unknown journey":    with(func(e *enrollment) { e.v = &version{journey: strange, number: 1, def: all.def} }),
		"a step before the end":              with(func(e *enrollment) { e.step = toEnd - 1 }),
		"a step behind the last":             with(func(e *enrollment) { e.step = int32(len(e.v.def.steps)) }),
		"an arm beyond all":                  with(func(e *enrollment) { e.arm = armHoldout + 1 }),
		"a message of an unknown journey":    messageChange{anna, message{id: m1.id, journey: strange}},
		"owners out of order":                deviceChange{device: 10, owners: []ownership{{customer: anna, from: 5}, {customer: anna, from: 4}}},
		"an identity of nothing":             seenChange{device: 10, id: identity{day: 3}},
		"a touchpoint of nothing":            touchedChange{anna, identity{day: 3}},
		"the state of an unknown journey":    journeyChange{index: len(p.journeys)},
		"too few states":                     state(func(c *journeyChange) { c.states = c.states[1:] }),
		"too many states":                    state(func(c *journeyChange) { c.states = append(c.states, gateway.JourneyDraft) }),
		"an active version behind all":       state(func(c *journeyChange) { c.active = len(c.states) }),
		"an active version before none":      state(func(c *journeyChange) { c.active = -2 }),
		"a definition that does not compile": publishChange{name: "bad", number: 1, text: []byte("name: bad")},
		"a sequence of another trigger":      sequenceChange{customer: anna, version: all},
		"a sequence of an unknown version":   sequenceChange{customer: anna, version: &version{journey: chain.journey, number: 99}},
		"fired in another trigger":           sequenceFiredChange{customer: anna, version: all},
		"fired in an unknown journey":        sequenceFiredChange{customer: anna, version: &version{journey: strange, number: 1}},
		"rules that do not compile":          classRulesChange{text: rules.text[1:]},
		"an occasion of an unknown journey":  occasionChange{customer: anna, journey: strange},
		"missed in an unknown journey":       classMissedChange{anna, strange, true},
	} {
		var e encoder
		c.encode(&e)
		if d := (decoder{b: e.b}); d.change(p) {
			t.Errorf("%s: is read", name)
		}
	}
	named := func(op byte, rest ...byte) []byte { return append([]byte{op, 1, 0, 0, 0, 0, 0, 0, 0}, rest...) }
	plain := []byte{0, 0, 0, 0, 0, 0} // a profile up to its attributes
	for name, record := range map[string][]byte{
		"nothing":                     {},
		"an unknown kind":             {255},
		"a kind of none":              {0},
		"a yes or no that is neither": named(opSeen, 2, 1, 0, 0, 0, 0, 0, 0, 0, 5),
		"a number without an end":     named(opSeen, 1, 0x80, 0x80),
		"a number that does not fit":  named(opSeen, 1, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 1),
		"a day that does not fit":     named(opSeen, 1, 1, 1, 0xff, 0xff, 0x7f),
		"an id that is cut short":     {opUnhold, 1, 2, 3},
		"a list longer than memory":   named(opCustomer, append(plain, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1)...),
		"a value of no kind":          named(opCustomer, append(plain, 1, 1, 'a', 99, 0, 0, 0, 0, 0)...),
	} {
		if d := (decoder{b: record}); d.change(p) {
			t.Errorf("%s: is read", name)
		}
		if err := p.Replay(&gateway.Step{Changes: append([]byte{formatVersion}, record...)}); err == nil && len(record) > 0 {
			t.Errorf("%s: is replayed", name)
		}
	}
	if !bytes.Equal(p.AppendSnapshot(nil), before) {
		t.Error("what was refused changed the state")
	}
	if err := p.Replay(&gateway.Step{}); err != nil { // a step may change nothing
		t.Error(err)
	}
	if err := p.Replay(&gateway.Step{Changes: []byte{formatVersion + 1}}); err == nil {
		t.Error("the changes of a later version are replayed")
	}
}

// TestBrokenSnapshots: a part of a snapshot restores to nothing, and so does one
// whose definitions do not agree with what stands beside them.
func TestBrokenSnapshots(t *testing.T) {
	w := newWorld(t, Config{Segments: []Rule{{"big", "trait.cups >= 3"}}, Traits: map[string]map[string]any{"cups": {"count": "brew", "within": "7d"}}}, 1)
	w.clock = modelStart
	for _, text := range []string{"name: a\npurpose: service\ntrigger: {event: x}\ntraits: {n: {count: x}}\nsteps: [{id: e, end: {}}]\n",
		"name: a\npurpose: service\ntrigger: {event: x}\nsteps: [{id: e, end: {}}]\n"} {
		w.submit(0, gateway.Input{Command: gateway.PublishJourney{Journey: "a", Version: uint32(len(text)), Effective: w.clock, Definition: []byte(text)}})
	}
	p := w.parts[0]
	good, empty := p.AppendSnapshot(nil), NewPartition(p.cfg).AppendSnapshot(nil)
	q := NewPartition(p.cfg)
	for n := range good {
		if err := q.Restore(good[:n]); err == nil {
			t.Fatalf("%d of %d bytes restore", n, len(good))
		}
		if !bytes.Equal(q.AppendSnapshot(nil), empty) {
			t.Fatalf("%d of %d bytes leave something behind", n, len(good))
		}
		broken := bytes.Clone(good)
		for _, flip := range []byte{1, 0x80} {
			broken[n] = good[n] ^ flip
			if q.Restore(broken) != nil {
				if !bytes.Equal(q.AppendSnapshot(nil), empty) {
					t.Fatalf("byte %d as %#x leaves something behind", n, broken[n])
				}
				continue
			}
			if again := q.AppendSnapshot(nil); !bytes.Equal(again, broken) && len(again) >= len(broken) {
				t.Errorf("byte %d as %#x instead of %#x is read as\n%q, not\n%q", n, broken[n], good[n], again, broken)
			}
		}
	}
	if err := q.Restore(append(bytes.Clone(good), 0)); err == nil {
		t.Error("what stands behind a snapshot is not seen")
	}
}

// TestChangesOfNobody: a change that speaks of a customer, a run, a message or a
// counter that is not there does nothing.
func TestChangesOfNobody(t *testing.T) {
	p, _ := everything(t)
	ids := sortedIDs(p.customers)
	plain := gateway.CustomerID(0)
	for _, id := range ids {
		if p.customers[id].more == nil || p.customers[id].more.class == nil {
			plain = id
		}
	}
	const unclassed, bare = gateway.CustomerID(12346), gateway.CustomerID(12347)
	p.customer(unclassed).grow().complaints = []complaint{{id: "c"}}
	p.customer(bare)
	before := p.AppendSnapshot(nil)
	chain, none := p.journeys[1].versions[0], gateway.CustomerID(12345)
	for _, who := range []gateway.CustomerID{none, plain, ids[0]} {
		changes := []change{forgetChange{who, gateway.EnrollmentID{1}}, forgetMessageChange{gateway.MessageID{1}}, taskClosedChange{who, gateway.TaskID{1}},
			sequenceFiredChange{customer: who, version: chain, device: 99, at: 1, key: "x"},
			flagsChange{counterRef{none, p.traits[0], 0}, latched}, useUpChange{counterRef{none, p.traits[0], 0}},
			classMissedChange{none, p.journeys[0], true}, classMissedChange{unclassed, p.journeys[0], true}, classMissedChange{bare, p.journeys[0], true}}
		for _, c := range changes {
			c.apply(p)
			if !bytes.Equal(p.AppendSnapshot(nil), before) {
				t.Fatalf("%T of %d changed something", c, who)
			}
		}
	}
}
