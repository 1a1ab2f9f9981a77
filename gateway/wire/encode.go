package wire

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"touchpoint/gateway"
)

// The wire types of protobuf that the records use.
const (
	typeVarint  = 0
	typeFixed64 = 1
	typeBytes   = 2
	typeFixed32 = 5
)

// fieldCRC is the number of the last field of every record. Tag and value take
// crcSize bytes.
const (
	fieldCRC = 15
	crcSize  = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendCRC ends the record that began at start.
func appendCRC(b []byte, start int) []byte {
	sum := crc32.Checksum(b[start:], castagnoli)
	b = append(b, fieldCRC<<3|typeFixed32)
	return binary.LittleEndian.AppendUint32(b, sum)
}

// checkCRC returns the record without its checksum.
func checkCRC(data []byte) ([]byte, error) {
	n := len(data) - crcSize
	if n < 0 || data[n] != fieldCRC<<3|typeFixed32 {
		return nil, gateway.Errorf(gateway.Internal, "record of %d bytes does not end in a checksum: it is cut or no record", len(data))
	}
	if crc32.Checksum(data[:n], castagnoli) != binary.LittleEndian.Uint32(data[n+1:]) {
		return nil, gateway.Errorf(gateway.Internal, "checksum of a record of %d bytes does not match: its bytes are damaged", len(data))
	}
	return data[:n], nil
}

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendTag(b []byte, field, typ int) []byte {
	if t := field<<3 | typ; t >= 0x80 {
		return append(b, byte(t)|0x80, byte(t>>7))
	} else {
		return append(b, byte(t))
	}
}

// The put functions append a field unless it has its zero value, as proto3
// demands.

func putUint(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendVarint(appendTag(b, field, typeVarint), v)
}

func putInt(b []byte, field int, v int) []byte { return putUint(b, field, uint64(int64(v))) }

func putTime(b []byte, field int, t gateway.Instant) []byte { return putUint(b, field, uint64(t)) }

func putBool(b []byte, field int, v bool) []byte {
	if !v {
		return b
	}
	return append(appendTag(b, field, typeVarint), 1)
}

func putFixed64(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint64(appendTag(b, field, typeFixed64), v)
}

func putFixed32(b []byte, field int, v uint32) []byte {
	if v == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint32(appendTag(b, field, typeFixed32), v)
}

func putText[T ~string](b []byte, field int, s T) []byte {
	if s == "" {
		return b
	}
	return appendText(b, field, s)
}

func appendText[T ~string](b []byte, field int, s T) []byte {
	b = appendVarint(appendTag(b, field, typeBytes), uint64(len(s)))
	return append(b, s...)
}

func putTexts(b []byte, field int, list []string) []byte {
	for _, s := range list {
		b = appendText(b, field, s)
	}
	return b
}

func putBytes(b []byte, field int, p []byte) []byte {
	if len(p) == 0 {
		return b
	}
	b = appendVarint(appendTag(b, field, typeBytes), uint64(len(p)))
	return append(b, p...)
}

func putID(b []byte, field int, id [16]byte) []byte {
	if id == ([16]byte{}) {
		return b
	}
	return append(append(appendTag(b, field, typeBytes), 16), id[:]...)
}

// open begins a nested message whose length is not known yet; shut writes the
// length. One byte is kept for it; a longer message is moved, which is cheaper
// than to measure every message first.
func open(b []byte, field int) ([]byte, int) {
	b = append(appendTag(b, field, typeBytes), 0)
	return b, len(b)
}

func shut(b []byte, at int) []byte {
	n := len(b) - at
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	var head [binary.MaxVarintLen64]byte
	h := binary.PutUvarint(head[:], uint64(n))
	b = append(b, head[:h-1]...) // room only
	copy(b[at+h-1:], b[at:at+n])
	copy(b[at-1:], head[:h])
	return b
}

func putProperties(b []byte, field int, ps gateway.Properties) []byte {
	for i := range ps {
		p := &ps[i]
		var at int
		b, at = open(b, field)
		b = putText(b, 1, p.Key)
		b = appendValue(b, p.Value)
		b = shut(b, at)
	}
	return b
}

// appendValue writes the value also when it is zero: false and 0 are not null.
func appendValue(b []byte, v gateway.Value) []byte {
	switch v.Kind() {
	case gateway.KindBool:
		n := byte(0)
		if v.AsBool() {
			n = 1
		}
		return append(appendTag(b, 2, typeVarint), n)
	case gateway.KindInt:
		i := v.AsInt()
		return appendVarint(appendTag(b, 3, typeVarint), uint64(i)<<1^uint64(i>>63))
	case gateway.KindFloat:
		f, _ := v.AsFloat()
		return binary.LittleEndian.AppendUint64(appendTag(b, 4, typeFixed64), math.Float64bits(f))
	case gateway.KindString:
		return appendText(b, 5, v.AsString())
	case gateway.KindSealed:
		return appendText(b, 6, v.AsString())
	}
	return b
}

// Checksum is the checksum that the records carry.
func Checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// ExtendChecksum returns the checksum of what sum stands for, followed by data.
func ExtendChecksum(sum uint32, data []byte) uint32 { return crc32.Update(sum, castagnoli, data) }
