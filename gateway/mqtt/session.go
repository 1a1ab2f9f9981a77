package mqtt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"touchpoint/gateway"
)

// session is one persistent session with the broker.
//
// Messages pass three goroutines: paho's own, which only puts them into the
// queue (blocking it would stop the answers to pings); work, which hands them
// over; acknowledge, which acknowledges what is stored in the order of receipt.
type session struct {
	s      *Sessions
	number int
	client paho.Client
	queue  chan paho.Message
	marks  markers

	mu      sync.Mutex
	wasUp   bool
	upSince gateway.Instant
	held    gateway.Instant // the watermark when the connection was lost
	conn    *conn           // the present network connection
	order   []*receipt
	ready   []paho.Message // to be acknowledged
	wake    chan struct{}
	why     string // what is wrong, "" when all is well
	stopped atomic.Bool
}

// receipt is a message that was handed over.
type receipt struct {
	m    paho.Message
	done bool
}

func newSession(s *Sessions, number int) *session {
	one := &session{s: s, number: number, queue: make(chan paho.Message, s.o.QueueSize), wake: make(chan struct{}, 1), why: "not connected yet"}
	one.marks.init(fmt.Sprintf("touchpoint/marker/%s-%d", s.o.ClientID, number), s.nonce)
	o := s.o.clientOptions(fmt.Sprintf("%s-%d", s.o.ClientID, number))
	o.SetCleanSession(false)
	o.SetAutoAckDisabled(true)
	o.SetOrderMatters(true)
	o.SetDefaultPublishHandler(one.receive) // also for the backlog that comes before the SUBACK
	o.SetAutoReconnect(true)
	o.SetMaxReconnectInterval(s.o.ReconnectMax)
	o.SetConnectRetry(true)
	o.SetConnectRetryInterval(min(time.Second, s.o.ReconnectMax))
	o.SetCustomOpenConnectionFn(s.o.dial(one.connected))
	o.SetOnConnectHandler(func(paho.Client) { one.subscribe() })
	o.SetConnectionLostHandler(func(_ paho.Client, err error) {
		s.count.lost.Add(1)
		one.fail("connection lost: " + err.Error())
	})
	o.SetConnectionNotificationHandler(func(_ paho.Client, n paho.ConnectionNotification) {
		if failed, ok := n.(paho.ConnectionNotificationFailed); ok {
			one.refused(failed.Reason)
		}
	})
	one.client = paho.NewClient(o)
	return one
}

func (one *session) connect() { one.client.Connect() } // retries by itself: the token tells nothing yet

func (one *session) connected(c *conn) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.conn = c
}

func (one *session) fail(why string) {
	if first, _ := one.down(why); first && !one.stopped.Load() {
		one.s.o.Logger.Warn("mqtt session is down", "connection", one.number, "reason", why)
	}
}

// refused notes why an attempt to connect failed, and says so once for each
// reason: it is made again without end. It may come before the news that the
// connection was lost.
func (one *session) refused(err error) {
	if _, changed := one.down("not connected: " + err.Error()); changed && !one.stopped.Load() {
		one.s.o.Logger.Warn("mqtt session cannot be made; trying again", "connection", one.number, "reason", err)
	}
}

// down notes what is wrong and, when all was well before, holds the watermark.
func (one *session) down(why string) (first, changed bool) {
	one.mu.Lock()
	first, changed = one.why == "", one.why != why
	if first {
		one.held = one.heldOr(one.marks.observed())
	}
	one.why = why
	one.mu.Unlock()
	one.marks.interrupt()
	return first, changed
}

func (one *session) trouble() string {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.why
}

// subscribe runs after each connect, in a goroutine of its own, and checks
// what the broker grants: a broker may refuse or lower a subscription.
func (one *session) subscribe() {
	filters := map[string]byte{one.marks.topic: 1}
	for _, f := range one.s.o.Filters {
		if one.s.o.Group != "" {
			f = "$share/" + one.s.o.Group + "/" + f
		}
		filters[f] = 1
	}
	token := one.client.SubscribeMultiple(filters, nil)
	if !token.WaitTimeout(one.s.o.ConnectTimeout) {
		one.restart("the broker did not answer the subscription")
		return
	}
	if err := token.Error(); err != nil {
		one.restart("subscription: " + err.Error())
		return
	}
	for f, granted := range token.(*paho.SubscribeToken).Result() {
		if granted != 1 {
			one.s.o.Logger.Error("the broker does not grant a subscription with QoS 1: events would be lost",
				"filter", f, "granted", granted)
			one.fail(fmt.Sprintf("the broker granted %d instead of QoS 1 for %s", granted, f))
			time.AfterFunc(one.s.o.ReconnectMax, func() { one.restart("") }) // rights may come later
			return
		}
	}
	one.mu.Lock()
	one.why, one.wasUp, one.upSince = "", true, one.s.o.Clock.Now()
	one.mu.Unlock()
	one.s.o.Logger.Info("mqtt session is up", "connection", one.number)
	one.sendMarker()
}

