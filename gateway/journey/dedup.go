package journey

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

// seen is a device's memory of the events that it sent: 64-bit hashes of ids
// (or of type, time and payload) and ranges of sequence numbers per boot.
// An entry counts while its day of occurrence touches the duplicate window, so
// that the answer does not depend on when old entries are thrown away.
//
// The range that grows, the highest of the latest boot, lies in the struct
// itself: most devices have no other, and the plain case is decided there.
type seen struct {
	boot  uint32
	day   uint16
	one   bool // there is such a range
	lo    uint64
	hi    uint64
	other *otherSeen // nil = nothing else
}

// otherSeen is what a device remembers beside the range that grows.
type otherSeen struct {
	hashes hashSet
	boots  []bootSeen
}

// identity is what makes an event the same event.
type identity struct {
	numbered bool
	boot     uint32
	seq      uint64
	hash     uint64
	day      uint16
}

const dayMillis = 24 * 3600_000

// dayOf numbers the days since 1970.
func dayOf(t gateway.Instant) uint16 { return uint16(max(t, 0) / dayMillis) }

// identify returns the event's identity: its id, else its number, else its
// type, time and payload.
func identify(ev *gateway.Event) identity {
	id := identity{day: dayOf(ev.OccurredAt)}
	switch {
	case ev.ID != "":
		id.hash = xxhash.Sum64String(ev.ID)
	case ev.HasSeq:
		id.numbered, id.boot, id.seq = true, ev.Boot, ev.Seq
		return id
	default:
		id.hash = xxhash.Sum64String(ev.Type)
		id.hash = mix(id.hash ^ uint64(ev.OccurredAt))
		id.hash = mix(id.hash ^ ev.PayloadHash)
	}
	if id.hash == 0 {
		id.hash = 1 // zero marks a free slot
	}
	return id
}

// mix spreads the bits of x over the whole word.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// has reports whether id was seen on oldest or a later day.
func (s *seen) has(id identity, oldest uint16) bool {
	if id.numbered && s.one && id.boot == s.boot && id.seq >= s.lo {
		return id.seq <= s.hi && s.day >= oldest
	}
	if s.other == nil {
		return false
	}
	if !id.numbered {
		return s.other.hashes.has(id.hash, oldest)
	}
	for i := range s.other.boots {
		if b := &s.other.boots[i]; b.boot == id.boot {
			return b.has(id.seq, oldest)
		}
	}
	return false
}

// add remembers id; entries of days before oldest may be dropped.
func (s *seen) add(id identity, oldest uint16) {
	switch {
	case id.numbered && s.one && id.boot == s.boot && id.seq > s.hi && id.seq-1 == s.hi && s.day >= oldest: // the plain case
		s.hi, s.day = id.seq, max(s.day, id.day)
		return
	case id.numbered && !s.one && s.other == nil:
		s.boot, s.lo, s.hi, s.day, s.one = id.boot, id.seq, id.seq, id.day, true
		return
	case s.other == nil:
		s.other = &otherSeen{}
	}
	if id.numbered {
		s.putBack(oldest)
		s.takeOut(s.other.add(id, oldest))
	} else {
		s.other.hashes.add(id.hash, id.day, oldest)
	}
}

// add remembers a number and returns the boot that it belongs to.
func (s *otherSeen) add(id identity, oldest uint16) (boot int) {
	for i := range s.boots {
		if s.boots[i].boot == id.boot {
			s.boots[i].add(id.seq, id.day, oldest)
			return i
		}
	}
	s.boots = slices.DeleteFunc(s.boots, func(b bootSeen) bool { return b.lastDay() < oldest })
	s.boots = append(s.boots, bootSeen{boot: id.boot})
	boot = len(s.boots) - 1
	s.boots[boot].add(id.seq, id.day, oldest)
	return boot
}

