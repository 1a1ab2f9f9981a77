package journey

import (
	"cmp"
	"math/bits"
	"slices"

	"touchpoint/gateway"
)

// deviceTable finds devices by id: an open-addressed table whose entries lie in
// one array, so that a look-up costs one visit to memory and many look-ups can
// be on their way at once (see warm.go), which a map does not allow.
type deviceTable struct {
	slots []deviceSlot // some are free
	used  int
}

type deviceSlot struct {
	id gateway.DeviceID
	d  *device // nil = free
}

// slot returns where an id is, or would be.
func (t *deviceTable) slot(id gateway.DeviceID) int {
	i := t.home(id)
	for t.slots[i].d != nil && t.slots[i].id != id {
		i = t.after(i)
	}
	return i
}

// home returns the slot where an id belongs.
func (t *deviceTable) home(id gateway.DeviceID) int {
	i, _ := bits.Mul64(mix(uint64(id)), uint64(len(t.slots)))
	return int(i)
}

// after returns the slot behind one, round the end.
func (t *deviceTable) after(i int) int {
	if i++; i < len(t.slots) {
		return i
	}
	return 0
}

func (t *deviceTable) get(id gateway.DeviceID) *device {
	if t.used == 0 {
		return nil
	}
	return t.slots[t.slot(id)].d
}

// touch reads the slot where an id belongs; see warm.go.
func (t *deviceTable) touch(id gateway.DeviceID) int {
	if t.used == 0 {
		return 0
	}
	return int(t.slots[t.home(id)].id)
}

func (t *deviceTable) put(d *device) {
	if t.used*5 >= len(t.slots)*4 {
		t.reserve(t.used + 1)
	}
	s := &t.slots[t.slot(d.id)]
	if s.d == nil {
		t.used++
	}
	*s = deviceSlot{d.id, d}
}

// reserve makes room for n devices. The table grows by a quarter: devices are many.
func (t *deviceTable) reserve(n int) {
	size := max(n+n/4, len(t.slots)+len(t.slots)/4) + 8
	old := t.slots
	t.slots = make([]deviceSlot, size)
	for _, s := range old {
		if s.d != nil {
			t.slots[t.slot(s.id)] = s
		}
	}
}

func (t *deviceTable) remove(id gateway.DeviceID) {
	if t.get(id) == nil {
		return
	}
	free := t.slot(id)
	t.slots[free] = deviceSlot{}
	t.used--
	for i := t.after(free); t.slots[i].d != nil; i = t.after(i) { // close the gap
		s := t.slots[i]
		t.slots[i] = deviceSlot{}
		t.slots[t.slot(s.id)] = s
	}
}

// all yields the devices in no order.
func (t *deviceTable) all(yield func(*device) bool) {
	for _, s := range t.slots {
		if s.d != nil && !yield(s.d) {
			return
		}
	}
}

// sorted lists the devices by id.
func (t *deviceTable) sorted() []*device {
	out := make([]*device, 0, t.used)
	for d := range t.all {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b *device) int { return cmp.Compare(a.id, b.id) })
	return out
}
