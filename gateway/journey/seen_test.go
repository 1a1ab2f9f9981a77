package journey

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"

	"touchpoint/gateway"
)

// seenModel is what a device remembers, in plain lists.
type seenModel struct {
	ranges []bootRange
	hashes map[uint64]uint16
}

type bootRange struct {
	boot uint32
	seqRange
}

// has reports whether an identity was seen on a day that counts.
func (m *seenModel) has(id identity, oldest uint16) bool {
	if !id.numbered {
		day, ok := m.hashes[id.hash]
		return ok && day >= oldest
	}
	return slices.ContainsFunc(m.ranges, func(r bootRange) bool {
		return r.boot == id.boot && r.lo <= id.seq && id.seq <= r.hi && r.day >= oldest
	})
}

// add remembers it: a number joins the ranges beside it, unless they are
// forgotten; one of a forgotten range starts anew.
func (m *seenModel) add(id identity, oldest uint16) {
	if !id.numbered {
		m.hashes[id.hash] = id.day
		return
	}
	m.forget(oldest)
	r := bootRange{id.boot, seqRange{id.seq, id.seq, id.day}}
	m.ranges = slices.DeleteFunc(m.ranges, func(o bootRange) bool {
		before, behind := id.seq > 0 && o.hi == id.seq-1, o.lo > 0 && o.lo-1 == id.seq
		if o.boot != id.boot || !before && !behind {
			return false
		}
		r.lo, r.hi, r.day = min(r.lo, o.lo), max(r.hi, o.hi), max(r.day, o.day)
		return true
	})
	m.ranges = append(m.ranges, r)
}

func (m *seenModel) forget(oldest uint16) {
	m.ranges = slices.DeleteFunc(m.ranges, func(r bootRange) bool { return r.day < oldest })
	for h, day := range m.hashes {
		if day < oldest {
			delete(m.hashes, h)
		}
	}
}

// encoded is the one encoding of what counts.
func (m *seenModel) encoded(oldest uint16) []byte {
	m.forget(oldest)
	slices.SortFunc(m.ranges, func(a, b bootRange) int { return cmp.Or(cmp.Compare(a.boot, b.boot), cmp.Compare(a.lo, b.lo)) })
	var e encoder
	hashes := sortedIDs(m.hashes)
	e.uint(uint64(len(hashes)))
	for _, h := range hashes {
		e.fixed(h)
		e.uint(uint64(m.hashes[h]))
	}
	var boots [][]bootRange
	for i, r := range m.ranges {
		if i == 0 || m.ranges[i-1].boot != r.boot {
			boots = append(boots, nil)
		}
		last := &boots[len(boots)-1]
		*last = append(*last, r)
	}
	e.uint(uint64(len(boots)))
	for _, list := range boots {
		e.uint(uint64(list[0].boot))
		e.uint(uint64(len(list)))
		for _, r := range list {
			e.uint(r.lo)
			e.uint(r.hi - r.lo)
			e.uint(uint64(r.day))
		}
	}
	return e.b
}

// seenRun is a device on its way, beside the model.
type seenRun struct {
	s     seen
	m     seenModel
	today uint16
}

const seenWindow = 8

func (r *seenRun) oldest() uint16 { return r.today - seenWindow }

// step lets an identity come, or days pass when days is set.
func (r *seenRun) step(id identity, days uint16) string {
	r.today += days
	if id.day = r.today - id.day; days > 0 {
		return ""
	}
	had := r.m.has(id, r.oldest())
	if got := r.s.has(id, r.oldest()); got != had {
		return fmt.Sprintf("has %+v: %v", id, got)
	}
	if !had {
		r.s.add(id, r.oldest())
		r.m.add(id, r.oldest())
		if !r.s.has(id, r.oldest()) {
			return fmt.Sprintf("%+v is not remembered", id)
		}
	}
	return ""
}

// restore replaces what is remembered by what its encoding says.
func (r *seenRun) restore() string {
	var e encoder
	e.seen(&r.s, r.oldest())
	if want := r.m.encoded(r.oldest()); !bytes.Equal(e.b, want) {
		return fmt.Sprintf("is %x, want %x", e.b, want)
	}
	d := decoder{b: e.b}
	r.s = d.seen()
	if d.err("seen") != nil {
		return "does not restore"
	}
	return ""
}

// seenStep is what a sequence of TestSeenSequences is made of.
type seenStep struct {
	id   identity
	days uint16
}

func sent(boot uint32, seq uint64, ago uint16) seenStep {
	return seenStep{id: identity{numbered: true, boot: boot, seq: seq, day: ago}}
}

