package simulator

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"touchpoint/gateway"
)

const (
	keepAlive = 60 // seconds
	// window bounds the unacknowledged publishes of a connection.
	window = 1024
	// subscribeBatch is how many filters go into one packet.
	subscribeBatch = 200
)

// ConnOptions say how to reach the broker.
type ConnOptions struct {
	Broker             string // tcp://host:port
	Username, Password string
	// ClientID is the prefix of the clients' ids; the number follows.
	ClientID string
}

func (o ConnOptions) address() (string, error) {
	u, err := url.Parse(o.Broker)
	if err != nil || u.Host == "" || (u.Scheme != "tcp" && u.Scheme != "mqtt") {
		return "", gateway.InvalidField("broker", "must be an address such as tcp://127.0.0.1:1883")
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "1883"), nil
	}
	return u.Host, nil
}

// handler is told what a connection meets. Its methods are called from the
// connection's reader.
type handler interface {
	message(topic, payload []byte)
	acked(publish uint64)
	// returned is called when a connection stands again after it was lost.
	returned(c *conn)
}

// flight is one publish that is not acknowledged yet.
type flight struct {
	number uint64
	packet []byte
}

// conn is one connection of a number of devices. It keeps a persistent session,
// and what is unacknowledged when it breaks goes out again when it stands.
type conn struct {
	opts    ConnOptions
	address string
	id      string
	filters []string
	to      handler
	marks   string // topic of its markers

	mu       sync.Mutex
	changed  *sync.Cond // flights became fewer, a marker came back, or it closed
	out      []byte
	flying   map[uint16]flight
	order    []uint16 // packet ids in order of publishing
	free     [][]byte // packets to use again
	pid      uint16
	mark     uint64 // last marker that was sent
	marked   uint64 // last marker that came back
	closed   bool
	down     bool          // between two lives: nothing is queued but kept in flying
	link     *link         // the present life
	wake     chan struct{} // to the writer
	finished chan struct{}
}

// dial connects and returns when the subscriptions stand.
func dial(ctx context.Context, o ConnOptions, number int, filters []string, to handler) (*conn, error) {
	address, err := o.address()
	if err != nil {
		return nil, err
	}
	c := &conn{opts: o, address: address, id: o.ClientID + "-" + strconv.Itoa(number), to: to,
		flying: make(map[uint16]flight), wake: make(chan struct{}, 1), finished: make(chan struct{})}
	c.changed = sync.NewCond(&c.mu)
	c.marks = "touchpoint-simulator/" + c.id
	c.filters = append([]string{c.marks}, filters...)
	link, err := c.connect(ctx)
	if err != nil {
		return nil, gateway.Errorf(gateway.Unavailable, "broker %s: %w", address, err)
	}
	go c.run(link)
	return c, nil
}

// link is one life of the connection.
type link struct {
	net net.Conn
	in  *bufio.Reader
}

// connect opens the connection and its session and subscribes.
func (c *conn) connect(ctx context.Context) (*link, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	raw, err := d.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	l := &link{net: raw, in: bufio.NewReaderSize(raw, 16<<10)}
	_ = raw.SetDeadline(time.Now().Add(15 * time.Second))
	if err := c.greet(l); err != nil {
		raw.Close()
		return nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	return l, nil
}

func (c *conn) greet(l *link) error {
	if _, err := l.net.Write(appendConnect(nil, c.opts, c.id)); err != nil {
		return err
	}
	head, body, err := readPacket(l.in, nil)
	if err != nil {
		return err
	}
	if head != typeConnack || len(body) != 2 {
		return errPacket
	}
	if body[1] != 0 {
		return fmt.Errorf("the broker refused the connection with code %d", body[1])
	}
	// Subscribing anew is harmless and needed when the session was lost. Until
	// all is granted, packets of the session that lived on are handled, too.
	for from := 0; from < len(c.filters); from += subscribeBatch {
		part := c.filters[from:min(from+subscribeBatch, len(c.filters))]
		if _, err := l.net.Write(appendSubscribe(nil, 1+uint16(from/subscribeBatch), part)); err != nil {
			return err
		}
		if err := c.granted(l); err != nil {
			return err
		}
	}
	return nil
}

// granted waits for the answer to a subscription.
func (c *conn) granted(l *link) error {
	var buf []byte
	for {
		head, body, err := readPacket(l.in, buf)
		if err != nil {
			return err
		}
		buf = body
		if head != typeSuback {
			if err := c.packet(head, body); err != nil {
				return err
			}
			continue
		}
		for _, code := range body[min(2, len(body)):] {
			if code != 1 {
				return fmt.Errorf("the broker granted a subscription with %d instead of QoS 1", code)
			}
		}
		return nil
	}
}

// run keeps the connection up until it is closed.
func (c *conn) run(l *link) {
	defer close(c.finished)
	pause := 50 * time.Millisecond
	for {
		c.mu.Lock()
		c.link = l
		c.mu.Unlock()
		c.serve(l)
		c.mu.Lock()
		c.down, c.out = true, c.out[:0]
		c.mu.Unlock()
		for {
			c.mu.Lock()
			closed := c.closed
			c.mu.Unlock()
			if closed {
				return
			}
			var err error
			if l, err = c.connect(context.Background()); err == nil {
				break
			}
			time.Sleep(pause) // real back-off towards a real server
			pause = min(2*pause, 2*time.Second)
		}
		pause = 50 * time.Millisecond
		c.again()
		go c.to.returned(c)
	}
}

// again queues everything unacknowledged once more, in order, flagged as
// repeated.
func (c *conn) again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = false
	kept := c.order[:0]
	for _, pid := range c.order {
		if f, ok := c.flying[pid]; ok {
			f.packet[0] |= dupFlag
			c.out = append(c.out, f.packet...)
			kept = append(kept, pid)
		}
	}
	c.order = kept
	c.signal()
}

