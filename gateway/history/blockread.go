package history

import (
	"math"

	"touchpoint/gateway"
)

// blockReader decodes a block point by point. All texts of a block share one
// string, so that a point costs no allocation beyond its properties.
type blockReader struct {
	// want chooses the points to return; the others are stepped over.
	want      *Filter
	partition int
	data      string
	names     []string
	count     int
	prev      prev
	at        int
	bad       bool
}

var errBlock = gateway.Errorf(gateway.Internal, "a block of the history is damaged")

// open starts reading a block. It keeps nothing of data.
func (r *blockReader) open(data []byte) error {
	*r = blockReader{want: r.want, data: string(data), names: r.names[:0]}
	if r.byte() != blockFormat {
		return errBlock
	}
	r.partition = int(r.uvarint())
	r.count = int(r.uvarint())
	names := int(r.uvarint())
	for range names {
		if r.bad {
			return errBlock
		}
		r.names = append(r.names, r.text())
	}
	if r.bad {
		return errBlock
	}
	return nil
}

// next decodes the next point that is wanted; false at the end of the block.
// Properties are decoded into the memory that p has; their texts stay valid.
func (r *blockReader) next(p *Point) (bool, error) {
	for r.count > 0 {
		r.count--
		size := int(r.uvarint())
		if r.bad || size < 0 || size > len(r.data)-r.at {
			return false, errBlock
		}
		end := r.at + size
		flags := r.head(p)
		if r.want != nil && !r.want.matches(p) {
			r.at = end
			continue
		}
		r.optional(p, flags)
		r.properties(&p.Event)
		if r.bad || r.at != end {
			return false, errBlock
		}
		return true, nil
	}
	return false, nil
}

// head decodes the part that a filter looks at and that the next point's
// differences refer to.
func (r *blockReader) head(p *Point) (flags byte) {
	e := &p.Event
	*e = gateway.Event{Properties: e.Properties[:0]}
	p.Place = Place{Partition: r.partition}
	e.Device = gateway.DeviceID(r.fixed())
	p.Customer = gateway.CustomerID(r.fixed())
	e.Type = r.name()
	flags = r.byte()
	p.Kind, p.Data = KindEvent, nil
	if flags&flagKind != 0 {
		p.Kind = Kind(r.byte())
	}
	e.OccurredAt = gateway.Instant(r.prev.occurred + r.varint())
	p.AppliedAt = gateway.Instant(r.prev.applied + r.varint())
	e.ReceivedAt = gateway.Instant(r.prev.received + r.varint())
	p.Observed = gateway.Instant(r.prev.observed + r.varint())
	p.Place.Seq = r.prev.seq + uint64(r.varint())
	p.Place.Index = uint32(r.uvarint())
	e.Product = r.name()
	e.Source = gateway.Source(r.byte())
	r.prev = prev{int64(e.OccurredAt), int64(e.ReceivedAt), int64(p.AppliedAt), int64(p.Observed), p.Place.Seq}
	return flags
}

func (r *blockReader) optional(p *Point, flags byte) {
	e := &p.Event
	p.TooOld = flags&flagTooOld != 0
	if flags&flagLate != 0 {
		p.Place.Late = uint32(r.uvarint())
	}
	if flags&flagSeq != 0 {
		e.HasSeq = true
		e.Boot = uint32(r.uvarint())
		e.Seq = r.uvarint()
	}
	if flags&flagID != 0 {
		e.ID = r.text()
	}
	if flags&flagDeviceTime != 0 {
		e.DeviceTime = e.OccurredAt + gateway.Instant(r.varint())
	}
	if flags&flagOwnCustomer != 0 {
		e.Customer = gateway.CustomerID(r.fixed())
	}
	if flags&flagPayloadHash != 0 {
		e.PayloadHash = r.fixed()
	}
	if flags&flagKind != 0 {
		if text := r.text(); text != "" {
			p.Data = []byte(text)
		}
	}
}

func (r *blockReader) properties(e *gateway.Event) {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.bad = true
		return
	}
	for ; n > 0 && !r.bad; n-- {
		key := r.name()
		var v gateway.Value
		switch gateway.ValueKind(r.byte()) {
		case gateway.KindBool:
			v = gateway.Bool(r.byte() != 0)
		case gateway.KindInt:
			v = gateway.Int(r.varint())
		case gateway.KindFloat:
			v = gateway.Float(math.Float64frombits(r.fixed()))
		case gateway.KindString:
			v = gateway.String(r.text())
		case gateway.KindSealed:
			v = gateway.Sealed(r.text())
		default:
			r.bad = true
		}
		e.Properties = append(e.Properties, gateway.Property{Key: key, Value: v})
	}
}

func (r *blockReader) byte() byte {
	if r.at >= len(r.data) {
		r.bad = true
		return 0
	}
	b := r.data[r.at]
	r.at++
	return b
}

func (r *blockReader) fixed() (v uint64) {
	if len(r.data)-r.at < 8 {
		r.bad = true
		return 0
	}
	for i := range 8 {
		v |= uint64(r.data[r.at+i]) << (8 * i)
	}
	r.at += 8
	return v
}

func (r *blockReader) uvarint() (v uint64) {
	for shift := 0; shift < 64 && r.at < len(r.data); shift += 7 {
		b := r.data[r.at]
		r.at++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	r.bad = true
	return 0
}

func (r *blockReader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *blockReader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.data)-r.at) {
		r.bad = true
		return ""
	}
	s := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return s
}

func (r *blockReader) name() string {
	n := r.uvarint()
	if n >= uint64(len(r.names)) {
		r.bad = true
		return ""
	}
	return r.names[n]
}
