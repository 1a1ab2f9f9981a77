package history

import (
	"encoding/binary"
	"math"

	"touchpoint/gateway"
)

// A block is up to some hundred points of one partition in the order of their
// places, in one blob:
//
//	format byte | partition | count | dictionary: n, n × (length, bytes) | points
//	point: length | device 8 | customer 8 | type | flags | kind? | fields …
//
// Numbers are varints; times and places are differences to the point before.
// A reader that looks for one device steps over the other points by their
// length. A blob costs one row of the database instead of hundreds, and is what
// a scan in applied order reads anyway.

const blockFormat = 2

// Flags of a point.
const (
	flagTooOld = 1 << iota
	flagSeq
	flagID
	flagDeviceTime
	flagOwnCustomer // the sender named a customer: Event.Customer is set
	flagLate
	flagPayloadHash
	flagKind // not KindEvent; such a point may have data
)

// blockWriter encodes blocks and reuses its memory.
type blockWriter struct {
	names map[string]uint64
	dict  []byte
	body  []byte
	point []byte
	count int
	part  int
	prev  prev
}

// prev is what the differences of the next point refer to.
type prev struct {
	occurred, received, applied, observed int64
	seq                                   uint64
}

func (w *blockWriter) reset() {
	if w.names == nil {
		w.names = make(map[string]uint64)
	}
	clear(w.names)
	w.dict, w.body, w.count, w.prev = w.dict[:0], w.body[:0], 0, prev{}
}

// name returns the number of a text that repeats: types, products, keys.
func (w *blockWriter) name(s string) uint64 {
	n, ok := w.names[s]
	if !ok {
		n = uint64(len(w.names))
		w.names[s] = n
		w.dict = binary.AppendUvarint(w.dict, uint64(len(s)))
		w.dict = append(w.dict, s...)
	}
	return n
}

// add appends a point to the block.
func (w *blockWriter) add(p *Point) {
	e := &p.Event
	w.part = p.Place.Partition
	b := w.point[:0]
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Device))
	b = binary.LittleEndian.AppendUint64(b, uint64(p.Customer))
	b = binary.AppendUvarint(b, w.name(e.Type))
	flags := flagsOf(p)
	b = append(b, flags)
	if flags&flagKind != 0 {
		b = append(b, byte(p.Kind))
	}
	b = binary.AppendVarint(b, int64(e.OccurredAt)-w.prev.occurred)
	b = binary.AppendVarint(b, int64(p.AppliedAt)-w.prev.applied)
	b = binary.AppendVarint(b, int64(e.ReceivedAt)-w.prev.received)
	b = binary.AppendVarint(b, int64(p.Observed)-w.prev.observed)
	b = binary.AppendVarint(b, int64(p.Place.Seq-w.prev.seq))
	b = binary.AppendUvarint(b, uint64(p.Place.Index))
	b = binary.AppendUvarint(b, w.name(e.Product))
	b = append(b, byte(e.Source))
	b = appendOptional(b, p, flags)
	b = w.properties(b, e.Properties)
	w.prev = prev{int64(e.OccurredAt), int64(e.ReceivedAt), int64(p.AppliedAt), int64(p.Observed), p.Place.Seq}
	w.body = binary.AppendUvarint(w.body, uint64(len(b)))
	w.body = append(w.body, b...)
	w.point = b
	w.count++
}

// appendOptional appends what the flags announce.
func appendOptional(b []byte, p *Point, flags byte) []byte {
	e := &p.Event
	if flags&flagLate != 0 {
		b = binary.AppendUvarint(b, uint64(p.Place.Late))
	}
	if flags&flagSeq != 0 {
		b = binary.AppendUvarint(b, uint64(e.Boot))
		b = binary.AppendUvarint(b, e.Seq)
	}
	if flags&flagID != 0 {
		b = binary.AppendUvarint(b, uint64(len(e.ID)))
		b = append(b, e.ID...)
	}
	if flags&flagDeviceTime != 0 {
		b = binary.AppendVarint(b, int64(e.DeviceTime-e.OccurredAt))
	}
	if flags&flagOwnCustomer != 0 {
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Customer))
	}
	if flags&flagPayloadHash != 0 {
		b = binary.LittleEndian.AppendUint64(b, e.PayloadHash)
	}
	if flags&flagKind != 0 {
		b = binary.AppendUvarint(b, uint64(len(p.Data)))
		b = append(b, p.Data...)
	}
	return b
}

func flagsOf(p *Point) (flags byte) {
	e := &p.Event
	set := func(on bool, flag byte) {
		if on {
			flags |= flag
		}
	}
	set(p.TooOld, flagTooOld)
	set(e.HasSeq, flagSeq)
	set(e.ID != "", flagID)
	set(e.DeviceTime != 0, flagDeviceTime)
	set(e.Customer != 0, flagOwnCustomer)
	set(p.Place.Late != 0, flagLate)
	set(e.PayloadHash != 0, flagPayloadHash)
	set(p.Kind != KindEvent, flagKind)
	return flags
}

func (w *blockWriter) properties(b []byte, list gateway.Properties) []byte {
	n := 0
	for i := range list {
		if kept(list[i].Value) {
			n++
		}
	}
	b = binary.AppendUvarint(b, uint64(n))
	for i := range list {
		v := list[i].Value
		if !kept(v) {
			continue
		}
		b = binary.AppendUvarint(b, w.name(list[i].Key))
		b = append(b, byte(v.Kind()))
		switch v.Kind() {
		case gateway.KindBool:
			b = append(b, boolByte(v.AsBool()))
		case gateway.KindInt:
			b = binary.AppendVarint(b, v.AsInt())
		case gateway.KindFloat:
			f, _ := v.AsFloat()
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
		case gateway.KindString, gateway.KindSealed:
			b = binary.AppendUvarint(b, uint64(len(v.AsString())))
			b = append(b, v.AsString()...)
		}
	}
	return b
}

// kept reports whether a store keeps the value. Null is "missing", and so is a
// number that is none: no time series takes NaN or an infinity.
func kept(v gateway.Value) bool {
	switch v.Kind() {
	case gateway.KindNull:
		return false
	case gateway.KindFloat:
		f, _ := v.AsFloat()
		return !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return true
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// appendTo appends the finished block to dst.
func (w *blockWriter) appendTo(dst []byte) []byte {
	dst = append(dst, blockFormat)
	dst = binary.AppendUvarint(dst, uint64(w.part))
	dst = binary.AppendUvarint(dst, uint64(w.count))
	dst = binary.AppendUvarint(dst, uint64(len(w.names)))
	dst = append(dst, w.dict...)
	return append(dst, w.body...)
}
