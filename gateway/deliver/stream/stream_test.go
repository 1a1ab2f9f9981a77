package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver"
	"touchpoint/gateway/deliver/render"
	"touchpoint/gateway/deliver/stream"
)

const start = gateway.Instant(1_780_000_000_000)

// world is a channel on a real server.
type world struct {
	*testing.T
	ctx   context.Context
	dir   string
	js    jetstream.JetStream
	vault *vault
	log   *ledger
	clock *clock.Clock
	deny  bool
	ch    *stream.Channel
}

func newWorld(t *testing.T, change ...func(*stream.Options)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, dir: t.TempDir(), vault: &vault{erased: map[gateway.Subject]bool{}}, log: &ledger{}, clock: clock.NewVirtual(start)}
	s, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: w.dir, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); s.Shutdown(); s.WaitForShutdown() })
	if w.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	o := stream.Options{JetStream: w.js, Name: "tp", Vault: w.vault, Clock: w.clock, Submit: w.log,
		Allowed: func(gateway.CustomerID, gateway.Purpose, string) bool { return !w.deny }}
	for _, c := range change {
		c(&o)
	}
	if w.ch, err = stream.New(ctx, o); err != nil {
		t.Fatal(err)
	}
	return w
}

func message(n int) gateway.Message {
	return gateway.Message{ID: gateway.MessageID{byte(n >> 8), byte(n), 1}, Enrollment: gateway.EnrollmentID{2}, Journey: "welcome back.v2", Version: 3,
		Customer: gateway.CustomerID(100 + n%3), Device: 9, Purpose: gateway.PurposeMarketing, Channel: "stream", DecidedAt: start, ExpiresAt: start.Add(time.Hour)}
}

func (w *world) put(ms ...gateway.Message) {
	w.Helper()
	for i := range ms {
		out := &deliver.Outgoing{Message: &ms[i], Partition: 5, Channel: "stream", Attempt: 1, Now: start,
			Content: render.Content{Title: "Hello planted-name", Body: fmt.Sprint(i)}}
		if err := w.ch.HandOver(w.ctx, out); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) open(name string, o stream.SubscribeOptions) *stream.Subscription {
	w.Helper()
	s, err := w.ch.Subscribe(w.ctx, name, o)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) next(s *stream.Subscription) *stream.Item {
	w.Helper()
	it, err := s.Next(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return it
}

// nothing wants no item within a short time.
func (w *world) nothing(s *stream.Subscription) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 150*time.Millisecond)
	defer cancel()
	if it, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		w.Fatalf("got %+v, %v", it, err)
	}
}

