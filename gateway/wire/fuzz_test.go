package wire_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// sealed ends fuzzed bytes in a right checksum, so that the decoder behind it
// is reached.
func sealed(data []byte) []byte {
	data = append([]byte(nil), data...)
	return protowire.AppendFixed32(protowire.AppendTag(data, 15, protowire.Fixed32Type), wire.Checksum(data))
}

func FuzzDecodeBatch(f *testing.F) {
	b := fullBatch()
	f.Add(wire.AppendBatch(nil, &b))
	f.Add([]byte{0x20, 0xff, 0xff, 0x03, 0x28, 0xff, 0xff, 0xff, 0x7f, 0x32, 0x02, 0x0a, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second gateway.Batch
		_ = wire.DecodeBatch(data, &first)
		if wire.DecodeBatch(sealed(data), &first) != nil {
			return
		}
		if cap(first.Inputs) > len(data)+16 {
			t.Fatalf("%d inputs reserved for %d bytes", cap(first.Inputs), len(data))
		}
		if err := wire.DecodeBatch(wire.AppendBatch(nil, &first), &second); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(wire.AppendBatch(nil, &first), wire.AppendBatch(nil, &second)) {
			t.Fatal(cmp.Diff(first, second, equal()))
		}
	})
}

func FuzzDecodeStep(f *testing.F) {
	s := fullStep(1)
	f.Add(wire.AppendStep(nil, &s, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second gateway.Step
		_, _ = wire.DecodeStep(data, &first)
		prev, err := wire.DecodeStep(sealed(data), &first)
		if err != nil {
			return
		}
		again, err := wire.DecodeStep(wire.AppendStep(nil, &first, prev), &second)
		if err != nil || again != prev {
			t.Fatal(prev, again, err)
		}
		if !bytes.Equal(wire.AppendStep(nil, &first, prev), wire.AppendStep(nil, &second, prev)) {
			t.Fatal(cmp.Diff(first, second, equal()))
		}
	})
}

func FuzzDecodeStore(f *testing.F) {
	f.Add(wire.AppendManifest(nil, &wire.SnapshotManifest{ID: "a", Chunks: 3}))
	f.Add(wire.AppendDeadLetter(nil, &wire.DeadLetter{Topic: "t", Violations: []gateway.Violation{{Field: "f"}}}))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = wire.DecodeManifest(sealed(data))
		_, _ = wire.DecodeDeadLetter(sealed(data))
		_, _ = wire.DecodeInstallation(data)
		_, _ = wire.DecodeClaim(data)
		_, _ = wire.DecodePosition(data)
	})
}
