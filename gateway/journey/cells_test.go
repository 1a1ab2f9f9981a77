package journey

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"touchpoint/gateway"
)

// cellModel is what a granular window is to hold: a sorted list.
type cellModel struct {
	f     form
	cells []cell
	cut   int // index of precisions
}

// put adds what one event adds.
func (m *cellModel) put(c cell) {
	if m.f == formRanks {
		c.value = cutTo(c.value, precisions[m.cut])
	}
	same := slices.IndexFunc(m.cells, func(o cell) bool {
		return m.f == formSet && o.value == c.value || m.f == formStats && o.granule == c.granule || m.f == formRanks && o.granule == c.granule && o.value == c.value
	})
	switch {
	case same < 0:
		m.cells = append(m.cells, c)
	case m.f == formSet:
		m.cells[same].granule = max(m.cells[same].granule, c.granule)
	case m.f == formRanks:
		m.cells[same].n += c.n
	default:
		o := &m.cells[same]
		o.n, o.value, o.offset, o.least, o.most = o.n+1, o.value+c.value, o.offset+c.offset, min(o.least, c.value), max(o.most, c.value)
	}
	m.sort()
	for m.f == formRanks && len(m.cells) > maxRanks && m.cut < len(precisions)-1 {
		m.cut++
		old := m.cells
		m.cells = nil
		for _, c := range old {
			c.value = cutTo(c.value, precisions[m.cut])
			if n := len(m.cells); n > 0 && m.cells[n-1].granule == c.granule && m.cells[n-1].value == c.value {
				m.cells[n-1].n += c.n
			} else {
				m.cells = append(m.cells, c)
			}
		}
	}
	if over := len(m.cells) - map[form]int{formStats: 1 << 30, formRanks: maxRanks, formSet: maxDistinct}[m.f]; over > 0 {
		m.cells = m.cells[over:]
	}
}

func (m *cellModel) sort() {
	slices.SortStableFunc(m.cells, func(a, b cell) int {
		if a.granule != b.granule {
			return boolInt(a.granule > b.granule)*2 - 1
		}
		return boolInt(a.value > b.value) - boolInt(a.value < b.value)
	})
}

func (m *cellModel) expire(gone int64) {
	m.cells = slices.DeleteFunc(m.cells, func(c cell) bool { return c.granule <= gone })
	if len(m.cells) == 0 {
		m.cut = 0
	}
}

// cutTo keeps the first bits of a value, digit by digit.
func cutTo(v int64, digits uint8) int64 {
	sign := int64(1)
	if v < 0 {
		sign, v = -1, -v
	}
	text := []byte(fmt.Sprintf("%b", v))
	for i := int(digits); i < len(text); i++ {
		text[i] = '0'
	}
	var out int64
	fmt.Sscanf(string(text), "%b", &out)
	return sign * out
}

// differs says how a window differs from the model.
func (m *cellModel) differs(w *window) string {
	got := w.cells(m.f, int(w.head), nil)
	if !slices.Equal(got, m.cells) || int(w.n) != len(m.cells) || int(w.precision) != m.cut {
		return fmt.Sprintf("%d cells of precision %d: %v, want %d of precision %d: %v", w.n, w.precision, got, len(m.cells), m.cut, m.cells)
	}
	if len(got) == 0 {
		if len(w.buf) > 0 || w.head != 0 || w.tail != 0 || w.first != 0 || w.last != 0 {
			return fmt.Sprintf("what is empty keeps something: %+v", *w)
		}
		return ""
	}
	first, last := got[0].granule, got[len(got)-1].granule
	tail := slices.DeleteFunc(slices.Clone(got), func(c cell) bool { return c.granule < last })
	if int64(w.first) != first || int64(w.last) != last || !slices.Equal(w.cells(m.f, int(w.tail), nil), tail) {
		return fmt.Sprintf("from %d to %d, the last granule holds %v", w.first, w.last, w.cells(m.f, int(w.tail), nil))
	}
	return ""
}

// restored is what the window's encoding reads as.
func (m *cellModel) restored(w *window) (out window, fault string) {
	var e, again encoder
	e.granular(w)
	d := decoder{b: e.b}
	out = d.granular(m.f)
	if again.granular(&out); d.err("window") != nil || !bytes.Equal(e.b, again.b) {
		return out, fmt.Sprintf("%x is read as %x", e.b, again.b)
	}
	return out, m.differs(&out)
}

// cellStep is an operation on a window: something comes at an instant, or what
// was before leaves.
type cellStep struct {
	at    gateway.Instant
	value int64
	leave bool
}

