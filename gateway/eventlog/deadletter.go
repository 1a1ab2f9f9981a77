package eventlog

import (
	"context"
	"encoding/binary"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// maxDeadLetterBytes bounds the dead letters: past it the oldest go, since
// their payloads cannot be opened for long anyway.
const maxDeadLetterBytes = 1 << 30

// The bucket that says which dead letters were taken in again.
const markBucket = "REPLAYED"

// DeadLetter is an input that could not be used, with its payload sealed by
// the caller.
type DeadLetter = wire.DeadLetter

// AppendDeadLetter stores d and sets its ID.
func (l *Log) AppendDeadLetter(ctx context.Context, d *DeadLetter) error {
	buf := buffers.Get().(*buffer)
	defer keepBuffer(buf)
	buf.record = wire.AppendDeadLetter(buf.record[:0], d)
	id, err := l.publish(ctx, l.names.deadLetters(), buf.pack(), l.ids.next(), noExpectation)
	if err != nil {
		return writeError("append a dead letter", err)
	}
	d.ID = id
	return nil
}

// DeadLetters returns up to limit dead letters, newest first, and the token of
// the next page ("" at the end).
func (l *Log) DeadLetters(ctx context.Context, page string, limit int) ([]DeadLetter, string, error) {
	if limit < 1 || limit > 1000 {
		return nil, "", gateway.InvalidField("page_size", "%d: allowed are 1 to 1000", limit)
	}
	h, err := l.handle(ctx, l.names.deadLetterStream())
	if err != nil {
		return nil, "", readError("dead letters", err)
	}
	info, err := h.info(ctx)
	if err != nil {
		return nil, "", readError("dead letters", err)
	}
	below := info.State.LastSeq + 1
	if page != "" {
		if below, err = strconv.ParseUint(page, 36, 64); err != nil {
			return nil, "", gateway.InvalidField("page_token", "is none that an earlier page gave")
		}
	}
	var list []DeadLetter
	for below > info.State.FirstSeq && len(list) < limit && info.State.Msgs > 0 {
		from := max(info.State.FirstSeq, below-min(below, uint64(limit-len(list))))
		some, err := l.deadLettersIn(ctx, from, below)
		if err != nil {
			return nil, "", err
		}
		for i := len(some) - 1; i >= 0; i-- {
			list = append(list, some[i])
		}
		below = from
	}
	if err := l.addMarks(ctx, list); err != nil {
		return nil, "", err
	}
	next := ""
	if below > info.State.FirstSeq && len(list) == limit {
		next = strconv.FormatUint(below, 36)
	}
	return list, next, nil
}

// deadLettersIn returns the dead letters with from <= id < to, oldest first.
func (l *Log) deadLettersIn(ctx context.Context, from, to uint64) ([]DeadLetter, error) {
	var list []DeadLetter
	var bad error
	cfg := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from}
	err := l.scan(ctx, l.names.deadLetterStream(), cfg, func(m jetstream.Msg) bool {
		meta, err := m.Metadata()
		if err != nil || meta.Sequence.Stream >= to {
			return false
		}
		d, err := decodeDeadLetter(m.Data(), meta.Sequence.Stream)
		if err != nil {
			bad = err
			return false
		}
		list = append(list, d)
		return true
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, readError("dead letters", err)
	}
	return list, nil
}

func decodeDeadLetter(payload []byte, id uint64) (d DeadLetter, err error) {
	var buf buffer
	record, err := buf.unpack(payload)
	if err == nil {
		d, err = wire.DecodeDeadLetter(record)
	}
	d.ID = id
	return d, err
}

// DeadLetter returns one dead letter; kind NotFound when there is none.
func (l *Log) DeadLetter(ctx context.Context, id uint64) (*DeadLetter, error) {
	h, err := l.handle(ctx, l.names.deadLetterStream())
	if err != nil {
		return nil, readError("dead letter", err)
	}
	m, err := h.get(ctx, id)
	if err != nil {
		return nil, readError("dead letter "+strconv.FormatUint(id, 10), err)
	}
	d, err := decodeDeadLetter(m.Data, id)
	if err != nil {
		return nil, err
	}
	list := []DeadLetter{d}
	err = l.addMarks(ctx, list)
	return &list[0], err
}

// addMarks fills ReplayedAt.
func (l *Log) addMarks(ctx context.Context, list []DeadLetter) error {
	if len(list) == 0 {
		return nil
	}
	b, err := l.table(ctx, markBucket, false)
	if err != nil {
		return err
	}
	marks, err := b.List(ctx, "")
	if err != nil {
		return err
	}
	at := make(map[string]gateway.Instant, len(marks))
	for _, m := range marks {
		if len(m.Value) == 8 {
			at[m.Key] = gateway.Instant(binary.LittleEndian.Uint64(m.Value))
		}
	}
	for i := range list {
		list[i].ReplayedAt = at[strconv.FormatUint(list[i].ID, 10)]
	}
	return nil
}

// MarkReplayed notes that a dead letter was taken in again.
func (l *Log) MarkReplayed(ctx context.Context, id uint64, at gateway.Instant) error {
	b, err := l.table(ctx, markBucket, false)
	if err != nil {
		return err
	}
	_, err = b.Put(ctx, strconv.FormatUint(id, 10), binary.LittleEndian.AppendUint64(nil, uint64(at)))
	return err
}

// DeleteDeadLetter removes a dead letter and overwrites it on the disk. A
// missing one is no error.
func (l *Log) DeleteDeadLetter(ctx context.Context, id uint64) error {
	h, err := l.handle(ctx, l.names.deadLetterStream())
	if err != nil {
		return readError("dead letter", err)
	}
	if err := h.erase(ctx, id); err != nil {
		return writeError("delete a dead letter", err)
	}
	b, err := l.table(ctx, markBucket, false)
	if err != nil {
		return err
	}
	key := strconv.FormatUint(id, 10)
	if _, _, err := b.Get(ctx, key); gateway.KindOf(err) == gateway.NotFound {
		return nil
	}
	return b.Purge(ctx, key)
}
