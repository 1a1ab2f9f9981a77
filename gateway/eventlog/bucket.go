package eventlog

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
)

// headerOp marks a revision that says "purged".
const headerOp = "Touchpoint-Op"

// sweepEvery is after how many updates of a key its old revisions are erased.
const sweepEvery = 32

// Bucket is a small durable table. Values may be secret: Purge overwrites every
// revision on the disk. Keys are not erased and must say nothing.
type Bucket struct {
	l      *Log
	name   string
	stream *stream
	secret bool // old revisions are overwritten, not only forgotten

	mu      sync.Mutex
	updates map[string]int // by key, since its last sweep
}

// Entry is one key of a bucket.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
	// Purged is set when Watch reports that the key is gone.
	Purged bool
}

// Bucket opens the table of this name and creates it if it is missing.
func (l *Log) Bucket(ctx context.Context, name string) (*Bucket, error) {
	return l.table(ctx, name, true)
}

// table opens a bucket. One that is not secret keeps the last revision alone
// and is cheap to update often.
func (l *Log) table(ctx context.Context, name string, secret bool) (*Bucket, error) {
	if !nameForm.MatchString(name) {
		return nil, gateway.InvalidField("bucket", "%q: allowed are 1 to 40 letters, digits, - and _", name)
	}
	l.mu.Lock()
	b, ok := l.buckets[name]
	l.mu.Unlock()
	if ok {
		return b, nil
	}
	cfg := l.streamConfig(l.names.bucketStream(name), -1)
	cfg.Subjects = []string{l.names.bucketKey(name, ">")}
	if !secret {
		cfg.MaxMsgsPerSubject = 1
	}
	if err := l.createStream(ctx, cfg); err != nil {
		return nil, err
	}
	s, err := l.handle(ctx, cfg.Name)
	if err != nil {
		return nil, readError("table "+name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buckets[name] == nil {
		l.buckets[name] = &Bucket{l: l, name: name, stream: s, secret: secret, updates: map[string]int{}}
	}
	return l.buckets[name], nil
}

func (b *Bucket) subject(key string) (string, error) {
	if !keyForm.MatchString(key) || len(key) > 200 {
		return "", gateway.InvalidField("key", "a key has 1 to 200 letters, digits and _ = / - . (no dot at the ends)")
	}
	return b.l.names.bucketKey(b.name, key), nil
}

// Get returns the value and its revision; kind NotFound when there is none.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	subject, err := b.subject(key)
	if err != nil {
		return nil, 0, err
	}
	m, err := b.stream.last(ctx, subject)
	if err != nil {
		return nil, 0, readError("table "+b.name, err)
	}
	if m == nil || m.Header.Get(headerOp) != "" {
		return nil, 0, gateway.Errorf(gateway.NotFound, "table %s has no such key", b.name)
	}
	return m.Data, m.Sequence, nil
}

// Put stores the value whatever was there.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.write(ctx, key, value, noExpectation)
}

// Create stores the value of a key that does not exist; else kind Conflict.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	rev, err := b.write(ctx, key, value, 0)
	if gateway.KindOf(err) != gateway.Conflict {
		return rev, err
	}
	subject, _ := b.subject(key)
	m, gerr := b.stream.last(ctx, subject)
	if gerr != nil || m == nil || m.Header.Get(headerOp) == "" {
		return 0, err
	}
	return b.write(ctx, key, value, m.Sequence) // it was purged: a new life
}

// Update stores the value if the key stands at this revision; else kind
// Conflict.
func (b *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return b.write(ctx, key, value, revision)
}

func (b *Bucket) write(ctx context.Context, key string, value []byte, last uint64) (uint64, error) {
	subject, err := b.subject(key)
	if err != nil {
		return 0, err
	}
	rev, err := b.l.publish(ctx, subject, value, b.l.ids.next(), last)
	if err != nil {
		err = writeError("table "+b.name, err)
		if gateway.KindOf(err) == gateway.Fenced {
			err = gateway.Errorf(gateway.Conflict, "table %s: the key was changed by another: %w", b.name, err)
		}
		return 0, err
	}
	if last != 0 && b.secret {
		b.countUpdate(ctx, key, rev)
	}
	return rev, nil
}

