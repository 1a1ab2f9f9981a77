package journey

import (
	"bytes"
	"testing"

	"touchpoint/gateway"
)

// TestSharedExtrasStayEmpty: what all share who have none is never written to.
func TestSharedExtrasStayEmpty(t *testing.T) {
	p, _ := everything(t)
	if err := NewPartition(p.cfg).Restore(p.AppendSnapshot(nil)); err != nil {
		t.Fatal(err)
	}
	if !noExtras.isEmpty() || len(noPast.keys)+len(noPast.splits) > 0 || !noProfile.isEmpty() {
		t.Errorf("%+v, %+v, %+v", noExtras, noPast, noProfile)
	}
}

// TestOwnExtras: a copy that sets its extras leaves those of the original.
func TestOwnExtras(t *testing.T) {
	e := &enrollment{extras: &extras{key: "k"}}
	next := *e
	next.own().skip = 5
	next.holdSince(7)
	if e.skip != 0 || e.holdFrom != 0 || next.key != "k" || next.skip != 5 || next.holdFrom != 7 {
		t.Errorf("%+v became %+v", e.extras, next.extras)
	}
	before := next.extras
	if next.holdSince(7); next.extras != before {
		t.Error("copied without need")
	}
	if next.own().addressed = nil; next.orNone() == noExtras || (&extras{}).orNone() != noExtras {
		t.Error("what is set is taken for nothing, or the reverse")
	}
}

// TestNoRoomForStores: a customer with as many logs and windows as their numbers
// can name gets no further counters; those that he has go on.
func TestNoRoomForStores(t *testing.T) {
	for _, spec := range []traitSpec{
		{kind: traitCount, event: "brew", perDev: true, within: dayMillis, limit: 5},
		{kind: traitDistinct, event: "brew", property: "drink", perDev: true, within: dayMillis},
	} {
		p := NewPartition(Config{Partitions: 1})
		p.defineTrait(&spec)
		c, typ := p.customer(1), p.types["brew"]
		count := func(d gateway.DeviceID) {
			countChange{customer: 1, device: d, at: 1000, typ: typ, mask: 1, values: []int64{3}}.apply(p)
		}
		count(1)
		m := c.grow()
		m.logs, m.windows = make([]timeLog, maxStores-1), append(m.windows, make([]window, maxStores-len(m.windows))...)
		count(2)
		count(1)
		if len(c.counters) != 1 || c.counters[0].n == 0 || len(m.logs) >= maxStores || len(m.windows) > maxStores {
			t.Fatalf("%v: %+v", spec.kind, c.counters)
		}
		var e, again encoder
		e.customer(p, c, 0)
		q := NewPartition(Config{Partitions: 1})
		q.defineTrait(&spec)
		d := decoder{b: e.b}
		if d.customer(q); d.err("customer") != nil {
			t.Fatal(d.err("customer"))
		}
		if again.customer(q, q.customers[1], 0); !bytes.Equal(e.b, again.b) {
			t.Error("restored otherwise")
		}
	}
}