// TestSeenSequences: whatever numbers and ids come, in every order, with gaps,
// late, after a restart of the device and while days pass, a device remembers
// what a plain set remembers; so does one that is restored on the way.
func TestSeenSequences(t *testing.T) {
	for name, tt := range map[string]struct {
		depth int
		steps []seenStep
	}{
		"one boot": {5, []seenStep{sent(1, 1, 0), sent(1, 2, 0), sent(1, 3, seenWindow), sent(1, 4, 0), sent(1, 6, 0), {days: 1}}},
		"restarts": {5, []seenStep{sent(1, 1, 0), sent(1, 2, 0), sent(2, 2, 0), sent(2, 1, 3), sent(3, 1, 0), {days: 6}}},
		"ids":      {5, []seenStep{sent(0, 0, 0), sent(0, 1, 0), {id: identity{hash: 7}}, {id: identity{hash: 8}}, {id: identity{hash: 15, day: 7}}, {days: 2}}},
		"edges": {5, []seenStep{sent(1, 0, 0), sent(1, 1, 0), sent(1, math.MaxUint64, 0), sent(1, math.MaxUint64-1, 0),
			sent(1, math.MaxUint64-2, 0), {days: 9}}},
	} {
		path := make([]int, tt.depth)
		for {
			plain, restored := seenRun{today: 100, m: seenModel{hashes: map[uint64]uint16{}}}, seenRun{today: 100, m: seenModel{hashes: map[uint64]uint16{}}}
			for i, k := range path {
				fault := cmp.Or(plain.step(tt.steps[k].id, tt.steps[k].days), restored.step(tt.steps[k].id, tt.steps[k].days), restored.restore())
				if fault == "" && i == tt.depth-1 {
					fault = plain.restore()
				}
				if fault != "" {
					t.Fatalf("%s, %v, step %d: %s", name, path, i, fault)
				}
			}
			i := tt.depth - 1
			for ; i >= 0 && path[i] == len(tt.steps)-1; i-- {
				path[i] = 0
			}
			if i < 0 {
				break
			}
			path[i]++
		}
	}
}

// TestSeenForLong: so it is over weeks with many boots, ids and gaps; and what is
// forgotten does not pile up.
func TestSeenForLong(t *testing.T) {
	for seed := range int64(12) {
		r := rand.New(rand.NewSource(seed))
		run := seenRun{today: 100, m: seenModel{hashes: map[uint64]uint16{}}}
		next := map[uint32]uint64{}
		for i := range 1500 {
			s := seenStep{id: identity{numbered: true, boot: uint32(run.today / 3), day: uint16(r.Intn(3))}}
			next[s.id.boot] += uint64(1 + r.Intn(2))
			s.id.seq = next[s.id.boot]
			switch r.Intn(12) {
			case 0:
				s.id.seq = uint64(r.Intn(30))
			case 1:
				s.id.boot -= uint32(r.Intn(4))
			case 2, 3, 4:
				s.id = identity{hash: 1 + uint64(r.Intn(300))<<uint(r.Intn(3)*20), day: uint16(r.Intn(9))}
			case 5:
				s.days = uint16(r.Intn(2))
			}
			fault := run.step(s.id, s.days)
			if fault == "" && r.Intn(60) == 0 {
				fault = run.restore()
			}
			if fault == "" {
				fault = run.tooMuch()
			}
			if fault != "" {
				t.Fatalf("seed %d, step %d: %s", seed, i, fault)
			}
		}
	}
}

// tooMuch says when more is kept than twice what may count.
func (r *seenRun) tooMuch() string {
	if r.s.other == nil {
		return ""
	}
	h := &r.s.other.hashes
	if size := len(h.keys); size&(size-1) != 0 || h.used*4 > size*3 || len(h.days) != size {
		return fmt.Sprintf("%d hashes in a table of %d", h.used, size)
	}
	for _, b := range r.s.other.boots {
		if !slices.IsSortedFunc(b.ranges, func(a, b seqRange) int { return cmp.Compare(a.lo, b.hi) }) || len(b.ranges) == 0 {
			return fmt.Sprintf("boot %d: %+v", b.boot, b.ranges)
		}
	}
	return ""
}

