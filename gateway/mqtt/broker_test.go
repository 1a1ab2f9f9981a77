package mqtt_test

import (
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/mqtt"
)

// startBroker starts an embedded broker on a free port that hands over to h.
func startBroker(t testing.TB, h mqtt.Handler, change func(*mqtt.BrokerOptions)) *mqtt.Broker {
	t.Helper()
	o := mqtt.BrokerOptions{Listen: "127.0.0.1:0", Handler: h, IsUplink: isEvents, Clock: clock.Wall()}
	if change != nil {
		change(&o)
	}
	b, err := mqtt.StartBroker(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestPubackFollowsTheAppend(t *testing.T) {
	h := newHold()
	b := startBroker(t, h, nil)
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{})
	c.publish(1, 7, topicOf("dev1"), "one")
	m := h.next(t)
	c.ping()
	c.expect(13) // PINGRESP: the reader goes on, and no PUBACK came before it
	m.ack(true)
	if p := c.expect(4); p.id() != 7 {
		t.Fatalf("PUBACK of %d", p.id())
	}
}

func TestAcksComeInOrderOfSending(t *testing.T) {
	h := newHold()
	b := startBroker(t, h, nil)
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{})
	var got []message
	for id := range 5 {
		c.publish(1, uint16(id+1), topicOf("dev1"), "x")
		got = append(got, h.next(t))
	}
	for _, n := range []int{4, 2, 1, 3} {
		got[n].ack(true)
	}
	c.ping()
	c.expect(13)
	got[0].ack(true)
	for id := range 5 {
		if p := c.expect(4); p.id() != uint16(id+1) {
			t.Fatalf("PUBACK of %d, want %d", p.id(), id+1)
		}
	}
}

func TestRefusedMessageClosesTheClient(t *testing.T) {
	h := newHold()
	b := startBroker(t, h, nil)
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{})
	c.publish(1, 1, topicOf("dev1"), "one")
	c.publish(1, 2, topicOf("dev1"), "two")
	first, second := h.next(t), h.next(t)
	first.ack(false)
	second.ack(true)
	c.expectClosed()
	if s := b.Stats(); s.Failed != 1 {
		t.Errorf("failed = %d, want 1", s.Failed)
	}
}

func TestQoS2IsTakenOnce(t *testing.T) {
	h := newHold()
	b := startBroker(t, h, nil)
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{})
	c.publish(2, 9, topicOf("dev1"), "one")
	m := h.next(t)
	c.ping()
	c.expect(13)
	m.ack(true)
	if p := c.expect(5); p.id() != 9 { // PUBREC
		t.Fatalf("PUBREC of %d", p.id())
	}
	c.publish(2, 9, topicOf("dev1"), "one") // again, as if the PUBREC were lost
	if p := c.expect(5); p.id() != 9 {
		t.Fatalf("second PUBREC of %d", p.id())
	}
	c.pubrel(9)
	if p := c.expect(7); p.id() != 9 { // PUBCOMP
		t.Fatalf("PUBCOMP of %d", p.id())
	}
	h.nothing(t)
}

func TestQoS0IsTakenAndCounted(t *testing.T) {
	h := newHold()
	b := startBroker(t, h, nil)
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{})
	c.publish(0, 0, topicOf("dev1"), "one")
	h.next(t).ack(true)
	if s := b.Stats(); s.QoS0 != 1 || s.Received != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestWillOnAnUplinkTopicIsTaken(t *testing.T) {
	h := newHold()
	b := startBroker(t, h, nil)
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{will: topicOf("dev1"), willText: "gone"})
	_ = c.conn.Close()
	if m := h.next(t); m.payload != "gone" {
		t.Errorf("will %q", m.payload)
	}
}

func TestClientInflightIsBounded(t *testing.T) {
	h := newHold()
	b := startBroker(t, h, func(o *mqtt.BrokerOptions) { o.ClientInflight = 2 })
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{})
	for id := range 3 {
		c.publish(1, uint16(id+1), topicOf("dev1"), "x")
	}
	first, second := h.next(t), h.next(t)
	h.nothing(t)
	first.ack(true)
	c.expect(4)
	third := h.next(t)
	second.ack(true)
	third.ack(true)
	c.expect(4)
	c.expect(4)
}

func TestDownlink(t *testing.T) {
	b := startBroker(t, newHold(), nil)
	if err := b.Publish(t.Context(), "touchpoint/v1/coffee/dev1/messages", []byte("hi"), 1); gateway.KindOf(err) != gateway.NotFound {
		t.Fatalf("without a session: %v", err)
	}
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{})
	c.subscribe(1, "touchpoint/v1/coffee/dev1/messages", 1)
	if err := b.Publish(t.Context(), "touchpoint/v1/coffee/dev1/messages", []byte("hi"), 1); err != nil {
		t.Fatal(err)
	}
	if p := c.expect(3); p.payload() != "hi" || p.qos() != 1 {
		t.Errorf("got %q with QoS %d", p.payload(), p.qos())
	}
	fleet := dialRaw(t, b.Addr().String(), "fleet", rawOptions{})
	fleet.subscribe(1, "touchpoint/v1/+/+/messages", 1)
	if !b.Connected("touchpoint/v1/coffee/dev1/messages") || b.Connected("touchpoint/v1/coffee/dev2/messages") {
		t.Error("dev1 is connected by itself, dev2 is one of a fleet")
	}
}

func TestOversizedPacketClosesTheClient(t *testing.T) {
	b := startBroker(t, newHold(), func(o *mqtt.BrokerOptions) { o.MaxPacketBytes = 1024 })
	c := dialRaw(t, b.Addr().String(), "dev1", rawOptions{})
	c.publish(1, 1, topicOf("dev1"), string(make([]byte, 2000)))
	c.expectClosed()
}

func TestGraceOfTheWatermark(t *testing.T) {
	virtual := clock.NewVirtual(1_000_000)
	b := startBroker(t, newHold(), func(o *mqtt.BrokerOptions) { o.Clock, o.Grace = virtual, time.Minute })
	if got := b.Observed(); got != 0 {
		t.Errorf("at the start: %d", got)
	}
	if err := virtual.Advance(1_060_000); err != nil {
		t.Fatal(err)
	}
	if got := b.Observed(); got != 1_060_000 {
		t.Errorf("after the grace: %d", got)
	}
}