func TestHandOverAndAck(t *testing.T) {
	w := newWorld(t)
	w.put(message(1), message(2))
	s := w.open("push", stream.SubscribeOptions{})
	it := w.next(s)
	want := message(1)
	want.Fallback, want.Values = nil, nil
	if it.Content.Title != "Hello planted-name" || it.Message.ID != want.ID || it.Message.Enrollment != want.Enrollment ||
		it.Message.ExpiresAt != want.ExpiresAt || it.Message.Journey != want.Journey || it.Attempt != 1 {
		t.Errorf("got %+v", it)
	}
	if err := it.Ack(w.ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.next(s).Ack(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.log.want(t, "1 delivered", "2 delivered")
	s.Close()
	again := w.open("push", stream.SubscribeOptions{}) // resumes: nothing comes again
	w.put(message(3))
	if it := w.next(again); it.Message.ID != message(3).ID {
		t.Errorf("got %v", it.Message.ID)
	}
	other := w.open("other", stream.SubscribeOptions{}) // its own name, all from the start
	if it := w.next(other); it.Message.ID != message(1).ID {
		t.Errorf("got %v", it.Message.ID)
	}
}

func TestTextIsSealedOnDisk(t *testing.T) {
	w := newWorld(t)
	w.put(message(1))
	found := 0
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("planted-name")) {
			t.Errorf("%s holds the text", path)
		}
		if bytes.Contains(data, []byte(message(1).ID.String())) {
			found++
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%v, found in %d files", err, found)
	}
}

func TestSecondHandOverAddsNothing(t *testing.T) {
	w := newWorld(t)
	w.put(message(1), message(1), message(1))
	s := w.open("push", stream.SubscribeOptions{})
	if err := w.next(s).Ack(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.put(message(1)) // long after
	w.nothing(s)
}

func TestNakAndLostAnswer(t *testing.T) {
	w := newWorld(t)
	w.put(message(1))
	s := w.open("push", stream.SubscribeOptions{AckWait: time.Second})
	if err := w.next(s).Nak(0); err != nil {
		t.Fatal(err)
	}
	it := w.next(s)
	if it.Attempt != 2 {
		t.Errorf("attempt %d, want 2", it.Attempt)
	}
	if it = w.next(s); it.Attempt != 3 { // nobody answered: it comes again after its time
		t.Errorf("attempt %d, want 3", it.Attempt)
	}
	if err := it.Extend(); err != nil {
		t.Fatal(err)
	}
	if err := it.Ack(w.ctx); err != nil {
		t.Fatal(err)
	}
	if err := it.Ack(w.ctx); err != nil {
		t.Errorf("a second answer: %v", err)
	}
}

func TestReplicasShare(t *testing.T) {
	w := newWorld(t)
	const n = 60
	var ms []gateway.Message
	for i := range n {
		ms = append(ms, message(i))
	}
	w.put(ms...)
	seen := make(chan gateway.MessageID, 2*n)
	by := make([]int, 2)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(w.ctx)
	for r := range by {
		s := w.open("push", stream.SubscribeOptions{MaxInFlight: 4})
		wg.Go(func() {
			for {
				it, err := s.Next(ctx)
				if err != nil {
					return
				}
				by[r]++
				if err := it.Ack(w.ctx); err != nil {
					t.Error(err)
				}
				seen <- it.Message.ID
			}
		})
	}
	got := map[gateway.MessageID]int{}
	for range n {
		got[<-seen]++
	}
	cancel()
	wg.Wait()
	if len(got) != n || by[0] == 0 || by[1] == 0 {
		t.Errorf("%d different ones, by replica %v", len(got), by)
	}
}

func TestInFlightIsBounded(t *testing.T) {
	w := newWorld(t)
	w.put(message(1), message(2), message(3))
	s := w.open("push", stream.SubscribeOptions{MaxInFlight: 2})
	first := w.next(s)
	w.next(s)
	w.nothing(s)
	if err := first.Ack(w.ctx); err != nil {
		t.Fatal(err)
	}
	if it := w.next(s); it.Message.ID != message(3).ID {
		t.Errorf("got %v", it.Message.ID)
	}
}

func TestCloseGivesBack(t *testing.T) {
	w := newWorld(t)
	w.put(message(1), message(2), message(3))
	s := w.open("push", stream.SubscribeOptions{AckWait: time.Hour})
	if err := w.next(s).Ack(w.ctx); err != nil {
		t.Fatal(err)
	}
	s.Close() // two more are in its buffer
	other := w.open("push", stream.SubscribeOptions{})
	got := map[byte]bool{w.next(other).Message.ID[1]: true, w.next(other).Message.ID[1]: true}
	if !got[2] || !got[3] {
		t.Errorf("got %v", got)
	}
	if _, err := s.Next(w.ctx); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("a closed one: %v", err)
	}
}

func TestLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		do      func(w *world)
		records []string
	}{
		"expired":    {func(w *world) { _ = w.clock.Advance(start.Add(time.Hour)) }, []string{"1 expired"}},
		"no consent": {func(w *world) { w.deny = true }, []string{"1 withdrawn"}},
		"erased key": {func(w *world) { w.vault.erase(gateway.CustomerSubject(101)) }, nil},
		"erased": {func(w *world) {
			if err := w.ch.Erase(w.ctx, 101); err != nil {
				w.Fatal(err)
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(message(1))
			c.do(w)
			s := w.open("push", stream.SubscribeOptions{})
			w.nothing(s)
			w.log.want(t, c.records...)
		})
	}
	t.Run("window missed", func(t *testing.T) {
		w := newWorld(t)
		m := message(1)
		m.NotAfter = start
		w.put(m)
		w.nothing(w.open("push", stream.SubscribeOptions{}))
		w.log.want(t, "1 expired")
	})
}

