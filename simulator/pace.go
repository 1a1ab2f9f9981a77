package simulator

import (
	"context"
	"sync/atomic"
	"time"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// maxLag is by how much virtual time the gateway may be behind a paced clock before
// that waits for it.
const maxLag = 50 * time.Second

// liveAtPace moves a paced clock as real time moves: all the time, in steps of a
// millisecond or so, while machines publish at their own instants and nobody
// waits for an answer. Only a gateway that is behind by maxLag is waited
// for: a second in which the machine has no time for it would be an hour or more.
func (r *Run) liveAtPace(ctx context.Context) error {
	behind := laggard{done: make(chan error, 1)}
	behind.upTo.Store(int64(r.now))
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for last := time.Now(); !r.stopped(); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.opts.Stop:
		case err := <-behind.done:
			behind.looking = false
			if err != nil {
				return err
			}
		case <-tick.C:
		}
		now := time.Now()
		to := r.now.Add(now.Sub(last) * time.Duration(r.opts.Pace))
		last = now
		if limit := gateway.Instant(behind.upTo.Load()).Add(maxLag); to > limit {
			to = limit
			r.counts.waited.Add(1)
		}
		if r.opts.Days > 0 {
			to = min(to, r.end())
		}
		if err := r.moveTo(ctx, to); err != nil {
			return err
		}
		r.flush()
		if r.now.Sub(gateway.Instant(behind.upTo.Load())) >= maxLag/2 {
			behind.look(ctx, r)
		}
	}
	if behind.looking {
		return <-behind.done
	}
	return nil
}

// moveTo lets what happens until a time happen.
func (r *Run) moveTo(ctx context.Context, to gateway.Instant) error {
	if to > r.now {
		if err := r.advance(ctx, to); err != nil {
			return err
		}
	}
	if err := r.publishUntil(ctx, to); err != nil {
		return err
	}
	_, err := r.receive(ctx)
	return err
}

// laggard knows up to when everything is taken in, decided and handed over.
type laggard struct {
	upTo    atomic.Int64
	looking bool
	done    chan error
}

// look begins to find out, beside the moving clock, unless that is under way.
func (l *laggard) look(ctx context.Context, r *Run) {
	if l.looking {
		return
	}
	l.looking = true
	at := r.now
	go func() {
		err := r.settle(ctx)
		if err == nil {
			err = r.decided(ctx)
		}
		if err == nil {
			err = r.sweep(ctx)
		}
		l.upTo.Store(int64(at))
		l.done <- err
	}()
}

// decided returns when the gateway has decided and handed over what it has.
func (r *Run) decided(ctx context.Context) error {
	return again(ctx, func(ctx context.Context) error {
		_, err := r.clock.AdvanceClock(ctx, &pb.AdvanceClockRequest{Settle: true})
		return err
	})
}
