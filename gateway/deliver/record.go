package deliver

import (
	"context"
	"slices"

	"touchpoint/gateway"
)

// records is the queue of one partition on its way to EVENTS.
type records struct {
	pending []gateway.Input
	running bool
}

// recordsAtOnce bounds one go of records.
const recordsAtOnce = 256

// manySubmitter appends several inputs together.
type manySubmitter interface {
	SubmitMany(ctx context.Context, ins []gateway.Forward) ([]gateway.Position, error)
}

func (d *Delivery) receipt(it *item, state gateway.MessageState, detail string) gateway.Input {
	return gateway.Input{Command: gateway.Receipt{
		Message: it.m.ID, Customer: it.m.Customer, Device: it.m.Device, Channel: it.m.Channel,
		State: state, At: d.opts.Clock.Now(), Detail: detail,
	}}
}

// record queues what became of a message; the caller holds mu. Each record is
// submitted until it is durable.
func (d *Delivery) record(it *item, state gateway.MessageState, detail string) {
	d.stats.count(state)
	to := it.partition()
	q := d.records[to]
	if q == nil {
		q = &records{}
		d.records[to] = q
	}
	q.pending = append(q.pending, d.receipt(it, state, detail))
	d.begun()
	if !q.running {
		q.running = true
		d.spawn(func() { d.submit(to, q) })
	}
}

// submit appends what is pending until nothing is left. What collects while
// one go is on its way makes the next one.
func (d *Delivery) submit(partition int, q *records) {
	for {
		d.mu.Lock()
		n := min(len(q.pending), recordsAtOnce)
		if n == 0 {
			q.running = false
			d.mu.Unlock()
			return
		}
		ins := slices.Clone(q.pending[:n])
		q.pending = slices.Delete(q.pending, 0, n)
		d.mu.Unlock()
		d.persist(func(ctx context.Context) error { return d.submitAll(ctx, partition, ins) })
		d.mu.Lock()
		for range ins {
			d.ended()
		}
		d.mu.Unlock()
	}
}

func (d *Delivery) submitAll(ctx context.Context, partition int, ins []gateway.Input) error {
	if m, ok := d.opts.Submit.(manySubmitter); ok {
		to := make([]gateway.Forward, len(ins))
		for i, in := range ins {
			to[i] = gateway.Forward{To: partition, Input: in}
		}
		_, err := m.SubmitMany(ctx, to)
		return err
	}
	for _, in := range ins { // one after the other: their order is that of the message's life
		if _, err := d.opts.Submit.Submit(ctx, partition, in); err != nil {
			return err
		}
	}
	return nil
}

// recent remembers what was handed over lately, in two generations of bounded
// size: enough for a partition that comes back to the same process.
type recent struct {
	now, before map[handOver]struct{}
}

type handOver struct {
	id      gateway.MessageID
	channel string
}

const recentSize = 1 << 15

func (r *recent) add(id gateway.MessageID, channel string) {
	if r.now == nil || len(r.now) >= recentSize {
		r.now, r.before = make(map[handOver]struct{}), r.now
	}
	r.now[handOver{id, channel}] = struct{}{}
}

func (r *recent) has(id gateway.MessageID, channel string) bool {
	k := handOver{id, channel}
	_, a := r.now[k]
	_, b := r.before[k]
	return a || b
}
