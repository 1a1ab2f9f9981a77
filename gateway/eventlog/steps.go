package eventlog

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// AppendStep commits s as the step after the one with sequence prevSeq (0 for
// the partition's first), returns its sequence and sets s.Seq. Kinds of error:
//
//   - Fenced: another owner has written a step since. Drop the state.
//   - Exhausted, Unavailable: not stored, commit the same step again.
//   - OutcomeUnknown: it may be stored; commit the same step again: if it is
//     there it is found.
//
// An unclear outcome is cleared up here as long as ctx allows.
func (l *Log) AppendStep(ctx context.Context, s *gateway.Step, prevSeq uint64) (uint64, error) {
	if err := l.checkPartition(s.Partition); err != nil {
		return 0, err
	}
	buf := buffers.Get().(*buffer)
	defer keepBuffer(buf)
	buf.record = wire.AppendStep(buf.record[:0], s, prevSeq)
	payload := buf.pack()
	if max := l.MaxRecord(); len(payload) > max {
		return 0, gateway.InvalidField("changes", "the step takes %d bytes, the server allows %d (max_payload)", len(payload), max)
	}
	return l.commit(ctx, s, prevSeq, payload)
}

// commit publishes the step until its outcome is known or ctx ends.
func (l *Log) commit(ctx context.Context, s *gateway.Step, prevSeq uint64, payload []byte) (uint64, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.o.AppendTimeout)
		defer cancel()
	}
	id := stepID(s, payload)
	wait := 5 * time.Millisecond
	for {
		// Each try has a part of the time, so that an answer that was lost does
		// not take all of it.
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		seq, err := l.publish(try, l.names.steps(s.Partition), payload, id, prevSeq)
		cancel()
		if err == nil {
			l.stepFill(s.Partition).grew(len(payload))
			l.parts[s.Partition].stepsFail.note(ctx, nil)
			l.parts[s.Partition].steps.push(seq, prevSeq, payload)
			s.Seq = seq
			return seq, nil
		}
		err = writeError("append to STEPS", err)
		l.parts[s.Partition].stepsFail.note(ctx, err)
		if gateway.KindOf(err) == gateway.OutcomeUnknown {
			l.parts[s.Partition].steps.lose()
		}
		switch gateway.KindOf(err) {
		case gateway.Fenced:
			return l.ownStep(ctx, s, prevSeq, payload, err)
		case gateway.OutcomeUnknown:
		default:
			return 0, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait = min(2*wait, time.Second)
		case <-ctx.Done():
			timer.Stop()
			return 0, err
		}
	}
}

// stepID tells the tries of one step from those of any other.
func stepID(s *gateway.Step, payload []byte) string {
	var b [64]byte
	id := append(b[:0], 's')
	id = strconv.AppendInt(id, int64(s.Partition), 36)
	id = append(id, '-')
	id = strconv.AppendUint(id, s.Owner, 36)
	id = append(id, '-')
	id = strconv.AppendUint(id, s.Number, 36)
	id = append(id, '-')
	return string(strconv.AppendUint(id, uint64(wire.Checksum(payload)), 36))
}

// ownStep looks whether the step that stands in the way is this very one,
// stored by an earlier try.
func (l *Log) ownStep(ctx context.Context, s *gateway.Step, prevSeq uint64, payload []byte, fenced error) (uint64, error) {
	m, err := l.lastMsg(ctx, l.names.stepStream(s.Partition), l.names.steps(s.Partition))
	if err != nil {
		return 0, gateway.Errorf(gateway.OutcomeUnknown, "append to STEPS: reading the last step: %w", err)
	}
	if m != nil && bytes.Equal(m.Data, payload) {
		l.parts[s.Partition].steps.push(m.Sequence, prevSeq, payload)
		s.Seq = m.Sequence
		return m.Sequence, nil
	}
	return 0, fenced
}

// LastStep returns the partition's last step, nil when there is none.
func (l *Log) LastStep(ctx context.Context, partition int) (*gateway.Step, error) {
	if err := l.checkPartition(partition); err != nil {
		return nil, err
	}
	m, err := l.lastMsg(ctx, l.names.stepStream(partition), l.names.steps(partition))
	if err != nil {
		return nil, readError("end of STEPS", err)
	}
	if m == nil {
		return nil, nil
	}
	s := new(gateway.Step)
	var buf buffer
	if _, err := decodeStep(&buf, delivery{m.Sequence, m.Data}, s); err != nil {
		return nil, err
	}
	return s, nil
}

func decodeStep(buf *buffer, m delivery, s *gateway.Step) (prev uint64, err error) {
	record, err := buf.unpack(m.data)
	if err == nil {
		prev, err = wire.DecodeStep(record, s)
	}
	if err != nil {
		return 0, gateway.Errorf(gateway.Internal, "STEPS record %d: %w", m.seq, err)
	}
	s.Seq = m.seq
	return prev, nil
}

// StepReader reads the steps of one partition in order.
type StepReader struct {
	src    *source
	buf    buffer
	seq    uint64 // of the step before
	number uint64 // of the step before, 0 while unknown
}

// ReadSteps returns a reader of the steps after the one with sequence from (0 =
// from the first). It verifies that each step names the one before it and
// stops with an error at a hole or a damaged record.
func (l *Log) ReadSteps(ctx context.Context, partition int, from uint64) (*StepReader, error) {
	if err := l.checkPartition(partition); err != nil {
		return nil, err
	}
	if err := l.checkStart(ctx, partition, from, true); err != nil {
		return nil, err
	}
	src := l.newSource(l.names.stepStream(partition), l.names.steps(partition), l.parts[partition].steps, from)
	return &StepReader{src: src, seq: from}, nil
}

// Next waits for the next step and decodes it into s, reusing its slices.
func (r *StepReader) Next(ctx context.Context, s *gateway.Step) error {
	m, err := r.src.next(ctx)
	if err != nil {
		return err
	}
	return r.decode(m, s)
}

// TryNext is Next for what has arrived already; ok is false when nothing has.
// Call Next first: it is what asks the server when that has to be asked.
func (r *StepReader) TryNext(s *gateway.Step) (ok bool, err error) {
	m, err := r.src.try()
	if m.data == nil || err != nil {
		return false, err
	}
	return true, r.decode(m, s)
}

func (r *StepReader) decode(m delivery, s *gateway.Step) error {
	prev, err := decodeStep(&r.buf, m, s)
	if err != nil {
		return r.src.fail(err)
	}
	if prev != r.seq || (r.number != 0 && s.Number != r.number+1) || (r.seq == 0 && s.Number != 1) {
		return r.src.fail(gateway.Errorf(gateway.Internal,
			"STEPS has a hole: step %d (record %d) follows record %d, read was step %d (record %d): restore from a backup", s.Number, m.seq, prev, r.number, r.seq))
	}
	r.seq, r.number = m.seq, s.Number
	return nil
}

// Close ends the reader; a Next that waits returns.
func (r *StepReader) Close() { r.src.close() }
