package journey

import (
	"encoding/binary"
	"math/bits"

	"touchpoint/gateway"
)

// timeLog keeps the exact times, and values for sums, that the counters of one
// customer, event type and device need. They share it: an event that counts in
// three windows is written once, with who took it, and each counter notes where
// its oldest entry lies. Entries are sorted by time and delta-coded, some six
// bytes each.
//
// An entry is the time since the entry before, shifted by one; the counters that
// took it, where the lowest bit says that they are not the usual ones; and a value
// for each of them that sums. A counter is named by its place among those of the
// event type, as in countChange.
type timeLog struct {
	buf   []byte
	last  gateway.Instant // time of the newest entry
	usual uint64          // counters of an entry that does not name them
}

// logEntry is one entry of a log.
type logEntry struct {
	delta  gateway.Instant
	who    uint64
	values int // where they lie
	next   int // where the next entry lies
}

// read decodes the entry at pos; valued are the counters that sum.
func (l *timeLog) read(pos int, valued uint64) logEntry {
	head, n := binary.Uvarint(l.buf[pos:])
	e := logEntry{delta: gateway.Instant(head >> 1), who: l.usual, values: pos + n}
	if head&1 != 0 {
		e.who, n = binary.Uvarint(l.buf[e.values:])
		e.values += n
	}
	e.next = l.skip(e.values, bits.OnesCount64(e.who&valued))
	return e
}

// skip returns the position behind n values.
func (l *timeLog) skip(pos, n int) int {
	for ; n > 0; n-- {
		for l.buf[pos] >= 0x80 {
			pos++
		}
		pos++
	}
	return pos
}

// append writes an entry that is not older than the newest one; it returns where
// it lies. There must be room.
func (l *timeLog) append(at gateway.Instant, who uint64, values []int64) (pos int) {
	if len(l.buf) == 0 {
		l.last, l.usual = at, who
	}
	pos = len(l.buf)
	head := uint64(at-l.last) << 1
	if who == l.usual {
		l.buf = binary.AppendUvarint(l.buf, head)
	} else {
		l.buf = binary.AppendUvarint(binary.AppendUvarint(l.buf, head|1), who)
	}
	for _, v := range values {
		l.buf = appendMicros(l.buf, v)
	}
	l.last = at
	return pos
}

// timeWindow is a counter's view of its log. It counts exactly; a limit keeps
// only the newest entries where no more are asked for ("at least N").
type timeWindow struct {
	*counter
	log    *timeLog
	who    uint64 // the counter's bit
	valued uint64 // those of the counters that sum
}

func (w *timeWindow) sums() bool { return w.who&w.valued != 0 }

// value returns the counter's value in an entry, 0 when it only counts.
func (w *timeWindow) value(e logEntry) int64 {
	if !w.sums() {
		return 0
	}
	v, _ := readMicros(w.log.buf[w.log.skip(e.values, bits.OnesCount64(e.who&w.valued&(w.who-1))):])
	return v
}

// all yields the counter's entries, oldest first. It does not change the window.
func (w *timeWindow) all(yield func(at gateway.Instant, value int64) bool) {
	at, pos := w.first, int(w.head)
	for left := w.n; left > 0; {
		e := w.log.read(pos, w.valued)
		if pos != int(w.head) {
			at += e.delta
		}
		if pos = e.next; e.who&w.who == 0 {
			continue
		}
		if !yield(at, w.value(e)) {
			return
		}
		left--
	}
}

// dropOldest lets go of the oldest entry.
func (w *timeWindow) dropOldest() {
	e := w.log.read(int(w.head), w.valued)
	if w.n == 1 {
		w.clear()
		return
	}
	w.n--
	w.sum -= w.value(e)
	for {
		pos := e.next
		e = w.log.read(pos, w.valued)
		w.first += e.delta
		if e.who&w.who != 0 {
			w.head = int32(pos)
			return
		}
	}
}

// expire lets go of the entries at or before end: a window of length T at now
// holds the times in (now-T, now].
func (w *timeWindow) expire(end gateway.Instant) {
	for w.n > 0 && w.first <= end {
		w.dropOldest()
	}
}

// trim keeps the newest limit entries.
func (w *timeWindow) trim(limit int32) {
	for w.n > limit {
		w.dropOldest()
	}
}

// take counts an entry that was appended at pos.
func (w *timeWindow) take(at gateway.Instant, value int64, pos int) {
	if w.n == 0 {
		w.first, w.head = at, int32(pos)
	}
	w.last = at
	w.n++
	w.sum += value
}

// since counts and sums the entries after end.
func (w *timeWindow) since(end gateway.Instant) (n int32, sum int64) {
	n, sum = w.n, w.sum
	for at, value := range w.all {
		if at > end {
			break
		}
		n--
		sum -= value
	}
	return n, sum
}

// oldest returns the time of the first entry after end.
func (w *timeWindow) oldest(end gateway.Instant) (gateway.Instant, bool) {
	for at := range w.all {
		if at > end {
			return at, true
		}
	}
	return 0, false
}

// times writes the counter's entries: the first time, then what lies between.
func (e *encoder) times(w *timeWindow) {
	e.uint(uint64(w.n))
	before := gateway.Instant(0)
	for at, value := range w.all {
		e.at(at - before)
		before = at
		if w.sums() {
			e.b = appendMicros(e.b, value)
		}
	}
}

// samples reads what times wrote.
func (d *decoder) samples(t *trait, out []sample) []sample {
	n := d.length(1)
	at := gateway.Instant(0)
	for i := range n {
		delta := d.at()
		s := sample{at: at + delta, place: t.place}
		at = s.at
		d.must(i == 0 || delta >= 0 && delta <= gateway.Instant(maxDuration))
		if t.form == formSums {
			s.value = micro(d.int())
		}
		out = append(out, s)
	}
	return out
}
