package journey

import (
	"encoding/binary"
	"math"

	"touchpoint/gateway"
)

// window keeps what a counter needs beside its number and times: granules, or the
// values of the first and the last event; see cells.go and putEnds.
type window struct {
	buf   []byte          // cells from head on; the first delta is of `first`
	first gateway.Instant // the oldest granule
	last  gateway.Instant // the newest one
	n     int32           // cells
	head  int32
	tail  int32 // where the last granule begins
	// precision indexes precisions: how far the values of a percentile are cut.
	precision uint8
}

// clear empties the window.
func (w *window) clear() { *w = window{buf: w.buf[:0]} }

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
	return micro(v), size
}

// micro is a value as it was written.
func micro(v int64) int64 {
	if v&1 == 0 {
		return v >> 1 * micros
	}
	return v >> 1
}

// micros is the unit of sums: adding floats in another order would give
// another sum, adding integers does not.
const micros = 1e6

// toMicros rounds f to millionths, cut to ±2.3e12.
func toMicros(f float64) int64 {
	if f != f {
		return 0
	}
	return int64(math.Round(min(max(f*micros, -1<<61), 1<<61)))
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
