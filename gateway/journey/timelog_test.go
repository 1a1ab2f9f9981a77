package journey

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// logModel is a customer with counters of one event type that share their log,
// and what each of them is to hold.
type logModel struct {
	p     *Partition
	c     *customer
	typ   *eventType
	holds [][]sample
}

func newLogModel(specs []traitSpec) *logModel {
	p := NewPartition(Config{Partitions: 1})
	for i := range specs {
		specs[i].event = "brew"
		p.defineTrait(&specs[i])
	}
	return &logModel{p: p, c: p.customer(1), typ: p.types["brew"], holds: make([][]sample, len(specs))}
}

// count brings an event to the counters of mask, and to the model.
func (m *logModel) count(at gateway.Instant, mask uint64, value int64) {
	c := countChange{customer: 1, at: at, typ: m.typ, mask: mask}
	for i, t := range m.typ.traits {
		if mask>>i&1 == 0 {
			continue
		}
		s := sample{at: at}
		if t.form == formSums {
			s.value = value * int64(i+1)
			c.values = append(c.values, s.value)
		}
		m.expire(i)
		list := m.holds[i]
		if at <= t.spec.within.before(m.p.now) {
			continue
		}
		place, _ := slices.BinarySearchFunc(list, at, func(x sample, at gateway.Instant) int { return boolInt(x.at > at)*2 - 1 })
		list = slices.Insert(list, place, s)
		m.holds[i] = list[max(0, len(list)-int(t.limit())):]
	}
	c.apply(m.p)
}

func (m *logModel) expire(i int) {
	end := m.typ.traits[i].spec.within.before(m.p.now)
	m.holds[i] = slices.DeleteFunc(m.holds[i], func(s sample) bool { return s.at <= end })
}

// entries lists what a counter holds within a time.
func (m *logModel) entries(t *trait, end gateway.Instant) (list []sample) {
	k := m.c.counter(t, 0)
	if k == nil {
		return nil
	}
	w := m.p.times(m.c, k)
	for at, value := range w.all {
		if at > end {
			list = append(list, sample{at: at, value: value})
		}
	}
	return list
}

func (m *logModel) check(rt *rapid.T) {
	for i, t := range m.typ.traits {
		m.expire(i)
		end := t.spec.within.before(m.p.now)
		if got := m.entries(t, end); !slices.Equal(got, m.holds[i]) {
			rt.Fatalf("counter %d holds %v, want %v", i, got, m.holds[i])
		}
		k := m.c.counter(t, 0)
		if k == nil {
			continue
		}
		w := m.p.times(m.c, k)
		n, sum := w.since(end)
		for _, s := range m.holds[i] {
			n, sum = n-1, sum-s.value
		}
		if n != 0 || sum != 0 {
			rt.Fatalf("counter %d is off by %d and %d", i, n, sum)
		}
		oldest, ok := w.oldest(end)
		if ok != (len(m.holds[i]) > 0) || ok && oldest != m.holds[i][0].at {
			rt.Fatalf("the oldest of %v is %v, %v", m.holds[i], oldest, ok)
		}
	}
}

// TestTimeLog compares counters that share a log with lists: windows and limits
// of many lengths, events that come late, that some of them do not take, counters
// that start anew, and a customer who is restored.
func TestTimeLog(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newLogModel([]traitSpec{{kind: traitSum, property: "a", within: 300}, {kind: traitCount, within: 100},
			{kind: traitCount, limit: 5}, {kind: traitSum, property: "b", within: 50}, {kind: traitCount, within: 300, limit: 7}})
		m.p.now = 1000
		for range rapid.IntRange(1, 150).Draw(rt, "n") {
			mask := rapid.SampledFrom([]uint64{0b11111, 0b11111, 0b10111, 1, 2, 4, 0b01010}).Draw(rt, "mask")
			switch rapid.IntRange(0, 11).Draw(rt, "what") {
			case 0:
				place := rapid.IntRange(0, 4).Draw(rt, "anew")
				if k := m.c.counter(m.typ.traits[place], 0); k != nil {
					m.p.startAnew(m.c, k)
					m.holds[place] = nil
				}
			case 1:
				m.restore(rt)
			default:
				m.p.now += gateway.Instant(rapid.IntRange(0, 50).Draw(rt, "gap"))
				late := rapid.SampledFrom([]int{0, 0, 0, 10, 120}).Draw(rt, "late")
				m.count(m.p.now-gateway.Instant(late), mask, rapid.Int64Range(-1e9, 1e9).Draw(rt, "value"))
			}
			m.check(rt)
		}
	})
}

// restore replaces the customer by what his encoding restores to.
func (m *logModel) restore(rt *rapid.T) {
	var e, again encoder
	e.customer(m.p, m.c, 0)
	m.p.customers = map[gateway.CustomerID]*customer{}
	d := decoder{b: e.b}
	d.customer(m.p)
	if err := d.err("customer"); err != nil {
		rt.Fatal(err)
	}
	m.c = m.p.customers[1]
	if again.customer(m.p, m.c, 0); !slices.Equal(e.b, again.b) {
		rt.Fatalf("restored:\n%x, want\n%x", again.b, e.b)
	}
}
