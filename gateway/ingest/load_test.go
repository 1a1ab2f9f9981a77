package ingest_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// load publishes events with QoS 1 over raw connections, each with a slice of
// the devices and a bounded number of unacknowledged publishes.
type load struct {
	addr     string
	conns    int
	inflight int
	devices  int
	n        int
	name     string // makes the ids of two loads different
}

// loadEnv hands a load to a process of its own, so that the CPU time of this
// one is the gateway's alone.
const loadEnv = "TOUCHPOINT_TEST_LOAD"

func TestMain(m *testing.M) {
	if text := os.Getenv(loadEnv); text != "" {
		var f [5]string
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			panic(err)
		}
		l := load{addr: f[0], name: f[4], inflight: 500}
		l.conns, _ = strconv.Atoi(f[1])
		l.devices, _ = strconv.Atoi(f[2])
		l.n, _ = strconv.Atoi(f[3])
		if err := l.run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inProcess runs the load in a process of its own.
func (l load) inProcess(b testing.TB) error {
	text, err := json.Marshal([5]string{l.addr, strconv.Itoa(l.conns), strconv.Itoa(l.devices), strconv.Itoa(l.n), l.name})
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), loadEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (l load) run() error {
	var wg sync.WaitGroup
	errs := make(chan error, l.conns)
	conns := min(l.conns, l.devices)
	for k := range conns {
		c, err := dial(l.addr, fmt.Sprintf("load-%s-%d", l.name, k))
		if err != nil {
			return err
		}
		defer c.close()
		wg.Go(func() { errs <- l.one(c, k, conns) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// one sends every event i with i mod devices mod conns = k.
func (l load) one(c *client, k, conns int) error {
	room := make(chan struct{}, l.inflight)
	total := 0
	for i := range l.n {
		if i%l.devices%conns == k {
			total++
		}
	}
	failed := make(chan error, 1)
	go func() {
		for range total {
			if _, err := c.puback(); err != nil {
				failed <- err
				return
			}
			<-room
		}
		failed <- nil
	}()
	var event []byte
	id := uint16(0)
	for i := range l.n {
		d := i % l.devices
		if d%conns != k {
			continue
		}
		select {
		case room <- struct{}{}:
		default:
			c.flush()
			select {
			case room <- struct{}{}:
			case err := <-failed:
				return err
			}
		}
		if id++; id == 0 {
			id = 1
		}
		event = l.event(event[:0], i, time.Now())
		c.publish("touchpoint/v1/coffee/dev"+strconv.Itoa(10000 + d)[1:]+"/events", id, event)
	}
	c.flush()
	return <-failed
}

// event appends event i: some 180 bytes of JSON.
func (l load) event(b []byte, i int, now time.Time) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, l.name...)
	b = fmt.Appendf(b, "-%020d", i)
	b = append(b, `","ts":"`...)
	b = now.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","type":"brew_finished","seq":`...)
	b = strconv.AppendInt(b, int64(i/l.devices), 10)
	b = append(b, `,"data":{"program":"espresso","duration_ms":`...)
	b = strconv.AppendInt(b, int64(24500+i%1000), 10)
	b = append(b, `,"water_ml":`...)
	b = strconv.AppendInt(b, int64(30+i%20), 10)
	return append(b, `,"temp_c":92.5}}`...)
}

// client is a raw MQTT 3.1.1 publisher.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	buf  []byte
}

func dial(addr, id string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, r: bufio.NewReaderSize(conn, 64<<10), w: bufio.NewWriterSize(conn, 32<<10)}
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, byte(len(id))}, id...)
	_, _ = c.w.Write(append([]byte{0x10, byte(len(body))}, body...))
	c.flush()
	if kind, answer, err := c.read(); err != nil || kind != 2 || answer[1] != 0 {
		return nil, fmt.Errorf("no CONNACK: %d %v %w", kind, answer, err)
	}
	return c, nil
}

func (c *client) close() { _ = c.conn.Close() }
func (c *client) flush() { _ = c.w.Flush() } // an error shows up at the reader

func (c *client) publish(topic string, id uint16, payload []byte) {
	b := append(c.buf[:0], 0x32)
	n := len(topic) + len(payload) + 4
	for n > 127 {
		b = append(b, byte(n)|128)
		n >>= 7
	}
	b = append(b, byte(n), byte(len(topic)>>8), byte(len(topic)))
	b = append(b, topic...)
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, payload...)
	c.buf = b
	_, _ = c.w.Write(b)
}

func (c *client) puback() (uint16, error) {
	kind, body, err := c.read()
	if err != nil {
		return 0, err
	}
	if kind != 4 {
		return 0, errors.New("no PUBACK but packet type " + strconv.Itoa(int(kind)))
	}
	return binary.BigEndian.Uint16(body), nil
}

func (c *client) read() (kind byte, body []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, head[1]) // what we get is small
	_, err = io.ReadFull(c.r, body)
	return head[0] >> 4, body, err
}
