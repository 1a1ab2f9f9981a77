package engine

import (
	"context"
	"time"

	"touchpoint/gateway"
)

// live applies what arrives until the engine stops (nil) or the partition is
// lost (Fenced).
func (r *runner) live(ctx context.Context) error {
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	r.pump = r.startPump(reading, r.eventSeq)
	r.shared.pump.Store(r.pump)
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		r.setAlarm(ctx, alarm)
		select {
		case b := <-r.pump.out:
			r.pace(ctx)
			if err := r.step(ctx, b); err != nil {
				return err
			}
		case <-alarm.C:
		case <-r.nudge:
		case err := <-r.tick.done:
			r.ticked(err)
		case req := <-r.snapshot:
			req.reply <- r.encodeSnapshot(req.buf)
		case q := <-r.queries:
			q.look(r.core)
			close(q.done)
		case err := <-r.pump.fail:
			return err
		case <-r.claim.Lost():
			return gateway.Errorf(gateway.Fenced, "the claim was lost")
		case <-r.e.halted.Done():
			return nil
		}
	}
}

// pace waits until the last commit is CommitGap ago, so that under load a step
// takes more records instead of each record costing a disk flush.
func (r *runner) pace(ctx context.Context) {
	left := r.o.CommitGap - time.Since(r.last)
	if r.o.CommitGap == 0 || left <= 0 {
		return
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.e.halted.Done():
	case <-ctx.Done():
	}
}

// step applies b and whatever else has arrived, as one step. A record that the
// core cannot finish in one go takes further steps.
func (r *runner) step(ctx context.Context, b *gateway.Batch) error {
	out := r.begin()
	r.apply(b, out)
	for inputs := len(b.Inputs); !out.More && inputs < r.o.MaxInputs && size(out) < maxStep; {
		next, ok := r.arrived()
		if !ok {
			break
		}
		b = next
		inputs += len(b.Inputs)
		r.apply(b, out)
	}
	if err := r.commit(ctx, out); err != nil {
		return err
	}
	for out.More {
		out = r.begin()
		r.core.Apply(b, out)
		if err := r.commit(ctx, out); err != nil {
			return err
		}
	}
	if r.eventSeq < b.Seq {
		return gateway.Errorf(gateway.Internal, "the core did not account for record %d", b.Seq)
	}
	r.shared.recordTime.Store(int64(b.RecordTime))
	for i, b := range r.taken {
		r.pump.recycle(b)
		r.taken[i] = nil
	}
	r.taken = r.taken[:0]
	return nil
}

// size estimates what the step takes in the log.
func size(s *gateway.Step) int {
	n := len(s.Changes) + 4*len(s.Outcomes) + 400*len(s.Messages) + 150*(len(s.Decisions)+len(s.Entered)+len(s.Updates)) +
		200*(len(s.Late)+len(s.Profiles)+len(s.Ownerships))
	for i := range s.Forwards {
		n += 200
		if admit, ok := s.Forwards[i].Input.Command.(gateway.AdmitDevice); ok {
			n += len(admit.State)
		}
	}
	return n
}

func (r *runner) arrived() (*gateway.Batch, bool) {
	select {
	case b := <-r.pump.out:
		return b, true
	default:
		return nil, false
	}
}

func (r *runner) apply(b *gateway.Batch, out *gateway.Step) {
	r.taken = append(r.taken, b)
	r.shared.inputs.Add(uint64(len(b.Inputs)))
	r.core.Apply(b, out)
}

// begin returns an empty step that reuses the buffers which no sink may keep.
func (r *runner) begin() *gateway.Step {
	o := &r.out
	r.out = gateway.Step{
		Partition: r.partition, Number: r.number + 1, Owner: r.claim.Epoch(),
		Now: r.now, Observed: r.observed,
		Applied: o.Applied[:0], Outcomes: o.Outcomes[:0], Changes: o.Changes[:0],
	}
	return &r.out
}
