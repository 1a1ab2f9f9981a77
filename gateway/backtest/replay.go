package backtest

import (
	"context"
	"errors"
	"maps"
	"slices"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// Replay is a customer's partition as it was at a time.
type Replay struct {
	// Partition holds the state. It is the reader's own.
	Partition *journey.Partition
	// Others are all partitions that were run, by number.
	Others map[int]*journey.Partition
	// At is the time up to which records were applied; timers that were due by
	// then have fired.
	At gateway.Instant
	// Notes say why it may not be exactly as it was; none when it is.
	Notes []Note
}

// Visit is called for each record of the replay, in order, with what the record
// decided. Both are only valid during the call; a record with many timers before
// it is visited several times.
type Visit func(r *Record, s *gateway.Step)

// errEnough ends the reading of a source.
var errEnough = errors.New("enough")

// ReplayCustomer runs everything that was recorded up to and with until (0 for
// all of it), and returns the partition in which the customer lived then. All
// partitions are run, in the order of time: he may have moved with his household,
// and his devices may have come from others. visit, which may be nil, sees every
// step on the way: whoever walks a customer through picks what is his (the
// Customer of decisions, messages, updates, enrollments and outcomes).
//
// fallback are the settings to use where none were recorded, those of the running
// gateway; its Partitions says how many partitions there are.
func ReplayCustomer(ctx context.Context, src Source, customer gateway.CustomerID, until gateway.Instant,
	fallback journey.Config, visit Visit) (*Replay, error) {
	fallback = fallback.WithDefaults()
	home := gateway.CustomerSubject(customer).Partition(fallback.Partitions)
	r := &replay{until: until, fallback: fallback, visit: visit, lanes: map[int]*lane{}}
	if err := r.read(ctx, src, Range{}); err != nil {
		return nil, err
	}
	at := home
	for p, l := range r.lanes {
		if _, lives := l.core.View(customer); lives {
			at = p
		}
	}
	return r.end(at), nil
}

// ReplayPartition runs one partition alone.
func ReplayPartition(ctx context.Context, src Source, partition int, until gateway.Instant,
	fallback journey.Config, visit Visit) (*Replay, error) {
	r := &replay{until: until, fallback: fallback.WithDefaults(), visit: visit, lanes: map[int]*lane{}}
	if err := r.read(ctx, src, Range{Partitions: []int{partition}}); err != nil {
		return nil, err
	}
	return r.end(partition), nil
}

// replay is one run of partitions as they were recorded.
type replay struct {
	until    gateway.Instant
	fallback journey.Config
	visit    Visit
	lanes    map[int]*lane
	notes    notes
	last     gateway.Instant
}

func (r *replay) lane(partition int) *lane {
	l := r.lanes[partition]
	if l == nil {
		l = newLane(partition, r.fallback)
		r.lanes[partition] = l
	}
	return l
}

func (r *replay) apply(l *lane, rec *Record) {
	l.apply(&rec.Batch, func(s *gateway.Step) {
		r.notes.compare(rec, s)
		if r.visit != nil {
			r.visit(rec, s)
		}
	})
}

func (r *replay) read(ctx context.Context, src Source, which Range) error {
	err := src.Read(ctx, which, func(rec *Record) error {
		if r.until != 0 && rec.Batch.RecordTime > r.until {
			return errEnough
		}
		l := r.lane(rec.Batch.Partition)
		if err := r.notes.begin(rec, l); err != nil {
			return err
		}
		r.last = rec.Batch.RecordTime
		r.apply(l, rec)
		r.notes.erasures(&rec.Batch)
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// end fires what is due by until and returns a partition.
func (r *replay) end(partition int) *Replay {
	if r.until == 0 {
		r.until = r.last
	}
	r.lane(partition)
	for _, p := range slices.Sorted(maps.Keys(r.lanes)) {
		l := r.lanes[p]
		r.apply(l, &Record{Batch: gateway.Batch{
			Partition: p, RecordTime: r.until, Observed: l.observed, Inputs: []gateway.Input{{Command: gateway.Tick{}}},
		}})
	}
	out := &Replay{Partition: r.lanes[partition].core, Others: map[int]*journey.Partition{}, At: r.until, Notes: r.notes.list()}
	for p, l := range r.lanes {
		out.Others[p] = l.core
	}
	return out
}