// restart drops the network connection; paho connects again, and the broker
// sends again what was not acknowledged.
func (one *session) restart(why string) {
	if why != "" {
		one.fail(why)
	}
	one.mu.Lock()
	c := one.conn
	one.mu.Unlock()
	if c != nil {
		c.abort(errNotStored)
	}
}

// receive runs in paho's router: it must not wait.
func (one *session) receive(_ paho.Client, m paho.Message) {
	select {
	case one.queue <- m:
		return
	default:
	}
	if m.Qos() == 0 {
		one.s.count.dropped.Add(1)
		return
	}
	one.s.count.full.Add(1) // the broker's window is larger than we were told
	one.queue <- m
}

// work hands messages over.
func (one *session) work(ctx context.Context) {
	for {
		select {
		case m := <-one.queue:
			one.hand(m)
		case <-ctx.Done():
			return
		}
	}
}

func (one *session) hand(m paho.Message) {
	c := &one.s.count
	isUplink := one.s.o.IsUplink
	switch {
	case m.Topic() == one.marks.topic:
		one.marks.back(m.Payload())
		one.enter(m).settle(one, true)
	case m.Retained(): // a copy that the broker shows at each subscription: no new event
		c.retained.Add(1)
		one.enter(m).settle(one, true)
	case isUplink != nil && !isUplink(m.Topic()):
		c.strange.Add(1)
		one.enter(m).settle(one, true)
	case m.Qos() == 0:
		c.qos0.Add(1)
		one.s.o.Handler.Uplink(m.Topic(), m.Payload(), func(bool) {})
	default:
		c.received.Add(1)
		if m.Duplicate() {
			c.duplicates.Add(1)
		}
		r := one.enter(m)
		one.s.o.Handler.Uplink(m.Topic(), m.Payload(), func(ok bool) { r.settle(one, ok) })
	}
}

// enter notes a message as handed over.
func (one *session) enter(m paho.Message) *receipt {
	r := &receipt{m: m}
	if m.Qos() == 0 {
		return r
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	one.order = append(one.order, r)
	return r
}

// settle says what became of a message. One that was not stored is taken out
// without an acknowledgement, and the connection is dropped so that it comes
// again.
func (r *receipt) settle(one *session, ok bool) {
	if r.m.Qos() == 0 {
		return
	}
	one.mu.Lock()
	r.done = true
	if !ok {
		r.m = nil
	}
	n := 0
	for n < len(one.order) && one.order[n].done {
		if m := one.order[n].m; m != nil {
			one.ready = append(one.ready, m)
		}
		n++
	}
	if n > 0 {
		rest := copy(one.order, one.order[n:])
		clear(one.order[rest:])
		one.order = one.order[:rest]
	}
	one.mu.Unlock()
	if n > 0 {
		select {
		case one.wake <- struct{}{}:
		default:
		}
	}
	if !ok {
		one.s.count.failed.Add(1)
		one.restart("a message could not be stored")
	}
}

// acknowledge acknowledges what is stored, apart from who stores: paho may
// block for the network.
func (one *session) acknowledge(ctx context.Context) {
	var acks []paho.Message
	for {
		select {
		case <-one.wake:
		case <-ctx.Done():
			return
		}
		one.mu.Lock()
		acks, one.ready = one.ready, acks[:0]
		one.mu.Unlock()
		for _, m := range acks {
			m.Ack()
		}
		one.s.count.acked.Add(uint64(len(acks)))
		clear(acks)
	}
}

// mark sends markers.
func (one *session) mark(ctx context.Context) {
	tick := time.NewTicker(one.s.o.MarkerEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if one.trouble() == "" {
				one.sendMarker()
			}
		case <-ctx.Done():
			return
		}
	}
}

func (one *session) sendMarker() {
	if one.client.IsConnectionOpen() {
		one.client.Publish(one.marks.topic, 1, false, one.marks.next(one.s.o.Clock.Now()))
	}
}

// observed returns the watermark. It goes on a grace time after the connection
// was made: devices that the broker was away for, too, upload what they kept.
func (one *session) observed() gateway.Instant {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.heldOr(one.marks.observed())
}

// heldOr returns at, unless the grace lasts. The caller holds the lock.
func (one *session) heldOr(at gateway.Instant) gateway.Instant {
	if one.why != "" || one.s.o.Clock.Now() < one.upSince.Add(one.s.o.Grace) {
		return one.held
	}
	return at
}

// flush sends a marker and waits until it, or a later one, is back. It waits for
// the first connection, but not for one that was lost: how long the broker stays
// away nobody knows.
func (one *session) flush(ctx context.Context) error {
	want := one.marks.want()
	if one.trouble() == "" {
		one.sendMarker()
	}
	if err := one.marks.wait(ctx, want, one.lost); err != nil {
		return &gateway.Error{Kind: gateway.Unavailable, Text: fmt.Sprintf("mqtt connection %d is not drained", one.number), Err: err}
	}
	return nil
}

// lost returns what is wrong with a session that was up before.
func (one *session) lost() error {
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.wasUp && one.why != "" {
		return errors.New(one.why)
	}
	return nil
}

func (one *session) disconnect() {
	one.stopped.Store(true)
	one.client.Disconnect(250)
}
