package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// Log is an open log. Its methods may be called from many goroutines.
type Log struct {
	o      Options
	names  names
	log    *slog.Logger
	lock   *os.File       // embedded only
	server *server.Server // embedded only
	nc     *nats.Conn
	js     jetstream.JetStream
	conn   connection

	installation wire.Installation
	parts        []partition
	fills        []fill // by stream: EVENTS, then STEPS
	ids          idSource
	unknown      unknownAppends

	mu      sync.Mutex
	buckets map[string]*Bucket
	streams map[string]*stream
	readers map[*follower]struct{}
	follow  followers
	claims  claims

	stop    context.CancelFunc
	running context.Context
	wg      sync.WaitGroup
}

// partition is what the log keeps in memory of one partition.
type partition struct {
	lastEvent atomic.Uint64 // highest sequence acknowledged to this process
	snapshots sync.Mutex    // one snapshot of a partition at a time

	eventsFail, stepsFail failure // of the last append

	// Embedded only: the newest records, and the one append of events under way.
	events, steps *tail
	appending     chan struct{}
}

// Open starts the embedded server or connects to the external one, creates
// what is missing and refuses a log that was created with other settings. It
// tries until ctx ends while the server is away.
func Open(ctx context.Context, o Options) (*Log, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	l := &Log{
		o: o, names: names{o.Name, o.Streams}, log: o.Logger, parts: make([]partition, o.Partitions),
		buckets: map[string]*Bucket{}, streams: map[string]*stream{}, readers: map[*follower]struct{}{},
	}
	l.ids.init()
	l.conn.init()
	l.running, l.stop = context.WithCancel(context.Background())
	if err := l.open(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *Log) open(ctx context.Context) (err error) {
	if l.o.Dir != "" {
		if l.lock, err = lockDir(l.o.Dir); err != nil {
			return err
		}
		if l.server, err = startServer(&l.o); err != nil {
			return err
		}
	}
	err = l.retry(ctx, func() error {
		if l.nc == nil {
			if l.nc, err = connect(&l.o, l.server); err != nil {
				l.nc = nil
				return err
			}
			if l.js, err = jetstream.New(l.nc); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{
		l.openInstallation, l.createStreams, l.openFills, l.openFollowers, l.openPartitions, l.openClaims,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	l.nc.SetDisconnectErrHandler(func(_ *nats.Conn, err error) {
		l.conn.lost()
		if err != nil {
			l.log.Warn("log: connection lost", "error", err)
		}
	})
	l.nc.SetReconnectHandler(func(*nats.Conn) {
		l.log.Info("log: connected again")
		go l.recheck()
	})
	l.wg.Add(1)
	go l.watchFill()
	return nil
}

// toldAfter is the pause between two attempts from which on an operator hears
// of them: a server that just starts needs fewer.
const toldAfter = 640 * time.Millisecond

// retry repeats f while the server is away, until ctx ends. A cluster that has
// just started answers with all kinds of passing errors.
func (l *Log) retry(ctx context.Context, f func() error) error {
	wait := 20 * time.Millisecond
	told := false
	for {
		err := f()
		if err == nil {
			return nil
		}
		var own *gateway.Error
		if errors.As(err, &own) && own.Kind != gateway.Unavailable && own.Kind != gateway.OutcomeUnknown {
			return err
		}
		var api *jetstream.APIError
		if errors.As(err, &api) && api.ErrorCode == codeStorageFull {
			return gateway.InvalidField("log.max_bytes", "the server has no room for events and steps of up to %d bytes each: lower it, "+
				"or raise max_file_store of the server: %v", l.o.MaxBytes, err)
		}
		if errors.As(err, &api) && api.Code < 500 && api.ErrorCode != jetstream.JSErrCodeStreamNotFound {
			return gateway.Errorf(gateway.Invalid, "the log refuses: %w", err)
		}
		if !told && wait >= toldAfter {
			l.log.Warn("log: the server is not there yet; trying again", "error", err)
			told = true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait = min(2*wait, 2*time.Second)
		case <-l.running.Done():
			timer.Stop()
			return gateway.Errorf(gateway.Unavailable, "the log is closed: %w", err)
		case <-ctx.Done():
			timer.Stop()
			return gateway.Errorf(gateway.Unavailable, "the log is not ready: %w (last: %w)", ctx.Err(), err)
		}
	}
}

// createStreams creates the streams or brings the limits of present ones up
// to date.
func (l *Log) createStreams(ctx context.Context) error {
	var list []jetstream.StreamConfig
	limit := l.o.MaxBytes / int64(l.o.Streams)
	for s := range l.o.Streams {
		events := l.streamConfig(l.names.eventStream(s), limit)
		steps := l.streamConfig(l.names.stepStream(s), limit)
		for p := s; p < l.o.Partitions; p += l.o.Streams {
			events.Subjects = append(events.Subjects, l.names.events(p))
			steps.Subjects = append(steps.Subjects, l.names.steps(p))
		}
		list = append(list, events, steps)
	}
	snapshots := l.streamConfig(l.names.snapshotStream(), -1)
	snapshots.Subjects = []string{l.o.Name + ".snapshots.>"}
	letters := l.streamConfig(l.names.deadLetterStream(), maxDeadLetterBytes)
	letters.Subjects = []string{l.names.deadLetters()}
	letters.Discard = jetstream.DiscardOld
	list = append(list, snapshots, letters)
	for _, cfg := range list {
		if err := l.createStream(ctx, cfg); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) createStream(ctx context.Context, cfg jetstream.StreamConfig) error {
	return l.retry(ctx, func() error {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		have, err := l.js.Stream(try, cfg.Name)
		if err == nil {
			had := have.CachedInfo().Config
			if had.MaxBytes == cfg.MaxBytes && had.Replicas == cfg.Replicas {
				return nil
			}
			had.MaxBytes, had.Replicas = cfg.MaxBytes, cfg.Replicas
			cfg = had
		}
		_, err = l.js.CreateOrUpdateStream(try, cfg)
		return err
	})
}

// streamConfig is what all streams have in common: files, no age limit, and a
// full stream refuses.
func (l *Log) streamConfig(name string, maxBytes int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: name, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
		Discard: jetstream.DiscardNew, MaxBytes: maxBytes, MaxMsgs: -1, MaxMsgsPerSubject: -1,
		Replicas: l.o.Replicas, Duplicates: 2 * time.Minute,
	}
}

// openPartitions learns where each partition's EVENTS end.
func (l *Log) openPartitions(ctx context.Context) error {
	for p := range l.parts {
		seq, err := l.storedLastEvent(ctx, p)
		if err != nil {
			return err
		}
		l.parts[p].lastEvent.Store(seq)
		if !l.Embedded() {
			continue
		}
		m, err := l.lastMsg(ctx, l.names.stepStream(p), l.names.steps(p))
		if err != nil {
			return readError("end of STEPS", err)
		}
		step := uint64(0)
		if m != nil {
			step = m.Sequence
		}
		l.parts[p].events, l.parts[p].steps = newTail(seq), newTail(step)
		l.parts[p].appending = make(chan struct{}, 1)
	}
	return nil
}

// Close gives back what this process owns and stops the embedded server. What
// was acknowledged is on disk with or without it.
func (l *Log) Close(ctx context.Context) error {
	l.releaseAll(ctx)
	flushed := l.flushFollowers(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.close()
	}()
	select {
	case <-done:
		return flushed
	case <-ctx.Done():
		return gateway.Errorf(gateway.Unavailable, "closing the log: %w", ctx.Err())
	}
}

func (l *Log) close() {
	l.stop()
	l.wg.Wait()
	if l.nc != nil {
		l.nc.Close()
	}
	if l.server != nil {
		l.server.Shutdown()
		l.server.WaitForShutdown()
	}
	if l.lock != nil {
		l.lock.Close()
	}
}

// Partitions returns the number of partitions.
func (l *Log) Partitions() int { return l.o.Partitions }

// Embedded reports whether the server runs inside this process.
func (l *Log) Embedded() bool { return l.server != nil }

// Name returns the name of the installation.
func (l *Log) Name() string { return l.o.Name }

// Installation returns how the log was created.
func (l *Log) Installation() wire.Installation { return l.installation }

// JetStream returns the connection's JetStream for the packages that keep
// streams of their own; their names begin with Name.
func (l *Log) JetStream() jetstream.JetStream { return l.js }

// MaxRecord is the size in bytes above which an append may be refused: what
// the server takes in one message.
func (l *Log) MaxRecord() int { return int(l.nc.MaxPayload()) - headerRoom }

// Ready reports why the log cannot be used right now, nil when it can.
func (l *Log) Ready() error {
	if s := l.nc.Status(); s != nats.CONNECTED {
		return gateway.Errorf(gateway.Unavailable, "the log is %v", s)
	}
	for p := range l.parts {
		for _, f := range [...]*failure{&l.parts[p].eventsFail, &l.parts[p].stepsFail} {
			if err := f.last.Load(); err != nil {
				return gateway.Errorf(gateway.Unavailable, "the log takes nothing for partition %d: %w", p, *err)
			}
		}
	}
	return nil
}

// failure is the error of the last append, nil when it went well: a server may
// answer and yet store nothing, such as with a full disk.
type failure struct{ last atomic.Pointer[error] }

// note takes the outcome of an append down. What the caller gave up on tells
// nothing about the log, nor does a refusal of this one record.
func (f *failure) note(ctx context.Context, err error) {
	switch kind := gateway.KindOf(err); {
	case err == nil:
		if f.last.Load() != nil {
			f.last.Store(nil)
		}
	case ctx.Err() == nil && (kind == gateway.Unavailable || kind == gateway.OutcomeUnknown):
		f.last.Store(&err)
	}
}

// Guarantee says in one line what an acknowledged append survives.
func (l *Log) Guarantee() string {
	if l.Embedded() {
		return fmt.Sprintf("log: embedded in %s, one copy, every write synced to disk before it is acknowledged", l.o.Dir)
	}
	if l.o.Replicas == 1 {
		return "log: external NATS, one copy; it survives a crash of that machine only if the server sets jetstream.sync_interval: always, which cannot be seen from here"
	}
	return fmt.Sprintf("log: external NATS, %d copies; a power loss of several servers at once is survived only if they set jetstream.sync_interval: always, which cannot be seen from here", l.o.Replicas)
}

func (l *Log) checkPartition(p int) error {
	if p < 0 || p >= l.o.Partitions {
		return gateway.InvalidField("partition", "%d: allowed are 0 to %d", p, l.o.Partitions-1)
	}
	return nil
}
