package journey

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"touchpoint/gateway"
)

// Traits other than counts and sums keep their window in granules: 1/128 of its
// length. A granule leaves the window as a whole, so that a value is that of
// the events after the granule into which now - within falls: exactly, in
// whatever order they came. A window has at most 129 granules, and the bounds
// below hold for what is kept per value.
const (
	granules = 128
	// maxDistinct bounds a distinct count: it is exact up to here, and says that
	// number when there are more.
	maxDistinct = 1024
	// maxRanks bounds the different (granule, value) pairs of a percentile. Beyond,
	// values are cut to fewer and fewer significant bits (see precisions).
	maxRanks = 8192
)

// precisions are the significant bits that values of a percentile keep: all,
// then 12, 9, 7 and 5. A value stands for the middle of those that share its
// bits: it is off by at most 0.03, 0.2, 0.8 and 3.2 %.
var precisions = [...]uint8{64, 12, 9, 7, 5}

// form is how a counter keeps what it counted.
type form uint8

const (
	formPlain form = iota // the number, the first and the last time
	formTimes             // the exact times
	formSums              // the exact times and values
	formEnds              // the first and the last value
	formStats             // per granule: number, times, sum, least, greatest
	formRanks             // per granule and value: the number
	formSet               // per value: the granule in which it was seen last
)

// granular reports whether the form consists of cells.
func (f form) granular() bool { return f >= formStats }

// timed reports whether the form keeps exact times.
func (f form) timed() bool { return f == formTimes || f == formSums }

// cell is one entry of a granular window; they are sorted by granule, then value.
type cell struct {
	granule     int64
	n           int64
	value       int64 // stats: sum; ranks: value; set: hash of the value
	offset      int64 // stats: sum of the times within the granule
	least, most int64 // stats
}

func compareCells(a, b cell) int {
	return cmp.Or(cmp.Compare(a.granule, b.granule), cmp.Compare(a.value, b.value))
}

// granule is the length of a granule; a window for ever has a single one.
func (t *traitSpec) granule() int64 {
	if t.within == 0 {
		return 1 << 62
	}
	return max(int64(t.within)/granules, 1)
}

// granuleOf numbers the granules since 1970.
func granuleOf(at gateway.Instant, length int64) int64 {
	n := int64(at) / length
	if int64(at)%length < 0 {
		n--
	}
	return n
}

// lastGone is the granule up to which nothing is in the window any more.
func (t *traitSpec) lastGone(now gateway.Instant) int64 {
	if t.within == 0 {
		return -1 << 62
	}
	return granuleOf(t.within.before(now), t.granule())
}

// cellOf is what one event adds.
func (t *traitSpec) cellOf(at gateway.Instant, value int64) cell {
	g := t.granule()
	c := cell{granule: granuleOf(at, g), n: 1, value: value}
	if t.form() == formStats {
		c.offset, c.least, c.most = int64(at)-c.granule*g, value, value
	}
	return c
}

// put merges a cell into the window; scratch is room to work in, and is returned.
func (w *window) put(f form, c cell, scratch []cell) []cell {
	if f == formRanks {
		c.value = cutBits(c.value, precisions[w.precision])
	}
	w.makeRoom(24) // a larger cell makes it grow as append does
	from, prev := int(w.head), w.first
	if f != formSet && c.granule >= int64(w.last) { // the plain case: only the last granule changes
		from = int(w.tail)
		delta, _ := binary.Uvarint(w.buf[from:])
		prev = w.last - gateway.Instant(delta)
	}
	tail := w.cells(f, from, scratch[:0])
	before := len(tail)
	tail = mergeCell(f, tail, c)
	if from == int(w.head) {
		prev = gateway.Instant(tail[0].granule)
		w.first = prev
	}
	w.buf, w.n = w.buf[:from], w.n+int32(len(tail)-before)
	w.appendCells(f, tail, int64(prev))
	if f == formRanks && w.n > maxRanks {
		return w.coarsen(tail)
	}
	for f == formSet && w.n > maxDistinct {
		w.dropCell(f)
	}
	return tail
}

// mergeCell adds c to sorted cells.
func mergeCell(f form, cells []cell, c cell) []cell {
	if f == formSet {
		if i := slices.IndexFunc(cells, func(o cell) bool { return o.value == c.value }); i >= 0 {
			if cells[i].granule >= c.granule {
				return cells
			}
			cells = slices.Delete(cells, i, i+1)
		}
	}
	i, found := slices.BinarySearchFunc(cells, c, func(o, c cell) int {
		if f == formStats {
			return cmp.Compare(o.granule, c.granule)
		}
		return compareCells(o, c)
	})
	if !found {
		return slices.Insert(cells, i, c)
	}
	o := &cells[i]
	o.n += c.n
	if f == formStats {
		o.value, o.offset = o.value+c.value, o.offset+c.offset
		o.least, o.most = min(o.least, c.least), max(o.most, c.most)
	}
	return cells
}

// coarsen cuts the values of a percentile until they fit; when even that does
// not help, the oldest leave.
func (w *window) coarsen(scratch []cell) []cell {
	for w.n > maxRanks && int(w.precision)+1 < len(precisions) {
		w.precision++
		scratch = w.cells(formRanks, int(w.head), scratch[:0])
		kept := scratch[:0]
		for _, c := range scratch { // cutting keeps their order
			c.value = cutBits(c.value, precisions[w.precision])
			if n := len(kept); n > 0 && compareCells(kept[n-1], c) == 0 {
				kept[n-1].n += c.n
			} else {
				kept = append(kept, c)
			}
		}
		w.buf, w.head, w.n = w.buf[:0], 0, int32(len(kept))
		w.appendCells(formRanks, kept, int64(w.first))
	}
	for w.n > maxRanks {
		w.dropCell(formRanks)
	}
	return scratch
}

