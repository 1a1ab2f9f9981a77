package deliver_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/deliver"
)

// gate is a device channel for many devices that notes what goes out after a
// customer's revocation was answered.
type gate struct {
	mu      sync.Mutex
	to      deliver.Presence
	rnd     *rand.Rand
	revoked map[gateway.CustomerID]bool
	after   int
}

func (g *gate) Attach(p deliver.Presence) { g.to = p }

func (g *gate) HandOver(ctx context.Context, out *deliver.Outgoing) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if g.revoked[out.Message.Customer] {
		g.after++
	}
	switch g.rnd.IntN(6) {
	case 0:
		return deliver.ErrAbsent
	case 1:
		return errAway
	case 2:
		if g.rnd.IntN(4) == 0 {
			return errRefuse
		}
	}
	return nil
}

func (g *gate) Withdraw(context.Context, *gateway.Message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rnd.IntN(4) == 0 {
		return errAway
	}
	return nil
}

// TestAllAtOnce calls everything from several goroutines while time goes on: no
// message is forgotten or left over, none goes out after a revocation.
func TestAllAtOnce(t *testing.T) {
	const messages, customers = 2000, 40
	g := &gate{rnd: rand.New(rand.NewPCG(1, 2)), revoked: map[gateway.CustomerID]bool{}}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: g, Workers: 8}))
	ms := make([]gateway.Message, messages)
	for n := range ms {
		ms[n] = message(n, func(m *gateway.Message) {
			m.Customer, m.Device = gateway.CustomerID(n%customers+1), gateway.DeviceID(n%97+1)
			m.NotBefore = start.Add(time.Duration(n%50) * time.Second)
		})
	}
	allAtOnce(t, w, g, ms, customers)
	for at := 24*time.Hour - time.Minute; at <= 24*time.Hour+2*time.Minute; at += 10 * time.Second {
		w.to(at)
	}
	if s := w.d.Stats(); s.Unfinished != 0 || s.Busy != 0 {
		t.Errorf("left over: %+v", s)
	}
	if g.after != 0 {
		t.Errorf("%d hand-overs after the revocation was answered", g.after)
	}
	ends := map[gateway.MessageID]int{}
	for _, r := range w.log.got {
		if r.State.Terminal() {
			ends[r.Message]++
		}
	}
	for _, m := range ms {
		if ends[m.ID] != 1 {
			t.Fatalf("message %v ended %d times", m.ID, ends[m.ID])
		}
	}
}

// allAtOnce returns when every goroutine is done.
func allAtOnce(t *testing.T, w *world, g *gate, ms []gateway.Message, customers gateway.CustomerID) {
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			for chunk := range slices.Chunk(ms[part*len(ms)/4:(part+1)*len(ms)/4], 10) {
				w.d.Committed(3, &gateway.Step{Messages: chunk})
			}
		})
	}
	wg.Go(func() {
		r := rand.New(rand.NewPCG(3, 4))
		for range 2000 {
			d := gateway.DeviceID(r.IntN(97) + 1)
			w.d.Present(d)
			if r.IntN(3) == 0 {
				w.d.Hello(d, nil)
			}
		}
	})
	wg.Go(func() {
		for c := gateway.CustomerID(1); c <= customers; c += 4 {
			s := revoke("")
			s.Customer = c
			if err := w.d.SetConsent(bounded(t), s); err != nil {
				t.Error(err)
			}
			g.mu.Lock()
			g.revoked[c] = true
			g.mu.Unlock()
		}
	})
	wg.Go(func() {
		for at := range 200 {
			_ = w.clock.Advance(start.Add(time.Duration(at) * time.Second))
			if err := w.d.Idle(bounded(t)); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

// BenchmarkCommittedToHandedOver is the time from the commit of a step to the
// channel, one message at a time.
func BenchmarkCommittedToHandedOver(b *testing.B) {
	ch := &fake{enter: make(chan struct{}), hold: make(chan struct{})}
	close(ch.hold)
	d, err := deliver.New(deliver.Options{Clock: clock.Wall(), Submit: &ledger{}, Renderer: &plain{}, Routes: []deliver.Route{{Name: "a", Channel: ch}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	now := gateway.InstantOf(time.Now())
	for i := 0; b.Loop(); i++ {
		m := message(i, func(m *gateway.Message) {
			m.DecidedAt, m.ExpiresAt = now, now.Add(time.Hour)
			m.ID[3], m.ID[4] = byte(i>>16), byte(i>>24)
		})
		d.Committed(3, &gateway.Step{Messages: []gateway.Message{m}})
		<-ch.enter
	}
	if err := d.Drain(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBurst commits steps of 256 messages as fast as they go.
func BenchmarkBurst(b *testing.B) {
	ch := &sink{}
	d, err := deliver.New(deliver.Options{Clock: clock.Wall(), Submit: sinkLog{}, Renderer: &plain{}, Routes: []deliver.Route{{Name: "a", Channel: ch}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	now := gateway.InstantOf(time.Now())
	step := &gateway.Step{Messages: make([]gateway.Message, 256)}
	n := 0
	for b.Loop() {
		for i := range step.Messages {
			n++
			step.Messages[i] = message(n, func(m *gateway.Message) {
				m.DecidedAt, m.ExpiresAt = now, now.Add(time.Hour)
				m.ID[3], m.ID[4] = byte(n>>16), byte(n>>24)
				m.Values = gateway.Properties{{Key: "event.water_ml", Value: gateway.Int(120)}}
			})
		}
		d.Committed(3, step)
		if err := d.Idle(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/message")
}

type sink struct{}

func (sink) HandOver(context.Context, *deliver.Outgoing) error { return nil }

type sinkLog struct{}

func (sinkLog) Submit(context.Context, int, gateway.Input) (gateway.Position, error) {
	return gateway.Position{}, nil
}

func (sinkLog) SubmitMany(_ context.Context, ins []gateway.Forward) ([]gateway.Position, error) {
	return make([]gateway.Position, len(ins)), nil
}
