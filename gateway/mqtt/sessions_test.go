package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/mqtt"
	"touchpoint/internal/testservers"
)

// collect is a handler that stores at once.
type collect struct {
	mu    sync.Mutex
	got   map[string]int
	order []string
	moved chan struct{}
}

func newCollect() *collect { return &collect{got: make(map[string]int), moved: make(chan struct{})} }

func (c *collect) Uplink(_ string, payload []byte, ack func(bool)) {
	c.mu.Lock()
	c.got[string(payload)]++
	c.order = append(c.order, string(payload))
	close(c.moved)
	c.moved = make(chan struct{})
	c.mu.Unlock()
	ack(true)
}

// wait waits until n different payloads are there.
func (c *collect) wait(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		have, moved := len(c.got), c.moved
		c.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-moved:
		case <-deadline:
			t.Fatalf("%d of %d messages came", have, n)
		}
	}
}

func connect(t testing.TB, s *testservers.MosquittoServer, h mqtt.Handler, change func(*mqtt.SessionsOptions)) *mqtt.Sessions {
	t.Helper()
	o := mqtt.SessionsOptions{Brokers: []string{s.URL}, ClientID: "gateway-1", Filters: []string{"touchpoint/v1/+/+/events"},
		IsUplink: isEvents, Handler: h, Clock: clock.Wall(), MarkerEvery: 50 * time.Millisecond, ReconnectMax: 100 * time.Millisecond,
		PublishTimeout: 5 * time.Second}
	if change != nil {
		change(&o)
	}
	sessions, err := mqtt.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.Close() })
	return sessions
}

// drained waits until the sessions have proved that their backlog is in.
func drained(t testing.TB, s *mqtt.Sessions) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	until(t, "ready", func() bool { return s.Ready() == nil })
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// until polls what has no event to wait for.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// device publishes n payloads with QoS 1 and waits for each PUBACK.
func device(t testing.TB, addr, serial string, from, n int) {
	t.Helper()
	c := dialRaw(t, addr, serial, rawOptions{})
	for i := range n {
		c.publish(1, uint16(i%65535)+1, topicOf(serial), fmt.Sprintf("%s-%05d", serial, from+i))
		if i%50 == 49 || i == n-1 {
			for range i%50 + 1 {
				c.expect(4)
			}
		}
	}
	_ = c.conn.Close()
}

func TestSessionTakesTheBacklogOfAWindowOf20(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	h := newCollect()
	s := connect(t, m, h, nil)
	drained(t, s)
	device(t, m.Addr, "dev1", 0, 500)
	h.wait(t, 500)
	drained(t, s)
	for i, p := range h.order {
		if want := fmt.Sprintf("dev1-%05d", i); p != want {
			t.Fatalf("message %d is %s", i, p)
		}
	}
	if st := s.Stats(); st.Received != 500 || st.Full != 0 {
		t.Errorf("stats %+v", st)
	}
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
}

func TestNoAckBeforeStored(t *testing.T) {
	const window, sent = 5, 30
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{MaxInflight: window})
	h := newHold()
	s := connect(t, m, h, func(o *mqtt.SessionsOptions) { o.MarkerEvery = time.Minute })
	drained(t, s)
	device(t, m.Addr, "dev1", 0, sent)
	inHand := h.all()
	// After the acknowledgement of a marker Mosquitto fills up by a whole window;
	// here only the markers of the start can have been on their way.
	if len(inHand) < window || len(inHand) > 2*window {
		t.Fatalf("%d messages with a window of %d", len(inHand), window)
	}
	acked, before := s.Stats().Acked, s.Observed()
	for _, later := range inHand[1:] {
		later.ack(true) // the first one is not stored: no acknowledgement
	}
	h.nothing(t)
	if got := s.Stats().Acked; got != acked {
		t.Errorf("%d messages were acknowledged before the first one was stored", got-acked)
	}
	if now := s.Observed(); now != before {
		t.Errorf("the watermark moved from %v to %v over a backlog", before, now)
	}
	inHand[0].ack(true)
	for range sent - len(inHand) {
		h.next(t).ack(true)
	}
	drained(t, s)
	if s.Observed() <= before {
		t.Error("the watermark did not move after the backlog was drained")
	}
}

