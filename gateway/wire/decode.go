package wire

import (
	"math"

	"touchpoint/gateway"
)

// reader walks over the fields of one message, the bytes i to end of s. It
// reads a string, so that texts are cut out of it without a copy, and moves an
// index, so that the garbage collector need not be told of each step. After the
// first fault it stays at the end and bad is set; callers check once, when they
// are through.
type reader struct {
	s      string
	i, end int
	bad    bool
}

func newReader(s string) reader { return reader{s: s, end: len(s)} }

// left is how many bytes are still to be read.
func (r *reader) left() int { return r.end - r.i }

// next returns the number and type of the next field; ok is false at the end.
func (r *reader) next() (field, typ int, ok bool) {
	if r.i >= r.end {
		return 0, 0, false
	}
	t := uint64(r.s[r.i])
	if t < 0x80 {
		r.i++
	} else {
		t = r.longVarint()
	}
	if t>>3 == 0 || t > 1<<32 {
		r.fail()
		return 0, 0, false
	}
	return int(t >> 3), int(t & 7), true
}

func (r *reader) fail() {
	r.i, r.bad = r.end, true
}

func (r *reader) varint() uint64 {
	if r.i < r.end {
		if c := r.s[r.i]; c < 0x80 {
			r.i++
			return uint64(c)
		}
	}
	return r.longVarint()
}

func (r *reader) longVarint() uint64 {
	var v uint64
	for n := uint(0); n < 70 && r.i < r.end; n += 7 {
		c := r.s[r.i]
		r.i++
		v |= uint64(c&0x7f) << n
		if c < 0x80 {
			return v
		}
	}
	r.fail()
	return 0
}

func (r *reader) fixed64() uint64 {
	if r.left() < 8 {
		r.fail()
		return 0
	}
	s := r.s[r.i : r.i+8]
	r.i += 8
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func (r *reader) fixed32() uint32 {
	if r.left() < 4 {
		r.fail()
		return 0
	}
	s := r.s[r.i : r.i+4]
	r.i += 4
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func (r *reader) text() string {
	n := r.varint()
	if n > uint64(r.left()) {
		r.fail()
		return ""
	}
	i := r.i
	r.i += int(n)
	return r.s[i:r.i]
}

func (r *reader) bytes() []byte {
	if s := r.text(); s != "" {
		return []byte(s)
	}
	return nil
}

func (r *reader) id() (id [16]byte) {
	s := r.text()
	if len(s) != len(id) {
		r.fail()
		return id
	}
	copy(id[:], s)
	return id
}

func (r *reader) time() gateway.Instant { return gateway.Instant(r.varint()) }

func (r *reader) bool() bool { return r.varint() != 0 }

func (r *reader) uint32() uint32 {
	v := r.varint()
	if v > math.MaxUint32 {
		r.fail()
		return 0
	}
	return uint32(v)
}

// code reads an enumeration that the vocabulary keeps in a byte.
func (r *reader) code() uint8 {
	v := r.varint()
	if v > math.MaxUint8 {
		r.fail()
		return 0
	}
	return uint8(v)
}

func (r *reader) int() int {
	v := int64(r.varint())
	if v > math.MaxInt32 || v < math.MinInt32 {
		r.fail()
		return 0
	}
	return int(v)
}

// nested returns a reader of the message that comes next.
func (r *reader) nested() reader {
	n := r.varint()
	if n > uint64(r.left()) {
		r.fail()
		return reader{}
	}
	i := r.i
	r.i += int(n)
	return reader{s: r.s, i: i, end: r.i}
}

// skip passes over a field that a later release added.
func (r *reader) skip(typ int) {
	switch typ {
	case typeVarint:
		r.varint()
	case typeFixed64:
		r.fixed64()
	case typeBytes:
		r.text()
	case typeFixed32:
		r.fixed32()
	default:
		r.fail()
	}
}

// property decodes one property.
func (r *reader) property(p *gateway.Property) {
	m := r.nested()
	for {
		f, t, ok := m.next()
		if !ok {
			break
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			p.Key = m.text()
		case 2<<3 | typeVarint:
			p.Value = gateway.Bool(m.bool())
		case 3<<3 | typeVarint:
			v := m.varint()
			p.Value = gateway.Int(int64(v>>1) ^ -int64(v&1))
		case 4<<3 | typeFixed64:
			p.Value = gateway.Float(math.Float64frombits(m.fixed64()))
		case 5<<3 | typeBytes:
			p.Value = gateway.String(m.text())
		case 6<<3 | typeBytes:
			p.Value = gateway.Sealed(m.text())
		default:
			m.skip(t)
		}
	}
	r.bad = r.bad || m.bad
}
