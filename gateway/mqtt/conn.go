package mqtt

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// conn wraps a network connection so that small packets cost less: reads are
// buffered, and what may wait (acknowledgements at the broker, everything at a
// session) is collected for a moment and written at once.
type conn struct {
	net.Conn
	reader *bufio.Reader // nil: the user buffers himself
	delay  time.Duration // how long queued bytes wait; 0 = not at all
	lazy   bool          // Write queues instead of writing
	order  *ackOrder     // of the broker's clients

	writing sync.Mutex // one write to the network at a time
	spare   []byte     // guarded by writing

	mu       sync.Mutex
	pending  []byte
	armed    bool
	timer    *time.Timer
	failed   error
	deadline time.Time
}

// maxPending is how much a lazy connection collects before it writes.
const maxPending = 16 << 10

// Read reads through the buffer.
func (c *conn) Read(b []byte) (int, error) {
	if c.reader == nil {
		return c.Conn.Read(b)
	}
	n, err := c.reader.Read(b)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.failed != nil {
			err = c.failed
		}
	}
	return n, err
}

// abort makes the reader fail with err. Merely closing would not do: paho takes
// the error of a connection that was closed on this side for its own doing,
// and waits.
func (c *conn) abort(err error) {
	c.mu.Lock()
	if c.failed == nil {
		c.failed = err
	}
	c.mu.Unlock()
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// Write writes what is queued and b, or queues b when the connection is lazy.
func (c *conn) Write(b []byte) (int, error) {
	if c.lazy {
		return len(b), c.queue(b)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.spare = append(c.takePending(), b...)
	if _, err := c.Conn.Write(c.spare); err != nil {
		return 0, err
	}
	return len(b), nil
}

// queue lets b wait for others; it never blocks on the network except when a
// lazy connection has collected a lot.
func (c *conn) queue(b []byte) error {
	c.mu.Lock()
	if c.failed != nil {
		defer c.mu.Unlock()
		return c.failed
	}
	c.pending = append(c.pending, b...)
	full := c.lazy && len(c.pending) >= maxPending
	if !full && !c.armed && c.delay > 0 {
		c.armed = true
		if c.timer == nil {
			c.timer = time.AfterFunc(c.delay, c.flush)
		} else {
			c.timer.Reset(c.delay)
		}
	}
	c.mu.Unlock()
	if full || c.delay <= 0 {
		c.flush()
	}
	return nil
}

// takePending moves what is queued into the spare buffer, which it returns.
func (c *conn) takePending() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.pending
	c.pending = c.spare[:0]
	c.armed = false
	return taken
}

// flush writes what is queued. A failure is seen by the reader.
func (c *conn) flush() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.spare = c.takePending()
	if len(c.spare) == 0 {
		return
	}
	if _, err := c.Conn.Write(c.spare); err != nil {
		c.abort(err)
	}
}

// Close writes what is queued and closes.
func (c *conn) Close() error {
	if c.lazy {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(time.Second))
		c.flush()
	}
	return c.Conn.Close()
}

// SetDeadline moves the deadline unless that would change little: a broker
// moves it for every packet. It is never earlier than asked for.
func (c *conn) SetDeadline(t time.Time) error {
	const step = time.Second
	c.mu.Lock()
	same := !t.IsZero() && !c.deadline.Before(t) && c.deadline.Sub(t) <= 2*step
	if !same && !t.IsZero() {
		t = t.Add(2 * step)
	}
	if !same {
		c.deadline = t
	}
	c.mu.Unlock()
	if same {
		return nil
	}
	return c.Conn.SetDeadline(t)
}
