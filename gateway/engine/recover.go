package engine

import (
	"context"
	"time"

	"touchpoint/gateway"
)

// recover rebuilds the state: the latest snapshot, then every step after it.
// On the way it collects the forwards that may not have been appended yet.
func (r *runner) recover(ctx context.Context) error {
	start := time.Now()
	r.core = r.o.NewCore(r.partition)
	r.number, r.seq, r.eventSeq = 0, 0, 0
	r.now, r.observed = 0, 0
	r.tick = tickState{}
	var snapshotStep, forwarded uint64
	snap, err := r.o.Log.LoadSnapshot(ctx, r.partition)
	if err != nil {
		return err
	}
	if snap == nil { // registers us: nothing is trimmed that we have not read
		err = r.o.Log.SetFollower(ctx, engineName, r.partition, 0, 0)
	} else {
		var state []byte
		if forwarded, state, err = splitSnapshot(snap.Data); err == nil {
			err = r.core.Restore(state)
		}
		if err != nil {
			return gateway.Errorf(gateway.Internal, "snapshot of step %d: %w", snap.StepNumber, err)
		}
		r.number, r.seq, r.eventSeq = snap.StepNumber, snap.StepSeq, snap.EventSeq
		snapshotStep = snap.StepNumber
		r.keptMu.Lock()
		r.keep(*snap)
		r.keptMu.Unlock()
	}
	restored := time.Since(start)
	if err != nil {
		return err
	}
	r.forward = newForwarder(r.e, r.partition, forwarded)
	r.shared.forward.Store(r.forward)
	replayed, err := r.replay(ctx, forwarded)
	if err != nil {
		return err
	}
	r.shared.snapshotAt.Store(time.Now().UnixNano())
	r.shared.snapshotStep.Store(snapshotStep)
	r.publish()
	r.log.Info("partition recovered", "step", r.number, "epoch", r.claim.Epoch(), "replayed", replayed,
		"snapshot", restored.Round(time.Millisecond), "took", time.Since(start).Round(time.Millisecond))
	return nil
}

// replay reads the steps from the older one of the snapshot and the
// forwarder's position on, up to the last step there is.
func (r *runner) replay(ctx context.Context, forwarded uint64) (int, error) {
	last, err := r.o.Log.LastStep(ctx, r.partition)
	if err != nil {
		return 0, err
	}
	if last == nil {
		if r.number > 0 {
			return 0, gateway.Errorf(gateway.Internal, "there is a snapshot of step %d, but STEPS is empty", r.number)
		}
		return 0, nil
	}
	if last.Number < r.number {
		return 0, gateway.Errorf(gateway.Internal, "the snapshot is of step %d, but STEPS ends at %d", r.number, last.Number)
	}
	from := min(r.seq, forwarded)
	if from >= last.Seq {
		r.follow(last)
		return 0, nil
	}
	reader, err := r.o.Log.ReadSteps(ctx, r.partition, from)
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	var s gateway.Step
	for n := 0; ; {
		if err := reader.Next(ctx, &s); err != nil {
			return n, err
		}
		if s.Seq > forwarded {
			r.forward.add(&s)
		}
		if s.Number > r.number {
			if s.Number != r.number+1 {
				return n, gateway.Errorf(gateway.Internal, "hole in STEPS: %d follows %d", s.Number, r.number)
			}
			if err := r.core.Replay(&s); err != nil {
				return n, gateway.Errorf(gateway.Internal, "replay of step %d: %w", s.Number, err)
			}
			r.follow(&s)
			n++
		}
		if s.Number >= last.Number {
			return n, nil
		}
		s = gateway.Step{}
	}
}

// follow moves the runner's positions past a committed step.
func (r *runner) follow(s *gateway.Step) {
	r.number, r.seq = s.Number, s.Seq
	r.now, r.observed = s.Now, s.Observed
	if n := len(s.Applied); n > 0 {
		r.eventSeq = s.Applied[n-1].Seq
	}
}