// putBack moves the range that grows to the others.
func (s *seen) putBack(oldest uint16) {
	if !s.one {
		return
	}
	s.one = false
	r := seqRange{s.lo, s.hi, s.day}
	for i := range s.other.boots {
		if b := &s.other.boots[i]; b.boot == s.boot {
			b.ranges = append(b.ranges, r) // the highest of its boot
			return
		}
	}
	if s.day >= oldest {
		s.other.boots = append(s.other.boots, bootSeen{boot: s.boot, ranges: []seqRange{r}})
	}
}

// takeOut makes the highest range of a boot the one that grows.
func (s *seen) takeOut(boot int) {
	b := &s.other.boots[boot]
	last := len(b.ranges) - 1
	r := b.ranges[last]
	s.boot, s.lo, s.hi, s.day, s.one = b.boot, r.lo, r.hi, r.day, true
	if b.ranges = b.ranges[:last]; last == 0 {
		s.other.boots = slices.Delete(s.other.boots, boot, boot+1)
	}
	if len(s.other.boots) == 0 && s.other.hashes.used == 0 {
		s.other = nil
	}
}

// all returns a copy of everything in one form.
func (s *seen) all() otherSeen {
	var all otherSeen
	if s.other != nil {
		all = otherSeen{s.other.hashes, make([]bootSeen, 0, len(s.other.boots)+1)}
		for _, b := range s.other.boots {
			b.ranges = slices.Clone(b.ranges)
			all.boots = append(all.boots, b)
		}
	}
	copied := seen{boot: s.boot, day: s.day, one: s.one, lo: s.lo, hi: s.hi, other: &all}
	copied.putBack(0)
	return all
}

// hashSet is an open-addressed table from hash to day.
type hashSet struct {
	keys []uint64 // a power of two long; 0 = free
	days []uint16
	used int
}

func (h *hashSet) slot(key uint64) int {
	mask := len(h.keys) - 1
	i := int(key) & mask
	for h.keys[i] != 0 && h.keys[i] != key {
		i = (i + 1) & mask
	}
	return i
}

func (h *hashSet) has(key uint64, oldest uint16) bool {
	if len(h.keys) == 0 {
		return false
	}
	i := h.slot(key)
	return h.keys[i] == key && h.days[i] >= oldest
}

func (h *hashSet) add(key uint64, day, oldest uint16) {
	if h.used*4 >= len(h.keys)*3 {
		h.rebuild(oldest)
	}
	i := h.slot(key)
	if h.keys[i] == 0 {
		h.keys[i] = key
		h.used++
	}
	h.days[i] = day
}

// rebuild drops what is older than the window and makes room for as much again.
func (h *hashSet) rebuild(oldest uint16) {
	live := 0
	for i, k := range h.keys {
		if k != 0 && h.days[i] >= oldest {
			live++
		}
	}
	size := 8
	for size < live*2 {
		size *= 2
	}
	old := *h
	h.keys, h.days, h.used = make([]uint64, size), make([]uint16, size), live
	for i, k := range old.keys {
		if k != 0 && old.days[i] >= oldest {
			j := h.slot(k)
			h.keys[j], h.days[j] = k, old.days[i]
		}
	}
}

// bootSeen holds the sequence numbers seen after one start of the device, as
// ranges in rising order. A range is forgotten as a whole, by its latest day.
type bootSeen struct {
	boot   uint32
	ranges []seqRange
}

type seqRange struct {
	lo, hi uint64
	day    uint16
}

func (b *bootSeen) lastDay() (day uint16) {
	for _, r := range b.ranges {
		day = max(day, r.day)
	}
	return day
}

// forget drops the ranges of days before oldest.
func (b *bootSeen) forget(oldest uint16) {
	b.ranges = slices.DeleteFunc(b.ranges, func(r seqRange) bool { return r.day < oldest })
}

// find returns the first range whose end reaches seq.
func (b *bootSeen) find(seq uint64) int {
	i, _ := slices.BinarySearchFunc(b.ranges, seq, func(r seqRange, s uint64) int {
		if r.hi < s {
			return -1
		}
		return 1
	})
	return i
}

