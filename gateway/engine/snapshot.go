package engine

import (
	"context"
	"encoding/binary"
	"time"

	"touchpoint/gateway"
)

// snapshotRequest asks a runner to encode its state into buf.
type snapshotRequest struct {
	buf   []byte
	reply chan Snapshot
}

// A snapshot's data is one byte of format, the step up to which forwards are
// appended (8 bytes), and the core's state.
const (
	snapshotFormat = 1
	snapshotHeader = 9
)

// encodeSnapshot encodes the state between two steps; the upload is not the
// runner's work.
func (r *runner) encodeSnapshot(buf []byte) Snapshot {
	buf = binary.BigEndian.AppendUint64(append(buf[:0], snapshotFormat), r.forward.position())
	return Snapshot{
		Partition: r.partition, StepSeq: r.seq, StepNumber: r.number, EventSeq: r.eventSeq,
		Data: r.core.AppendSnapshot(buf),
	}
}

// splitSnapshot is the reverse of encodeSnapshot.
func splitSnapshot(data []byte) (forwarded uint64, state []byte, err error) {
	if len(data) < snapshotHeader || data[0] != snapshotFormat {
		return 0, nil, gateway.Errorf(gateway.Internal, "the format of the snapshot is not known: it was written by a newer release")
	}
	return binary.BigEndian.Uint64(data[1:]), data[snapshotHeader:], nil
}

// keepHouse saves snapshots, one at a time and in turn.
func (e *Engine) keepHouse() {
	look := time.NewTicker(min(e.o.SnapshotInterval, time.Second))
	defer look.Stop()
	var buf []byte
	for turn := 0; ; turn++ {
		select {
		case <-look.C:
		case <-e.halted.Done():
			return
		}
		if r := e.dueForSnapshot(turn); r != nil {
			buf = e.takeSnapshot(r, buf)
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
	r.releaseRecords(ctx, s)
}

// engineName is the engine's name among the followers.
const engineName = "engine"

// kept is what a start from a snapshot still reads.
type kept struct{ event, step uint64 }

// releaseRecords tells the trimmer what is needed no more: what lies before
// the snapshot that preceded s, because s may prove unreadable. A start also
// reads the steps whose forwards were not appended when the snapshot was taken.
func (r *runner) releaseRecords(ctx context.Context, s Snapshot) {
	r.keptMu.Lock()
	defer r.keptMu.Unlock()
	if err := r.o.Log.SetFollower(ctx, engineName, r.partition, r.kept.event, r.kept.step); err != nil {
		r.log.Warn("position not noted, the logs are trimmed later", "error", err)
	}
	r.keep(s)
}

func (r *runner) keep(s Snapshot) {
	if forwarded, _, err := splitSnapshot(s.Data); err == nil {
		r.kept = kept{event: s.EventSeq, step: min(forwarded, s.StepSeq)}
	}
}

// finish makes the next start quick: nothing left to forward, a last snapshot.
func (r *runner) finish(ctx context.Context) {
	if err := r.forward.drain(ctx); err != nil {
		r.log.Warn("forwards left to the next start", "error", err)
	}
	if r.number > r.shared.snapshotStep.Load() {
		r.e.saveSnapshot(ctx, r, r.encodeSnapshot(nil))
	}
}
