package journey

import (
	"cmp"
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// heaps looks at the notes of the timers: whoever they stand for is there.
func (i *inspector) heaps() {
	p := i.p
	for h := range p.heaps {
		i.at("heap", h)
		for n, it := range p.heaps[h] {
			i.wrong(n > 0 && p.heaps[h].less(n, (n-1)/2), "out of order", n)
			if it.t.queue()[h] == it.due {
				q := i.queued[it.t]
				q[h] = it.due
				i.queued[it.t] = q
			}
			due, _, _ := it.t.timer()
			i.wrong(due != 0 && !i.lives(it.t), "the timer of who is gone")
		}
	}
	for _, j := range p.journeys {
		i.at("journey", j.name)
		i.parks(j.parked, j.state == gateway.JourneyPaused)
	}
	i.at("brake", "")
	i.parks(p.brake.parked, p.brake.on)
}

// parks looks at timers that wait for the end of a pause, or for history.
func (i *inspector) parks(list []timed, still bool) {
	for _, t := range list {
		s, silent := t.(*silence)
		i.wrong(i.rest && !still && !(silent && s.trait.awaits), "a timer is parked for nothing")
		i.parked[t] = true
	}
}

// lives reports whether somebody has a timer.
func (i *inspector) lives(t timed) bool {
	has := func(c *customer) bool { return i.p.customers[c.id] == c }
	switch t := t.(type) {
	case *enrollment:
		return has(t.c) && slices.Contains(t.c.enrollments, t)
	case *message:
		return has(t.c) && i.p.messages[t.id] == t
	case *silence:
		return has(t.c)
	case *class:
		return has(t.c) && t.c.more.class == t
	case *occasion:
		return has(t.c) && slices.Contains(t.c.more.occasions, t)
	case *journey:
		return i.known(t)
	}
	return true
}

// timer looks whether what is due stands in its heap, and whether what was due is
// done: an absence may have come to be known by the last input.
func (i *inspector) timer(t timed) {
	due, absence, _ := t.timer()
	if due == 0 || i.parked[t] {
		return
	}
	h := boolInt(absence)
	q := t.queue()[h]
	i.wrong(q == 0 || q > due || i.queued[t][h] != q, "a timer stands in no heap", due)
	if i.idled {
		i.wrong(!absence && due < i.p.now, "what was due is not done", due, fmt.Sprintf(" %T", t))
	}
}

func (i *inspector) counters(c *customer) {
	p := i.p
	i.wrong(!sorted(c.counters, func(a, b counter) int {
		if a.trait != b.trait {
			return int(a.trait) - int(b.trait)
		}
		return cmp.Compare(a.device, b.device)
	}), "counters out of order")
	logs, windows := map[uint16]*counter{}, 0
	for n := range c.counters {
		k := &c.counters[n]
		if int(k.trait) >= len(p.traits) {
			i.wrong(true, "a counter of an unknown trait")
			continue
		}
		t := p.traits[k.trait]
		i.wrong(k.device != 0 && !t.spec.perDev, "a counter of a device", t.key)
		i.wrong(k.flags >= watched<<1, "unknown flags", k.flags)
		i.wrong(int(t.place) >= maxTraitsPerType, "a counter that no event moves")
		if t.form.timed() {
			if o := logs[k.store]; o != nil {
				i.wrong(p.traits[o.trait].typ != t.typ || o.device != k.device, "two that do not belong together share a log", t.key)
			}
			logs[k.store] = k
			i.times(c, k, t)
		} else {
			i.plain(c, k, t)
			if t.form != formPlain {
				i.wrong(int(k.store) != windows && i.rest, "another's window", t.key)
				windows++
			}
		}
		if t.spec.silence > 0 {
			i.silence(c, k, t)
		}
	}
	m := c.more
	if m == nil {
		m = &more{}
	}
	i.wrong(len(m.windows) < windows || i.rest && len(m.windows) != windows, "windows without a counter", len(m.windows), windows)
	i.wrong(max(len(logs)-1, 0) != len(m.logs), "logs without a counter", len(m.logs), len(logs))
}

func (i *inspector) silence(c *customer, k *counter, t *trait) {
	n := 0
	if c.more != nil {
		for s := c.more.silences; s != nil; s = s.next {
			n += boolInt(s.trait == t)
		}
	}
	i.wrong(n != 1, "a counter has not one silence", n)
}

// times looks at a counter of exact times and its log.
func (i *inspector) times(c *customer, k *counter, t *trait) {
	w := i.p.times(c, k)
	i.wrong(k.n < 0 || k.n > t.limit(), "holds more than its limit", t.key, k.n)
	i.wrong(k.n > 0 && w.log.last < k.last, "is newer than its log", t.key)
	i.wrong(i.rest && k.n > 0 && t.spec.within > 0 && k.first <= t.spec.within.before(k.last), "an old event is kept", t.key, k.first)
	n, sum, last := int32(0), int64(0), gateway.Instant(-1<<62)
	for at, value := range w.all {
		i.wrong(n == 0 && at != k.first, "begins at another time", t.key)
		i.wrong(at < last, "times out of order", t.key)
		n, sum, last = n+1, sum+value, at
	}
	i.wrong(n != k.n || sum != k.sum, "counts another thing than its log holds", t.key, n, k.n, sum, k.sum)
	i.wrong(n > 0 && last != k.last, "ends at another time", t.key)
	i.wrong(n == 0 && (k.first != 0 || k.last != 0 || k.head != 0), "an empty counter remembers times", t.key)
	pos := len(w.log.buf)
	if k.n > 0 {
		pos = int(k.head)
	}
	for pos < len(w.log.buf) {
		pos = w.log.read(pos, w.valued).next
	}
	i.wrong(pos != len(w.log.buf), "a log breaks off", t.key)
}

// plain looks at a counter without exact times.
func (i *inspector) plain(c *customer, k *counter, t *trait) {
	switch {
	case t.form.granular():
		w := c.window(k)
		i.wrong(k.n != w.n, "another number than its window", t.key)
		i.window(w, t)
		return
	case t.form == formEnds && i.rest:
		d := decoder{b: c.window(k).buf}
		_, _ = d.int(), d.int()
		i.wrong(d.err("") != nil, "ends that do not read", t.key)
	}
	i.wrong(i.rest && (k.n <= 0 || k.first > k.last || k.last > i.p.now), "times that cannot be", t.key, k.n, k.first, k.last)
	i.wrong(i.rest && (k.sum != 0 || k.head != 0), "sums what it does not sum", t.key)
}

// window looks at the granules of a counter.
func (i *inspector) window(w *window, t *trait) {
	if w.n == 0 {
		i.wrong(len(w.buf) > 0 || w.precision != 0 || w.first != 0 || w.last != 0, "an empty window holds something", t.key)
		return
	}
	cells := w.cells(t.form, int(w.head), nil)
	i.wrong(len(cells) != int(w.n) || len(cells) == 0, "another number of cells", t.key)
	i.wrong(int64(w.first) != cells[0].granule || int64(w.last) != cells[len(cells)-1].granule, "other granules than its cells", t.key)
	i.wrong(int(w.precision) >= len(precisions) || i.rest && w.precision > 0 && t.form != formRanks, "an unknown precision", t.key)
	i.wrong(t.form == formSet && w.n > maxDistinct || t.form == formRanks && w.n > maxRanks, "too many cells", t.key)
	i.wrong(!sorted(cells, func(a, b cell) int {
		if t.form == formStats {
			return cmp.Compare(gateway.Instant(a.granule), gateway.Instant(b.granule))
		}
		return compareCells(a, b)
	}), "cells out of order", t.key)
	values := map[int64]bool{}
	for _, c := range cells {
		i.wrong(c.n < 1 || c.offset < 0 || c.most < c.least, "a cell that cannot be", t.key)
		i.wrong(i.rest && t.form == formRanks && c.value != cutBits(c.value, precisions[w.precision]), "finer than its precision", t.key)
		if i.rest {
			i.wrong(t.form == formSet && values[c.value], "a value twice", t.key)
			i.wrong(t.spec.within > 0 && c.granule < int64(w.last)-granules-1, "an old granule is kept", t.key)
			i.wrong(t.form == formStats && (c.n == 1 && c.value != c.least || c.least*c.n > c.value || c.most*c.n < c.value), "a sum that cannot be", t.key)
			values[c.value] = true
		}
	}
	tail := len(cells) - 1
	for tail > 0 && cells[tail-1].granule == cells[tail].granule {
		tail--
	}
	behind := w.cells(t.form, int(w.tail), nil)
	i.wrong(t.form != formSet && !slices.Equal(behind, cells[tail:]), "its last granule begins elsewhere", t.key)
}

// seen looks at what is remembered of events that were taken.
func (i *inspector) seen(s *seen) {
	if s == nil {
		return
	}
	i.wrong(s.one && s.hi < s.lo || !s.one && (s.lo != 0 || s.hi != 0) && i.rest, "a range that is none")
	o := s.other
	if o == nil {
		return
	}
	i.wrong(len(o.boots) == 0 && o.hashes.used == 0, "remembers nothing, with room for it")
	used := 0
	for n, key := range o.hashes.keys {
		if key != 0 {
			used++
			i.wrong(o.hashes.slot(key) != n, "a hash that is not found")
		}
	}
	i.wrong(used != o.hashes.used || used > 0 && used == len(o.hashes.keys), "counts other hashes than it has", used, o.hashes.used)
	for n := range o.boots {
		b := &o.boots[n]
		i.wrong(len(b.ranges) == 0, "a boot without numbers", b.boot)
		i.wrong(slices.ContainsFunc(o.boots[:n], func(o bootSeen) bool { return o.boot == b.boot }), "a boot twice", b.boot)
		last := uint64(0)
		for k, r := range b.ranges {
			i.wrong(r.hi < r.lo || k > 0 && r.lo <= last, "ranges out of order", b.boot)
			last = r.hi
		}
		i.wrong(s.one && s.boot == b.boot && s.lo <= last, "the range that grows is not the highest", b.boot)
	}
}

func (i *inspector) devices() {
	p := i.p
	n, strays := 0, map[gateway.CustomerID]int{}
	for d := range p.devices.all {
		n++
		i.at("device", d.id)
		i.wrong(p.devices.get(d.id) != d, "is not found")
		who := d.present()
		owner := p.customers[who]
		if who == 0 {
			owner = nil
		}
		i.wrong(d.owner != owner, "is linked with another owner", who)
		if owner != nil {
			i.wrong(d.ownedFrom != d.owners[len(d.owners)-1].from, "owned from another time on")
			i.wrong(!slices.Contains(owner.devices, d.id), "is not among its owner's", who)
		} else if who != 0 {
			strays[who]++
			i.wrong(!slices.Contains(p.strays[who], d.id), "waits for its owner, unnoticed", who)
		}
		i.seen(&d.seen)
		i.wrong(len(d.facts.around()) > maxPeople, "too many people")
		i.wrong(!slices.IsSortedFunc(d.owners, func(a, b ownership) int { return cmp.Compare(a.from, b.from) }), "owners out of order")
		if i.rest {
			i.device(d)
		}
	}
	i.at("devices", n)
	i.wrong(p.devices.used != n, "counts", p.devices.used)
	i.at("strays", "")
	for who, list := range p.strays {
		i.wrong(len(list) != strays[who] || len(list) == 0, "others than there are", who, list)
		i.wrong(i.rest && p.gone(who), "of who was erased", who)
	}
}

// device looks at a device of a partition at rest.
func (i *inspector) device(d *device) {
	for n, o := range d.owners {
		i.wrong(o.to != 0 && o.to < o.from, "had for less than no time", o.from, o.to)
		i.wrong(n+1 < len(d.owners) && (o.to == 0 || o.to > d.owners[n+1].from), "had by two at once", o.from)
		i.wrong(o.customer != 0 && i.p.gone(o.customer), "had by who was erased", o.customer)
	}
	i.wrong(d.present() != 0 && len(d.facts.unownedFor()) > 0, "said to have no owner")
	for n, o := range d.facts.around() {
		i.wrong(i.p.gone(o.customer), "people who were erased", o.customer)
		i.wrong(o.to != 0 && o.to < o.from || n > 0 && d.facts.people[n-1].from > o.from, "people out of order")
	}
	i.wrong(d.facts.hearing().through > i.p.now || d.facts.doing().at > i.p.now, "heard from the future")
	_, moved := i.p.moved[d.id]
	_, expected := i.p.expected[d.id]
	i.wrong(moved || expected, "is here and not here")
}

// moves looks at who went and who is waited for.
func (i *inspector) moves() {
	p := i.p
	if !i.rest {
		return
	}
	for d, to := range p.moved {
		_, both := p.expected[d]
		i.at("moved device", d)
		i.wrong(both || to == p.cfg.Partition, "went and is waited for, or did not go", to)
	}
	for c, to := range p.left {
		_, both := p.awaited[c]
		i.at("customer who left", c)
		i.wrong(both || to == p.cfg.Partition || p.customers[c] != nil || p.gone(c), "is here, waited for, or gone", to)
	}
	for c := range p.awaited {
		i.at("customer who is awaited", c)
		i.wrong(p.customers[c] != nil || p.gone(c), "is here, or gone")
	}
	i.at("early runs", len(p.early))
	for _, a := range p.early {
		j := p.journeyNamed(a.Journey)
		i.wrong(j != nil && j.version(a.Version) != nil, "of a version that is known", a.Journey)
		i.wrong(p.gone(a.Customer), "of who was erased", a.Customer)
	}
}
