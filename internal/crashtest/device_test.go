package crashtest

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// machine is a device that keeps the contract: it sends every event until it is
// acknowledged, always with the same id, shows a message once however often it
// arrives, and reports the display until that is acknowledged.
type machine struct {
	broker, serial string
	kind           kind

	mu      sync.Mutex
	conn    net.Conn
	acks    map[uint16]chan struct{}
	next    uint16
	shown   map[string]int // arrivals by message id
	reports chan string
	lost    chan struct{} // closed when the connection broke
}

func newMachine(broker string, n int) *machine { return newMachineOf(kinds[0], broker, n) }

func newMachineOf(k kind, broker string, n int) *machine {
	return &machine{broker: broker, kind: k, serial: fmt.Sprintf("SN-%04d", n), shown: map[string]int{}, reports: make(chan string, 10_000)}
}

func (m *machine) topic(rest string) string {
	return "touchpoint/v1/" + m.kind.product + "/" + m.serial + "/" + rest
}

// run keeps the device connected and reporting until ctx ends.
func (m *machine) run(ctx context.Context) {
	go func() {
		for ctx.Err() == nil {
			select {
			case id := <-m.reports:
				m.publish(ctx, m.topic("messages/"+id+"/receipts"), []byte(`{"state":"displayed"}`))
			case <-ctx.Done():
			}
		}
	}()
	for ctx.Err() == nil {
		if err := m.connect(ctx); err != nil {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		select {
		case <-m.broken():
		case <-ctx.Done():
		}
	}
	m.drop()
}

// brew sends what the machine says when it did its work once more, and returns
// when it is acknowledged.
func (m *machine) brew(ctx context.Context, k int) bool {
	return m.publish(ctx, m.topic("events"), m.kind.payload(m.serial, k))
}

// publish repeats until a PUBACK came; false when ctx ended first.
func (m *machine) publish(ctx context.Context, topic string, payload []byte) bool {
	for ctx.Err() == nil {
		ack, lost := m.send(topic, payload)
		if ack == nil {
			pause(ctx, 10*time.Millisecond)
			continue
		}
		select {
		case <-ack:
			return true
		case <-lost:
		case <-ctx.Done():
		}
	}
	return false
}

func (m *machine) send(topic string, payload []byte) (ack, lost chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == nil {
		return nil, nil
	}
	m.next++
	if m.next == 0 {
		m.next = 1
	}
	body := appendText(nil, topic)
	body = binary.BigEndian.AppendUint16(body, m.next)
	ack = make(chan struct{})
	m.acks[m.next] = ack
	if _, err := m.conn.Write(packet(0x32, append(body, payload...))); err != nil {
		return nil, nil
	}
	return ack, m.lost
}

func (m *machine) broken() chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost
}

func (m *machine) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		m.conn.Close()
		m.conn = nil
	}
}

func (m *machine) connect(ctx context.Context) error {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", m.broker)
	if err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))   // until the CONNACK
	hello := append(appendText(nil, "MQTT"), 4, 0, 0, 0) // 3.1.1, persistent session
	if _, err := c.Write(packet(0x10, appendText(hello, "machine-"+m.serial))); err != nil {
		c.Close()
		return err
	}
	r := bufio.NewReader(c)
	kind, body, err := readPacket(r)
	if err != nil || kind>>4 != 2 || body[1] != 0 {
		c.Close()
		return fmt.Errorf("refused: %v", err)
	}
	_ = c.SetDeadline(time.Time{})
	sub := append([]byte{0, 1}, appendText(nil, m.topic("messages"))...)
	if _, err := c.Write(packet(0x82, append(sub, 1))); err != nil {
		c.Close()
		return err
	}
	m.mu.Lock()
	m.conn, m.acks, m.lost = c, map[uint16]chan struct{}{}, make(chan struct{})
	m.mu.Unlock()
	go m.read(c, r, m.lost)
	m.send(m.topic("messages/hello"), m.remembered())
	return nil
}

func (m *machine) remembered() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := []string{}
	for id := range m.shown {
		ids = append(ids, id)
	}
	payload, _ := json.Marshal(map[string]any{"shown": ids})
	return payload
}

func (m *machine) read(c net.Conn, r *bufio.Reader, lost chan struct{}) {
	defer close(lost)
	defer m.drop()
	for {
		kind, body, err := readPacket(r)
		if err != nil {
			return
		}
		switch kind >> 4 {
		case 3:
			m.arrived(c, kind, body)
		case 4:
			id := binary.BigEndian.Uint16(body)
			m.mu.Lock()
			if ack := m.acks[id]; ack != nil {
				close(ack)
				delete(m.acks, id)
			}
			m.mu.Unlock()
		}
	}
}

func (m *machine) arrived(c net.Conn, kind byte, body []byte) {
	n := int(binary.BigEndian.Uint16(body))
	payload := body[2+n:]
	if kind&6 != 0 {
		id := payload[:2]
		payload = payload[2:]
		defer c.Write([]byte{0x40, 2, id[0], id[1]})
	}
	var msg struct {
		ID       string `json:"id"`
		Withdraw bool   `json:"withdraw"`
	}
	if json.Unmarshal(payload, &msg) != nil || msg.Withdraw || !strings.HasPrefix(msg.ID, "m_") {
		return
	}
	m.mu.Lock()
	m.shown[msg.ID]++
	m.mu.Unlock()
	m.reports <- msg.ID // each arrival is answered: the first answer may be lost
}

func (m *machine) displays() (messages int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.shown)
}

func packet(kind byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func readPacket(r *bufio.Reader) (byte, []byte, error) {
	kind, err := r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(r)
	if err != nil || n > 1<<20 {
		return 0, nil, fmt.Errorf("bad length: %v", err)
	}
	body := make([]byte, n)
	_, err = io.ReadFull(r, body)
	return kind, body, err
}

// pause waits for a retry; it ends early with ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
