package ingest

import (
	"context"
	"sync"
	"time"

	"touchpoint/gateway"
)

// meta is what belongs to a queued input besides the input itself.
type meta struct {
	size   int
	room   int64 // bytes to give back when it is durable
	ack    func(ok bool)
	waiter *waiter
	index  int
	// failed is shared by the inputs of one message that holds several: the
	// last one answers for all.
	failed *bool
}

// chunk is one batch in the making.
type chunk struct {
	inputs []gateway.Input
	metas  []meta
	bytes  int
	born   time.Time
	// observed is what a batch of these inputs may claim to be complete.
	observed gateway.Instant
}

// partition collects the inputs of one partition and appends them, one batch
// at a time.
type partition struct {
	i      *Ingest
	number int
	wake   chan struct{} // something to do: first input, full chunk, flush

	mu        sync.Mutex
	queue     []*chunk // the last one is being filled
	pool      []*chunk
	enqueued  uint64 // inputs ever
	committed uint64
	hurry     bool // someone flushes: do not linger
	moved     chan struct{}
	mark      mark

	// of the goroutine alone
	held    []*chunk        // device events that the log has no space for
	claimed gateway.Instant // the watermark of the last batch
	batch   gateway.Batch
	timer   *time.Timer
}

func newPartition(i *Ingest, n int) *partition {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &partition{i: i, number: n, wake: make(chan struct{}, 1), moved: make(chan struct{}), timer: t}
}

// put hands the inputs of one message of a device to a partition, waiting for
// room; ack answers for all of them.
func (i *Ingest) put(to int, inputs []gateway.Input, bytes int, ack func(bool)) {
	size := bytes/len(inputs) + eventExtra
	room, ok := i.admit(bytes + inMemory*len(inputs))
	if !ok {
		ack(false)
		return
	}
	defer i.mu.RUnlock()
	var failed *bool
	if len(inputs) > 1 {
		failed = new(bool)
	}
	p := i.parts[to]
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := range inputs {
		m := meta{size: size, failed: failed}
		if n == len(inputs)-1 { // inputs become durable in order
			m.ack, m.room = ack, room
		}
		p.add(&inputs[n], m)
	}
}

// admit takes room for bytes and, unless it returns false, holds i.mu for
// reading, so that Drain sees what was admitted before it.
func (i *Ingest) admit(bytes int) (room int64, ok bool) {
	room = min(int64(bytes), i.MaxBytes)
	if !i.room.TryAcquire(room) {
		i.count.blocked.Add(1)
		i.mark.hold()
		err := i.room.Acquire(i.ctx, room)
		i.mark.release()
		if err != nil {
			return 0, false
		}
	}
	i.mu.RLock()
	if i.draining {
		i.mu.RUnlock()
		i.room.Release(room)
		return 0, false
	}
	i.count.queuedBytes.Add(room)
	return room, true
}

func (p *partition) enqueue(in *gateway.Input, m meta) {
	p.mu.Lock()
	p.add(in, m)
	p.mu.Unlock()
}

func (p *partition) add(in *gateway.Input, m meta) {
	c := p.open(m.size)
	c.inputs = append(c.inputs, *in)
	p.added(c, m)
}

// open returns the chunk that the next input of a size goes into.
func (p *partition) open(size int) *chunk {
	if n := len(p.queue); n > 0 {
		c := p.queue[n-1]
		if len(c.inputs) < p.i.BatchInputs && c.bytes+size <= p.i.BatchBytes {
			return c
		}
	}
	var c *chunk
	if n := len(p.pool); n > 0 {
		c, p.pool = p.pool[n-1], p.pool[:n-1]
	} else {
		c = new(chunk)
	}
	if p.i.Linger > 0 {
		c.born = time.Now()
	}
	p.queue = append(p.queue, c)
	signal(p.wake)
	return c
}

func (p *partition) added(c *chunk, m meta) {
	c.metas = append(c.metas, m)
	c.bytes += m.size
	p.enqueued++
	if len(c.inputs) == p.i.BatchInputs {
		signal(p.wake)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run appends batches until the Ingest stops.
func (p *partition) run() {
	for {
		wait, some := p.pause()
		if some && wait <= 0 {
			p.commit(p.take())
			continue
		}
		var timeout <-chan time.Time
		switch {
		case some:
			p.timer.Reset(wait)
			timeout = p.timer.C
		case len(p.held) > 0:
			p.timer.Reset(p.i.RetryMax)
			timeout = p.timer.C
		}
		select {
		case <-p.wake:
			p.timer.Stop()
		case <-timeout:
			if !some {
				p.commitHeld()
			}
		case <-p.i.ctx.Done():
			p.abandon()
			return
		}
	}
}

// pause returns how long the first chunk shall wait for more; some is false
// when there is none.
func (p *partition) pause() (wait time.Duration, some bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return 0, false
	}
	c := p.queue[0]
	if len(p.queue) > 1 || p.hurry || p.i.Linger <= 0 || len(c.inputs) >= p.i.BatchInputs {
		return 0, true
	}
	return p.i.Linger - time.Since(c.born), true
}

// take removes the first chunk and sets the batch's watermark: what it claims
// to be complete must be in this batch or in one before.
func (p *partition) take() *chunk {
	observed := p.i.mark.now() // before the lock: what came in later is not claimed
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.queue[0]
	n := copy(p.queue, p.queue[1:])
	p.queue[n] = nil
	p.queue = p.queue[:n]
	c.observed = p.mark.take(observed, uint64(len(c.inputs)), p.enqueued)
	return c
}

// recycle gives a chunk back after its inputs were answered.
func (p *partition) recycle(c *chunk) {
	n := len(c.inputs)
	clear(c.inputs)
	clear(c.metas)
	c.inputs, c.metas, c.bytes = c.inputs[:0], c.metas[:0], 0
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed += uint64(n)
	if len(p.pool) < 4 {
		p.pool = append(p.pool, c)
	}
	if p.hurry {
		close(p.moved)
		p.moved = make(chan struct{})
		p.hurry = p.committed < p.enqueued
	}
}

// flush waits until everything that was queued before is durable.
func (p *partition) flush(ctx context.Context) error {
	p.mu.Lock()
	want := p.enqueued
	for p.committed < want {
		p.hurry = true
		moved := p.moved
		p.mu.Unlock()
		signal(p.wake)
		select {
		case <-moved:
		case <-ctx.Done():
			return &gateway.Error{Kind: gateway.Unavailable, Text: "inputs wait for the log of events", Err: ctx.Err()}
		}
		p.mu.Lock()
	}
	p.mu.Unlock()
	return nil
}

// abandon answers what will not be stored any more.
func (p *partition) abandon() {
	p.mu.Lock()
	queue := append(p.held, p.queue...)
	p.held, p.queue = nil, nil
	p.mu.Unlock()
	for _, c := range queue {
		p.answer(c, 0, errDraining)
		p.recycle(c)
	}
}
