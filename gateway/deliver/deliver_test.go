package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver"
)

var (
	errAway   = gateway.Errorf(gateway.Unavailable, "the server is away")
	errRefuse = gateway.Errorf(gateway.Invalid, "refused")
)

// TestAttempts shows what each kind of answer of a channel leads to.
func TestAttempts(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*gateway.Message)
		answers []error
		after   time.Duration
		seen    []string
		records []string
	}{
		{"taken", nil, nil, 0, []string{"1#1"}, []string{"1 a handed_over"}},
		{"away twice", nil, []error{errAway, errAway}, time.Minute, []string{"1#1", "1#2", "1#3"}, []string{"1 a handed_over"}},
		{"unknown outcome is sent again", nil, []error{gateway.Errorf(gateway.OutcomeUnknown, "?")}, time.Minute, []string{"1#1", "1#2"}, []string{"1 a handed_over"}},
		{"a plain error is tried again", nil, []error{errors.New("x")}, time.Minute, []string{"1#1", "1#2"}, []string{"1 a handed_over"}},
		{"refused", nil, []error{errRefuse}, time.Hour, []string{"1#1"}, []string{"1 a failed: refused"}},
		{"refused: the core falls back", func(m *gateway.Message) { m.Fallback = []string{"b"} }, []error{errRefuse}, time.Hour, []string{"1#1"},
			[]string{"1 a failed: refused"}},
		{"no such channel", func(m *gateway.Message) { m.Channel = "fax" }, nil, 0, nil, []string{`1 fax failed: no channel "fax" is configured`}},
		{"asked to come later", nil, []error{deliver.Later(errAway, time.Hour)}, 59 * time.Minute, []string{"1#1"}, nil},
		{"came later", nil, []error{deliver.Later(errAway, time.Hour)}, time.Hour, []string{"1#1", "1#2"}, []string{"1 a handed_over"}},
		{"away until it expires", nil, slices.Repeat([]error{errAway}, 1000), 24 * time.Hour, nil, []string{"1 a expired"}},
		{"too early", func(m *gateway.Message) { m.NotBefore = start.Add(time.Hour) }, nil, time.Hour - time.Millisecond, nil, nil},
		{"early, then due", func(m *gateway.Message) { m.NotBefore = start.Add(time.Hour) }, nil, time.Hour, []string{"1#1"}, []string{"1 a handed_over"}},
		{"window missed", func(m *gateway.Message) { m.NotAfter = start.Add(time.Second / 2) }, []error{errAway}, time.Hour, []string{"1#1"}, []string{"1 a missed_window"}},
		{"window missed before", func(m *gateway.Message) { m.NotAfter = start }, nil, 0, nil, []string{"1 a missed_window"}},
		{"expired before", func(m *gateway.Message) { m.ExpiresAt = start }, nil, 0, nil, []string{"1 a expired"}},
		{"held out", func(m *gateway.Message) { m.Holdout = true }, nil, 0, nil, []string{"1 a held_out"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := &fake{answers: c.answers}, &fake{}
			w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}, deliver.Route{Name: "b", Channel: b}))
			m := message(1)
			if c.change != nil {
				c.change(&m)
			}
			w.commit(m)
			for i := range 4 { // in steps, as retries follow each other
				w.to(c.after * time.Duration(i+1) / 4)
			}
			if got := a.seen(); c.seen != nil && !slices.Equal(got, c.seen) {
				t.Errorf("attempts %q, want %q", got, c.seen)
			}
			w.wantLog(c.records...)
			if s := w.d.Stats(); len(c.records) > 0 && s.Unfinished != 0 {
				t.Errorf("%d messages are left", s.Unfinished)
			}
		})
	}
}

func TestPauseGrowsAndSpreads(t *testing.T) {
	a := &fake{answers: slices.Repeat([]error{errAway}, 200)}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
	w.commit(message(1), message(2))
	for at := time.Duration(0); at <= time.Hour; at += time.Second {
		w.to(at)
	}
	// 1+2+4…+256 s are eight doublings, then one try every 5 min ± 20 %.
	if n := len(a.seen()); n < 2*(9+8) || n > 2*(10+15) {
		t.Errorf("%d attempts in an hour", n)
	}
}

func TestRenderFailures(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     error
		records []string
	}{
		{"final", gateway.InvalidField("body", "a variable has no value"), []string{"1 a failed: body: a variable has no value"}},
		{"vault away", gateway.Errorf(gateway.Unavailable, "vault"), []string{"1 a handed_over"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &fake{}
			w := newWorld(t, func(o *deliver.Options) {
				o.Routes = []deliver.Route{{Name: "a", Channel: a}}
				o.Renderer = &plain{err: []error{c.err}}
			})
			w.commit(message(1, func(m *gateway.Message) { m.Fallback = []string{"b"} }))
			w.to(time.Minute)
			w.wantLog(c.records...)
		})
	}
}

// TestLostRecord kills between hand-over and record, as a restart sees it.
func TestLostRecord(t *testing.T) {
	a := &fake{}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
	w.commit(message(1))
	again := newWorld(t, routes(deliver.Route{Name: "a", Channel: a})) // a new process: its memory is empty
	again.d.Resume(3, []gateway.Message{message(1)})
	again.idle()
	if got, want := a.seen(), []string{"1#1", "1#1"}; !slices.Equal(got, want) {
		t.Errorf("hand-overs %q, want the same id twice", got)
	}
	again.wantLog("1 a handed_over")
}

