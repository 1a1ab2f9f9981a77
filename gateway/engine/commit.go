package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"touchpoint/gateway"
	"touchpoint/gateway/failpoint"
)

// commit writes the step and hands it over.
func (r *runner) commit(ctx context.Context, s *gateway.Step) error {
	failpoint.Hit(failpoint.EngineBeforeCommit)
	seq, err := r.o.Log.AppendStep(ctx, s, r.seq)
	if err != nil {
		if seq, err = r.settle(ctx, s, err); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.EngineCommitted)
	s.Seq = seq
	r.follow(s)
	r.last = time.Now()
	for _, sink := range r.o.Sinks {
		sink.Committed(r.partition, s)
	}
	r.forward.add(s)
	r.publish()
	return nil
}

// maxRefusals is how often a step may be refused without another one being there.
const maxRefusals = 5

// settle finds out what became of a step whose append failed: it asks for the
// last step and tries the same one again until either it is there, or another
// owner's is.
func (r *runner) settle(ctx context.Context, s *gateway.Step, err error) (uint64, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 10*time.Millisecond, 2*time.Second
	for try := 0; ; try++ {
		kind := gateway.KindOf(err)
		switch kind {
		case gateway.Fenced, gateway.OutcomeUnknown, gateway.Unavailable, gateway.Exhausted:
		default:
			return 0, err
		}
		last, lastErr := r.o.Log.LastStep(ctx, r.partition)
		if lastErr == nil {
			seq, ours, fenced := r.judge(last, s)
			switch {
			case ours:
				return seq, nil
			case fenced:
				return 0, gateway.Errorf(gateway.Fenced, "step %d was written by another owner", s.Number)
			case kind == gateway.Fenced && try >= maxRefusals:
				// Not a stale answer of a replica any more: read everything anew.
				return 0, gateway.Errorf(gateway.Fenced, "step %d is refused although STEPS ends where we do: %w", s.Number, err)
			}
		}
		r.log.Warn("step not committed yet, retrying", "step", s.Number, "error", errors.Join(err, lastErr))
		select {
		case <-time.After(wait.NextBackOff()):
		case <-r.claim.Lost():
			return 0, gateway.Errorf(gateway.Fenced, "the claim was lost while step %d was under way", s.Number)
		case <-ctx.Done():
			return 0, gateway.Errorf(gateway.OutcomeUnknown, "step %d: %w", s.Number, ctx.Err())
		}
		var seq uint64
		if seq, err = r.o.Log.AppendStep(ctx, s, r.seq); err == nil {
			return seq, nil
		}
	}
}

// judge compares the last step of the log with the one we want to commit.
func (r *runner) judge(last, s *gateway.Step) (seq uint64, ours, fenced bool) {
	switch {
	case last == nil:
		return 0, false, r.seq != 0
	case last.Number == s.Number && last.Owner == s.Owner &&
		bytes.Equal(last.Changes, s.Changes) && slices.Equal(last.Applied, s.Applied):
		return last.Seq, true, false
	}
	return 0, false, last.Seq != r.seq
}

// publish shows the runner's position to others. The timer goes before the
// applied sequence: who sees the sequence sees the timer that it left.
func (r *runner) publish() {
	pure, absence := r.core.NextTimers()
	s := &r.shared
	s.pure.Store(int64(pure))
	s.absence.Store(int64(absence))
	s.now.Store(int64(r.now))
	s.observed.Store(int64(r.observed))
	s.step.Store(r.number)
	s.applied.Store(r.eventSeq)
	r.e.changed.tell()
}
