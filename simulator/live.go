package simulator

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// liveInSteps moves virtual time. What happens within a step is published while
// the clock stands at its begin; the gateway then decides and delivers all of
// it, moves the clock to the step's end and lets fire what fell due meanwhile.
func (r *Run) liveInSteps(ctx context.Context) error {
	for !r.stopped() {
		to := r.now.Add(r.opts.Step)
		if err := r.publishUntil(ctx, to); err != nil {
			return err
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
		if err := r.advance(ctx, to); err != nil {
			return err
		}
		if err := r.sweep(ctx); err != nil {
			return err
		}
		if _, err := r.receive(ctx); err != nil {
			return err
		}
	}
	return r.settle(ctx)
}

// advance has the gateway's clock moved; repeating that is harmless, so a
// gateway that is away is waited for.
func (r *Run) advance(ctx context.Context, to gateway.Instant) error {
	deadline := time.Now().Add(2 * time.Minute)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		_, err := r.clock.AdvanceClock(ctx, &pb.AdvanceClockRequest{To: timestamppb.New(to.Time())})
		if err == nil {
			r.at(to)
			return nil
		}
		if code := status.Code(err); code != codes.Unavailable && code != codes.Aborted || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (r *Run) at(now gateway.Instant) {
	r.now = now
	r.counts.now.Store(int64(now))
	r.opts.Ledger.Time(now)
}

// liveOnWallClock keeps to the real time, or to a rate of events.
func (r *Run) liveOnWallClock(ctx context.Context) error {
	if r.opts.Rate > 0 {
		return r.liveAtRate(ctx)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !r.stopped() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.opts.Stop:
		case <-tick.C:
		}
		now := gateway.InstantOf(time.Now())
		if err := r.publishUntil(ctx, now); err != nil {
			return err
		}
		r.at(now)
		if _, err := r.receive(ctx); err != nil {
			return err
		}
		r.flush()
	}
	return nil
}

// liveAtRate publishes what is planned, one day after the other, at so many
// events per second whatever their hours.
func (r *Run) liveAtRate(ctx context.Context) error {
	begin, sent := time.Now(), 0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	planned := r.fleet.Start
	for !r.stopped() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.opts.Stop:
		case <-tick.C:
		}
		r.at(gateway.InstantOf(time.Now()))
		for due := int(time.Since(begin).Seconds() * float64(r.opts.Rate)); sent < due; sent++ {
			p, err := r.nextPlanned()
			if err != nil {
				return err
			}
			planned = p.At
			if err := r.registrar.until(ctx, p.At+1); err != nil {
				return err
			}
			if err := r.happen(ctx, p, r.now); err != nil {
				return err
			}
		}
		if err := r.act(ctx, max(r.now, planned)); err != nil {
			return err
		}
		if _, err := r.receive(ctx); err != nil {
			return err
		}
		r.flush()
	}
	return nil
}

func (r *Run) flush() {
	for _, c := range r.conns {
		c.flush()
	}
}