func TestResume(t *testing.T) {
	for _, c := range []struct {
		state   gateway.MessageState
		giveUp  bool
		seen    int
		records []string
	}{
		{gateway.MessageDecided, false, 1, []string{"1 a handed_over"}},
		{gateway.MessageDecided, true, 1, []string{"1 a attempted", "1 a handed_over"}},
		{gateway.MessageAttempted, false, 1, []string{"1 a handed_over"}},
		{gateway.MessageAttempted, true, 0, []string{"1 a failed: it is not known whether an earlier hand-over happened"}},
		{gateway.MessageHandedOver, false, 0, nil},
		{gateway.MessageMissedWindow, false, 0, nil},
		{gateway.MessageDisplayed, false, 0, nil},
	} {
		t.Run(fmt.Sprintf("%s give_up=%v", c.state, c.giveUp), func(t *testing.T) {
			a := &fake{}
			w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a, GiveUpOnUnknown: c.giveUp}))
			w.d.Resume(3, []gateway.Message{message(1, func(m *gateway.Message) { m.State = c.state })})
			w.idle()
			if n := len(a.seen()); n != c.seen {
				t.Errorf("%d hand-overs, want %d", n, c.seen)
			}
			w.wantLog(c.records...)
		})
	}
}

// TestLostAndWonAgain: the process has handed over, its record was not applied
// when another owner came and went.
func TestLostAndWonAgain(t *testing.T) {
	a := &fake{}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
	w.commit(message(1))
	w.d.Lost(3)
	w.d.Resume(3, []gateway.Message{message(1)})
	w.idle()
	if n := len(a.seen()); n != 1 {
		t.Errorf("%d hand-overs, want 1", n)
	}
	w.wantLog("1 a handed_over", "1 a handed_over")
}

func TestGiveUpOnUnknown(t *testing.T) {
	a := &fake{answers: []error{gateway.Errorf(gateway.OutcomeUnknown, "the connection broke")}}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a, GiveUpOnUnknown: true}))
	w.commit(message(1))
	w.wantLog("1 a attempted", "1 a failed: it is not known whether the hand-over happened")
}

func TestRecordsAreRepeatedUntilDurable(t *testing.T) {
	a := &fake{}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}))
	w.log.fail = []error{errAway, errAway}
	w.commit(message(1), message(2))
	got := w.log.lines()
	slices.Sort(got)
	if want := []string{"1 a handed_over", "2 a handed_over"}; !slices.Equal(slices.Compact(got), want) {
		t.Errorf("records %q, want %q", got, want)
	}
}

func TestRateLimit(t *testing.T) {
	a := &fake{}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a, Rate: 2, Burst: 1}))
	var ms []gateway.Message
	for n := range 11 {
		ms = append(ms, message(n+1))
	}
	w.commit(ms...)
	if n := len(a.seen()); n != 1 {
		t.Fatalf("%d at once, want 1", n)
	}
	for at := 100 * time.Millisecond; at <= 5*time.Second; at += 100 * time.Millisecond {
		w.to(at)
		if n, limit := len(a.seen()), 1+int(at/(500*time.Millisecond)); n > limit {
			t.Fatalf("%d after %v, limit is %d", n, at, limit)
		}
	}
	w.to(6 * time.Second)
	if n := len(a.seen()); n != 11 {
		t.Errorf("%d in the end, want 11", n)
	}
}

// TestSlowChannelDelaysNoOther fills every worker of one channel.
func TestSlowChannelDelaysNoOther(t *testing.T) {
	slow := &fake{enter: make(chan struct{}, 100), hold: make(chan struct{})}
	fast := &fake{enter: make(chan struct{}, 100), hold: make(chan struct{})}
	close(fast.hold)
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: slow, Workers: 2}, deliver.Route{Name: "b", Channel: fast, Workers: 2}))
	var ms []gateway.Message
	for n := range 20 {
		ms = append(ms, message(n+1, func(m *gateway.Message) { m.Channel = []string{"a", "b"}[n%2] }))
	}
	w.d.Committed(3, &gateway.Step{Messages: ms})
	for range 10 {
		<-fast.enter
	}
	<-slow.enter
	<-slow.enter
	if q := w.d.Stats().Queues["a"]; q != 8 {
		t.Errorf("%d wait for the slow channel, want 8", q)
	}
	close(slow.hold)
	w.idle()
}

func TestDrain(t *testing.T) {
	a := &fake{enter: make(chan struct{}, 1), hold: make(chan struct{})}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a, Workers: 1}))
	w.d.Committed(3, &gateway.Step{Messages: []gateway.Message{message(1), message(2)}})
	<-a.enter
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = w.d.Idle(ctx) // does not wait when its context has ended
	done := make(chan error)
	go func() { done <- w.d.Drain(bounded(t)) }()
	for { // the second one leaves the queue as draining begins
		if w.d.Stats().Queues["a"] == 0 {
			break
		}
	}
	close(a.hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.wantLog("1 a handed_over")
	w.d.Committed(3, &gateway.Step{Messages: []gateway.Message{message(3)}})
	if n := len(a.seen()); n != 1 {
		t.Errorf("%d hand-overs, want 1: the rest stays in the partition's state", n)
	}
}

func TestCommittedKeepsNothingOfTheStep(t *testing.T) {
	a := &fake{answers: []error{errAway}}
	w := newWorld(t, routes(deliver.Route{Name: "a", Channel: a}, deliver.Route{Name: "b", Channel: a}))
	s := &gateway.Step{Messages: []gateway.Message{message(1, func(m *gateway.Message) {
		m.Values = gateway.Properties{{Key: "n", Value: gateway.Int(1)}}
		m.Fallback = []string{"b"}
	})}}
	w.d.Committed(3, s)
	s.Messages[0].Values[0] = gateway.Property{Key: "x", Value: gateway.Null()}
	s.Messages[0].Fallback[0] = "x"
	s.Messages[0] = message(2)
	w.idle()
	w.to(time.Minute)
	w.wantLog("1 a handed_over")
}
