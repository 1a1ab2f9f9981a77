package eventlog

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// connection tells requests that their answers will not come: an answer that
// was on its way when the connection broke is lost.
type connection struct {
	mu     sync.Mutex
	broken context.Context
	snap   context.CancelFunc
}

func (c *connection) init() {
	c.broken, c.snap = context.WithCancel(context.Background())
}

// lost ends the requests that are under way.
func (c *connection) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snap()
	c.broken, c.snap = context.WithCancel(context.Background())
}

// call bounds one request: by ctx, by Options.AppendTimeout, and by the life of
// the connection.
func (l *Log) call(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, l.o.AppendTimeout)
	if l.Embedded() {
		return ctx, cancel // nothing is between us and the server
	}
	l.conn.mu.Lock()
	broken := l.conn.broken
	l.conn.mu.Unlock()
	stop := context.AfterFunc(broken, cancel)
	return ctx, func() { stop(); cancel() }
}

// stream is a stream whose requests are bounded.
type stream struct {
	l *Log
	s jetstream.Stream
}

// handle returns a stream; the server is asked the first time only.
func (l *Log) handle(ctx context.Context, name string) (*stream, error) {
	l.mu.Lock()
	s, ok := l.streams[name]
	l.mu.Unlock()
	if ok {
		return s, nil
	}
	ctx, cancel := l.call(ctx)
	defer cancel()
	js, err := l.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[name] = &stream{l, js}
	return l.streams[name], nil
}

// last returns the last message of a subject, nil when there is none.
func (s *stream) last(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := s.l.call(ctx)
	defer cancel()
	m, err := s.s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	return m, err
}

// get returns one message, ErrMsgNotFound when there is none.
func (s *stream) get(ctx context.Context, seq uint64) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := s.l.call(ctx)
	defer cancel()
	return s.s.GetMsg(ctx, seq)
}

func (s *stream) info(ctx context.Context, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	ctx, cancel := s.l.call(ctx)
	defer cancel()
	return s.s.Info(ctx, opts...)
}

func (s *stream) purge(ctx context.Context, opts ...jetstream.StreamPurgeOpt) error {
	ctx, cancel := s.l.call(ctx)
	defer cancel()
	return s.s.Purge(ctx, opts...)
}

// erase overwrites one message. One that is gone is no error.
func (s *stream) erase(ctx context.Context, seq uint64) error {
	bounded, cancel := s.l.call(ctx)
	defer cancel()
	err := s.s.SecureDeleteMsg(bounded, seq)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		if _, gone := s.get(ctx, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
			return nil
		}
	}
	return err
}
