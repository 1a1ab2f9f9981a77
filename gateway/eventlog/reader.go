package eventlog

import (
	"context"
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

// follower receives the messages of one subject in order. The ordered consumer
// of the client makes itself anew after a gap, a restart or a change of leader.
type follower struct {
	l      *Log
	stream string
	seen   uint64 // sequence of the last delivery
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
		l: l, stream: stream, seen: from, ch: make(chan delivery, readAhead),
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
	f.l.log.Debug("log: reader recovers", "stream", f.stream, "error", err)
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
				info, err := h.Info(l.running)
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
		return f.took(d)
	default:
	}
	select {
	case d := <-f.ch:
		return f.took(d)
	case <-f.failed:
		return delivery{}, f.failure()
	case <-f.closed:
		return delivery{}, gateway.Errorf(gateway.Unavailable, "reading %s: the reader is closed", f.stream)
	case <-ctx.Done():
		return delivery{}, ctx.Err()
	}
}

func (f *follower) try() (delivery, error) {
	select {
	case d := <-f.ch:
		return f.took(d)
	default:
	}
	select {
	case <-f.failed:
		return delivery{}, f.failure()
	default:
		return delivery{}, nil
	}
}

func (f *follower) took(d delivery) (delivery, error) {
	if d.seq <= f.seen {
		return delivery{}, f.fail(gateway.Errorf(gateway.Internal, "reading %s: record %d came after record %d", f.stream, d.seq, f.seen))
	}
	f.seen = d.seq
	return d, nil
}

// fail stops the reader for good: nothing after a broken record is delivered.
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
	c, err := l.js.CreateConsumer(ctx, stream, cfg)
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