var cellForms = []traitSpec{{kind: traitMean, within: 10 * granules}, {kind: traitPercentile, within: 10 * granules}, {kind: traitDistinct, within: 10 * granules}}

// do makes the step, in the window and in the model.
func (m *cellModel) do(w *window, spec *traitSpec, s cellStep) string {
	g := granuleOf(s.at, spec.granule())
	if s.leave {
		w.expireCells(m.f, g)
		m.expire(g)
	} else {
		w.put(m.f, spec.cellOf(s.at, s.value), nil)
		c := cell{granule: g, n: 1, value: s.value}
		if m.f == formStats {
			c.offset, c.least, c.most = int64(s.at)-g*10, s.value, s.value
		}
		m.put(c)
	}
	return m.differs(w)
}

// TestWindowOfCells: every sequence of up to four steps in three granules leaves a
// window with what the list of its events says, also when it was restored after
// any of them.
func TestWindowOfCells(t *testing.T) {
	var steps []cellStep
	for _, at := range []gateway.Instant{-1, 0, 9, 10} {
		steps = append(steps, cellStep{at: at, value: 5}, cellStep{at: at, value: -300})
	}
	steps = append(steps, cellStep{at: -1, leave: true}, cellStep{at: 9, leave: true}, cellStep{at: 10, leave: true})
	for _, spec := range cellForms {
		var walk func(w window, m cellModel, path []cellStep)
		walk = func(w window, m cellModel, path []cellStep) {
			for _, s := range steps {
				next, model := w, m
				next.buf, model.cells = slices.Clone(w.buf), slices.Clone(m.cells)
				fault := model.do(&next, &spec, s)
				var copied window
				if fault == "" {
					copied, fault = model.restored(&next)
				}
				if way := append(path, s); fault != "" {
					t.Fatalf("%v: %+v: %s", spec.kind, way, fault)
				} else if len(way) < 4 {
					walk(next, model, way)
					if len(way) > 1 {
						walk(copied, model, way)
					}
				}
			}
		}
		walk(window{}, cellModel{f: spec.form()}, nil)
	}
}

// TestWindowOfManyCells: so do long sequences with many granules and values, of
// all sizes, while the window moves on.
func TestWindowOfManyCells(t *testing.T) {
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		spec := cellForms[seed%3]
		w, m := window{}, cellModel{f: spec.form()}
		now := gateway.Instant(r.Intn(40) - 20)
		for i := range 250 {
			now += gateway.Instant(r.Intn(int(1 + seed)))
			s := cellStep{at: now, value: r.Int63n(2<<r.Intn(60)) - 1<<r.Intn(10)}
			switch r.Intn(8) {
			case 0:
				s.at -= gateway.Instant(r.Intn(100))
			case 1:
				s.at, s.leave = s.at-gateway.Instant(r.Intn(400)), true
			case 2, 3:
				s.value = int64(r.Intn(5))
			}
			fault := m.do(&w, &spec, s)
			if fault == "" && r.Intn(10) == 0 {
				w, fault = m.restored(&w)
			}
			if fault != "" {
				t.Fatalf("seed %d, step %d: %s", seed, i, fault)
			}
		}
	}
}

