package wire

import (
	"slices"

	"touchpoint/gateway"
)

// slot is where one field of a rare record goes. Records that come by the
// million have a loop of their own instead.
type slot struct {
	tag  int // number<<3 | type
	read func(*reader)
}

// fill reads all fields into their slots; a field without one is skipped.
func (r *reader) fill(slots ...slot) {
	for {
		f, t, ok := r.next()
		if !ok {
			return
		}
		i := slices.IndexFunc(slots, func(s slot) bool { return s.tag == f<<3|t })
		if i < 0 {
			r.skip(t)
			continue
		}
		slots[i].read(r)
	}
}

func textAt[T ~string](f int, v *T) slot {
	return slot{f<<3 | typeBytes, func(r *reader) { *v = T(r.text()) }}
}

func bytesAt(f int, v *[]byte) slot {
	return slot{f<<3 | typeBytes, func(r *reader) { *v = r.bytes() }}
}

func fixedAt[T ~uint64](f int, v *T) slot {
	return slot{f<<3 | typeFixed64, func(r *reader) { *v = T(r.fixed64()) }}
}

func timeAt(f int, v *gateway.Instant) slot {
	return slot{f<<3 | typeVarint, func(r *reader) { *v = r.time() }}
}

func intAt(f int, v *int) slot {
	return slot{f<<3 | typeVarint, func(r *reader) { *v = r.int() }}
}

func uint32At(f int, v *uint32) slot {
	return slot{f<<3 | typeVarint, func(r *reader) { *v = r.uint32() }}
}

func codeAt[T ~uint8](f int, v *T) slot {
	return slot{f<<3 | typeVarint, func(r *reader) { *v = T(r.code()) }}
}

func boolAt(f int, v *bool) slot {
	return slot{f<<3 | typeVarint, func(r *reader) { *v = r.bool() }}
}

func idAt[T ~[16]byte](f int, v *T) slot {
	return slot{f<<3 | typeBytes, func(r *reader) { *v = r.id() }}
}

// propertyAt appends a property to the list at each field.
func propertyAt(f int, v *gateway.Properties) slot {
	return slot{f<<3 | typeBytes, func(r *reader) {
		*v = append(*v, gateway.Property{})
		r.property(&(*v)[len(*v)-1])
	}}
}
