package eventlog

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway/wire"
)

// Retention says what a trim has to leave.
type Retention struct {
	// Keep is how long records stay after everybody has read them, by the
	// server's clock.
	Keep time.Duration
}

// Trim removes the records that nobody needs any more: older than Keep, covered
// by the older of two snapshots, and behind every follower. The last step of a
// partition always stays: its sequence is what the next one refers to. It
// returns how far each partition is trimmed now.
func (l *Log) Trim(ctx context.Context, r Retention) ([]Position, error) {
	if err := l.flushFollowers(ctx); err != nil {
		return nil, err
	}
	if err := l.readFollowers(ctx); err != nil {
		return nil, err
	}
	all := l.Followers()
	limits := make([]Position, l.o.Partitions)
	for p := range limits {
		limit, err := l.trimLimit(ctx, p, all, time.Now().Add(-r.Keep))
		if err != nil {
			return nil, err
		}
		if limits[p], err = l.trimPartition(ctx, p, limit); err != nil {
			return nil, err
		}
	}
	for i := range l.fills {
		if err := l.measure(ctx, &l.fills[i]); err != nil {
			return limits, readError("size of "+l.fills[i].name, err)
		}
	}
	return limits, nil
}

// trimLimit returns the last records of a partition that may go.
func (l *Log) trimLimit(ctx context.Context, p int, all map[string][]Position, before time.Time) (Position, error) {
	var limit Position
	manifests, err := l.manifests(ctx, p)
	if err != nil || len(manifests) < keepSnapshots {
		return limit, err // a single snapshot that proved unreadable would be the end
	}
	oldest := manifests[len(manifests)-keepSnapshots]
	limit = Position{EventSeq: oldest.EventSeq, StepSeq: oldest.StepSeq}
	for _, positions := range all {
		limit.EventSeq = min(limit.EventSeq, positions[p].EventSeq)
		limit.StepSeq = min(limit.StepSeq, positions[p].StepSeq)
	}
	if limit.EventSeq, err = l.olderThan(ctx, l.names.eventStream(p), l.names.events(p), before, limit.EventSeq); err != nil {
		return limit, err
	}
	limit.StepSeq, err = l.olderThan(ctx, l.names.stepStream(p), l.names.steps(p), before, limit.StepSeq)
	return limit, err
}

// olderThan returns the smaller of limit and the last sequence before the first
// record that is as young as before.
func (l *Log) olderThan(ctx context.Context, stream, subject string, before time.Time, limit uint64) (uint64, error) {
	if limit == 0 {
		return 0, nil
	}
	cfg := jetstream.ConsumerConfig{
		FilterSubject: subject, HeadersOnly: true,
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &before,
	}
	err := l.scan(ctx, stream, cfg, func(m jetstream.Msg) bool {
		if meta, err := m.Metadata(); err == nil {
			limit = min(limit, meta.Sequence.Stream-1)
		}
		return false
	})
	if err != nil {
		return 0, readError("trim "+stream, err)
	}
	return limit, nil
}

// trimPartition notes how far it will trim, then trims: a reader that comes
// with an older position is told, instead of missing records.
func (l *Log) trimPartition(ctx context.Context, p int, limit Position) (Position, error) {
	mark, err := l.trimmed(ctx, p)
	if err != nil {
		return mark, err
	}
	last, err := l.lastMsg(ctx, l.names.stepStream(p), l.names.steps(p))
	if err != nil {
		return mark, readError("trim", err)
	}
	if last == nil {
		return mark, nil
	}
	// Records up to and with the limit go, except for the last step. A reader
	// that stands at the limit still can go on.
	stepsUpTo := min(limit.StepSeq, last.Sequence-1)
	next := Position{EventSeq: max(mark.EventSeq, limit.EventSeq), StepSeq: max(mark.StepSeq, stepsUpTo)}
	if next == mark {
		return mark, nil
	}
	if _, err := l.follow.bucket.Put(ctx, positionKey(trimKey, p), wire.AppendPosition(nil, next)); err != nil {
		return mark, err
	}
	if err := l.purge(ctx, l.names.eventStream(p), l.names.events(p), next.EventSeq); err != nil {
		return mark, err
	}
	return next, l.purge(ctx, l.names.stepStream(p), l.names.steps(p), next.StepSeq)
}

// purge removes the records of a subject up to and with seq.
func (l *Log) purge(ctx context.Context, stream, subject string, seq uint64) error {
	if seq == 0 {
		return nil
	}
	h, err := l.handle(ctx, stream)
	if err != nil {
		return readError("trim "+stream, err)
	}
	if err := h.purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(seq+1)); err != nil {
		return writeError("trim "+stream, err)
	}
	return nil
}
