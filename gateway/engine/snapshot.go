package engine

import (
	"context"
	"time"
)

// snapshotRequest asks a runner to encode its state into buf.
type snapshotRequest struct {
	buf   []byte
	reply chan Snapshot
}

// encodeSnapshot encodes the state between two steps; the upload is not the
// runner's work.
func (r *runner) encodeSnapshot(buf []byte) Snapshot {
	return Snapshot{
		Partition: r.partition, StepSeq: r.seq, StepNumber: r.number, EventSeq: r.resume,
		Data: r.core.AppendSnapshot(buf[:0]),
	}
}

// keepHouse saves snapshots, one at a time and in turn, and the positions of
// the forwarders.
func (e *Engine) keepHouse() {
	look := time.NewTicker(min(e.o.SaveInterval, e.o.SnapshotInterval, time.Second))
	defer look.Stop()
	var buf []byte
	saved := time.Now()
	for turn := 0; ; turn++ {
		select {
		case <-look.C:
		case <-e.halted.Done():
			return
		}
		if r := e.dueForSnapshot(turn); r != nil {
			buf = e.takeSnapshot(r, buf)
		}
		if time.Since(saved) >= e.o.SaveInterval {
			saved = time.Now()
			for _, r := range e.runners {
				if f := r.shared.forward.Load(); f != nil {
					f.save(e.halted)
				}
			}
		}
	}
}

// dueForSnapshot returns the next runner in turn that has done enough since
// its last snapshot.
func (e *Engine) dueForSnapshot(turn int) *runner {
	for i := range e.runners {
		r := e.runners[(turn+i)%len(e.runners)]
		if State(r.state.Load()) != Live {
			continue
		}
		steps := r.shared.step.Load() - r.shared.snapshotStep.Load()
		age := time.Since(time.Unix(0, r.shared.snapshotAt.Load()))
		if steps >= uint64(e.o.SnapshotSteps) || steps > 0 && age >= e.o.SnapshotInterval {
			return r
		}
	}
	return nil
}

func (e *Engine) takeSnapshot(r *runner, buf []byte) []byte {
	req := snapshotRequest{buf: buf, reply: make(chan Snapshot, 1)}
	select {
	case r.snapshot <- req:
	case <-time.After(time.Second): // it is not live any more
		return buf
	case <-e.halted.Done():
		return buf
	}
	s := <-req.reply
	e.saveSnapshot(e.alive, r, s)
	return s.Data
}

func (e *Engine) saveSnapshot(ctx context.Context, r *runner, s Snapshot) {
	start := time.Now()
	if err := e.o.Log.SaveSnapshot(ctx, s); err != nil {
		r.log.Warn("snapshot not saved, the next start reads more steps", "step", s.StepNumber, "error", err)
		return
	}
	r.shared.snapshotStep.Store(s.StepNumber)
	r.shared.snapshotAt.Store(time.Now().UnixNano())
	r.log.Debug("snapshot saved", "step", s.StepNumber, "bytes", len(s.Data), "took", time.Since(start))
	if err := e.o.Log.SetFollower(ctx, engineName, r.partition, s.EventSeq, s.StepSeq); err != nil {
		r.log.Warn("position not saved, logs are trimmed later", "error", err)
	}
}

// engineName is the engine's name among the followers: the trimmer keeps what
// lies behind the last snapshot.
const engineName = "engine"

// finish makes the next start quick: a last snapshot, the forwarder's position.
func (r *runner) finish(ctx context.Context) {
	if err := r.forward.drain(ctx); err != nil {
		r.log.Warn("forwards left to the next start", "error", err)
	}
	if r.number > r.shared.snapshotStep.Load() {
		r.e.saveSnapshot(ctx, r, r.encodeSnapshot(nil))
	}
	r.forward.save(ctx)
}
