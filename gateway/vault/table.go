package vault

import (
	"hash/maphash"

	"touchpoint/gateway"
)

// table holds device mappings in memory: 16 bytes and the serial's text per
// device, plus two hash slots of 4 bytes at 3/8 to 3/4 load, together about
// 32 bytes and the serial. It holds no pointer per device, so that a million
// of them cost the garbage collector nothing.
type table struct {
	seed     maphash.Seed
	products []string
	entries  []entry
	arena    [][]byte // chunks that serials are cut from
	bySerial []uint32 // index into entries + 1, 0 = free
	byID     []uint32
}

type entry struct {
	id      uint64
	at      uint32 // chunk << chunkBits | offset
	n       uint16
	product uint16
}

const (
	chunkBits = 16
	chunkSize = 1 << chunkBits
)

func newTable() *table {
	return &table{seed: maphash.MakeSeed(), bySerial: make([]uint32, 64), byID: make([]uint32, 64)}
}

func (t *table) serial(e *entry) []byte {
	chunk := t.arena[e.at>>chunkBits]
	off := e.at & (chunkSize - 1)
	return chunk[off : off+uint32(e.n)]
}

func (t *table) hash(serial string) uint64 { return maphash.String(t.seed, serial) }

// mix spreads ids; they are random, but those made by hand in tests are not.
func mix(id uint64) uint64 {
	id ^= id >> 33
	id *= 0xff51afd7ed558ccd
	return id ^ id>>33
}

// find returns the id of a device, 0 when it is not here.
func (t *table) find(product, serial string) gateway.DeviceID {
	mask := uint64(len(t.bySerial) - 1)
	for i := t.hash(serial) & mask; ; i = (i + 1) & mask {
		slot := t.bySerial[i]
		if slot == 0 {
			return 0
		}
		e := &t.entries[slot-1]
		if int(e.n) == len(serial) && string(t.serial(e)) == serial && t.products[e.product] == product {
			return gateway.DeviceID(e.id)
		}
	}
}

// name returns what id stands for.
func (t *table) name(id gateway.DeviceID) (product string, serial []byte, ok bool) {
	mask := uint64(len(t.byID) - 1)
	for i := mix(uint64(id)) & mask; ; i = (i + 1) & mask {
		slot := t.byID[i]
		if slot == 0 {
			return "", nil, false
		}
		if e := &t.entries[slot-1]; e.id == uint64(id) {
			return t.products[e.product], t.serial(e), true
		}
	}
}

// add enters a mapping that is not here; ok is false when the table is full
// (65,535 products, or 4 GB of serials).
func (t *table) add(id gateway.DeviceID, product, serial string) (ok bool) {
	p, ok := t.productIndex(product)
	if !ok {
		return false
	}
	at, ok := t.store(serial)
	if !ok {
		return false
	}
	t.entries = append(t.entries, entry{id: uint64(id), at: at, n: uint16(len(serial)), product: p})
	if len(t.entries)*4 > len(t.bySerial)*3 {
		t.grow()
		return true
	}
	t.link(uint32(len(t.entries)))
	return true
}

func (t *table) productIndex(product string) (uint16, bool) {
	for i, p := range t.products {
		if p == product {
			return uint16(i), true
		}
	}
	if len(t.products) == 1<<16-1 {
		return 0, false
	}
	t.products = append(t.products, string([]byte(product)))
	return uint16(len(t.products) - 1), true
}

func (t *table) store(serial string) (uint32, bool) {
	last := len(t.arena) - 1
	if last < 0 || len(t.arena[last])+len(serial) > chunkSize {
		if len(t.arena) == chunkSize {
			return 0, false
		}
		t.arena = append(t.arena, make([]byte, 0, chunkSize))
		last++
	}
	at := uint32(last)<<chunkBits | uint32(len(t.arena[last]))
	t.arena[last] = append(t.arena[last], serial...)
	return at, true
}

func (t *table) link(slot uint32) {
	e := &t.entries[slot-1]
	put(t.bySerial, maphash.Bytes(t.seed, t.serial(e)), slot)
	put(t.byID, mix(e.id), slot)
}

func put(slots []uint32, h uint64, slot uint32) {
	mask := uint64(len(slots) - 1)
	i := h & mask
	for slots[i] != 0 {
		i = (i + 1) & mask
	}
	slots[i] = slot
}

func (t *table) grow() {
	t.bySerial = make([]uint32, 2*len(t.bySerial))
	t.byID = make([]uint32, 2*len(t.byID))
	for i := range t.entries {
		t.link(uint32(i + 1))
	}
}

func deviceOf(e *entry) gateway.DeviceID { return gateway.DeviceID(e.id) }