func (b *bootSeen) has(seq uint64, oldest uint16) bool {
	i := b.find(seq)
	return i < len(b.ranges) && b.ranges[i].lo <= seq && b.ranges[i].day >= oldest
}

func (b *bootSeen) add(seq uint64, day, oldest uint16) {
	i := b.find(seq)
	if i < len(b.ranges) && b.ranges[i].lo <= seq { // a forgotten range: its number starts anew
		b.ranges = slices.Delete(b.ranges, i, i+1)
	}
	r := seqRange{seq, seq, day}
	if i < len(b.ranges) && b.ranges[i].lo == seq+1 && b.ranges[i].day >= oldest {
		r.hi, r.day = b.ranges[i].hi, max(day, b.ranges[i].day)
		b.ranges = slices.Delete(b.ranges, i, i+1)
	}
	if i > 0 && b.ranges[i-1].hi+1 == seq && b.ranges[i-1].day >= oldest {
		l := &b.ranges[i-1]
		l.hi, l.day = r.hi, max(l.day, r.day)
		return
	}
	if len(b.ranges) == cap(b.ranges) { // before the list grows: forget what left the window
		b.forget(oldest)
		i = b.find(seq)
	}
	b.ranges = slices.Insert(b.ranges, i, r)
}

// encodeSeen writes the entries of oldest and later days in rising order.
func (e *encoder) seen(some *seen, oldest uint16) {
	s := some.all()
	type entry struct {
		key uint64
		day uint16
	}
	entries := make([]entry, 0, s.hashes.used)
	for i, k := range s.hashes.keys {
		if k != 0 && s.hashes.days[i] >= oldest {
			entries = append(entries, entry{k, s.hashes.days[i]})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	e.uint(uint64(len(entries)))
	for _, en := range entries {
		e.fixed(en.key)
		e.uint(uint64(en.day))
	}
	boots := slices.DeleteFunc(s.boots, func(b bootSeen) bool { return b.lastDay() < oldest })
	slices.SortFunc(boots, func(a, b bootSeen) int { return cmp.Compare(a.boot, b.boot) })
	e.uint(uint64(len(boots)))
	for i := range boots {
		b := &boots[i]
		b.forget(oldest)
		e.uint(uint64(b.boot))
		e.uint(uint64(len(b.ranges)))
		for _, r := range b.ranges {
			e.uint(r.lo)
			e.uint(r.hi - r.lo)
			e.uint(uint64(r.day))
		}
	}
}

func (d *decoder) seen() (out seen) {
	var s otherSeen
	key := uint64(0) // rising, so never zero
	for range d.length(9) {
		next, day := d.fixed(), d.uint16()
		if next <= key {
			d.fail()
			break
		}
		key = next
		s.hashes.add(key, day, 0)
	}
	for range d.length(2) {
		b := d.bootSeen()
		if k := len(s.boots); k > 0 && s.boots[k-1].boot >= b.boot {
			d.fail()
		}
		if d.bad {
			break
		}
		s.boots = append(s.boots, b)
	}
	return s.fold()
}

func (d *decoder) bootSeen() bootSeen {
	b := bootSeen{boot: d.uint32()}
	for range d.length(3) {
		lo := d.uint()
		r := seqRange{lo: lo, hi: lo + d.uint(), day: d.uint16()}
		if k := len(b.ranges); r.hi < r.lo || k > 0 && r.lo <= b.ranges[k-1].hi {
			d.fail()
			break
		}
		b.ranges = append(b.ranges, r)
	}
	if len(b.ranges) == 0 {
		d.fail()
	}
	return b
}

// fold takes the highest range of the last boot out.
func (s *otherSeen) fold() (out seen) {
	if len(s.boots) > 0 || s.hashes.used > 0 {
		out.other = s
	}
	if n := len(s.boots); n > 0 {
		out.takeOut(n - 1)
	}
	return out
}
