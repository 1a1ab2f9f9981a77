package backtest

import (
	"context"
	"errors"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// Replay is a customer's partition as it was at a time.
type Replay struct {
	// Partition holds the state. It is the reader's own.
	Partition *journey.Partition
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

// ReplayCustomer runs the partition that the customer lives on over everything
// that was recorded up to and with until (0 for all of it), and returns the
// partition as it was then. The whole partition is run, for the customer's
// devices may have come from others. visit, which may be nil, sees every step on
// the way: whoever walks a customer through picks what is his (Decision.Customer,
// Message.Customer, Enrollment.Customer; Point events by their Outcome).
//
// fallback are the settings to use where none were recorded, those of the running
// gateway; its Partitions says how many partitions there are.
func ReplayCustomer(ctx context.Context, src Source, customer gateway.CustomerID, until gateway.Instant,
	fallback journey.Config, visit Visit) (*Replay, error) {
	fallback = fallback.WithDefaults()
	home := gateway.CustomerSubject(customer).Partition(fallback.Partitions)
	return ReplayPartition(ctx, src, home, until, fallback, visit)
}

// ReplayPartition is ReplayCustomer for whoever knows the partition.
func ReplayPartition(ctx context.Context, src Source, partition int, until gateway.Instant,
	fallback journey.Config, visit Visit) (*Replay, error) {
	l := newLane(partition, fallback.WithDefaults())
	out := &Replay{At: until}
	notes := &notes{}
	err := src.Read(ctx, Range{Partitions: []int{partition}}, func(r *Record) error {
		if until != 0 && r.Batch.RecordTime > until {
			return errEnough
		}
		if err := notes.begin(r, l); err != nil {
			return err
		}
		l.apply(&r.Batch, func(s *gateway.Step) {
			if visit != nil {
				visit(r, s)
			}
		})
		notes.erasures(&r.Batch)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if until == 0 {
		out.At = l.now
	}
	tick := &Record{Batch: gateway.Batch{
		Partition: partition, RecordTime: out.At, Observed: l.observed, Inputs: []gateway.Input{{Command: gateway.Tick{}}},
	}}
	l.apply(&tick.Batch, func(s *gateway.Step) {
		if visit != nil {
			visit(tick, s)
		}
	})
	out.Partition, out.Notes = l.core, notes.list()
	return out, nil
}
