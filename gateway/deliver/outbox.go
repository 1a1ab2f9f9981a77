package deliver

import (
	"container/heap"
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"touchpoint/gateway"
)

// item is one unfinished message. All but m and at is guarded by Delivery.mu; m
// does not change.
type item struct {
	m  gateway.Message
	at atomic.Int32 // partition of the customer, who may move

	handed  bool // the channel has it; it is kept until displayed or expired
	again   bool // hand over once more
	unknown bool // an earlier hand-over may have happened: not known here

	attempts int32
	rated    bool // has its slot of the rate limit

	queued, running bool
	parked          bool // waits for its device
	woken           bool // its device came while it was running
	greeted         bool // its device started anew while it was running
	fresh           bool // goes out because its device just came
	gone            bool // left the outbox
	recheck         bool // consent changed while it was running
	held            bool // waits for the release of the brake

	recall       string // why it is taken back; "" = it is not
	recordRecall bool   // the partition does not know of the recall yet

	due    gateway.Instant // when it is looked at next; 0 = not scheduled
	slot   int             // in the schedule
	cancel context.CancelFunc
	done   chan struct{} // closed when the running attempt has ended
}

// deadline is when the message is of no use any more, or not allowed any more.
func (d *Delivery) deadline(it *item) gateway.Instant {
	end := d.expiry(&it.m)
	switch {
	case it.handed:
		return end.Add(d.opts.ReceiptGrace)
	case it.m.NotAfter != 0 && it.m.NotAfter < end:
		return it.m.NotAfter
	}
	return end
}

func (d *Delivery) expiry(m *gateway.Message) gateway.Instant {
	if m.ExpiresAt != 0 {
		return m.ExpiresAt
	}
	return max(m.DecidedAt, m.NotBefore).Add(d.opts.MaxAge)
}

// outbox holds the unfinished messages with the ways to find them.
type outbox struct {
	items      map[gateway.MessageID]*item
	byDevice   map[gateway.DeviceID][]*item
	byCustomer map[gateway.CustomerID][]*item
	names      map[string]string // one copy of names that repeat
}

func newOutbox() outbox {
	return outbox{
		items:      map[gateway.MessageID]*item{},
		byDevice:   map[gateway.DeviceID][]*item{},
		byCustomer: map[gateway.CustomerID][]*item{},
		names:      map[string]string{},
	}
}

func (b *outbox) add(it *item) {
	b.items[it.m.ID] = it
	if it.m.Device != 0 {
		b.byDevice[it.m.Device] = append(b.byDevice[it.m.Device], it)
	}
	if it.m.Customer != 0 {
		b.byCustomer[it.m.Customer] = append(b.byCustomer[it.m.Customer], it)
	}
}

func (b *outbox) remove(it *item) {
	if b.items[it.m.ID] == it {
		delete(b.items, it.m.ID)
	}
	unlist(b.byDevice, it.m.Device, it)
	unlist(b.byCustomer, it.m.Customer, it)
}

func unlist[K comparable](lists map[K][]*item, k K, it *item) {
	list := lists[k]
	i := slices.Index(list, it)
	switch {
	case i < 0:
	case len(list) == 1:
		delete(lists, k)
	default:
		lists[k] = slices.Delete(list, i, i+1)
	}
}

// maxNames bounds the table of names; journeys come and go.
const maxNames = 8192

func (b *outbox) name(s string) string {
	if n, ok := b.names[s]; ok {
		return n
	}
	if len(b.names) >= maxNames {
		clear(b.names)
	}
	s = strings.Clone(s)
	b.names[s] = s
	return s
}

// copyMessage copies m with everything that it points to: the step that it
// comes from is reused, and its strings share one large buffer.
func (b *outbox) copyMessage(m *gateway.Message) gateway.Message {
	c := *m
	c.Journey, c.Step, c.Template = b.name(m.Journey), b.name(m.Step), b.name(m.Template)
	c.Product, c.Channel, c.Locale = b.name(m.Product), b.name(m.Channel), b.name(m.Locale)
	c.Purpose = gateway.Purpose(b.name(string(m.Purpose)))
	c.Cause = strings.Clone(m.Cause)
	c.Fallback = nil // the core falls back, with a message of its own
	c.Values = make(gateway.Properties, len(m.Values))
	for i, p := range m.Values {
		c.Values[i] = gateway.Property{Key: b.name(p.Key), Value: copyValue(p.Value)}
	}
	return c
}

func copyValue(v gateway.Value) gateway.Value {
	switch v.Kind() {
	case gateway.KindString:
		return gateway.String(strings.Clone(v.AsString()))
	case gateway.KindSealed:
		return gateway.Sealed(strings.Clone(v.AsString()))
	}
	return v
}

// schedule is a heap of the items that wait for an instant.
type schedule []*item

// Len implements heap.Interface.
func (s schedule) Len() int { return len(s) }

// Less implements heap.Interface.
func (s schedule) Less(i, j int) bool { return s[i].due < s[j].due }

// Swap implements heap.Interface.
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].slot, s[j].slot = i, j
}

// Push implements heap.Interface.
func (s *schedule) Push(x any) {
	it := x.(*item)
	it.slot = len(*s)
	*s = append(*s, it)
}

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	old := *s
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	return it
}

func (s *schedule) set(it *item, due gateway.Instant) {
	if it.due != 0 {
		it.due = due
		heap.Fix(s, it.slot)
		return
	}
	it.due = due
	heap.Push(s, it)
}

func (s *schedule) drop(it *item) {
	if it.due != 0 {
		heap.Remove(s, it.slot)
		it.due = 0
	}
}

// partition is where what becomes of the message is recorded.
func (it *item) partition() int { return int(it.at.Load()) }
