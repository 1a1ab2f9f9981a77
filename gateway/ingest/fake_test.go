package ingest_test

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/ingest"
)

// fakeLog keeps batches in memory; answer decides about each append.
type fakeLog struct {
	mu      sync.Mutex
	batches []gateway.Batch
	tries   int
	answer  func(b *gateway.Batch, try int) error
	moved   chan struct{}
}

func newFakeLog() *fakeLog { return &fakeLog{moved: make(chan struct{})} }

func (l *fakeLog) AppendEvents(ctx context.Context, b *gateway.Batch) (uint64, error) {
	l.mu.Lock()
	l.tries++
	try, answer := l.tries, l.answer
	l.mu.Unlock()
	if answer != nil {
		if err := answer(b, try); err != nil {
			return 0, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := *b
	c.Inputs = append([]gateway.Input(nil), b.Inputs...)
	l.batches = append(l.batches, c)
	close(l.moved)
	l.moved = make(chan struct{})
	return uint64(len(l.batches)), nil
}

func (l *fakeLog) all() []gateway.Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]gateway.Batch(nil), l.batches...)
}

// wait waits until n inputs are in the log.
func (l *fakeLog) wait(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		have, moved := 0, l.moved
		for _, b := range l.batches {
			have += len(b.Inputs)
		}
		l.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-moved:
		case <-deadline:
			t.Fatalf("%d of %d inputs in the log", have, n)
		}
	}
}

// fakeVault derives ids from names and seals by turning bytes around.
type fakeVault struct {
	mu   sync.Mutex
	away int // calls of Device that fail still
}

func (v *fakeVault) Device(_ context.Context, product, serial string) (gateway.DeviceID, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.away > 0 {
		v.away--
		return 0, gateway.Errorf(gateway.Unavailable, "the vault is away")
	}
	return deviceID(product, serial), nil
}

func deviceID(product, serial string) gateway.DeviceID {
	h := fnv.New64a()
	_, _ = h.Write([]byte(product + "/" + serial))
	return gateway.DeviceID(h.Sum64())
}

func (*fakeVault) Sync(context.Context) error { return nil }

func (*fakeVault) Seal(_ context.Context, s gateway.Subject, text gateway.Personal) (string, error) {
	return s.String() + ":" + turn(text.Reveal()), nil
}

func (*fakeVault) SealRotating(_ context.Context, _ gateway.Instant, data []byte) ([]byte, error) {
	return []byte(turn(string(data))), nil
}

func turn(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] ^= 0xff
	}
	return string(b)
}

// fakeLetters keeps dead letters; it fails as long as failing says.
type fakeLetters struct {
	mu      sync.Mutex
	list    []ingest.DeadLetter
	failing int
}

func (l *fakeLetters) AppendDeadLetter(_ context.Context, d *ingest.DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing > 0 {
		l.failing--
		return gateway.Errorf(gateway.Unavailable, "no room")
	}
	l.list = append(l.list, *d)
	return nil
}

// rig is an Ingest with fakes.
type rig struct {
	*ingest.Ingest
	log     *fakeLog
	vault   *fakeVault
	letters *fakeLetters
	clock   *clock.Clock
}

const start gateway.Instant = 1777629600000

func newRig(t testing.TB, change func(*ingest.Options)) *rig {
	t.Helper()
	r := &rig{log: newFakeLog(), vault: &fakeVault{}, letters: &fakeLetters{}, clock: clock.NewVirtual(start)}
	o := ingest.Options{Log: r.log, Vault: r.vault, DeadLetters: r.letters, Clock: r.clock, Partitions: 4,
		RetryMax: 2 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	var err error
	if r.Ingest, err = ingest.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = r.Drain(ctx)
	})
	return r
}

// acks collects what became of messages.
type acks chan bool

func (a acks) ack(ok bool) { a <- ok }

func (a acks) next(t testing.TB) bool {
	t.Helper()
	select {
	case ok := <-a:
		return ok
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
		return false
	}
}

func (a acks) none(t testing.TB) {
	t.Helper()
	select {
	case ok := <-a:
		t.Fatalf("answered %t", ok)
	case <-time.After(20 * time.Millisecond):
	}
}

func topic(serial string) string { return devices.EventsTopic("coffee", serial) }

var errBoom = errors.New("boom")
