package mqtt_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// message is one uplink as a handler saw it.
type message struct {
	topic, payload string
	ack            func(bool)
}

// hold is a handler whose messages the test acknowledges itself.
type hold struct{ got chan message }

func newHold() *hold { return &hold{got: make(chan message, 65536)} }

func (h *hold) Uplink(topic string, payload []byte, ack func(bool)) {
	h.got <- message{topic, string(payload), ack}
}

func (h *hold) next(t testing.TB) message {
	t.Helper()
	select {
	case m := <-h.got:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no message came")
		return message{}
	}
}

func (h *hold) nothing(t testing.TB) {
	t.Helper()
	select {
	case m := <-h.got:
		t.Fatalf("unexpected message on %s", m.topic)
	case <-time.After(30 * time.Millisecond):
	}
}

// all returns what comes until nothing comes any more.
func (h *hold) all() (got []message) {
	for {
		select {
		case m := <-h.got:
			got = append(got, m)
		case <-time.After(50 * time.Millisecond):
			return got
		}
	}
}

func isEvents(topic string) bool {
	return strings.HasPrefix(topic, "touchpoint/v1/") && strings.HasSuffix(topic, "/events")
}

func topicOf(serial string) string { return "touchpoint/v1/coffee/" + serial + "/events" }

// rawClient speaks MQTT 3.1.1 byte by byte, so that a test decides about every
// packet.
type rawClient struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

type rawOptions struct {
	user, password string
	will, willText string
	keep           bool // the session
}

type packet struct {
	head byte
	body []byte
}

func (p packet) qos() byte { return p.head >> 1 & 3 }

func (p packet) id() uint16 {
	if p.head>>4 == 3 {
		n := 2 + int(binary.BigEndian.Uint16(p.body))
		return binary.BigEndian.Uint16(p.body[n:])
	}
	return binary.BigEndian.Uint16(p.body)
}

func (p packet) topic() string { return string(p.body[2 : 2+int(binary.BigEndian.Uint16(p.body))]) }

func (p packet) payload() string {
	n := 2 + len(p.topic())
	if p.qos() > 0 {
		n += 2
	}
	return string(p.body[n:])
}

func dialRaw(t testing.TB, addr, id string, o rawOptions) *rawClient {
	t.Helper()
	c := tryRaw(t, addr, id, o)
	if p := c.expect(2); p.body[1] != 0 {
		t.Fatalf("CONNACK with code %d", p.body[1])
	}
	return c
}

func tryRaw(t testing.TB, addr, id string, o rawOptions) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &rawClient{t: t, conn: conn, r: bufio.NewReader(conn)}
	flags := byte(2)
	if o.keep {
		flags = 0
	}
	body := text(nil, id)
	if o.will != "" {
		flags |= 4
		body = text(text(body, o.will), o.willText)
	}
	if o.user != "" {
		flags |= 0xc0
		body = text(text(body, o.user), o.password)
	}
	c.send(0x10, append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, 60}, body...))
	return c
}

func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func (c *rawClient) send(head byte, body []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(encodePacket(nil, head, body)); err != nil {
		c.t.Logf("write: %v", err) // the broker may have closed: the reader tells
	}
}

func encodePacket(b []byte, head byte, body []byte) []byte {
	b = append(b, head)
	n := len(body)
	for n > 127 {
		b = append(b, byte(n)|128)
		n >>= 7
	}
	return append(append(b, byte(n)), body...)
}

func (c *rawClient) publish(qos byte, id uint16, topic, payload string) {
	c.t.Helper()
	body := text(nil, topic)
	if qos > 0 {
		body = binary.BigEndian.AppendUint16(body, id)
	}
	c.send(0x30|qos<<1, append(body, payload...))
}

func (c *rawClient) subscribe(id uint16, filter string, qos byte) {
	c.t.Helper()
	c.send(0x82, append(text(binary.BigEndian.AppendUint16(nil, id), filter), qos))
	if p := c.expect(9); p.body[2] != qos {
		c.t.Fatalf("granted QoS %d", p.body[2])
	}
}

func (c *rawClient) pubrel(id uint16) { c.send(0x62, binary.BigEndian.AppendUint16(nil, id)) }
func (c *rawClient) ping()            { c.send(0xc0, nil) }

func readPacket(r *bufio.Reader) (p packet, err error) {
	if p.head, err = r.ReadByte(); err != nil {
		return p, err
	}
	n, shift := 0, 0
	for {
		b, err := r.ReadByte()
		if err != nil {
			return p, err
		}
		n |= int(b&127) << shift
		if shift += 7; b < 128 {
			break
		}
	}
	p.body = make([]byte, n)
	_, err = io.ReadFull(r, p.body)
	return p, err
}

// expect reads the next packet, which must be of a type.
func (c *rawClient) expect(kind byte) packet {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	p, err := readPacket(c.r)
	if err != nil {
		c.t.Fatalf("waiting for packet type %d: %v", kind, err)
	}
	if p.head>>4 != kind {
		c.t.Fatalf("packet type %d, want %d", p.head>>4, kind)
	}
	return p
}

// expectClosed waits for the end of the connection; an acknowledgement before
// it is an error.
func (c *rawClient) expectClosed() {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		p, err := readPacket(c.r)
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			c.t.Fatal("the connection stays open")
		}
		if err != nil {
			return
		}
		if k := p.head >> 4; k == 4 || k == 5 {
			c.t.Fatalf("acknowledgement of %d before the end", p.id())
		}
	}
}

// expectEnd waits for the end of the connection.
func (c *rawClient) expectEnd() {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c.r); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			c.t.Fatal("the connection stays open")
		}
	}
}
