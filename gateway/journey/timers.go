package journey

import "touchpoint/gateway"

// Timers
//
// A timer is the due time of something in state: a wait of an enrollment, the
// silence of an absence trigger, the effective time of a journey, a message to
// decide anew or to forget. The heaps below are derived from state and hold no
// fact of their own.
//
// Before a record is applied, what fell due fires in the order of (due, id):
//
//   - timers of pure time when due < the record's applied time: an event at the
//     same instant wins over the end of a wait;
//   - timers that stand for an event that did not come (absence trigger, timeout
//     of a wait for an event) when due < the partition's watermark Observed: only
//     then it is known that the event did not come.
//
// A Tick then also fires the pure-time timers with due <= its applied time, at
// its own place among the inputs, so that a tick at the due time itself is
// enough. An absence needs a tick whose Observed lies behind due.
//
// A timer fires with now = its due time, or the partition's now if that is
// later (an absence that was observed late).

// timed is something with a due time.
type timed interface {
	// timer returns when it is due (0 = never), whether it stands for an absence,
	// and an id that orders timers of one instant.
	timer() (due gateway.Instant, absence bool, id uint64)
	// queue returns the place where the heaps keep their notes.
	queue() *queued
	// fire is called when it is due, after it left its heap; the changes that it
	// makes put it back.
	fire(p *Partition)
}

// queued is the due time under which something stands in each heap; 0 = it does
// not. A due time that moved back leaves its entry in the heap: the entry is
// put right when it comes up, so that an event that prolongs a silence costs
// nothing.
type queued [2]gateway.Instant

const (
	pureTime = iota
	ofAbsence
)

type heapItem struct {
	due gateway.Instant
	id  uint64
	t   timed
}

// timerHeap is a binary heap by (due, id).
type timerHeap []heapItem

func (h timerHeap) less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].id < h[j].id
}

func (h *timerHeap) push(it heapItem) {
	*h = append(*h, it)
	s := *h
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.less(i, parent) {
			break
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

func (h *timerHeap) pop() heapItem {
	s := *h
	top := s[0]
	n := len(s) - 1
	s[0] = s[n]
	s[n] = heapItem{}
	s = s[:n]
	*h = s
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && s.less(child+1, child) {
			child++
		}
		if !s.less(child, i) {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	return top
}

// schedule notes the due time of t in its heap.
func (p *Partition) schedule(t timed) {
	due, absence, id := t.timer()
	if due == 0 {
		return
	}
	h := boolInt(absence)
	q := t.queue()
	if q[h] == 0 || due < q[h] {
		q[h] = due
		p.heaps[h].push(heapItem{due, id, t})
	}
}

// top returns the first valid entry of a heap, putting right those that moved.
func (p *Partition) top(h int) (heapItem, bool) {
	for len(p.heaps[h]) > 0 {
		it := p.heaps[h][0]
		due, absence, _ := it.t.timer()
		q := it.t.queue()
		if q[h] == it.due && due == it.due && boolInt(absence) == h {
			return it, true
		}
		p.heaps[h].pop()
		if q[h] == it.due {
			q[h] = 0
			p.schedule(it.t)
		}
	}
	return heapItem{}, false
}

// NextTimers returns when the next timer of pure time and the next one of an
// absence is due, 0 for none. The latter needs a tick whose Observed lies behind
// it, the former one whose record time reaches it: a watermark may stand still
// while pure timers fall due.
func (p *Partition) NextTimers() (pure, absence gateway.Instant) {
	if it, ok := p.top(pureTime); ok {
		pure = it.due
	}
	if it, ok := p.top(ofAbsence); ok {
		absence = it.due
	}
	return pure, absence
}

// fireTimers fires what is due: pure timers before bound, absences before the
// watermark. It returns false when it stopped at the limit of a step.
func (p *Partition) fireTimers(bound gateway.Instant) bool {
	for {
		it, ok := p.top(pureTime)
		if ok && it.due >= bound {
			ok = false
		}
		h := pureTime
		if late, okLate := p.top(ofAbsence); okLate && late.due < p.observed {
			if !ok || late.due < it.due || late.due == it.due && late.id < it.id {
				it, ok, h = late, true, ofAbsence
			}
		}
		if !ok {
			return true
		}
		if p.fired >= p.cfg.TimersPerStep {
			return false
		}
		p.fired++
		p.heaps[h].pop()
		it.t.queue()[h] = 0
		if it.due > p.now {
			p.setTime(it.due, p.observed)
		}
		it.t.fire(p)
		p.settleActions()
	}
}

func (e *enrollment) timer() (gateway.Instant, bool, uint64) {
	id := idBits(e.id) >> 1
	if e.stand != nil {
		id |= lastOfInstant
	}
	due := e.due
	if e.overdue {
		due, _ = e.v.journey.p.knownAt(e.c, e.awaits(), due)
	}
	return due, e.absence, id
}
func (e *enrollment) queue() *queued { return &e.queued }

func (m *message) timer() (gateway.Instant, bool, uint64) {
	id := idBits(m.id) >> 1
	if m.anew() {
		id |= lastOfInstant
	}
	return m.due, false, id
}
func (m *message) queue() *queued { return &m.queued }

func (j *journey) timer() (gateway.Instant, bool, uint64) {
	due := sooner(j.scan.due, j.limitTimer())
	for _, c := range j.changes {
		if !j.fills(c) {
			due = sooner(due, c.at)
		}
	}
	return due, false, uint64(j.index) + 1 // small: definitions change before all else
}
func (j *journey) queue() *queued { return &j.queued }

// sooner returns the earlier of two due times, of which 0 is never.
func sooner(a, b gateway.Instant) gateway.Instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// silence is the timer of an absence trigger for one customer.
type silence struct {
	c      *customer
	trait  *trait
	queued queued
	next   *silence // of the same customer
}

// silence returns the timer of an absence trigger's counter, making it when it
// is new.
func (c *customer) silence(t *trait) *silence {
	m := c.grow()
	for s := m.silences; s != nil; s = s.next {
		if s.trait == t {
			return s
		}
	}
	m.silences = &silence{c: c, trait: t, next: m.silences}
	return m.silences
}

func (s *silence) timer() (due gateway.Instant, absence bool, id uint64) {
	k := s.c.counter(s.trait, 0)
	if k == nil || k.flags&latched != 0 {
		return 0, true, 0
	}
	due = s.trait.spec.silence.after(k.last)
	if k.flags&unobserved != 0 && !s.trait.spec.anyway {
		due, _ = s.trait.p.knownAt(s.c, s.trait.spec.event, due)
	}
	return due, true, (mix(uint64(s.c.id)) ^ uint64(s.trait.id)) >> 1
}
func (s *silence) queue() *queued { return &s.queued }

func idBits(id [16]byte) (v uint64) {
	for _, b := range id[:8] {
		v = v<<8 | uint64(b)
	}
	return v
}
