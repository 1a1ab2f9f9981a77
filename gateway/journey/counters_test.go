package journey

import (
	"bytes"
	"math/rand"
	"slices"
	"testing"

	"touchpoint/gateway"
)

// countersOf is a partition with a customer and counters of all forms, also of
// his devices, for the events of two types.
func countersOf() (*Partition, *customer) {
	p := NewPartition(Config{})
	for _, event := range []string{"brew", "rinse"} {
		for _, spec := range []traitSpec{
			{kind: traitCount}, {kind: traitCount, within: 1000, perDev: true}, {kind: traitSum, property: "v", within: 500}, {kind: traitSum, property: "v", perDev: true},
			{kind: traitCount, within: 300}, {kind: traitMean, property: "v", within: 1280, perDev: true}, {kind: traitPercentile, percent: 50, property: "v", within: 2560},
			{kind: traitDistinct, property: "v"}, {kind: traitLast, property: "v", perDev: true}, {kind: traitFirst, property: "v"}, {kind: traitLast},
			{kind: traitCount, limit: 3, perDev: true},
		} {
			spec.event = event
			p.defineTrait(&spec)
		}
	}
	return p, p.customer(1)
}

// valueOfAll reads every counter of a device.
func valueOfAll(p *Partition, c *customer, d gateway.DeviceID) (out []gateway.Value) {
	for _, t := range p.traits {
		if k := c.counter(t, d); k != nil {
			v, ok := p.counterValue(c, k, &t.spec)
			out = append(out, v, gateway.Bool(ok))
		}
	}
	return out
}

// TestCountersOfDevices: the counters of a customer stand in the order of traits
// and devices, whichever come first; each device has what it counts alone, and a
// customer who is restored, in whatever order, has the same.
func TestCountersOfDevices(t *testing.T) {
	for seed := range int64(40) {
		r := rand.New(rand.NewSource(seed))
		p, c := countersOf()
		alone := map[gateway.DeviceID]*Partition{}
		p.now = 10_000
		for i := range 60 {
			p.now += gateway.Instant(r.Intn(60))
			device := gateway.DeviceID(1 + r.Intn(4))
			if i < 4 {
				device = gateway.DeviceID(4 - i)
			}
			typ := p.types[[]string{"brew", "rinse"}[r.Intn(2)]]
			ev := countChange{customer: 1, device: device, at: p.now - gateway.Instant(r.Intn(3)*r.Intn(900)), typ: typ}
			for j, tr := range typ.traits {
				if r.Intn(5) == 0 {
					continue
				}
				ev.mask |= 1 << j
				if tr.spec.valued() {
					ev.values = append(ev.values, int64(r.Intn(4))*micros)
				}
			}
			if alone[device] == nil {
				alone[device], _ = countersOf()
			}
			q := alone[device]
			q.now = p.now
			own := ev
			own.typ, own.mask, own.values = q.types[typ.name], 0, nil
			for j, values := 0, ev.values; j < len(typ.traits); j++ {
				if ev.mask>>j&1 == 0 {
					continue
				}
				if typ.traits[j].spec.perDev {
					own.mask |= 1 << j
				}
				if typ.traits[j].spec.valued() {
					if typ.traits[j].spec.perDev {
						own.values = append(own.values, values[0])
					}
					values = values[1:]
				}
			}
			p.through(t, ev)
			q.through(t, own)
		}
		if !slices.IsSortedFunc(c.counters, func(a, b counter) int {
			return 2*(int(a.trait)-int(b.trait)) + boolInt(a.device > b.device) - boolInt(a.device < b.device)
		}) {
			t.Fatalf("seed %d: the counters stand in no order", seed)
		}
		if cap(c.counters) > len(c.counters) {
			t.Errorf("room for %d counters, of which %d are there", cap(c.counters), len(c.counters))
		}
		for device, q := range alone {
			q.now = p.now
			for i := range p.traits {
				k, o := c.counter(p.traits[i], device), q.customers[1].counter(q.traits[i], device)
				if !p.traits[i].spec.perDev {
					continue
				}
				if (k == nil) != (o == nil) {
					t.Fatalf("seed %d: trait %d of device %d: %v, alone %v", seed, i, device, k, o)
				} else if k == nil {
					continue
				}
				v, ok := p.counterValue(c, k, &p.traits[i].spec)
				if w, has := q.counterValue(q.customers[1], o, &q.traits[i].spec); v != w || ok != has {
					t.Fatalf("seed %d: trait %d of device %d is %v, %v, alone %v, %v", seed, i, device, v, ok, w, has)
				}
			}
		}
		var e, again encoder
		e.customer(p, c, 0)
		q, _ := countersOf()
		q.now, q.customers = p.now, map[gateway.CustomerID]*customer{}
		d := decoder{b: e.b}
		if d.customer(q); d.err("customer") != nil {
			t.Fatal(d.err("customer"))
		}
		if again.customer(q, q.customers[1], 0); !bytes.Equal(e.b, again.b) {
			t.Fatalf("seed %d: restored otherwise", seed)
		}
		for device := range alone {
			if got, want := valueOfAll(q, q.customers[1], device), valueOfAll(p, c, device); !slices.Equal(got, want) {
				t.Fatalf("seed %d: restored, device %d: %v, want %v", seed, device, got, want)
			}
		}
	}
}