func TestRefusedMessageComesAgain(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	h := newHold()
	s := connect(t, m, h, nil)
	drained(t, s)
	device(t, m.Addr, "dev1", 0, 2)
	first, second := h.next(t), h.next(t)
	second.ack(true)
	first.ack(false)
	again := h.next(t)
	if again.payload != first.payload {
		t.Fatalf("%s came, want %s again", again.payload, first.payload)
	}
	again.ack(true)
	for _, m := range h.all() { // the second one may come again, too
		m.ack(true)
	}
	if st := s.Stats(); st.Failed != 1 || st.Duplicates == 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestNothingIsLostOverABrokerRestart(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	h := newCollect()
	s := connect(t, m, h, nil)
	drained(t, s)
	device(t, m.Addr, "dev1", 0, 100)
	h.wait(t, 100)
	m.Stop()
	until(t, "the loss is noticed", func() bool { return s.Ready() != nil })
	stood := s.Observed()
	m.Start()
	device(t, m.Addr, "dev2", 0, 100)
	h.wait(t, 200)
	drained(t, s)
	if s.Observed() <= stood {
		t.Error("the watermark stands still after the broker came back")
	}
	until(t, "ready", func() bool { return s.Ready() == nil })
}

func TestWatermarkStandsStillWhileTheBrokerIsAway(t *testing.T) {
	virtual := clock.NewVirtual(1_000_000)
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	h := newCollect()
	s := connect(t, m, h, func(o *mqtt.SessionsOptions) { o.Clock = virtual })
	drained(t, s)
	if got := s.Observed(); got != 1_000_000 {
		t.Fatalf("observed %d", got)
	}
	device(t, m.Addr, "dev1", 0, 10)
	drained(t, s)
	m.Stop()
	until(t, "the loss is noticed", func() bool { return s.Ready() != nil })
	if err := virtual.Advance(1_000_000 + 6*3600_000); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Flush(ctx); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("flush without a broker: %v", err)
	}
	if got := s.Observed(); got != 1_000_000 {
		t.Errorf("observed %d while the broker was away", got)
	}
	m.Start()
	drained(t, s)
	if got := s.Observed(); got != 1_000_000+6*3600_000 {
		t.Errorf("observed %d after the broker came back", got)
	}
}

func TestWatermarkWaitsForDevicesAfterTheBrokerWasAway(t *testing.T) {
	const start = 1_000_000
	virtual := clock.NewVirtual(start)
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	s := connect(t, m, newCollect(), func(o *mqtt.SessionsOptions) { o.Clock, o.Grace = virtual, 30*time.Second })
	at := func(want, now gateway.Instant) {
		t.Helper()
		if err := virtual.Advance(now); err != nil {
			t.Fatal(err)
		}
		drained(t, s)
		if got := s.Observed(); got != want {
			t.Errorf("observed %d at %d, want %d", got, now, want)
		}
	}
	drained(t, s)
	at(0, start+29_999)
	at(start+30_000, start+30_000)
	m.Stop()
	until(t, "the loss is noticed", func() bool { return s.Ready() != nil })
	if err := virtual.Advance(start + 3_600_000); err != nil {
		t.Fatal(err)
	}
	m.Start()
	drained(t, s)
	at(start+30_000, start+3_629_999)
	at(start+3_630_000, start+3_630_000)
}