// cutBits keeps the first significant bits of v; cut again to fewer, the result
// is that of one cut.
func cutBits(v int64, significant uint8) int64 {
	if v < 0 {
		return -cutBits(-v, significant)
	}
	drop := max(bits.Len64(uint64(v))-int(significant), 0)
	return v >> drop << drop
}

// middle is the middle of the values that were cut to v.
func middle(v int64, significant uint8) int64 {
	if v < 0 {
		return -middle(-v, significant)
	}
	drop := max(bits.Len64(uint64(v))-int(significant), 0)
	return v + 1<<drop>>1
}

// appendCells writes cells behind what is there; prev is the granule before them.
func (w *window) appendCells(f form, cells []cell, prev int64) {
	for i := range cells {
		c := &cells[i]
		if i == 0 || c.granule != prev {
			w.tail = int32(len(w.buf))
		}
		w.buf = binary.AppendUvarint(w.buf, uint64(c.granule-prev))
		prev = c.granule
		switch f {
		case formSet:
			w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(c.value))
			continue
		case formRanks:
			w.buf = binary.AppendVarint(w.buf, c.value)
			w.buf = binary.AppendUvarint(w.buf, uint64(c.n))
			continue
		}
		w.buf = binary.AppendUvarint(w.buf, uint64(c.n))
		w.buf = binary.AppendUvarint(w.buf, uint64(c.offset))
		w.buf = binary.AppendVarint(w.buf, c.value)
		if c.n > 1 {
			w.buf = binary.AppendVarint(w.buf, c.least)
			w.buf = binary.AppendUvarint(w.buf, uint64(c.most-c.least))
		}
	}
	w.last = gateway.Instant(prev)
}

// cells appends the cells from a position on to out: that of the head, or that
// of the first cell of the last granule.
func (w *window) cells(f form, from int, out []cell) []cell {
	at := int64(w.first)
	if from != int(w.head) {
		at = int64(w.last)
	}
	d := decoder{b: w.buf[from:]}
	for first := true; len(d.b) > 0; first = false {
		delta, c := d.cell(f)
		if !first {
			at += delta
		}
		c.granule = at
		out = append(out, c)
	}
	return out
}

// cell decodes one cell; its granule is left to the caller.
func (d *decoder) cell(f form) (delta int64, c cell) {
	delta = int64(d.uint())
	c.n = 1
	switch f {
	case formSet:
		c.value = int64(d.fixed())
	case formRanks:
		c.value, c.n = d.int(), int64(d.uint())
	default:
		c.n, c.offset, c.value = int64(d.uint()), int64(d.uint()), d.int()
		c.least, c.most = c.value, c.value
		if c.n > 1 {
			c.least = d.int()
			c.most = c.least + int64(d.uint())
		}
	}
	return delta, c
}

// dropCell removes the oldest cell.
func (w *window) dropCell(f form) {
	d := decoder{b: w.buf[w.head:]}
	d.cell(f)
	w.n--
	if w.n == 0 {
		w.clear()
		return
	}
	w.head = int32(len(w.buf) - len(d.b))
	w.first += gateway.Instant(d.uint())
	if w.first == w.last {
		w.tail = w.head
	}
}

// expireCells removes the granules up to gone.
func (w *window) expireCells(f form, gone int64) {
	for w.n > 0 && int64(w.first) <= gone {
		w.dropCell(f)
	}
}

// ends reads the values of the first and the last event.
func (d *decoder) ends() (w window) {
	w.buf = d.bytes()
	ends := decoder{b: w.buf}
	_, _ = ends.int(), ends.int()
	if ends.err("ends") != nil {
		d.fail()
	}
	return w
}

// granular writes the cells as they are in memory; the first one's delta is
// replaced by its granule.
func (e *encoder) granular(w *window) {
	e.uint(uint64(w.n))
	if w.n == 0 {
		return
	}
	e.byte(w.precision)
	e.at(w.first)
	_, size := binary.Uvarint(w.buf[w.head:])
	e.bytes(w.buf[int(w.head)+size:])
}

func (d *decoder) granular(f form) (w window) {
	if n := d.uint(); n > 0 {
		d.cells(&w, f, n)
	}
	return w
}

func (d *decoder) cells(w *window, f form, n uint64) {
	w.precision, w.first = d.byte(), d.at()
	raw := d.length(1)
	cells := decoder{b: append(append(make([]byte, 0, raw+1), 0), d.b[:raw]...)} // a first delta of 0
	d.b = d.b[raw:]
	w.buf = cells.b
	w.last = w.first
	before := cell{}
	for len(cells.b) > 0 {
		at := len(w.buf) - len(cells.b)
		delta, c := cells.cell(f)
		w.last += gateway.Instant(delta)
		if delta > 0 {
			w.tail = int32(at)
		}
		rising := at == 0 || delta > 0 || f != formStats && c.value > before.value
		if cells.bad || delta < 0 || !rising || c.n < 1 || c.offset < 0 || c.most < c.least {
			d.fail()
		}
		before = c
		w.n++
	}
	if uint64(w.n) != n || int(w.precision) >= len(precisions) {
		d.fail()
	}
}
