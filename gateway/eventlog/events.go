package eventlog

import (
	"context"

	"github.com/cespare/xxhash/v2"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// AppendEvents appends the batch to its partition and returns its sequence
// when it is durable. Kinds of error:
//
//   - Exhausted: the log is 90 % full and the batch holds an event that came in
//     from outside. Batches of commands alone (ticks, receipts) and of forwarded
//     inputs still pass.
//   - Unavailable: not stored, try again.
//   - OutcomeUnknown: it may be stored. Append the very same batch again: it is
//     stored once, within two minutes.
//   - Invalid: larger than the server takes.
func (l *Log) AppendEvents(ctx context.Context, b *gateway.Batch) (uint64, error) {
	if err := l.checkPartition(b.Partition); err != nil {
		return 0, err
	}
	if len(b.Inputs) == 0 || len(b.Inputs) > wire.MaxInputs {
		return 0, gateway.InvalidField("inputs", "a batch of %d: allowed are 1 to %d", len(b.Inputs), wire.MaxInputs)
	}
	if fromOutside(b) {
		if err := l.checkFill(ctx, b.Partition); err != nil {
			return 0, err
		}
	}
	buf := buffers.Get().(*buffer)
	defer keepBuffer(buf)
	buf.record = wire.AppendBatch(buf.record[:0], b)
	payload := buf.pack()
	if max := l.MaxRecord(); len(payload) > max {
		return 0, gateway.InvalidField("inputs", "the batch takes %d bytes, the server allows %d (max_payload)", len(payload), max)
	}
	return l.appendBatch(ctx, b.Partition, payload, xxhash.Sum64(buf.record))
}

// appendBatch publishes under an id that a repetition after an unknown outcome
// shares. With the embedded server the appends of a partition come one after
// the other, which keeps its tail complete.
func (l *Log) appendBatch(ctx context.Context, partition int, payload []byte, hash uint64) (uint64, error) {
	p := &l.parts[partition]
	if p.events != nil {
		select {
		case p.appending <- struct{}{}:
			defer func() { <-p.appending }()
		case <-ctx.Done():
			return 0, gateway.Errorf(gateway.Unavailable, "append to EVENTS: %w", ctx.Err())
		}
	}
	what := unknownAppend{partition, hash}
	id := l.unknown.id(what, l.ids.next)
	seq, err := l.publish(ctx, l.names.events(partition), payload, id, noExpectation)
	if err != nil {
		err = writeError("append to EVENTS", err)
		p.eventsFail.note(ctx, err)
		unknown := gateway.KindOf(err) == gateway.OutcomeUnknown
		l.unknown.settle(what, id, unknown)
		if unknown {
			p.events.lose()
		}
		return 0, err
	}
	l.unknown.settle(what, id, false)
	p.eventsFail.note(ctx, nil)
	l.eventFill(partition).grew(len(payload))
	l.sawEvent(partition, seq)
	p.events.push(seq, anyPrev, payload)
	return seq, nil
}

// fromOutside reports whether the batch holds an event that a device or a
// service may send again later.
func fromOutside(b *gateway.Batch) bool {
	for i := range b.Inputs {
		if in := &b.Inputs[i]; in.Command == nil && in.From.Step == 0 {
			return true
		}
	}
	return false
}

func (l *Log) sawEvent(p int, seq uint64) {
	last := &l.parts[p].lastEvent
	for {
		old := last.Load()
		if seq <= old || last.CompareAndSwap(old, seq) {
			return
		}
	}
}

// LastEventSeq returns the sequence of the partition's last batch, 0 when
// there was never one. With the embedded server it costs nothing.
func (l *Log) LastEventSeq(ctx context.Context, partition int) (uint64, error) {
	if err := l.checkPartition(partition); err != nil {
		return 0, err
	}
	if l.Embedded() {
		return l.parts[partition].lastEvent.Load(), nil
	}
	return l.storedLastEvent(ctx, partition)
}

// storedLastEvent asks the server. After a trim that left nothing the answer
// is what was trimmed.
func (l *Log) storedLastEvent(ctx context.Context, partition int) (uint64, error) {
	m, err := l.lastMsg(ctx, l.names.eventStream(partition), l.names.events(partition))
	if err != nil {
		return 0, readError("end of EVENTS", err)
	}
	if m != nil {
		return m.Sequence, nil
	}
	mark, err := l.trimmed(ctx, partition)
	return mark.EventSeq, err
}

// lastMsg returns the last message of a subject, nil when there is none.
func (l *Log) lastMsg(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	s, err := l.handle(ctx, stream)
	if err != nil {
		return nil, err
	}
	return s.last(ctx, subject)
}

// EventReader reads the batches of one partition in order.
type EventReader struct {
	src *source
	buf buffer
}

// ReadEvents returns a reader of the batches after the sequence from (0 = from
// the beginning). It survives a restart of the server. A position that was
// trimmed, or that lies behind the end, is an error: records would be missed.
func (l *Log) ReadEvents(ctx context.Context, partition int, from uint64) (*EventReader, error) {
	if err := l.checkPartition(partition); err != nil {
		return nil, err
	}
	if err := l.checkStart(ctx, partition, from, false); err != nil {
		return nil, err
	}
	src := l.newSource(l.names.eventStream(partition), l.names.events(partition), l.parts[partition].events, from)
	return &EventReader{src: src}, nil
}

// Next waits for the next batch and decodes it into b, reusing b.Inputs.
func (r *EventReader) Next(ctx context.Context, b *gateway.Batch) error {
	m, err := r.src.next(ctx)
	if err != nil {
		return err
	}
	return r.decode(m, b)
}

// TryNext is Next for what has arrived already; ok is false when nothing has.
// Call Next first: it is what asks the server when that has to be asked.
func (r *EventReader) TryNext(b *gateway.Batch) (ok bool, err error) {
	m, err := r.src.try()
	if m.data == nil || err != nil {
		return false, err
	}
	return true, r.decode(m, b)
}

func (r *EventReader) decode(m delivery, b *gateway.Batch) error {
	record, err := r.buf.unpack(m.data)
	if err == nil {
		err = wire.DecodeBatch(record, b)
	}
	if err != nil {
		return r.src.fail(gateway.Errorf(gateway.Internal, "EVENTS record %d: %w", m.seq, err))
	}
	b.Seq = m.seq
	return nil
}

// Close ends the reader; a Next that waits returns.
func (r *EventReader) Close() { r.src.close() }
