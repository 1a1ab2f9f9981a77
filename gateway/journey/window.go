package journey

import (
	"encoding/binary"
	"slices"

	"touchpoint/gateway"
)

// window is a sliding window of times (and values, for sums), sorted by time
// and delta-coded: about four bytes per event. It counts exactly; a limit keeps
// only the newest entries where no more are asked for ("at least N"). Other
// traits keep granules instead of times in it; see cells.go.
type window struct {
	buf   []byte          // (delta of time, value)… from head on; the first delta is of `first`
	first gateway.Instant // time of the oldest entry; where only numbers are kept, of the first event
	last  gateway.Instant // time of the newest entry
	sum   int64           // in millionths
	n     int32
	head  int32
	tail  int32 // of cells: where the last granule begins
	// precision indexes precisions: how far the values of a percentile are cut.
	precision uint8
	flags     counterFlags // of the counter: here they cost no room
}

// clear empties the window.
func (w *window) clear() { *w = window{buf: w.buf[:0], flags: w.flags} }

// maxWindow bounds a window that no threshold bounds; beyond, the oldest leave
// and counts say "at least".
const maxWindow = 1 << 16

// appendMicros writes a value; whole numbers, which most are, take less room.
func appendMicros(b []byte, v int64) []byte {
	if whole := v / micros; whole*micros == v {
		return binary.AppendVarint(b, whole<<1)
	}
	return binary.AppendVarint(b, v<<1|1)
}

func readMicros(b []byte) (v int64, size int) {
	v, size = binary.Varint(b)
	if v&1 == 0 {
		return v >> 1 * micros, size
	}
	return v >> 1, size
}

// micros is the unit of sums: adding floats in another order would give
// another sum, adding integers does not.
const micros = 1e6

// toMicros rounds f to millionths, cut to ±2.3e12.
func toMicros(f float64) int64 {
	f *= micros
	switch {
	case f != f:
		return 0
	case f > 1<<61:
		return 1 << 61
	case f < -(1 << 61):
		return -(1 << 61)
	case f < 0:
		return int64(f - 0.5)
	}
	return int64(f + 0.5)
}

// add inserts an entry at its place in time.
func (w *window) add(at gateway.Instant, value int64, valued bool) {
	if w.n > 0 && at < w.last {
		w.insert(at, value, valued)
		return
	}
	if w.n == 0 {
		w.buf, w.head, w.first = w.buf[:0], 0, at
		w.last = at
	}
	w.append(at-w.last, value, valued)
	w.last = at
	w.n++
	w.sum += value
}

// makeRoom prepares the buffer for one more entry: it first takes the room of
// what has left, then grows by a quarter; customers are many.
func (w *window) makeRoom(size int) {
	if cap(w.buf)-len(w.buf) >= size {
		return
	}
	if head := int(w.head); head >= max(size, cap(w.buf)/8) {
		w.buf = w.buf[:copy(w.buf, w.buf[head:])]
		w.tail -= w.head
		w.head = 0
		return
	}
	w.buf = append(make([]byte, 0, len(w.buf)+max(len(w.buf)/4, size)), w.buf...)
}

func (w *window) append(delta gateway.Instant, value int64, valued bool) {
	if valued {
		w.makeRoom(16)
	} else {
		w.makeRoom(8)
	}
	w.buf = binary.AppendUvarint(w.buf, uint64(delta))
	if valued {
		w.buf = appendMicros(w.buf, value)
	}
}

// insert rewrites the window; late events are the rare case.
func (w *window) insert(at gateway.Instant, value int64, valued bool) {
	entries := w.entries(valued)
	i, _ := slices.BinarySearchFunc(entries, at, func(e windowEntry, t gateway.Instant) int {
		if e.at <= t {
			return -1
		}
		return 1
	})
	entries = slices.Insert(entries, i, windowEntry{at, value})
	*w = window{buf: make([]byte, 0, len(w.buf)+12), flags: w.flags}
	for _, e := range entries {
		w.add(e.at, e.value, valued)
	}
}

type windowEntry struct {
	at    gateway.Instant
	value int64
}

// entries decodes the window.
func (w *window) entries(valued bool) []windowEntry {
	out := make([]windowEntry, 0, w.n+1)
	at, pos := w.first, int(w.head)
	for i := range w.n {
		delta, value, size := w.read(pos, valued)
		if i > 0 {
			at += delta
		}
		pos += size
		out = append(out, windowEntry{at, value})
	}
	return out
}

// read decodes the entry at pos; size is 0 when there is none.
func (w *window) read(pos int, valued bool) (delta gateway.Instant, value int64, size int) {
	v, n := binary.Uvarint(w.buf[pos:])
	if n <= 0 {
		return 0, 0, 0
	}
	if valued {
		var m int
		if value, m = readMicros(w.buf[pos+n:]); m <= 0 {
			return 0, 0, 0
		}
		n += m
	}
	return gateway.Instant(v), value, n
}

// dropOldest removes the oldest entry.
func (w *window) dropOldest(valued bool) {
	_, value, size := w.read(int(w.head), valued)
	w.head += int32(size)
	w.sum -= value
	w.n--
	if w.n == 0 {
		w.clear()
		return
	}
	delta, _, _ := w.read(int(w.head), valued)
	w.first += delta
}

// expire removes the entries at or before end: a window of length T at now
// holds the times in (now-T, now].
func (w *window) expire(end gateway.Instant, valued bool) {
	for w.n > 0 && w.first <= end {
		w.dropOldest(valued)
	}
}

// trim keeps the newest limit entries.
func (w *window) trim(limit int32, valued bool) {
	for w.n > limit {
		w.dropOldest(valued)
	}
}

// since counts and sums the entries after end without changing the window.
func (w *window) since(end gateway.Instant, valued bool) (n int32, sum int64) {
	n, sum = w.n, w.sum
	at, pos := w.first, int(w.head)
	for i := int32(0); i < w.n; i++ {
		delta, value, size := w.read(pos, valued)
		if i > 0 {
			at += delta
		}
		if at > end {
			break
		}
		pos += size
		n--
		sum -= value
	}
	return n, sum
}

// window writes the entries as they are in memory; the first one's delta is
// replaced by its time.
func (e *encoder) window(w *window) {
	e.uint(uint64(w.n))
	if w.n == 0 {
		return
	}
	e.at(w.first)
	_, size := binary.Uvarint(w.buf[w.head:])
	e.bytes(w.buf[int(w.head)+size:])
}

func (d *decoder) window(valued bool) (w window) {
	n := d.uint()
	if n == 0 {
		return w
	}
	w.first = d.at()
	w.last = w.first
	raw := d.length(1)
	w.buf = append(append(make([]byte, 0, raw+1), 0), d.b[:raw]...) // a first delta of 0
	d.b = d.b[raw:]
	if n > uint64(len(w.buf)) {
		d.fail()
		return window{}
	}
	pos := 0
	for range n {
		delta, value, size := w.read(pos, valued)
		if size <= 0 || delta < 0 || delta > gateway.Instant(maxDuration) {
			d.fail()
			return window{}
		}
		pos += size
		w.last += delta
		w.sum += value
	}
	if pos != len(w.buf) {
		d.fail()
		return window{}
	}
	w.n = int32(n)
	return w
}