func TestNothingIsLostOverAGatewayRestart(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	before := newHold()
	s := connect(t, m, before, nil)
	drained(t, s)
	device(t, m.Addr, "dev1", 0, 30)
	for range 10 {
		before.next(t).ack(true)
	}
	for range 10 {
		before.next(t) // in hand, never stored
	}
	until(t, "ten are acknowledged", func() bool { return s.Stats().Acked >= 10 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	device(t, m.Addr, "dev1", 30, 30) // while the gateway is away
	h := newCollect()
	s = connect(t, m, h, nil)
	drained(t, s)
	h.wait(t, 50)
	if h.got["dev1-00010"] == 0 || h.got["dev1-00059"] == 0 {
		t.Errorf("what was in hand or came meanwhile is missing: %v", h.got)
	}
}

func TestSharedSubscriptionOverSeveralConnections(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	h := newCollect()
	s := connect(t, m, h, func(o *mqtt.SessionsOptions) { o.Group, o.Connections = "touchpoint", 3 })
	drained(t, s)
	var wg sync.WaitGroup
	for d := range 4 {
		wg.Go(func() { device(t, m.Addr, fmt.Sprintf("dev%d", d), 0, 200) })
	}
	wg.Wait()
	h.wait(t, 800)
	drained(t, s)
	h.mu.Lock()
	defer h.mu.Unlock()
	for p, n := range h.got {
		if n != 1 {
			t.Errorf("%s came %d times", p, n)
		}
	}
	if !strings.Contains(s.Guarantee(), "3 connections with a window of 20") {
		t.Error(s.Guarantee())
	}
}

func TestMessageDown(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	s := connect(t, m, newCollect(), nil)
	c := dialRaw(t, m.Addr, "dev1", rawOptions{})
	c.subscribe(1, "touchpoint/v1/coffee/dev1/messages", 1)
	until(t, "ready", func() bool { return s.Ready() == nil })
	if err := s.Publish(t.Context(), "touchpoint/v1/coffee/dev1/messages", []byte("hi"), 1); err != nil {
		t.Fatal(err)
	}
	if p := c.expect(3); p.payload() != "hi" {
		t.Errorf("got %q", p.payload())
	}
	m.Suspend() // takes packets, answers none
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	err := s.Publish(ctx, "touchpoint/v1/coffee/dev1/messages", []byte("late"), 1)
	cancel()
	m.Resume()
	if gateway.KindOf(err) != gateway.OutcomeUnknown {
		t.Errorf("without an answer: %v", err)
	}
	m.Stop()
	until(t, "the loss is noticed", func() bool {
		return gateway.KindOf(s.Publish(t.Context(), "touchpoint/v1/coffee/dev1/messages", []byte("x"), 1)) == gateway.Unavailable
	})
}

func TestRetainedCopiesAreNoEvents(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	c := dialRaw(t, m.Addr, "dev1", rawOptions{})
	c.send(0x33, append(append(text(nil, topicOf("dev1")), 0, 1), "old"...))
	c.expect(4)
	h := newCollect()
	s := connect(t, m, h, nil)
	drained(t, s)
	if st := s.Stats(); st.Retained != 1 || len(h.got) != 0 {
		t.Errorf("stats %+v, got %v", st, h.got)
	}
}

func TestQoS0IsTakenWithoutAck(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{})
	h := newCollect()
	s := connect(t, m, h, nil)
	drained(t, s)
	c := dialRaw(t, m.Addr, "dev1", rawOptions{})
	c.publish(0, 0, topicOf("dev1"), "light")
	h.wait(t, 1)
	if st := s.Stats(); st.QoS0 != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestRefusedSubscriptionIsSaid(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{User: "gw", Password: "planted-secret"})
	var log lines
	s := connect(t, m, newCollect(), func(o *mqtt.SessionsOptions) {
		o.Username, o.Password = "gw", "planted-wrong"
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	until(t, "an attempt is over", func() bool { return s.Ready() != nil })
	if strings.Contains(log.String()+fmt.Sprintf("%v", s.Ready()), "planted") {
		t.Error("a password is shown")
	}
}

func TestUserAndPassword(t *testing.T) {
	m := testservers.Mosquitto(t, testservers.MosquittoOptions{User: "gw", Password: "planted-secret"})
	s := connect(t, m, newCollect(), func(o *mqtt.SessionsOptions) { o.Username, o.Password = "gw", "planted-secret" })
	drained(t, s)
	until(t, "ready", func() bool { return s.Ready() == nil })
}

type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// An operator learns why a session cannot be made, by Ready and once in the log.
func TestSessionSaysWhyItIsNotConnected(t *testing.T) {
	lines := make(chan string, 64)
	s := connect(t, &testservers.MosquittoServer{URL: "tcp://127.0.0.1:1"}, newCollect(), func(o *mqtt.SessionsOptions) {
		o.Logger = slog.New(slog.NewTextHandler(lineWriter(lines), nil))
	})
	until(t, "a reason", func() bool {
		err := s.Ready()
		return err != nil && strings.Contains(err.Error(), "connection refused")
	})
	select {
	case line := <-lines:
		if !strings.Contains(line, "cannot be made") || !strings.Contains(line, "connection refused") {
			t.Error(line)
		}
	case <-time.After(5 * time.Second):
		t.Error("nothing was logged")
	}
}

type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}
