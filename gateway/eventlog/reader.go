package eventlog

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
)

// How many messages a reader has asked for, and how many of them it keeps
// ready: at most twice readAhead messages of a partition are in memory.
const readAhead = 32

// delivery is one message as the readers need it.
type delivery struct {
	seq  uint64
	data []byte
}

// source reads the records of one subject in order: from memory at the end of
// the log, from the server before it.
type source struct {
	l               *Log
	stream, subject string
	tail            *tail // nil with an external server

	pos    uint64 // sequence of the last record that was taken
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	remote *follower
	err    error
}

func (l *Log) newSource(stream, subject string, t *tail, from uint64) *source {
	return &source{l: l, stream: stream, subject: subject, tail: t, pos: from, closed: make(chan struct{})}
}

// next waits for the next record.
func (s *source) next(ctx context.Context) (delivery, error) {
	for {
		d, change, err := s.local()
		if err != nil || d.data != nil {
			return d, err
		}
		if change == nil {
			return s.fromServer(ctx)
		}
		select {
		case <-change:
		case <-s.closed:
			return delivery{}, isClosed(s.stream)
		case <-s.l.running.Done():
			return delivery{}, isClosed(s.stream)
		case <-ctx.Done():
			return delivery{}, ctx.Err()
		}
	}
}

// try returns the next record if it is here already.
func (s *source) try() (delivery, error) {
	d, change, err := s.local()
	if err != nil || d.data != nil || change != nil {
		return d, err
	}
	s.mu.Lock()
	remote := s.remote
	s.mu.Unlock()
	if remote == nil {
		return delivery{}, nil // the next call of next begins to ask the server
	}
	return s.took(remote.try())
}

// local looks into memory. Without a record, change is nil when the server has
// to be asked.
func (s *source) local() (d delivery, change <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return delivery{}, nil, s.err
	}
	if s.tail == nil {
		return delivery{}, nil, nil
	}
	d, covered, change := s.tail.after(s.pos)
	if covered && s.remote != nil {
		s.remote.close()
		s.remote = nil
	}
	if d.data != nil {
		s.pos = d.seq
	}
	return d, change, nil
}

func (s *source) fromServer(ctx context.Context) (delivery, error) {
	s.mu.Lock()
	remote := s.remote
	s.mu.Unlock()
	if remote == nil {
		f, err := s.l.newFollower(ctx, s.stream, s.subject, s.pos)
		if err != nil {
			return delivery{}, err
		}
		s.mu.Lock()
		s.remote, remote = f, f
		s.mu.Unlock()
		select {
		case <-s.closed:
			f.close()
		default:
		}
	}
	return s.took(remote.next(ctx))
}

func (s *source) took(d delivery, err error) (delivery, error) {
	if err != nil || d.data == nil {
		return delivery{}, err
	}
	if d.seq <= s.pos {
		return delivery{}, s.fail(gateway.Errorf(gateway.Internal, "reading %s: record %d came after record %d", s.stream, d.seq, s.pos))
	}
	s.pos = d.seq
	return d, nil
}

// fail stops the reader for good: nothing after a broken record is delivered.
func (s *source) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	return s.err
}

func isClosed(stream string) error {
	return gateway.Errorf(gateway.Unavailable, "reading %s: the reader or the log is closed", stream)
}

