package backtest

import (
	"context"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/gateway/wire"
)

// Record is one record of the EVENTS log as its partition applied it. Inputs
// that changed nothing (duplicates) are left out.
type Record struct {
	// Batch is the record; its RecordTime is when it was applied.
	Batch gateway.Batch
	// Rules are the settings noted before it, see journey.Rules; mostly nil.
	Rules []byte
	// Check is a hash over whom its events were credited to, 0 when that is not
	// known.
	Check uint64
	// Share is how much of the source was read, 0 when that is not known.
	Share float64
}

// Range chooses what is read. No Partitions means all.
type Range struct {
	Partitions []int
}

// Source is what was recorded.
type Source interface {
	// Read calls fn for records in the order in which they were applied: by time,
	// then partition and sequence. The record is only valid during the call. An
	// error of fn ends the reading and is returned.
	Read(ctx context.Context, r Range, fn func(*Record) error) error
}

// Scanner is the part of a history store that a source reads.
type Scanner interface {
	Scan(ctx context.Context, r history.ScanRange, fn func(*history.Point) error) error
}

// FromHistory is the source behind a history store.
func FromHistory(s Scanner) Source { return stored{s} }

type stored struct{ scanner Scanner }

func (s stored) Read(ctx context.Context, r Range, fn func(*Record) error) error {
	a := &assembler{fn: fn, rules: map[int][]byte{}}
	err := s.scanner.Scan(ctx, history.ScanRange{Inputs: true, Partitions: r.Partitions}, func(p *history.Point) error {
		if a.points++; a.points%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return a.add(p)
	})
	if err != nil {
		return err
	}
	return a.flush()
}

// assembler puts the points of a record together again.
type assembler struct {
	fn     func(*Record) error
	record Record
	open   bool
	slab   gateway.Properties
	rules  map[int][]byte // noted, for the partition's next record
	points int
	check  checkSum
}

func (a *assembler) add(p *history.Point) error {
	b := &a.record.Batch
	if p.Kind == history.KindRules {
		a.rules[p.Place.Partition] = append([]byte(nil), p.Data...)
		return nil
	}
	if !a.open || b.Seq != p.Place.Seq || b.Partition != p.Place.Partition {
		if err := a.flush(); err != nil {
			return err
		}
		a.open = true
		*b = gateway.Batch{Partition: p.Place.Partition, Seq: p.Place.Seq, RecordTime: p.AppliedAt, Observed: p.Observed, Inputs: b.Inputs[:0]}
		a.slab, a.check = a.slab[:0], checkStart
		if text := a.rules[b.Partition]; text != nil {
			a.record.Rules = text
			delete(a.rules, b.Partition)
		}
	}
	switch p.Kind {
	case history.KindEvent:
		if p.Place.Late != 0 {
			return nil // it stands where it came in, too, as KindHeld
		}
		a.check = a.check.add(p.Customer)
		a.event(p)
	case history.KindHeld:
		a.event(p)
	case history.KindInput:
		var in gateway.Input
		if err := wire.DecodeInput(p.Data, &in); err != nil {
			return err
		}
		b.Inputs = append(b.Inputs, in)
	case history.KindRecord:
	default:
		return gateway.Errorf(gateway.Internal, "the history holds a point of a kind that this release does not know: it was written by a newer one")
	}
	return nil
}

// event adds an event, with properties of its own: those of the point are
// overwritten by the next one.
func (a *assembler) event(p *history.Point) {
	e := p.Event
	if cap(a.slab)-len(a.slab) < len(e.Properties) { // what was cut before keeps its memory
		a.slab = make(gateway.Properties, 0, max(2*cap(a.slab), 256, len(e.Properties)))
	}
	from := len(a.slab)
	a.slab = append(a.slab, e.Properties...)
	e.Properties = a.slab[from:len(a.slab):len(a.slab)]
	a.record.Batch.Inputs = append(a.record.Batch.Inputs, gateway.Input{Event: e})
}

func (a *assembler) flush() error {
	if !a.open {
		return nil
	}
	a.open, a.record.Check = false, a.check.sum()
	err := a.fn(&a.record)
	a.record.Rules = nil
	return err
}