// TestPercentilesAreCut: beyond its bound a percentile cuts its values no further
// than it must; when cutting does not help, what is oldest leaves.
func TestPercentilesAreCut(t *testing.T) {
	spec := &traitSpec{kind: traitPercentile, within: 10 * granules}
	full := func() (w window, m cellModel) {
		m = cellModel{f: formRanks}
		for g := range int64(4) {
			for v := range int64(2048) {
				m.cells = append(m.cells, cell{granule: g, n: 1 + v%3, value: 2048 + v})
			}
		}
		w.n = int32(len(m.cells))
		w.appendCells(formRanks, m.cells, 0)
		return w, m
	}
	check := func(what string, w *window, m *cellModel, steps ...cellStep) {
		t.Helper()
		for _, s := range steps {
			if fault := m.do(w, spec, s); fault != "" {
				t.Fatalf("%s, %+v: %.200s", what, s, fault)
			}
		}
		if _, fault := m.restored(w); fault != "" {
			t.Fatalf("%s, restored: %.200s", what, fault)
		}
	}
	w, m := full()
	check("full", &w, &m, cellStep{at: 39, value: 4095})
	if w.precision != 0 {
		t.Errorf("cut at the bound: %d", w.precision)
	}
	w, m = full() // with one less, and two that are one when they are cut
	w.buf, m.cells = nil, m.cells[1:]
	w.n--
	w.appendCells(formRanks, m.cells, 0)
	check("two", &w, &m, cellStep{at: 39, value: 8192}, cellStep{at: 39, value: 8193})
	if w.precision != 1 || w.n != maxRanks {
		t.Errorf("cut to %d, %d pairs", w.precision, w.n)
	}
	check("three", &w, &m, cellStep{at: 39, value: 8194}, cellStep{at: 5, value: -8193})
	if w.precision != 2 {
		t.Errorf("cut to %d", w.precision)
	}
	w, m = full() // the first two are one when they are cut
	m.cells = m.cells[3:]
	w.buf, w.n = nil, int32(len(m.cells))
	w.appendCells(formRanks, m.cells, 0)
	check("first", &w, &m, cellStep{at: 3, value: -8196}, cellStep{at: 3, value: -8200}, cellStep{at: 39, value: 8192}, cellStep{at: 39, value: 8196})
	if w.precision != 2 || m.cells[0].n != 2 {
		t.Errorf("cut to %d, %+v", w.precision, m.cells[0])
	}
	w, m = window{}, cellModel{f: formRanks} // values of all sizes: nothing helps
	for g := range int64(9) {
		for _, sign := range []int64{-1, 1} {
			for size := range 57 {
				for v := range int64(16) {
					m.cells = append(m.cells, cell{granule: g, n: 1, value: sign * (16 + v) << size})
				}
			}
		}
	}
	m.sort()
	m.cells = m.cells[len(m.cells)-maxRanks:]
	w.n, w.first = maxRanks, gateway.Instant(m.cells[0].granule)
	w.appendCells(formRanks, m.cells, int64(w.first))
	check("nothing helps", &w, &m, cellStep{at: 90, value: 7}, cellStep{at: 91, value: 9}, cellStep{at: 33, value: 1}, cellStep{at: -33, value: 1})
	if int(w.precision) != len(precisions)-1 || w.n != maxRanks || w.first == 0 {
		t.Errorf("cut to %d, %d pairs from %d", w.precision, w.n, w.first)
	}
	check("empty", &w, &m, cellStep{at: 100, leave: true}, cellStep{at: 105, value: 12345})
	if w.precision != 0 {
		t.Errorf("what is new is cut, too: %d", w.precision)
	}
}

// TestCutValues: a cut value stands for the middle of those that share its bits.
func TestCutValues(t *testing.T) {
	for _, tt := range []struct {
		v           int64
		significant uint8
		cut, middle int64
	}{
		{0, 5, 0, 0}, {31, 5, 31, 31}, {32, 5, 32, 33}, {33, 5, 32, 33}, {63, 5, 62, 63}, {-33, 5, -32, -33}, {-31, 5, -31, -31},
		{1000, 7, 1000, 1004}, {1003, 7, 1000, 1004}, {1007, 7, 1000, 1004}, {1008, 7, 1008, 1012}, {-1007, 7, -1000, -1004}, {1007, 64, 1007, 1007},
	} {
		if got := cutBits(tt.v, tt.significant); got != tt.cut || middle(got, tt.significant) != tt.middle {
			t.Errorf("%d is cut to %d, which stands for %d, want %d and %d", tt.v, got, middle(got, tt.significant), tt.cut, tt.middle)
		}
	}
	for at, want := range map[gateway.Instant]int64{-11: -2, -10: -1, -1: -1, 0: 0, 9: 0, 10: 1} {
		if got := granuleOf(at, 10); got != want {
			t.Errorf("%d lies in granule %d, not %d", at, got, want)
		}
	}
	for within, want := range map[Duration]int64{1: 1, 127: 1, 255: 1, 256: 2, 0: 1 << 62} {
		if got := (&traitSpec{within: within}).granule(); got != want {
			t.Errorf("a granule of %d is %d, not %d", within, got, want)
		}
	}
	if a, b := (&traitSpec{within: 1280}).lastGone(1289), (&traitSpec{}).lastGone(1<<50); a != 0 || b > -1<<61 {
		t.Errorf("gone is what is up to %d and %d", a, b)
	}
}

