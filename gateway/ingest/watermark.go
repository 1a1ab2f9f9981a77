package ingest

import (
	"sync"
	"time"

	"touchpoint/gateway"
)

// settle is how long intake must have had room before it counts as complete
// again: what waited in the sockets meanwhile comes first.
const settle = time.Second

// watermark tells up to when intake is complete. While a message waits for
// room it stands still: what waits may have happened long ago.
type watermark struct {
	source func() gateway.Instant
	settle time.Duration

	mu      sync.Mutex
	waiting int
	since   time.Time // when the last one got its room
	frozen  gateway.Instant
}

func (w *watermark) hold() {
	now := w.source()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.still() {
		w.frozen = now
	}
	w.waiting++
}

func (w *watermark) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting--
	w.since = time.Now()
}

func (w *watermark) still() bool {
	return w.waiting > 0 || !w.since.IsZero() && time.Since(w.since) < w.settle
}

func (w *watermark) now() gateway.Instant {
	now := w.source()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.still() {
		return min(now, w.frozen)
	}
	return now
}

// mark carries the watermark through the queue of a partition: a batch may
// claim completeness only up to a time whose inputs are all in it or before it.
type mark struct {
	last  gateway.Instant // claimed by the batch before
	taken uint64          // inputs taken out of the queue so far
	next  gateway.Instant // may be claimed once after inputs are taken
	after uint64
}

// take accounts n inputs taken out of a queue that saw enqueued so far and
// returns what their batch may claim; observed was read before.
func (m *mark) take(observed gateway.Instant, n, enqueued uint64) gateway.Instant {
	m.taken += n
	if m.after == 0 && observed > m.last {
		m.next, m.after = observed, enqueued
	}
	if m.after != 0 && m.taken >= m.after {
		m.last, m.after = max(m.last, m.next), 0
	}
	return m.last
}