// TestSeenForgets: numbers with gaps, boots and ids of years take no more room
// than those of the window.
func TestSeenForgets(t *testing.T) {
	var gaps, boots, ids, both seen
	for day := uint16(100); day < 800; day++ {
		for i := range uint64(10) {
			n := uint64(day)*20 + 2*i
			gaps.add(identity{numbered: true, boot: 1, seq: n, day: day}, day-seenWindow)
			boots.add(identity{numbered: true, boot: uint32(n), seq: 1, day: day}, day-seenWindow)
			ids.add(identity{hash: mix(n), day: day}, day-seenWindow)
		}
		both.add(identity{hash: mix(uint64(day)), day: day}, day-seenWindow)
		both.add(identity{numbered: true, boot: 1, seq: uint64(day), day: day}, day-seenWindow)
	}
	if n := len(gaps.other.boots[0].ranges); len(gaps.other.boots) != 1 || n > 2*10*(seenWindow+2) {
		t.Errorf("%d ranges", n)
	}
	if n := len(boots.other.boots); n > 10*(seenWindow+2) {
		t.Errorf("%d boots", n)
	}
	if n := len(ids.other.hashes.keys); n > 256 || len(ids.other.boots) != 0 {
		t.Errorf("room for %d ids", n)
	}
	if len(both.other.boots) != 0 || len(both.other.hashes.keys) > 32 || both.lo != 100 {
		t.Errorf("%+v", both.other)
	}
}

// TestIdentify: an event is known by its id, else by its number, else by its type,
// time and payload.
func TestIdentify(t *testing.T) {
	plain := gateway.Event{Type: "brew", OccurredAt: 5 * dayMillis, PayloadHash: 9}
	seen := map[identity]string{}
	for what, change := range map[string]func(*gateway.Event){
		"plain": func(*gateway.Event) {}, "type": func(ev *gateway.Event) { ev.Type = "rinse" }, "time": func(ev *gateway.Event) { ev.OccurredAt++ },
		"payload": func(ev *gateway.Event) { ev.PayloadHash++ }, "day": func(ev *gateway.Event) { ev.OccurredAt -= 1 },
		"id": func(ev *gateway.Event) { ev.ID = "a" }, "seq": func(ev *gateway.Event) { ev.HasSeq = true },
		"other seq": func(ev *gateway.Event) { ev.HasSeq, ev.Seq = true, 1 }, "boot": func(ev *gateway.Event) { ev.HasSeq, ev.Boot = true, 1 },
		"long ago": func(ev *gateway.Event) { ev.OccurredAt = -3 * dayMillis },
	} {
		ev := plain
		change(&ev)
		id := identify(&ev)
		if other, twice := seen[id]; twice || id.numbered != ev.HasSeq || id.numbered == (id.hash != 0) || id.day != uint16(max(0, ev.OccurredAt)/dayMillis) {
			t.Errorf("%s: %+v, like %s", what, id, other)
		}
		seen[id] = what
	}
	both := plain
	both.ID, both.HasSeq, both.Seq = "a", true, 8
	if id := identify(&both); seen[id] != "id" {
		t.Errorf("an id and a number: %+v", id)
	}
}

// TestBrokenSeen: what no device remembers is refused.
func TestBrokenSeen(t *testing.T) {
	type numbers = []uint64
	for i, tt := range []struct {
		hashes []uint64
		boots  []numbers // boot, then lo, hi - lo and day of each range
		ok     bool
	}{
		{[]uint64{3, 9}, []numbers{{1, 5, 0, 1, 7, 2, 1}, {2, 0, math.MaxUint64, 65535}}, true},
		{nil, []numbers{{1, 5, 0, 1, 6, 2, 1}}, true},
		{[]uint64{3, 3}, nil, false},
		{[]uint64{9, 3}, nil, false},
		{[]uint64{0}, nil, false},
		{nil, []numbers{{2, 5, 0, 1}, {1, 5, 0, 1}}, false},
		{nil, []numbers{{1, 5, 0, 1}, {1, 7, 0, 1}}, false},
		{nil, []numbers{{1}}, false},
		{nil, []numbers{{1, 5, 1, 1, 6, 0, 1}}, false},
		{nil, []numbers{{1, 5, 0, 1, 4, 0, 1}}, false},
		{nil, []numbers{{1, 5, math.MaxUint64, 1}}, false},
		{nil, []numbers{{1, 5, 0, 65536}}, false},
		{nil, []numbers{{math.MaxUint32 + 1, 5, 0, 1}}, false},
	} {
		var e encoder
		e.uint(uint64(len(tt.hashes)))
		for _, h := range tt.hashes {
			e.fixed(h)
			e.uint(100)
		}
		e.uint(uint64(len(tt.boots)))
		for _, b := range tt.boots {
			e.uint(b[0])
			e.uint(uint64(len(b) / 3))
			for _, n := range b[1:] {
				e.uint(n)
			}
		}
		d := decoder{b: e.b}
		s := d.seen()
		var again encoder
		if ok := d.err("seen") == nil; ok != tt.ok {
			t.Errorf("%d is read: %v", i, ok)
		} else if again.seen(&s, 0); ok && !bytes.Equal(again.b, e.b) {
			t.Errorf("%d is read as %x, not %x", i, again.b, e.b)
		}
	}
}
