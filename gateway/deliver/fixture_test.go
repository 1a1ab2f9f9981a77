package deliver_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver"
	"touchpoint/gateway/deliver/render"
)

const start = gateway.Instant(1_780_000_000_000)

// world is a delivery on a virtual clock with fakes around it.
type world struct {
	t     *testing.T
	clock *clock.Clock
	log   *ledger
	d     *deliver.Delivery
}

func newWorld(t *testing.T, change func(*deliver.Options)) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(start), log: &ledger{}}
	o := deliver.Options{Clock: w.clock, Submit: w.log, Renderer: &plain{}, Backoff: time.Second}
	if change != nil {
		change(&o)
	}
	d, err := deliver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.d = d
	t.Cleanup(func() { _ = d.Drain(bounded(t)) })
	return w
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (w *world) idle() {
	w.t.Helper()
	if err := w.d.Idle(bounded(w.t)); err != nil {
		w.t.Fatalf("idle: %v, %+v", err, w.d.Stats())
	}
}

// to moves the clock to start + after and waits until everything due is done.
func (w *world) to(after time.Duration) {
	w.t.Helper()
	if err := w.clock.Advance(start.Add(after)); err != nil {
		w.t.Fatal(err)
	}
	w.idle()
}

func (w *world) commit(ms ...gateway.Message) {
	w.t.Helper()
	w.d.Committed(3, &gateway.Step{Messages: ms})
	w.idle()
}

// wantLog compares what was recorded, in its order per message: those of
// different messages go out side by side.
func (w *world) wantLog(want ...string) {
	w.t.Helper()
	got := slices.Clone(w.log.lines())
	want = slices.Clone(want)
	byMessage := func(a, b string) int {
		return strings.Compare(a[:strings.IndexByte(a, ' ')], b[:strings.IndexByte(b, ' ')])
	}
	slices.SortStableFunc(got, byMessage)
	slices.SortStableFunc(want, byMessage)
	if !slices.Equal(got, want) {
		w.t.Fatalf("records:\n got %q\nwant %q", got, want)
	}
}

// message makes the n-th message, decided at the start and good for a day.
func message(n int, change ...func(*gateway.Message)) gateway.Message {
	m := gateway.Message{
		ID: gateway.MessageID{byte(n >> 8), byte(n), 1}, Journey: "welcome", Version: 1, Step: "hello", Template: "hello",
		Customer: 7, Device: 9, Product: "cm1", Channel: "a", Purpose: gateway.PurposeMarketing, Locale: "de",
		DecidedAt: start, ExpiresAt: start.Add(24 * time.Hour), State: gateway.MessageDecided,
	}
	for _, c := range change {
		c(&m)
	}
	return m
}

// ledger keeps what delivery submits.
type ledger struct {
	mu   sync.Mutex
	got  []gateway.Receipt
	fail []error // for the next calls
}

func (l *ledger) Submit(_ context.Context, partition int, in gateway.Input) (gateway.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.fail) > 0 {
		err := l.fail[0]
		l.fail = l.fail[1:]
		return gateway.Position{}, err
	}
	if partition != 3 {
		return gateway.Position{}, fmt.Errorf("partition %d", partition)
	}
	l.got = append(l.got, in.Command.(gateway.Receipt))
	return gateway.Position{Partition: partition, Seq: uint64(len(l.got))}, nil
}

func (l *ledger) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, r := range l.got {
		s := fmt.Sprintf("%d %s %s", r.Message[1], r.Channel, r.State)
		if r.Detail != "" {
			s += ": " + r.Detail
		}
		out = append(out, s)
	}
	return out
}

// plain renders the template's name.
type plain struct {
	mu  sync.Mutex
	err []error
	n   int
}

func (p *plain) Render(_ context.Context, m *gateway.Message) (render.Content, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	if len(p.err) > 0 {
		err := p.err[0]
		p.err = p.err[1:]
		return render.Content{}, err
	}
	return render.Content{Title: m.Template, Locale: m.Locale}, nil
}

// fake is a channel that answers as told.
type fake struct {
	mu        sync.Mutex
	answers   []error
	got       []string
	withdrawn []byte
	enter     chan struct{} // when set, HandOver announces itself
	hold      chan struct{} // and waits for this or its context
}

func (f *fake) HandOver(ctx context.Context, out *deliver.Outgoing) error {
	f.mu.Lock()
	f.got = append(f.got, fmt.Sprintf("%d#%d", out.Message.ID[1], out.Attempt))
	var err error
	if len(f.answers) > 0 {
		err = f.answers[0]
		f.answers = f.answers[1:]
	}
	enter, hold := f.enter, f.hold
	f.mu.Unlock()
	if enter != nil {
		enter <- struct{}{}
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

// shelf is a fake that can withdraw.
type shelf struct{ fake }

func (f *shelf) Withdraw(_ context.Context, m *gateway.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.withdrawn = append(f.withdrawn, m.ID[1])
	return nil
}

// screen is a fake device that comes and goes.
type screen struct {
	shelf
	to   deliver.Presence
	away bool
}

func (s *screen) Attach(p deliver.Presence) { s.to = p }

func (s *screen) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *screen) HandOver(ctx context.Context, out *deliver.Outgoing) error {
	s.mu.Lock()
	away := s.away
	s.mu.Unlock()
	if away {
		return deliver.ErrAbsent
	}
	return s.shelf.HandOver(ctx, out)
}

func (s *screen) Withdraw(ctx context.Context, m *gateway.Message) error {
	if err := s.shelf.Withdraw(ctx, m); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return deliver.ErrAbsent
	}
	return nil
}

func routes(rs ...deliver.Route) func(*deliver.Options) {
	return func(o *deliver.Options) { o.Routes = rs }
}
