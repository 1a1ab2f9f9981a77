package journey

import (
	"slices"
	"testing"

	"touchpoint/gateway"
)

// statePiece is a part of a state: how it is written, and how it is read.
func statePiece[T any](name string, write func(*encoder, T), read func(*decoder) T, samples ...T) *kindOfRecord {
	k := &kindOfRecord{name: "state " + name}
	for _, s := range samples {
		var e encoder
		write(&e, s)
		k.samples = append(k.samples, e.b)
	}
	k.read = func(data []byte) ([]byte, bool) {
		d := decoder{b: data}
		v := read(&d)
		if d.err(name) != nil {
			return nil, false
		}
		var e encoder
		write(&e, v)
		return e.b, true
	}
	return k
}

// besides reads and writes with a partition that knows the definitions of p;
// each time a new one, whose state must be sound.
func besides(t *testing.T, p *Partition, k *kindOfRecord, read func(*Partition, *decoder), write func(*Partition, *encoder)) *kindOfRecord {
	k.read = func(data []byte) ([]byte, bool) {
		q := beside(p)
		d := decoder{b: data, texts: p.texts}
		read(q, &d)
		if d.err(k.name) != nil {
			return nil, false
		}
		i := newInspector(q, false) // the definitions are those of p
		i.heaps()
		i.customers()
		i.devices()
		if len(i.faults) > 0 {
			t.Errorf("%s: %.60q is read: %q", k.name, data, i.faults)
		}
		var e encoder
		write(q, &e)
		return e.b, true
	}
	return k
}

// windowsOf are windows in their rare shapes: granules with one and with many
// cells, values below zero and cut to fewer bits, an oldest granule that is gone.
func windowsOf(f form) (list []window) {
	for precision := range 3 {
		var w window
		for n, granule := range []int64{-5, 3, 3, 3, 9, 9, 200, 1 << 40} {
			w.put(f, cell{granule: granule, n: 1 + int64(n%2)*300, value: int64(n-2) * 1_000_003, offset: int64(n) * 1000, least: int64(-n), most: int64(n * n)}, nil)
		}
		if precision > 0 && f == formRanks {
			w.precision = uint8(precision + 1)
			cells := w.cells(f, 0, nil)
			for i := range cells {
				cells[i].value = cutBits(cells[i].value, precisions[w.precision])
			}
			w.buf = w.buf[:0]
			w.appendCells(f, cells, int64(w.first))
		}
		for range precision {
			w.dropCell(f)
		}
		list = append(list, w)
	}
	return append(list, window{})
}

func kindsOfState(t *testing.T, p *Partition) []*kindOfRecord {
	ids := sortedIDs(p.customers)
	var kinds []*kindOfRecord
	for f, name := range map[form]string{formStats: "window stats", formRanks: "window ranks", formSet: "window set"} {
		spec := trait{form: f}
		kinds = append(kinds, statePiece(name, func(e *encoder, w window) { e.granular(&w) }, func(d *decoder) window {
			w := d.granular(f)
			i := inspector{kind: name}
			if !d.bad {
				i.window(&w, &spec)
			}
			for _, fault := range i.faults {
				t.Error(fault)
			}
			return w
		}, windowsOf(f)...))
	}
	dev := p.devices.get(10)
	kinds = append(kinds, statePiece("seen", func(e *encoder, s seen) { e.seen(&s, 0) }, func(d *decoder) seen {
		s := d.seen()
		i := inspector{kind: "seen"}
		if !d.bad {
			i.seen(&s)
		}
		for _, fault := range i.faults {
			t.Error(fault)
		}
		return s
	}, dev.seen, *p.customers[ids[0]].more.seen, p.devices.get(99).seen, seen{}))
	kinds = append(kinds, statePiece("device", func(e *encoder, d *device) { e.device(d, 0) }, (*decoder).device, p.devices.sorted()...))
	inputs := statePiece("held input", func(e *encoder, in gateway.Input) { e.input(&in) }, (*decoder).input, heldInputs()...)
	limits := statePiece("limits", (*encoder).limits, (*decoder).limits, p.journeyNamed("few").limits, nil)
	kinds = append(kinds, inputs, limits, counterKinds(t, p, ids[0]))
	moves := besides(t, p, &kindOfRecord{name: "state moves"}, func(q *Partition, d *decoder) { d.moves(q) }, (*Partition).encodeMoves)
	moves.samples = [][]byte{encoded(p.encodeMoves)}
	more := besides(t, p, &kindOfRecord{name: "state more"}, func(q *Partition, d *decoder) { d.more(q, q.customer(1)) },
		func(q *Partition, e *encoder) { e.more(q.customers[1].more) })
	whole := besides(t, p, &kindOfRecord{name: "state customer"}, func(q *Partition, d *decoder) { d.customer(q) }, func(q *Partition, e *encoder) {
		for _, c := range q.customers {
			e.customer(q, c, 0)
		}
	})
	for _, id := range ids {
		more.samples = append(more.samples, encoded(func(e *encoder) { e.more(p.customers[id].more) }))
		whole.samples = append(whole.samples, encoded(func(e *encoder) { e.customer(p, p.customers[id], 0) }))
	}
	return append(kinds, moves, more, whole)
}