// TestWindowMakesRoom: a window that moves on takes the room of what has left.
func TestWindowMakesRoom(t *testing.T) {
	for _, spec := range cellForms {
		var w window
		f, most := spec.form(), 0
		for i := range gateway.Instant(3000) {
			w.expireCells(f, int64(i)-granules)
			w.put(f, spec.cellOf(i*10+3, int64(i%97)*1000), nil)
			most = max(most, len(w.buf)-int(w.head))
		}
		if cap(w.buf) > most*3/2+24 {
			t.Errorf("%v: %d bytes for at most %d", spec.kind, cap(w.buf), most)
		}
		if w.expireCells(f, 3000); w.n != 0 || len(w.buf) != 0 || w.head != 0 {
			t.Errorf("%v: what is empty takes %d bytes from %d on", spec.kind, len(w.buf), w.head)
		}
	}
}

// TestBrokenWindows: an encoding that no window has is refused.
func TestBrokenWindows(t *testing.T) {
	stats := func(n, offset uint64, sum int64) func(*encoder) {
		return func(e *encoder) { e.uint(n); e.uint(offset); e.int(sum) }
	}
	ranked := func(value int64, n uint64) func(*encoder) { return func(e *encoder) { e.int(value); e.uint(n) } }
	next := func(delta uint64, c func(*encoder)) func(*encoder) { return func(e *encoder) { e.uint(delta); c(e) } }
	of := func(e *encoder, n uint64, precision byte, parts ...func(*encoder)) {
		var in encoder
		for _, part := range parts {
			part(&in)
		}
		e.uint(n)
		e.byte(precision)
		e.at(7)
		e.bytes(in.b)
	}
	for i, tt := range []struct {
		f         form
		n         uint64
		precision byte
		parts     []func(*encoder)
		ok        bool
	}{
		{formStats, 2, 0, []func(*encoder){stats(1, 3, 5), next(1, stats(1, 0, 5))}, true},
		{formRanks, 2, 4, []func(*encoder){ranked(3, 1), next(0, ranked(4, 1))}, true},
		{formRanks, 2, 1, []func(*encoder){ranked(3, 1), next(1, ranked(2, 9))}, true},
		{formStats, 1, 0, []func(*encoder){stats(1, 3, 5), next(1, stats(1, 0, 5))}, false},      // more than are told
		{formStats, 3, 0, []func(*encoder){stats(1, 3, 5), next(1, stats(1, 0, 5))}, false},      // fewer
		{formStats, 2, 0, []func(*encoder){stats(1, 3, 5), next(0, stats(1, 0, 6))}, false},      // twice in a granule
		{formRanks, 2, 0, []func(*encoder){ranked(3, 1), next(0, ranked(3, 1))}, false},          // one value twice
		{formRanks, 2, 0, []func(*encoder){ranked(3, 1), next(0, ranked(2, 1))}, false},          // falling
		{formRanks, 2, 0, []func(*encoder){ranked(3, 1), next(1<<63+1, ranked(4, 1))}, false},    // back in time
		{formRanks, 1, 0, []func(*encoder){ranked(3, 0)}, false},                                 // nothing
		{formRanks, 1, 0, []func(*encoder){ranked(3, 1<<63)}, false},                             // less than nothing
		{formStats, 1, 0, []func(*encoder){stats(1, 1<<63, 5)}, false},                           // before its granule
		{formStats, 1, 0, []func(*encoder){stats(2, 0, 5), ranked(1, 1<<63)}, false},             // the greatest less than the least
		{formRanks, 1, 5, []func(*encoder){ranked(3, 1)}, false},                                 // of no precision
		{formRanks, 2, 0, []func(*encoder){ranked(3, 1), func(e *encoder) { e.uint(1) }}, false}, // cut off
		{formSet, 1, 0, []func(*encoder){func(e *encoder) { e.raw([]byte("1234567")) }}, false},  // cut off
		{formSet, 1, 0, []func(*encoder){func(e *encoder) { e.fixed(12345) }}, true},
	} {
		var e, again encoder
		of(&e, tt.n, tt.precision, tt.parts...)
		d := decoder{b: e.b}
		w := d.granular(tt.f)
		if ok := d.err("window") == nil; ok != tt.ok {
			t.Errorf("window %d: read %v", i, ok)
		} else if again.granular(&w); ok && !bytes.Equal(e.b, again.b) {
			t.Errorf("window %d: read otherwise", i)
		}
	}
	for text, ok := range map[string]bool{"\x02\x04\x06": true, "\x01\x04": false, "\x03\x04\x06\x08": false, "\x00": false} {
		d := decoder{b: []byte(text)}
		if w := d.ends(); (d.err("ends") == nil) != ok || ok && string(w.buf) != text[1:] {
			t.Errorf("ends %q: %v", text, d.bad)
		}
	}
}