// through applies a change as it reads behind its encoding.
func (p *Partition) through(t *testing.T, c countChange) {
	var e encoder
	if c.mask == 0 {
		return
	}
	c.encode(&e)
	d := decoder{b: e.b}
	read := d.nextChange(p)
	if read == nil || len(d.b) > 0 {
		t.Fatalf("%+v does not read", c)
	}
	read.apply(p)
}

// TestUsedUp: a counter of exact times starts anew beside the others that share
// its log; one that keeps no times is left alone.
func TestUsedUp(t *testing.T) {
	p, c := countersOf()
	p.now = 10_000
	for i := range 5 {
		countChange{customer: 1, device: 2, at: p.now - gateway.Instant(i), typ: p.types["brew"], mask: 1<<12 - 1, values: []int64{1, 2, 3, 4, 5, 6, 7}}.apply(p)
	}
	for _, tr := range p.types["brew"].traits {
		before := valueOfAll(p, c, 2)
		k := c.counter(tr, 2)
		at := slices.IndexFunc(p.traits[:12], func(o *trait) bool { return o == tr })
		useUpChange{counterRef{1, tr, 2}}.apply(p)
		for i, v := range valueOfAll(p, c, 2) {
			if own := i/2 == at && tr.form.timed(); own && i%2 == 0 && (v.AsInt() != 0 || k.n != 0) || !own && v != before[i] {
				t.Errorf("%v is used up: value %d is %v, was %v", tr.spec.kind, i, v, before[i])
			}
		}
	}
	useUpChange{counterRef{1, p.types["rinse"].traits[1], 2}}.apply(p) // there is none
}

// TestBrokenTimes: times that go back, or too far ahead, are refused.
func TestBrokenTimes(t *testing.T) {
	const far = gateway.Instant(maxDuration)
	for i, tt := range []struct {
		form  form
		times []gateway.Instant
		cut   int
		ok    bool
	}{
		{formTimes, []gateway.Instant{-5, 0, far}, 0, true}, {formTimes, []gateway.Instant{far * 2, 5}, 0, true}, {formTimes, nil, 0, true},
		{formTimes, []gateway.Instant{5, -1}, 0, false}, {formTimes, []gateway.Instant{5, far + 1}, 0, false}, {formTimes, []gateway.Instant{5, 6}, 1, false},
		{formSums, []gateway.Instant{5, 6}, 0, true}, {formSums, []gateway.Instant{5, 6}, 1, false}, {formSums, []gateway.Instant{5, 6}, 2, false},
		{formSums, []gateway.Instant{5, -6}, 0, false},
	} {
		var e encoder
		e.uint(uint64(len(tt.times)))
		for _, at := range tt.times {
			if e.at(at); tt.form == formSums {
				e.b = appendMicros(e.b, 7)
			}
		}
		d := decoder{b: slices.Clip(e.b[:len(e.b)-tt.cut])}
		list := d.samples(&trait{form: tt.form, place: 3}, nil)
		if ok := d.err("times") == nil; ok != tt.ok || ok && len(list) != len(tt.times) {
			t.Errorf("%d: read %v as %v", i, ok, list)
		}
		for j, s := range list {
			if d.err("times") == nil && (s.place != 3 || s.value != 7*int64(boolInt(tt.form == formSums))) {
				t.Errorf("%d: sample %d is %+v", i, j, s)
			}
		}
	}
}
