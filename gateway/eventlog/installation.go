package eventlog

import (
	"context"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// The bucket and key that describe the log.
const (
	metaBucket = "META"
	metaKey    = "installation"
)

// openInstallation creates the description of a new log, or compares the one
// of an existing log with the options.
func (l *Log) openInstallation(ctx context.Context) error {
	if l.Embedded() {
		if err := l.checkDirectory(ctx); err != nil {
			return err
		}
	}
	b, err := l.table(ctx, metaBucket, false)
	if err != nil {
		return err
	}
	want := wire.Installation{
		Format: wire.Format, Name: l.o.Name, Partitions: l.o.Partitions, Streams: l.o.Streams,
		VirtualClock: l.o.VirtualClock, ClockOrigin: l.o.ClockOrigin,
	}
	return l.retry(ctx, func() error {
		data, _, err := b.Get(ctx, metaKey)
		if gateway.KindOf(err) == gateway.NotFound {
			if _, err = b.Create(ctx, metaKey, wire.AppendInstallation(nil, &want)); gateway.KindOf(err) == gateway.Conflict {
				return gateway.Errorf(gateway.Unavailable, "another process creates the log: %w", err)
			}
			l.installation = want
			return err
		}
		if err != nil {
			return err
		}
		if l.installation, err = wire.DecodeInstallation(data); err != nil {
			return err
		}
		return l.compare(&l.installation)
	})
}

// checkDirectory refuses a directory that another installation wrote.
func (l *Log) checkDirectory(ctx context.Context) error {
	try, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	list := l.js.StreamNames(try)
	for name := range list.Name() {
		if other, ok := isTable(name, metaBucket); ok && other != l.o.Name {
			return conflict("name", "%q: %s belongs to the installation %q", l.o.Name, l.o.Dir, other)
		}
	}
	return list.Err()
}

// compare names the first setting that differs from what the log was created
// with.
func (l *Log) compare(have *wire.Installation) error {
	mode := map[bool]string{false: "the wall clock", true: "a virtual clock"}
	switch {
	case have.Format != wire.Format:
		return conflict("log.dir", "was written in record format %d, this release reads format %d: use the release that wrote it, or another directory", have.Format, wire.Format)
	case have.Partitions != l.o.Partitions:
		return conflict("partitions", "%d: the log was created with %d, which cannot be changed", l.o.Partitions, have.Partitions)
	case have.Streams != l.o.Streams:
		return conflict("log.streams", "%d: the log was created with %d, which cannot be changed", l.o.Streams, have.Streams)
	case have.VirtualClock != l.o.VirtualClock:
		return conflict("clock", "%s: the log was created with %s, and time cannot go on in the other", mode[l.o.VirtualClock], mode[have.VirtualClock])
	case l.o.ClockOrigin != 0 && have.ClockOrigin != l.o.ClockOrigin:
		return conflict("clock.origin", "%v: the log was created with %v, which cannot be changed", l.o.ClockOrigin, have.ClockOrigin)
	}
	return nil
}

// conflict is an error about a setting that contradicts the stored one.
func conflict(field, format string, args ...any) error {
	err := gateway.InvalidField(field, format, args...)
	err.Kind = gateway.Conflict
	return err
}

// LastTime returns the latest time that any partition has recorded, 0 for a
// new log. A virtual clock never starts below it.
func (l *Log) LastTime(ctx context.Context) (gateway.Instant, error) {
	var last gateway.Instant
	var batch gateway.Batch
	var buf buffer
	for p := range l.o.Partitions {
		m, err := l.lastMsg(ctx, l.names.eventStream(p), l.names.events(p))
		if err != nil {
			return 0, readError("end of EVENTS", err)
		}
		if m != nil {
			record, err := buf.unpack(m.Data)
			if err == nil {
				err = wire.DecodeBatch(record, &batch)
			}
			if err != nil {
				return 0, err
			}
			last = max(last, batch.RecordTime)
		}
		s, err := l.LastStep(ctx, p)
		if err != nil {
			return 0, err
		}
		if s != nil {
			last = max(last, s.Now)
		}
	}
	return last, nil
}