// countUpdate erases old revisions now and then. The first update of a key by
// this process counts as due, since nobody knows what is left from before.
func (b *Bucket) countUpdate(ctx context.Context, key string, rev uint64) {
	b.mu.Lock()
	n, known := b.updates[key]
	due := !known || n+1 >= sweepEvery
	if due {
		b.updates[key] = 0
	} else {
		b.updates[key] = n + 1
	}
	b.mu.Unlock()
	if !due {
		return
	}
	if err := b.erase(ctx, key, rev); err != nil {
		b.l.log.Warn("log: old revisions stay until the next sweep", "table", b.name, "error", err)
	}
}

// Purge removes the key and overwrites all its revisions on the disk. A missing
// key is no error.
func (b *Bucket) Purge(ctx context.Context, key string) error {
	subject, err := b.subject(key)
	if err != nil {
		return err
	}
	m := nats.Msg{Subject: subject, Header: nats.Header{
		headerOp: []string{"purge"}, jetstream.MsgIDHeader: []string{b.l.ids.next()},
	}}
	rev, err := b.l.publishMsg(ctx, &m)
	if err != nil {
		return writeError("table "+b.name, err)
	}
	if !b.secret {
		return nil
	}
	return b.erase(ctx, key, rev)
}

// erase overwrites the revisions of a key before rev.
func (b *Bucket) erase(ctx context.Context, key string, rev uint64) error {
	subject, err := b.subject(key)
	if err != nil {
		return err
	}
	var old []uint64
	err = b.l.scan(ctx, b.l.names.bucketStream(b.name),
		jetstream.ConsumerConfig{FilterSubject: subject, HeadersOnly: true, DeliverPolicy: jetstream.DeliverAllPolicy},
		func(m jetstream.Msg) bool {
			if meta, err := m.Metadata(); err == nil && meta.Sequence.Stream < rev {
				old = append(old, meta.Sequence.Stream)
			}
			return true
		})
	if err != nil {
		return readError("table "+b.name, err)
	}
	for _, seq := range old {
		if err := b.stream.erase(ctx, seq); err != nil {
			return writeError("table "+b.name+": erasing", err)
		}
	}
	return nil
}

// Keys returns the keys that begin with prefix ("" = all).
func (b *Bucket) Keys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := b.each(ctx, prefix, true, func(e Entry) { keys = append(keys, e.Key) })
	return keys, err
}

// List returns the entries whose keys begin with prefix ("" = all).
func (b *Bucket) List(ctx context.Context, prefix string) ([]Entry, error) {
	var entries []Entry
	err := b.each(ctx, prefix, false, func(e Entry) { entries = append(entries, e) })
	return entries, err
}

func (b *Bucket) each(ctx context.Context, prefix string, keysOnly bool, f func(Entry)) error {
	filter := ">"
	if i := strings.LastIndexByte(prefix, '.'); i >= 0 {
		filter = prefix[:i] + ".>"
	}
	cfg := jetstream.ConsumerConfig{
		FilterSubject: b.l.names.bucketKey(b.name, filter), HeadersOnly: keysOnly,
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	}
	err := b.l.scan(ctx, b.l.names.bucketStream(b.name), cfg, func(m jetstream.Msg) bool {
		if e, ok := b.entry(m); ok && !e.Purged && strings.HasPrefix(e.Key, prefix) {
			f(e)
		}
		return true
	})
	if err != nil {
		return readError("table "+b.name, err)
	}
	return nil
}

func (b *Bucket) entry(m jetstream.Msg) (Entry, bool) {
	meta, err := m.Metadata()
	if err != nil {
		return Entry{}, false
	}
	return Entry{
		Key: strings.TrimPrefix(m.Subject(), b.l.names.bucketKey(b.name, "")), Value: m.Data(),
		Revision: meta.Sequence.Stream, Purged: m.Headers().Get(headerOp) != "",
	}, true
}

// Watch calls f with every entry as it stands and then with every change, in
// order, until ctx ends or stop is called. f runs in one goroutine.
func (b *Bucket) Watch(ctx context.Context, f func(Entry)) (stop func(), err error) {
	c, err := b.l.js.OrderedConsumer(ctx, b.l.names.bucketStream(b.name), jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{b.l.names.bucketKey(b.name, ">")},
		DeliverPolicy:  jetstream.DeliverLastPerSubjectPolicy, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, readError("table "+b.name, err)
	}
	cc, err := c.Consume(func(m jetstream.Msg) {
		if e, ok := b.entry(m); ok {
			f(e)
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		b.l.log.Debug("log: watch recovers", "table", b.name, "error", err)
	}))
	if err != nil {
		return nil, readError("table "+b.name, err)
	}
	ended := context.AfterFunc(ctx, cc.Stop)
	return func() { ended(); cc.Stop() }, nil
}