// serve reads and writes until the connection breaks.
func (c *conn) serve(l *link) {
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.write(l, stop)
	}()
	var buf []byte
	for {
		head, body, err := readPacket(l.in, buf)
		if err != nil {
			break
		}
		buf = body
		if c.packet(head, body) != nil {
			break
		}
	}
	l.net.Close()
	close(stop)
	<-done
}

// write sends what is queued, all that is there at once.
func (c *conn) write(l *link, stop <-chan struct{}) {
	ping := time.NewTicker(keepAlive * time.Second / 3)
	defer ping.Stop()
	var spare []byte
	for {
		select {
		case <-stop:
			return
		case <-ping.C:
			if _, err := l.net.Write([]byte{typePing, 0}); err != nil {
				l.net.Close()
			}
		case <-c.wake:
			c.mu.Lock()
			data := c.out
			c.out = spare[:0]
			c.mu.Unlock()
			if _, err := l.net.Write(data); err != nil {
				l.net.Close()
			}
			spare = data
		}
	}
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// packet handles what the broker sent.
func (c *conn) packet(head byte, body []byte) error {
	switch head & 0xf0 {
	case typePublish:
		topic, payload, pid, err := splitPublish(head, body)
		if err != nil {
			return err
		}
		if string(topic) == c.marks {
			n, _ := strconv.ParseUint(string(payload), 10, 64)
			c.mu.Lock()
			c.marked = max(c.marked, n)
			c.changed.Broadcast()
			c.mu.Unlock()
		} else {
			c.to.message(topic, payload)
		}
		if pid != 0 {
			c.mu.Lock()
			c.out = binary.BigEndian.AppendUint16(append(c.out, typePuback, 2), pid)
			c.mu.Unlock()
			c.signal()
		}
	case typePuback:
		if len(body) < 2 {
			return errPacket
		}
		c.puback(binary.BigEndian.Uint16(body))
	}
	return nil
}

func (c *conn) puback(pid uint16) {
	c.mu.Lock()
	f, ok := c.flying[pid]
	if !ok {
		c.mu.Unlock()
		return
	}
	delete(c.flying, pid)
	c.free = append(c.free, f.packet)
	for len(c.order) > 0 {
		if _, ok := c.flying[c.order[0]]; ok {
			break
		}
		c.order = c.order[1:]
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	if f.number != 0 {
		c.to.acked(f.number)
	}
}

// publish queues a message with QoS 1; it blocks while the window is full.
// number comes back with the acknowledgement, 0 with none.
func (c *conn) publish(ctx context.Context, number uint64, topic string, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.flying) >= window {
		c.signal()
		if err := c.wait(ctx, func() bool { return len(c.flying) < window }); err != nil {
			return err
		}
	}
	c.put(number, topic, payload)
	if len(c.out) > 16<<10 {
		c.signal() // the rest goes with flush
	}
	return nil
}

// put queues a message; the lock is held.
func (c *conn) put(number uint64, topic string, payload []byte) {
	for {
		c.pid++
		if _, taken := c.flying[c.pid]; c.pid != 0 && !taken {
			break
		}
	}
	var packet []byte
	if n := len(c.free); n > 0 {
		packet, c.free = c.free[n-1][:0], c.free[:n-1]
	}
	packet = appendPublish(packet, c.pid, topic, payload)
	c.flying[c.pid] = flight{number, packet}
	c.order = append(c.order, c.pid)
	if !c.down {
		c.out = append(c.out, packet...)
	}
}

// flush sends what publish has queued.
func (c *conn) flush() { c.signal() }

// wait blocks until ready holds; the lock is held.
func (c *conn) wait(ctx context.Context, ready func() bool) error {
	if ready() {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	for !ready() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.closed {
			return gateway.Errorf(gateway.Unavailable, "the connection is closed")
		}
		c.changed.Wait()
	}
	return nil
}

// settle waits until every publish is acknowledged.
func (c *conn) settle(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signal()
	return c.wait(ctx, func() bool { return len(c.flying) == 0 })
}

// sendMark publishes a marker to the connection's own topic. Since a broker
// keeps the order of a session, everything queued for it before has arrived when
// the marker is back.
func (c *conn) sendMark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark++
	c.put(0, c.marks, strconv.AppendUint(nil, c.mark, 10))
	c.signal()
	return c.mark
}

// awaitMark waits for a marker. One that a dying broker swallowed is sent again.
func (c *conn) awaitMark(ctx context.Context, n uint64) error {
	for {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		c.mu.Lock()
		err := c.wait(short, func() bool { return c.marked >= n })
		c.mu.Unlock()
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if gateway.KindOf(err) == gateway.Unavailable {
			return err
		}
		c.sendMark()
	}
}

// close ends the connection. The session is left to the broker, as a device
// that is switched off does.
func (c *conn) close() {
	c.mu.Lock()
	already := c.closed
	c.closed = true
	c.changed.Broadcast()
	c.out = append(c.out, typeBye, 0)
	c.mu.Unlock()
	c.signal()
	if already {
		return
	}
	select { // the broker closes on our goodbye
	case <-c.finished:
	case <-time.After(2 * time.Second):
		c.mu.Lock()
		c.link.net.Close()
		c.mu.Unlock()
	}
}
