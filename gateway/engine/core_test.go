package engine

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/eventlog"
	"touchpoint/gateway/journey"
)

var testJourneys = map[string]string{
	"welcome": `
name: welcome
purpose: service
trigger: {milestone: {event: brew_finished}}
steps:
  - id: pause
    wait: {for: 2h}
  - id: hello
    send: {channels: [product], texts: {en: {title: "Welcome"}}}
`,
	"missed": `
name: missed
purpose: service
trigger: {absence: {event: brew_finished, for: 2d}}
steps:
  - id: hello
    send: {channels: [product], texts: {en: {title: "We miss you"}}}
`,
	"answer": `
name: answer
purpose: service
key: device
reentry: concurrent_per_key
trigger: {event: descaled}
steps:
  - id: thanks
    wait: {until_event: brew_finished, timeout: 1d, on_timeout: sorry}
  - id: great
    send: {channels: [product], texts: {en: {title: "Great"}}}
    next: end
  - id: sorry
    send: {channels: [product], texts: {en: {title: "All well?"}}}
`,
}

// fleet runs the real core on the real log through three weeks of virtual
// time, killing the engine now and then.
type fleet struct {
	*site
	e      *Engine
	kills  *rand.Rand // nil: none
	killed int
	dying  chan struct{}
}

func newFleet(t *testing.T, kills *rand.Rand) *fleet {
	f := &fleet{site: newSite(t, eventlog.Options{Dir: t.TempDir(), Partitions: 4}), kills: kills}
	f.start()
	return f
}

func (f *fleet) core(p int) Core {
	return journey.NewPartition(journey.Config{Partition: p, Partitions: 4, TimersPerStep: 5})
}

func (f *fleet) start() {
	f.dying = make(chan struct{}, 1)
	f.e = f.engine(func(o *Options) {
		o.NewCore = f.core
		o.SnapshotSteps, o.SnapshotInterval = 10, 5*time.Millisecond
		if f.kills != nil {
			o.Log = &killingLog{Log: o.Log, f: f, left: 1 + f.kills.IntN(60), after: f.kills.IntN(2) == 0}
		}
	})
}

// killingLog fails for good before or after its n-th step or forward.
type killingLog struct {
	Log
	f     *fleet
	left  int
	after bool
}

func (l *killingLog) hit() (die bool) {
	l.f.watermark.Lock() // any lock that the runners share will do
	defer l.f.watermark.Unlock()
	l.left--
	if l.left == 0 {
		l.f.dying <- struct{}{}
	}
	return l.left <= 0
}

func (l *killingLog) dead(ctx context.Context) error {
	<-ctx.Done()
	return gateway.Errorf(gateway.OutcomeUnknown, "killed: %w", ctx.Err())
}

func (l *killingLog) AppendStep(ctx context.Context, s *gateway.Step, prev uint64) (uint64, error) {
	die := l.hit()
	if die && !l.after {
		return 0, l.dead(ctx)
	}
	seq, err := l.Log.AppendStep(ctx, s, prev)
	if die {
		return 0, l.dead(ctx)
	}
	return seq, err
}

func (l *killingLog) AppendEvents(ctx context.Context, b *gateway.Batch) (uint64, error) {
	if l.hit() {
		if l.after {
			_, _ = l.Log.AppendEvents(ctx, b)
		}
		return 0, l.dead(ctx)
	}
	return l.Log.AppendEvents(ctx, b)
}

// settleThrough settles, over any number of kills.
func (f *fleet) settleThrough() {
	f.t.Helper()
	for {
		ctx, cancel := context.WithCancel(f.ctx())
		done := make(chan error, 1)
		go func() { done <- f.e.Settled(ctx) }()
		select {
		case err := <-done:
			cancel()
			if err != nil {
				f.t.Fatalf("%v\n%+v\n%s", err, f.e.Stats(), f.logs)
			}
			return
		case <-f.dying:
			cancel()
			<-done
			crash(f.e)
			f.killed++
			if f.killed%4 == 0 {
				f.close()
				f.reopen()
			}
			f.start()
		}
	}
}

func (f *fleet) command(c gateway.CustomerID, cmd gateway.Command) {
	f.t.Helper()
	f.add(gateway.CustomerSubject(c).Partition(4), gateway.Input{Command: cmd})
}

func (f *fleet) event(d gateway.DeviceID, typ string, n int) {
	f.t.Helper()
	now := f.clock.Now()
	f.add(gateway.DeviceSubject(d).Partition(4), gateway.Input{Event: gateway.Event{
		ID: fmt.Sprintf("%d-%s-%d", d, typ, n), Type: typ, Device: d, Product: "cm-100", OccurredAt: now, ReceivedAt: now,
	}})
}

