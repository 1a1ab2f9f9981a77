package journey

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

// form returns how the trait's counter keeps what it counted.
func (t *traitSpec) form() form {
	switch t.kind {
	case traitCount:
		if t.within == 0 && t.limit == 0 {
			return formPlain
		}
		return formTimes
	case traitSum:
		return formSums
	case traitMean, traitMin, traitMax, traitSlope:
		return formStats
	case traitPercentile:
		return formRanks
	case traitDistinct:
		return formSet
	}
	if t.property != "" {
		return formEnds
	}
	return formPlain
}

// valueOf is what a counter keeps of an event's property; ok is false when there
// is nothing to count: missing is not zero.
func (t *traitSpec) valueOf(v gateway.Value) (value int64, ok bool) {
	if t.kind == traitDistinct {
		return hashValue(v)
	}
	f, ok := v.AsFloat()
	return toMicros(f), ok
}

// hashValue tells values apart: numbers by their value, whatever their type.
func hashValue(v gateway.Value) (int64, bool) {
	switch v.Kind() {
	case gateway.KindString:
		return int64(xxhash.Sum64String(v.AsString())), true
	case gateway.KindBool:
		return int64(boolInt(v.AsBool())), true
	case gateway.KindInt, gateway.KindFloat:
		f, _ := v.AsFloat()
		return int64(mix(math.Float64bits(f+0) ^ 1<<63)), true
	}
	return 0, false
}

// putEnds keeps the value of the first and the last event; of several at the
// same instant the least and the greatest. The times are still those of before.
func (k *counter) putEnds(w *window, at gateway.Instant, value int64) {
	first, last := value, value
	if k.n > 0 {
		oldest, newest := w.ends()
		switch {
		case at > k.first:
			first = oldest
		case at == k.first:
			first = min(oldest, value)
		}
		switch {
		case at < k.last:
			last = newest
		case at == k.last:
			last = max(newest, value)
		}
	}
	w.buf = binary.AppendVarint(binary.AppendVarint(w.buf[:0], first), last)
}

func (w *window) ends() (oldest, newest int64) {
	oldest, n := binary.Varint(w.buf)
	newest, _ = binary.Varint(w.buf[n:])
	return oldest, newest
}

// traitValue computes a declared trait of a customer as of now.
func (p *Partition) traitValue(c *customer, v *version, d gateway.DeviceID, name string) (gateway.Value, bool) {
	i := v.def.traitIndex(name)
	if i < 0 {
		return gateway.Value{}, false
	}
	spec, t := &v.def.traits[i], v.traits[i]
	k := c.counter(t, d)
	if t.awaits {
		return gateway.Value{}, false // being filled
	}
	if k == nil {
		zero := (spec.kind == traitCount || spec.kind == traitDistinct) && c.since >= t.since
		return gateway.Int(0), zero // nothing counted, and nothing can be missing
	}
	return p.counterValue(c, k, spec)
}

// counterValue computes a trait from its counter as of now; ok is false while it
// is unknown.
func (p *Partition) counterValue(c *customer, k *counter, spec *traitSpec) (v gateway.Value, ok bool) {
	switch p.traits[k.trait].form {
	case formPlain, formEnds:
		return p.plainValue(c, k, spec)
	case formTimes, formSums:
		end := gateway.Instant(-1 << 62)
		if spec.within > 0 {
			end = spec.within.before(p.now)
		}
		w := p.times(c, k)
		n, sum := w.since(end)
		if spec.kind == traitCount {
			return gateway.Int(int64(n)), true
		}
		return gateway.Float(float64(sum) / micros), true
	}
	gone := spec.lastGone(p.now)
	w := c.window(k)
	cells := w.cells(spec.form(), int(w.head), p.cells[:0])
	p.cells = cells
	for len(cells) > 0 && cells[0].granule <= gone {
		cells = cells[1:]
	}
	if spec.kind == traitDistinct {
		return gateway.Int(int64(len(cells))), true
	}
	if spec.kind == traitPercentile && len(cells) > 0 {
		micro := middle(percentile(cells, spec.percent), precisions[w.precision])
		return gateway.Float(float64(micro) / micros), true
	}
	f, ok := spec.ofCells(cells)
	return gateway.Float(f), ok
}

// plainValue is that of a trait without granules or exact times.
func (p *Partition) plainValue(c *customer, k *counter, spec *traitSpec) (v gateway.Value, ok bool) {
	if spec.kind != traitFirst && spec.kind != traitLast {
		return gateway.Int(int64(k.n)), true
	}
	ok = spec.within == 0 || k.last > spec.within.before(p.now)
	if spec.property == "" {
		at := k.first
		if spec.kind == traitLast {
			at = k.last
		}
		return gateway.Int(int64(at)), ok
	}
	value, newest := c.window(k).ends()
	if spec.kind == traitLast {
		value = newest
	}
	return gateway.Float(float64(value) / micros), ok
}

// ofCells computes a mean, least, greatest or slope.
func (t *traitSpec) ofCells(cells []cell) (f float64, ok bool) {
	if len(cells) == 0 {
		return 0, false
	}
	if t.kind == traitSlope {
		return slope(cells, t.granule())
	}
	n, sum, least, most := int64(0), int64(0), cells[0].least, cells[0].most
	for i := range cells {
		n, sum = n+cells[i].n, sum+cells[i].value
		least, most = min(least, cells[i].least), max(most, cells[i].most)
	}
	switch t.kind {
	case traitMin:
		return float64(least) / micros, true
	case traitMax:
		return float64(most) / micros, true
	}
	return float64(sum) / micros / float64(n), true
}

// slope fits a straight line by least squares, per day. The events of a granule
// count with their mean time and mean value, so that an event alone in its
// granule counts exactly; fewer than two granules have no slope. The products
// are converted, so that no machine fuses them with a sum: all get the same.
func slope(cells []cell, granule int64) (perDay float64, ok bool) {
	if len(cells) < 2 {
		return 0, false
	}
	point := func(c *cell) (x, y, n float64) {
		n = float64(c.n)
		x = float64((c.granule-cells[0].granule)*granule) + float64(c.offset)/n
		return x / dayMillis, float64(c.value) / n / micros, n
	}
	var weight, meanX, meanY float64
	for i := range cells {
		x, y, n := point(&cells[i])
		weight += n
		meanX += float64(x * n)
		meanY += float64(y * n)
	}
	meanX, meanY = meanX/weight, meanY/weight
	var xx, xy float64
	for i := range cells {
		x, y, n := point(&cells[i])
		x, y = x-meanX, y-meanY
		xx += float64(float64(x*x) * n)
		xy += float64(float64(x*y) * n)
	}
	return xy / xx, true
}

// percentile is the least value that at least percent of the events do not
// exceed. It reorders the cells.
func percentile(cells []cell, percent int) int64 {
	total := int64(0)
	for i := range cells {
		total += cells[i].n
	}
	slices.SortFunc(cells, func(a, b cell) int { return cmp.Compare(a.value, b.value) })
	rank := (total*int64(percent) + 99) / 100
	i := 0
	for rank > cells[i].n {
		rank -= cells[i].n
		i++
	}
	return cells[i].value
}
