package journey

import (
	"math/bits"
	"slices"

	"touchpoint/gateway"
)

// Counters that share a log
//
// An event goes to the end of its log; its counters let go of what left their
// windows. All else is rare and rewrites the log from samples: an event that
// comes late, a counter that starts anew, a customer who is restored.

// sample is what one counter took of one event.
type sample struct {
	at    gateway.Instant
	value int64
	place uint8 // the counter's among those of the event type
}

// timeLog returns a log by its number.
func (c *customer) timeLog(i uint16) *timeLog {
	if i == 0 {
		return &c.log
	}
	return &c.more.logs[i-1]
}

// times returns the window of a counter that keeps times.
func (p *Partition) times(c *customer, k *counter) timeWindow {
	t := p.traits[k.trait]
	return timeWindow{k, c.timeLog(k.store), 1 << t.place, t.typ.valued}
}

// sharing yields the counters that share the log of k, itself among them.
func (p *Partition) sharing(c *customer, k *counter) func(yield func(*counter) bool) {
	return func(yield func(*counter) bool) {
		for i := range c.counters {
			if o := &c.counters[i]; o.store == k.store && p.traits[o.trait].form.timed() && !yield(o) {
				return
			}
		}
	}
}

// countTimes counts an event in those of its counters that are in who: they
// keep exact times and share a log.
func (p *Partition) countTimes(c *customer, ev *countChange, who uint64) {
	var k *counter
	values := ev.values
	p.took = p.took[:0]
	for i, t := range ev.typ.traits {
		if who>>i == 0 {
			break
		}
		value := int64(0)
		if ev.mask>>i&1 == 1 && t.spec.valued() {
			value, values = values[0], values[1:]
		}
		if who>>i&1 == 0 {
			continue
		}
		k = c.counter(t, ev.device)
		if w := p.times(c, k); !w.admits(p.now, t, ev.at) {
			who &^= 1 << i
		} else if w.sums() {
			p.took = append(p.took, value)
		}
	}
	if who == 0 {
		return
	}
	if l := c.timeLog(k.store); ev.at < l.last {
		p.insertTime(c, k, ev, who)
	} else {
		p.makeRoom(c, k, 15+9*len(p.took))
		p.takeTime(c, ev, who, l.append(ev.at, who, p.took))
	}
}

// admits lets go of what left the window by now; it reports whether the window
// takes an event of a time.
func (w *timeWindow) admits(now gateway.Instant, t *trait, at gateway.Instant) bool {
	if t.spec.within > 0 {
		end := t.spec.within.before(now)
		w.expire(end)
		if at <= end {
			return false
		}
	}
	return w.n < t.limit() || at > w.first
}

// limit bounds the number of times that a counter keeps.
func (t *trait) limit() int32 {
	if t.spec.limit == 0 {
		return maxWindow
	}
	return t.spec.limit
}

// takeTime notes an entry that was appended in the counters that took it.
func (p *Partition) takeTime(c *customer, ev *countChange, who uint64, pos int) {
	values := p.took
	for ; who != 0; who &= who - 1 {
		t := ev.typ.traits[lowest(who)]
		w := p.times(c, c.counter(t, ev.device))
		value := int64(0)
		if w.sums() {
			value, values = values[0], values[1:]
		}
		w.take(ev.at, value, pos)
		w.trim(t.limit())
	}
}

// makeRoom prepares the log of a counter for one more entry: it first takes the
// room of what all have let go, then grows by an eighth; customers are many.
func (p *Partition) makeRoom(c *customer, k *counter, size int) {
	l := c.timeLog(k.store)
	if cap(l.buf)-len(l.buf) >= size {
		return
	}
	oldest := int32(len(l.buf))
	for o := range p.sharing(c, k) {
		if o.n > 0 {
			oldest = min(oldest, o.head)
		}
	}
	if int(oldest) < max(size, cap(l.buf)/8) {
		grown := append([]byte(nil), make([]byte, len(l.buf)+max(len(l.buf)/8, size))...) // as much as is allocated
		l.buf = append(grown[:0], l.buf...)
		return
	}
	l.buf = l.buf[:copy(l.buf, l.buf[oldest:])]
	for o := range p.sharing(c, k) {
		o.head = max(o.head-oldest, 0)
	}
}

