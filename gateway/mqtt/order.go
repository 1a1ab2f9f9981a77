package mqtt

import (
	"sync"
	"sync/atomic"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// ackOrder writes the acknowledgements of one client in the order in which it
// sent, although its messages become durable in another one.
type ackOrder struct {
	conn   *conn
	limit  uint64
	server *mochi.Server

	mu    sync.Mutex
	room  sync.Cond
	ring  []slot // power of two
	head  uint64 // first message that is not acknowledged
	tail  uint64
	buf   []byte
	ended bool
}

type slot struct {
	client *mochi.Client // for QoS 2
	packet uint16
	done   bool
}

func newAckOrder(c *conn, limit int, server *mochi.Server) *ackOrder {
	o := &ackOrder{conn: c, limit: uint64(limit), server: server, ring: make([]slot, 16)}
	o.room.L = &o.mu
	return o
}

// open enters a message of QoS 1 or 2 and returns its number; it blocks while
// the client has too many unacknowledged.
func (o *ackOrder) open(cl *mochi.Client, pk *packets.Packet) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.tail-o.head >= o.limit && !o.ended {
		o.room.Wait()
	}
	if int(o.tail-o.head) == len(o.ring) {
		grown := make([]slot, 2*len(o.ring))
		for n := o.head; n < o.tail; n++ {
			grown[n&uint64(len(grown)-1)] = *o.slot(n)
		}
		o.ring = grown
	}
	n := o.tail
	o.tail++
	s := o.slot(n)
	*s = slot{packet: pk.PacketID}
	if pk.FixedHeader.Qos == 2 {
		s.client = cl
	}
	return n
}

func (o *ackOrder) slot(n uint64) *slot { return &o.ring[n&uint64(len(o.ring)-1)] }

// done marks a message as stored and acknowledges all up to the first one that
// is not.
func (o *ackOrder) done(n uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.slot(n).done = true
	if n != o.head {
		return
	}
	o.buf = o.buf[:0]
	for o.head < o.tail && o.slot(o.head).done {
		o.buf = o.ack(o.buf, o.slot(o.head))
		o.head++
	}
	_ = o.conn.queue(o.buf) // a broken connection is found by its reader
	o.room.Broadcast()
}

// ack appends the acknowledgement of a message: PUBACK, or PUBREC for QoS 2,
// which the broker must know of so that it answers the PUBREL. The short form
// without a reason is valid in versions 3.1.1 and 5.
func (o *ackOrder) ack(b []byte, s *slot) []byte {
	kind := packets.Puback
	if s.client != nil {
		kind = packets.Pubrec
		pubrec := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrec}, PacketID: s.packet}
		if s.client.State.Inflight.Set(pubrec) {
			atomic.AddInt64(&o.server.Info.Inflight, 1)
			s.client.State.Inflight.DecreaseReceiveQuota()
		}
		s.client = nil
	}
	return append(b, kind<<4, 2, byte(s.packet>>8), byte(s.packet))
}

// end stops acknowledging: the client has to send again what is open.
func (o *ackOrder) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.room.Broadcast()
}