func TestEraseTakesOneCustomerOnly(t *testing.T) {
	w := newWorld(t)
	w.put(message(1), message(2), message(4)) // 1 and 4 are of the same customer
	if err := w.ch.Erase(w.ctx, message(1).Customer); err != nil {
		t.Fatal(err)
	}
	s := w.open("push", stream.SubscribeOptions{})
	if it := w.next(s); it.Message.ID != message(2).ID {
		t.Errorf("got %v", it.Message.ID)
	}
	w.nothing(s)
}

func TestWithdraw(t *testing.T) {
	w := newWorld(t)
	w.put(message(1), message(2))
	s := w.open("push", stream.SubscribeOptions{MaxInFlight: 1})
	if err := w.next(s).Ack(w.ctx); err != nil {
		t.Fatal(err)
	}
	m := message(1)
	if err := w.ch.Withdraw(w.ctx, &m); err != nil {
		t.Fatal(err)
	}
	if err := w.next(s).Ack(w.ctx); err != nil { // message 2
		t.Fatal(err)
	}
	it := w.next(s)
	if !it.Withdraw || it.Message.ID != m.ID {
		t.Errorf("got %+v", it)
	}
	if err := it.Ack(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.log.want(t, "1 delivered", "2 delivered")
}

func TestJourneyFilterAndNames(t *testing.T) {
	w := newWorld(t)
	other := message(2)
	other.Journey = "other"
	w.put(message(1), other)
	s := w.open("push", stream.SubscribeOptions{Journey: "other"})
	if it := w.next(s); it.Message.ID != other.ID {
		t.Errorf("got %v", it.Message.ID)
	}
	for _, name := range []string{"", "a b", "a.b", "*", strings.Repeat("a", 65)} {
		if _, err := w.ch.Subscribe(w.ctx, name, stream.SubscribeOptions{}); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, o := range []stream.SubscribeOptions{{MaxInFlight: 1001}, {AckWait: time.Millisecond}, {AckWait: 2 * time.Hour}, {MaxDeliver: -1}} {
		if _, err := w.ch.Subscribe(w.ctx, "push2", o); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if err := w.ch.DeleteConsumer(w.ctx, "nobody"); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("got %v", err)
	}
}

func TestFull(t *testing.T) {
	w := newWorld(t, func(o *stream.Options) { o.MaxBytes = 2000 })
	var err error
	for n := 1; n < 20 && err == nil; n++ {
		m := message(n)
		err = w.ch.HandOver(w.ctx, &deliver.Outgoing{Message: &m, Channel: "stream"})
	}
	if gateway.KindOf(err) != gateway.Exhausted {
		t.Errorf("got %v", err)
	}
}

// ledger keeps what is submitted.
type ledger struct {
	mu  sync.Mutex
	got []string
}

func (l *ledger) Submit(_ context.Context, partition int, in gateway.Input) (gateway.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := in.Command.(gateway.Receipt)
	if partition != 5 {
		return gateway.Position{}, fmt.Errorf("partition %d", partition)
	}
	l.got = append(l.got, fmt.Sprintf("%d %s", r.Message[1], r.State))
	return gateway.Position{}, nil
}

func (l *ledger) want(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Join(l.got, ",") != strings.Join(want, ",") {
		t.Errorf("records %q, want %q", l.got, want)
	}
}

// vault writes the text in hex.
type vault struct {
	mu     sync.Mutex
	erased map[gateway.Subject]bool
}

func (v *vault) erase(s gateway.Subject) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erased[s] = true
}

func (v *vault) Seal(_ context.Context, _ gateway.Subject, plain gateway.Personal) (string, error) {
	return fmt.Sprintf("%x", plain.Reveal()), nil
}

func (v *vault) Open(_ context.Context, s gateway.Subject, sealed string) (gateway.Personal, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.erased[s] {
		return "", gateway.Errorf(gateway.NotFound, "no key")
	}
	var b []byte
	_, err := fmt.Sscanf(sealed, "%x", &b)
	return gateway.Personal(b), err
}