// insertTime adds an event that is older than the newest one.
func (p *Partition) insertTime(c *customer, k *counter, ev *countChange, who uint64) {
	all, values := p.samples(c, k), p.took
	i, _ := slices.BinarySearchFunc(all, ev.at, func(s sample, t gateway.Instant) int {
		if s.at <= t {
			return -1
		}
		return 1
	})
	for ; who != 0; who &= who - 1 {
		s := sample{at: ev.at, place: lowest(who)}
		if ev.typ.valued>>s.place&1 != 0 {
			s.value, values = values[0], values[1:]
		}
		all = slices.Insert(all, i, s)
		i++
	}
	p.taken = all // it may have grown
	p.rewrite(c, k, all)
	for o := range p.sharing(c, k) {
		w := p.times(c, o)
		w.trim(p.traits[o.trait].limit())
	}
}

// startAnew lets a counter of exact times go of all that it took.
func (p *Partition) startAnew(c *customer, k *counter) {
	k.clear()
	p.rewrite(c, k, p.samples(c, k))
}

// regained is what counters that are restored one after the other had taken. They
// mostly share a log, which is written once for all of them.
type regained struct {
	store      uint16 // their log
	all, spare []sample
}

// restoreTimes notes what a counter of a customer had taken.
func (p *Partition) restoreTimes(c *customer, k *counter, had []sample) {
	r := &p.regained
	if r.store != k.store {
		p.writeRegained(c)
	}
	r.store = k.store
	r.all, r.spare = mergeSamples(r.spare[:0], r.all, had), r.all
}

// writeRegained gives what was noted to the counters.
func (p *Partition) writeRegained(c *customer) {
	r := &p.regained
	if len(r.all) == 0 {
		return
	}
	k := c.timed(r.store, p.traits)
	r.spare = mergeSamples(r.spare[:0], p.samples(c, k), r.all)
	p.rewrite(c, k, r.spare)
	r.all = r.all[:0]
}

// timed returns a counter that has a log.
func (c *customer) timed(store uint16, traits []*trait) *counter {
	i := slices.IndexFunc(c.counters, func(k counter) bool { return k.store == store && traits[k.trait].form.timed() })
	return &c.counters[i]
}

// mergeSamples appends a and b, both sorted by time, to out; of one time, a comes first.
func mergeSamples(out, a, b []sample) []sample {
	for _, s := range b {
		i := 0
		for i < len(a) && a[i].at <= s.at {
			i++
		}
		out, a = append(append(out, a[:i]...), s), a[i:]
	}
	return append(out, a...)
}

// samples takes the log of a counter apart, in the order of times.
func (p *Partition) samples(c *customer, k *counter) []sample {
	l, valued := c.timeLog(k.store), p.traits[k.trait].typ.valued
	var takers [maxTraitsPerType]timeWindow
	at, pos := gateway.Instant(0), len(l.buf)
	for o := range p.sharing(c, k) {
		w := p.times(c, o)
		takers[p.traits[o.trait].place] = w
		if o.n > 0 && int(o.head) < pos {
			at, pos = o.first, int(o.head)
		}
	}
	out := p.taken[:0]
	for begin := pos; pos < len(l.buf); {
		e := l.read(pos, valued)
		if pos != begin {
			at += e.delta
		}
		for who := e.who; who != 0; who &= who - 1 {
			place := lowest(who)
			if w := &takers[place]; w.n > 0 && pos >= int(w.head) {
				out = append(out, sample{at, w.value(e), place})
			}
		}
		pos = e.next
	}
	p.taken = out
	return out
}

// rewrite makes the log of a counter anew.
func (p *Partition) rewrite(c *customer, k *counter, all []sample) {
	typ, device, l := p.traits[k.trait].typ, k.device, c.timeLog(k.store)
	for o := range p.sharing(c, k) {
		o.clear()
	}
	next := timeLog{buf: p.rewritten[:0]}
	for len(all) > 0 {
		who, n := together(all)
		p.took = p.took[:0]
		for _, s := range all[:n] {
			if typ.valued>>s.place&1 != 0 {
				p.took = append(p.took, s.value)
			}
		}
		pos := next.append(all[0].at, who, p.took)
		for _, s := range all[:n] {
			w := timeWindow{counter: c.counter(typ.traits[s.place], device)}
			w.take(s.at, s.value, pos)
		}
		all = all[n:]
	}
	p.rewritten = next.buf
	l.last, l.usual = next.last, next.usual
	if cap(l.buf) < len(next.buf) {
		l.buf = make([]byte, 0, len(next.buf))
	}
	l.buf = append(l.buf[:0], next.buf...)
}

// lowest returns the first counter of a set.
func lowest(who uint64) uint8 { return uint8(bits.TrailingZeros64(who)) }

// together returns how many samples at the front make one entry.
func together(all []sample) (who uint64, n int) {
	for n < len(all) && all[n].at == all[0].at && who>>all[n].place == 0 {
		who |= 1 << all[n].place
		n++
	}
	return who, n
}