func encoded(write func(*encoder)) []byte {
	var e encoder
	write(&e)
	return e.b
}

// counterKinds are the counters of a customer, each for itself.
func counterKinds(t *testing.T, p *Partition, id gateway.CustomerID) *kindOfRecord {
	c := p.customers[id]
	k := besides(t, p, &kindOfRecord{name: "state counter"}, func(q *Partition, d *decoder) {
		d.counter(q, q.customer(1))
		if !d.bad {
			q.writeRegained(q.customers[1])
			if t := q.traits[q.customers[1].counters[0].trait]; t.spec.silence > 0 {
				q.schedule(q.customers[1].silence(t))
			}
		}
	}, func(q *Partition, e *encoder) { e.counter(q, q.customers[1], &q.customers[1].counters[0]) })
	for i := range c.counters {
		k.samples = append(k.samples, encoded(func(e *encoder) { e.counter(p, c, &c.counters[i]) }))
	}
	return k
}

// TestDamagedStates: the same for the parts of a state.
func TestDamagedStates(t *testing.T) {
	p, _ := zoo(t)
	compareRecords(t, "state", kindsOfState(t, p))
}

// TestDamagedSnapshots: and for a whole one.
func TestDamagedSnapshots(t *testing.T) {
	p, _ := zoo(t)
	whole := &kindOfRecord{name: "snapshot", samples: [][]byte{p.AppendSnapshot(nil)}}
	whole.read = func(data []byte) ([]byte, bool) {
		q := NewPartition(p.cfg)
		q.texts = p.texts
		if q.Restore(data) != nil {
			return nil, false
		}
		if faults := Unsound(q, false); len(faults) > 0 {
			t.Errorf("a broken snapshot is read: %q", faults)
		}
		return q.AppendSnapshot(nil), true
	}
	compareRecords(t, "snapshot", []*kindOfRecord{whole})
}

// TestDamagedArrivals: a customer's state in transit, damaged, is refused or he
// comes; nothing is left of one who does not.
func TestDamagedArrivals(t *testing.T) {
	p, _ := zoo(t)
	ids := sortedIDs(p.customers)
	snapshot := p.AppendSnapshot(nil)
	var kinds []*kindOfRecord
	for n, id := range ids[:2] {
		k := &kindOfRecord{name: "arrival " + []string{"of much", "of little"}[n], samples: [][]byte{leaving(p, id, id)}}
		k.read = func(data []byte) ([]byte, bool) {
			q := scratch(snapshot, p.cfg, p.texts)
			for _, d := range slices.Clone(q.customers[id].devices) {
				releaseChange{d, 1}.apply(q)
			}
			departChange{id, 1}.apply(q)
			expectCustomerChange{id}.apply(q)
			var s gateway.Step
			q.Apply(&gateway.Batch{Seq: 900, RecordTime: q.now, Observed: q.observed, Inputs: []gateway.Input{{Command: gateway.AdmitCustomer{Customer: id, State: data}}}}, &s)
			for _, fault := range Unsound(q, false) {
				t.Errorf("%.60q: %s", data, fault)
			}
			came := s.Outcomes[0].Disposition == gateway.Accepted
			if came != (q.customers[id] != nil) && s.Outcomes[0].Disposition != gateway.Passed && len(s.Forwards) == 0 {
				t.Errorf("%.60q: %v, but he is not here, or is", data, s.Outcomes[0].Disposition)
			}
			return data, came
		}
		kinds = append(kinds, k)
	}
	compareRecords(t, "arrival", kinds)
}
