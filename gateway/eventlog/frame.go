package eventlog

import (
	"sync"

	"github.com/klauspost/compress/s2"

	"touchpoint/gateway"
)

// A stored payload is one byte that says how the record in it is packed, and
// the record.
const (
	packedPlain = 1
	packedS2    = 2
)

// A record shorter than this gains nothing from compression. One larger than
// maxRecord, unpacked, is no record of ours.
const (
	minPacked = 256
	maxRecord = 64 << 20
)

// buffer is scratch space for one append or one read.
type buffer struct{ record, packed []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// keepBuffer gives b back unless one large record blew it up.
func keepBuffer(b *buffer) {
	if cap(b.record)+cap(b.packed) <= 4<<20 {
		buffers.Put(b)
	}
}

// pack returns the payload of b.record; it lives in b.
func (b *buffer) pack() []byte {
	if len(b.record) >= minPacked {
		need := 1 + s2.MaxEncodedLen(len(b.record))
		if cap(b.packed) < need {
			b.packed = make([]byte, need)
		}
		b.packed = b.packed[:need]
		n := len(s2.Encode(b.packed[1:], b.record))
		if n < len(b.record) {
			b.packed[0] = packedS2
			return b.packed[:1+n]
		}
	}
	b.packed = append(append(b.packed[:0], packedPlain), b.record...)
	return b.packed
}

// unpack returns the record of a payload. It lives in b or in the payload.
func (b *buffer) unpack(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, gateway.Errorf(gateway.Internal, "an empty message is no record")
	}
	switch payload[0] {
	case packedPlain:
		return payload[1:], nil
	case packedS2:
		n, err := s2.DecodedLen(payload[1:])
		if err != nil || n > maxRecord {
			return nil, gateway.Errorf(gateway.Internal, "a compressed record of %d bytes is damaged", len(payload))
		}
		if cap(b.record) < n {
			b.record = make([]byte, n)
		}
		b.record, err = s2.Decode(b.record[:n], payload[1:])
		if err != nil {
			return nil, gateway.Errorf(gateway.Internal, "a compressed record of %d bytes is damaged: %w", len(payload), err)
		}
		return b.record, nil
	}
	return nil, gateway.Errorf(gateway.Internal, "a record is packed in a way (%d) that this release does not know: it was written by a newer one", payload[0])
}
