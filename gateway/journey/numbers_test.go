package journey

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"touchpoint/gateway"
)

// TestPercentiles: the least value that so many percent do not exceed, of one, of
// few and of many.
func TestPercentiles(t *testing.T) {
	for n := 1; n <= 120; n += 1 + n/8 {
		var cells []cell
		var values []int64
		for i := range n { // some come several times, in no order
			v, times := int64(i*37%n-n/2), 1+i%3
			cells = append(cells, cell{granule: int64(i % 5), n: int64(times), value: v})
			for range times {
				values = append(values, v)
			}
		}
		slices.Sort(values)
		for percent := 1; percent < 100; percent++ {
			want := values[int(math.Ceil(float64(len(values)*percent)/100))-1]
			if got := percentile(slices.Clone(cells), percent); got != want {
				t.Fatalf("p%d of %v is %d, not %d", percent, values, got, want)
			}
		}
	}
}

// TestLines: the slope of events that lie on a line is that of the line, whatever
// their weights; one granule has none.
func TestLines(t *testing.T) {
	const g = 3_600_000
	spec := &traitSpec{kind: traitSlope, within: g * granules}
	at := func(hours, n int64, perHour float64, offset int64) cell {
		y := int64((7 + perHour*(float64(hours)+float64(offset)/g)) * micros)
		return cell{granule: hours, n: n, value: y * n, offset: offset * n, least: y, most: y}
	}
	for _, perHour := range []float64{0, 1, -2.5} {
		cells := []cell{at(-100, 1, perHour, 0), at(-99, 4, perHour, 600_000), at(3, 2, perHour, 1_800_000)}
		for n := 2; n <= 3; n++ {
			if got, ok := spec.ofCells(cells[:n]); !ok || math.Abs(got-24*perHour) > 1e-4 {
				t.Errorf("the slope of %d is %v, %v, not %v", n, got, ok, 24*perHour)
			}
		}
	}
	for _, kind := range []traitKind{traitSlope, traitMean, traitMin, traitMax} {
		one := []cell{at(5, 3, 1, 0)}
		spec := &traitSpec{kind: kind, within: g * granules}
		if got, ok := spec.ofCells(one); ok != (kind != traitSlope) || ok && got != 12 {
			t.Errorf("%v of one is %v, %v", kind, got, ok)
		}
		if _, ok := spec.ofCells(nil); ok {
			t.Errorf("%v of nothing is known", kind)
		}
	}
	two := []cell{{granule: 1, n: 2, value: 6 * micros, least: 2 * micros, most: 4 * micros}, {granule: 2, n: 2, value: 10 * micros, least: micros, most: 9 * micros}}
	for kind, want := range map[traitKind]float64{traitMean: 4, traitMin: 1, traitMax: 9} {
		if got, ok := (&traitSpec{kind: kind}).ofCells(two); !ok || got != want {
			t.Errorf("%v of two is %v, not %v", kind, got, want)
		}
		if got, _ := (&traitSpec{kind: kind}).ofCells([]cell{two[1], two[0]}); got != want {
			t.Errorf("%v of two, turned round, is %v, not %v", kind, got, want)
		}
	}
}

// TestHashedValues: a distinct count tells values apart by what they are.
func TestHashedValues(t *testing.T) {
	same := func(a, b gateway.Value) bool {
		x, okX := hashValue(a)
		y, okY := hashValue(b)
		return okX && okY && x == y
	}
	values := []gateway.Value{gateway.Int(0), gateway.Int(1), gateway.Int(-1), gateway.Float(0.5), gateway.Bool(false), gateway.Bool(true),
		gateway.String(""), gateway.String("0"), gateway.String("true")}
	for i, a := range values {
		for j, b := range values {
			if same(a, b) != (i == j) {
				t.Errorf("%v and %v: %v", a, b, same(a, b))
			}
		}
	}
	for _, pair := range [][2]gateway.Value{{gateway.Int(3), gateway.Float(3)}, {gateway.Float(0), gateway.Float(math.Copysign(0, -1))}} {
		if !same(pair[0], pair[1]) {
			t.Errorf("%v and %v differ", pair[0], pair[1])
		}
	}
	if _, ok := hashValue(gateway.Value{}); ok {
		t.Error("nothing is a value")
	}
}

// TestEnds: of several events of one instant the least is the first and the
// greatest is the last value.
func TestEnds(t *testing.T) {
	type come struct {
		at    gateway.Instant
		value int64
	}
	events := []come{{5, 10}, {5, -3}, {5, 40}, {7, 2}, {7, 90}, {3, 8}, {3, 1}, {5, 10}}
	var walk func(left []come, k counter, w window, all []come)
	walk = func(left []come, k counter, w window, all []come) {
		for i, e := range left {
			next, win := k, window{buf: slices.Clone(w.buf)}
			next.putEnds(&win, e.at, e.value)
			next.countPlain(&trait{}, e.at)
			list := append(slices.Clone(all), e)
			least := slices.MinFunc(list, func(a, b come) int { return int((a.at-b.at)*1000) + int(a.value-b.value) })
			most := slices.MaxFunc(list, func(a, b come) int { return int((a.at-b.at)*1000) + int(a.value-b.value) })
			if oldest, newest := win.ends(); oldest != least.value || newest != most.value || next.first != least.at || next.last != most.at || int(next.n) != len(list) {
				t.Fatalf("%v: from %d at %d to %d at %d", list, oldest, next.first, newest, next.last)
			}
			if len(list) < 5 {
				walk(slices.Concat(left[:i], left[i+1:]), next, win, list)
			}
		}
	}
	walk(events, counter{}, window{}, nil)
}

// TestEmptyExtras: whoever has anything has extras of his own.
func TestEmptyExtras(t *testing.T) {
	typ := reflect.TypeFor[extras]()
	for i := range typ.NumField() {
		var x extras
		f := reflect.ValueOf(&x).Elem().Field(i)
		f = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
		switch f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int64:
			f.SetInt(1)
		case reflect.Uint64:
			f.SetUint(1)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		default:
			t.Fatalf("%s: what is it?", typ.Field(i).Name)
		}
		if x.isEmpty() || x.orNone() != &x {
			t.Errorf("%s counts for nothing", typ.Field(i).Name)
		}
	}
	keys, splits := []apiKey{{}}, []splitArm{{}}
	if pastOf(nil, nil) != noPast || len(pastOf(keys, nil).keys) != 1 || len(pastOf(nil, splits).splits) != 1 {
		t.Error("a past is lost, or none is one")
	}
}

// TestFilteredOnce: of a version it is noted once that something is counted,
// however much is; two versions are counted apart.
func TestFilteredOnce(t *testing.T) {
	p := NewPartition(Config{})
	p.out = &gateway.Step{}
	j := &journey{name: "a"}
	one, two, other := &version{journey: j, number: 1}, &version{journey: j, number: 2}, &version{journey: &journey{name: "b"}, number: 1}
	for range 2 {
		for range 3 {
			p.filteredOut(one)
			p.filteredOut(other)
			p.counting(two)
			two.unowned++
		}
		if len(p.filtering) != 3 {
			t.Errorf("%d are noted", len(p.filtering))
		}
		p.tellFiltered()
	}
	if want := []gateway.FilteredCount{{Journey: "a", Version: 1, Count: 6}, {Journey: "b", Version: 1, Count: 6}, {Journey: "a", Version: 2, Unowned: 6}}; !slices.Equal(p.out.Filtered, want) {
		t.Errorf("told %+v", p.out.Filtered)
	}
}