// live runs the weeks; devices change hands in between.
func (f *fleet) live() {
	const customers = 12
	for name, text := range testJourneys {
		for p := range 4 {
			f.add(p, gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Effective: f.clock.Now(), Definition: []byte(text)}})
		}
	}
	bind := func(d, c uint64) {
		f.command(gateway.CustomerID(c), gateway.BindDevice{Device: gateway.DeviceID(d), Product: "cm-100",
			Customer: gateway.CustomerID(c), Role: "owner", At: f.clock.Now(), Holder: gateway.DeviceSubject(gateway.DeviceID(d)).Partition(4)})
	}
	for c := range uint64(customers) {
		f.command(gateway.CustomerID(c+1), gateway.UpsertCustomer{Customer: gateway.CustomerID(c + 1), Mask: []string{"locale"}, Locale: "en"})
		bind(c+1, c+1)
	}
	f.settleThrough()
	for slot := range 21 * 4 { // six hours each
		day := slot / 4
		for d := range gateway.DeviceID(customers) {
			switch {
			case int(d)%3 == 0 && day%5 > 1: // silent for three days of five
			case slot%4 == 1:
				f.event(d+1, "brew_finished", slot)
				f.event(d+1, "brew_finished", slot) // and its duplicate
			case slot%4 == 2 && day%4 == int(d)%4:
				f.event(d+1, "descaled", slot)
			}
		}
		if slot%12 == 7 { // a device is passed on, in the midst of its events
			bind(uint64(slot%customers+1), uint64((slot/12+slot)%customers+1))
		}
		f.settleThrough()
		f.advance(6 * time.Hour)
	}
	f.settleThrough()
	f.stop(f.e)
}

// messages returns all that was decided, and checks that the state at the stop
// is that of a replay.
func (f *fleet) messages() map[gateway.MessageID]string {
	f.t.Helper()
	messages := map[gateway.MessageID]string{}
	for p := range 4 {
		core := f.core(p)
		f.eachStep(p, func(s *gateway.Step) {
			for i := range s.Messages {
				m := &s.Messages[i]
				if _, ok := messages[m.ID]; ok {
					f.t.Errorf("message %v was decided twice", m.ID)
				}
				messages[m.ID] = fmt.Sprintf("%s/%s for %v at %v", m.Journey, m.Step, m.Customer, m.DecidedAt)
			}
			if err := core.Replay(s); err != nil {
				f.t.Fatal(err)
			}
		})
		snap, err := f.real.LoadSnapshot(f.ctx(), p)
		if err != nil || snap == nil {
			f.t.Fatal("no snapshot of the stop", err)
		}
		if _, state, err := splitSnapshot(snap.Data); err != nil || string(state) != string(core.AppendSnapshot(nil)) {
			f.t.Errorf("partition %d: the state at the stop is not that of a replay (%v)", p, err)
		}
	}
	return messages
}

func (s *site) eachStep(p int, yield func(*gateway.Step)) {
	s.t.Helper()
	last, err := s.real.LastStep(s.ctx(), p)
	if err != nil || last == nil {
		s.t.Fatal(err)
	}
	reader, err := s.real.ReadSteps(s.ctx(), p, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reader.Close()
	for {
		var step gateway.Step
		if err := reader.Next(s.ctx(), &step); err != nil {
			s.t.Fatal(err)
		}
		yield(&step)
		if step.Seq == last.Seq {
			return
		}
	}
}

// The whole, with the real core on the real log: kills at random steps and
// forwards change nothing of what is decided, nor when.
func TestKillsChangeNoDecision(t *testing.T) {
	seed := uint64(1)
	if s := os.Getenv("ENGINE_SEED"); s != "" { // for a longer run over many
		_, _ = fmt.Sscan(s, &seed)
	}
	whole := newFleet(t, nil)
	whole.live()
	want := whole.messages()
	if len(want) < 50 {
		t.Fatalf("only %d messages: the test would show nothing", len(want))
	}
	killed := newFleet(t, rand.New(rand.NewPCG(seed, 2)))
	killed.live()
	got := killed.messages()
	t.Logf("%d messages, %d kills", len(got), killed.killed)
	if killed.killed < 20 {
		t.Errorf("only %d kills", killed.killed)
	}
	if !maps.Equal(got, want) {
		for id, m := range want {
			if got[id] != m {
				t.Errorf("without kills %q, with kills %q", m, got[id])
			}
		}
		for id, m := range got {
			if want[id] == "" {
				t.Errorf("only with kills: %q", m)
			}
		}
	}
}