func (s *source) close() {
	s.once.Do(func() { close(s.closed) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remote != nil {
		s.remote.close()
	}
}

// follower receives the messages of one subject in order from the server. The
// ordered consumer of the client makes itself anew after a gap, a restart or a
// change of leader.
type follower struct {
	l      *Log
	stream string
	ch     chan delivery
	cc     jetstream.ConsumeContext
	got    atomic.Uint64 // sequence of the last message that arrived
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	err    error
	failed chan struct{}
}

func (l *Log) newFollower(ctx context.Context, stream, subject string, from uint64) (*follower, error) {
	f := &follower{
		l: l, stream: stream, ch: make(chan delivery, readAhead),
		closed: make(chan struct{}), failed: make(chan struct{}),
	}
	f.got.Store(from)
	err := l.retry(ctx, func() error {
		c, err := l.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
			FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
			OptStartSeq: from + 1, InactiveThreshold: time.Minute,
		})
		if err != nil {
			return err
		}
		f.cc, err = c.Consume(f.receive,
			jetstream.PullMaxMessages(readAhead), jetstream.PullThresholdMessages(readAhead/2),
			jetstream.ConsumeErrHandler(f.trouble))
		return err
	})
	if err != nil {
		return nil, readError("reading "+stream, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers[f] = struct{}{}
	return f, nil
}

// receive hands a message to the reader; it blocks while the reader is slow,
// and then no more is asked for.
func (f *follower) receive(m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		f.fail(gateway.Errorf(gateway.Internal, "reading %s: %w", f.stream, err))
		return
	}
	f.got.Store(meta.Sequence.Stream)
	select {
	case f.ch <- delivery{meta.Sequence.Stream, m.Data()}:
	case <-f.closed:
	}
}

// trouble is told about what the consumer recovers from by itself.
func (f *follower) trouble(_ jetstream.ConsumeContext, err error) {
	level := slog.LevelWarn
	if errors.Is(err, jetstream.ErrNoHeartbeat) || f.l.running.Err() != nil {
		level = slog.LevelDebug
	}
	f.l.log.Log(f.l.running, level, "log: reader recovers", "stream", f.stream, "error", err)
}

// recheck runs after each reconnection. A server that came back without records
// that it had would number new ones like the lost, and the reader would never
// see them.
func (l *Log) recheck() {
	l.mu.Lock()
	readers := make([]*follower, 0, len(l.readers))
	for f := range l.readers {
		readers = append(readers, f)
	}
	l.mu.Unlock()
	ends := map[string]uint64{}
	for _, f := range readers {
		if _, ok := ends[f.stream]; !ok {
			err := l.retry(l.running, func() error {
				h, err := l.handle(l.running, f.stream)
				if err != nil {
					return err
				}
				info, err := h.info(l.running)
				if err == nil {
					ends[f.stream] = info.State.LastSeq
				}
				return err
			})
			if err != nil {
				return // the log is closed
			}
		}
		if end, got := ends[f.stream], f.got.Load(); end < got {
			err := f.fail(lostRecords(f.stream, end, got))
			l.log.Error("log: the server came back without records that it had", "stream", f.stream, "error", err)
		}
	}
}

func lostRecords(what string, end, had uint64) error {
	return gateway.Errorf(gateway.Internal, "%s ends at record %d, but record %d was read before: the log has lost records; restore from a backup", what, end, had)
}

func (f *follower) next(ctx context.Context) (delivery, error) {
	select { // what is there comes before an error that came later
	case d := <-f.ch:
		return d, nil
	default:
	}
	select {
	case d := <-f.ch:
		return d, nil
	case <-f.failed:
		return delivery{}, f.failure()
	case <-f.closed:
		return delivery{}, isClosed(f.stream)
	case <-f.l.running.Done():
		return delivery{}, isClosed(f.stream)
	case <-ctx.Done():
		return delivery{}, ctx.Err()
	}
}

func (f *follower) try() (delivery, error) {
	select {
	case d := <-f.ch:
		return d, nil
	default:
	}
	select {
	case <-f.failed:
		return delivery{}, f.failure()
	default:
		return delivery{}, nil
	}
}

func (f *follower) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
		close(f.failed)
	}
	return f.err
}

func (f *follower) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *follower) close() {
	f.once.Do(func() {
		close(f.closed)
		f.cc.Stop()
		f.l.mu.Lock()
		defer f.l.mu.Unlock()
		delete(f.l.readers, f)
	})
}

// scan calls each for the messages of a stream that are there now, in order,
// until each returns false.
func (l *Log) scan(ctx context.Context, stream string, cfg jetstream.ConsumerConfig, each func(jetstream.Msg) bool) error {
	cfg.AckPolicy = jetstream.AckNonePolicy
	cfg.MemoryStorage = true
	cfg.Replicas = 1
	cfg.InactiveThreshold = 10 * time.Second
	create, cancel := l.call(ctx)
	c, err := l.js.CreateConsumer(create, stream, cfg)
	cancel()
	if err != nil {
		return err
	}
	name := c.CachedInfo().Name
	defer func() {
		// Left behind, it goes by itself after the threshold.
		gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = l.js.DeleteConsumer(gone, stream, name)
	}()
	for left := c.CachedInfo().NumPending; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := c.Fetch(int(min(left, 64)), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return err
		}
		got := uint64(0)
		for m := range batch.Messages() {
			got++
			if !each(m) {
				return nil
			}
		}
		if got == 0 {
			if err := batch.Error(); err != nil {
				return err
			}
			return nats.ErrTimeout
		}
		left -= min(got, left)
	}
	return nil
}
