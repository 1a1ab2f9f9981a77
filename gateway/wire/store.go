package wire

import "touchpoint/gateway"

// Format is the version of the record formats; a log of another one is refused.
const Format = 1

// Installation describes a log, as it was created.
type Installation struct {
	Format       uint32
	Name         string
	Partitions   int
	Streams      int
	VirtualClock bool
	ClockOrigin  gateway.Instant
}

// SnapshotManifest ends a snapshot: without it the chunks count for nothing.
type SnapshotManifest struct {
	Partition     int
	StepNumber    uint64
	StepSeq       uint64
	EventSeq      uint64
	ID            string
	FirstChunkSeq uint64
	Chunks        int
	StoredBytes   uint64
	Bytes         uint64
	DataCRC       uint32
}

// DeadLetter is an input that could not be used.
type DeadLetter struct {
	// ID is its sequence in the stream; set when read.
	ID uint64
	// At is when it came in.
	At gateway.Instant
	// Topic is where it came in, without the device's serial.
	Topic      string
	Reason     string
	Violations []gateway.Violation
	// Payload is sealed by the caller.
	Payload []byte
	Device  gateway.DeviceID
	// ReplayedAt is when it was taken in again, 0 while it was not.
	ReplayedAt gateway.Instant
}

// Claim says who owns a partition; the epoch counts its owners.
type Claim struct {
	Owner string
	Epoch uint64
}

// FollowerPosition says how far a reader of the logs has come.
type FollowerPosition struct{ EventSeq, StepSeq uint64 }

// AppendInstallation appends the record of i to dst.
func AppendInstallation(dst []byte, i *Installation) []byte {
	dst = putUint(dst, 1, uint64(i.Format))
	dst = putText(dst, 2, i.Name)
	dst = putInt(dst, 3, i.Partitions)
	dst = putInt(dst, 4, i.Streams)
	dst = putBool(dst, 5, i.VirtualClock)
	return putTime(dst, 6, i.ClockOrigin)
}

// DecodeInstallation reads a record of AppendInstallation.
func DecodeInstallation(data []byte) (i Installation, err error) {
	err = decode("installation", data, func(r *reader, f, t int) {
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			i.Format = r.uint32()
		case 2<<3 | typeBytes:
			i.Name = r.text()
		case 3<<3 | typeVarint:
			i.Partitions = r.int()
		case 4<<3 | typeVarint:
			i.Streams = r.int()
		case 5<<3 | typeVarint:
			i.VirtualClock = r.bool()
		case 6<<3 | typeVarint:
			i.ClockOrigin = r.time()
		default:
			r.skip(t)
		}
	})
	return i, err
}

// AppendManifest appends the record of m to dst.
func AppendManifest(dst []byte, m *SnapshotManifest) []byte {
	start := len(dst)
	dst = putInt(dst, 1, m.Partition)
	dst = putUint(dst, 2, m.StepNumber)
	dst = putUint(dst, 3, m.StepSeq)
	dst = putUint(dst, 4, m.EventSeq)
	dst = putText(dst, 5, m.ID)
	dst = putUint(dst, 6, m.FirstChunkSeq)
	dst = putInt(dst, 7, m.Chunks)
	dst = putUint(dst, 8, m.StoredBytes)
	dst = putUint(dst, 9, m.Bytes)
	dst = putFixed32(dst, 10, m.DataCRC)
	return appendCRC(dst, start)
}

// DecodeManifest reads a record of AppendManifest.
func DecodeManifest(data []byte) (m SnapshotManifest, err error) {
	data, err = checkCRC(data)
	if err != nil {
		return m, err
	}
	err = decode("snapshot manifest", data, func(r *reader, f, t int) {
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			m.Partition = r.int()
		case 2<<3 | typeVarint:
			m.StepNumber = r.varint()
		case 3<<3 | typeVarint:
			m.StepSeq = r.varint()
		case 4<<3 | typeVarint:
			m.EventSeq = r.varint()
		case 5<<3 | typeBytes:
			m.ID = r.text()
		case 6<<3 | typeVarint:
			m.FirstChunkSeq = r.varint()
		case 7<<3 | typeVarint:
			m.Chunks = r.int()
		case 8<<3 | typeVarint:
			m.StoredBytes = r.varint()
		case 9<<3 | typeVarint:
			m.Bytes = r.varint()
		case 10<<3 | typeFixed32:
			m.DataCRC = r.fixed32()
		default:
			r.skip(t)
		}
	})
	return m, err
}

// AppendDeadLetter appends the record of d, without its ID, to dst.
func AppendDeadLetter(dst []byte, d *DeadLetter) []byte {
	start := len(dst)
	dst = putTime(dst, 1, d.At)
	dst = putText(dst, 2, d.Topic)
	dst = putText(dst, 3, d.Reason)
	dst = putEach(dst, 4, d.Violations, func(b []byte, v *gateway.Violation) []byte {
		return putText(putText(b, 1, v.Field), 2, v.Text)
	})
	dst = putBytes(dst, 5, d.Payload)
	dst = putFixed64(dst, 6, uint64(d.Device))
	return appendCRC(dst, start)
}

// DecodeDeadLetter reads a record of AppendDeadLetter.
func DecodeDeadLetter(data []byte) (d DeadLetter, err error) {
	data, err = checkCRC(data)
	if err != nil {
		return d, err
	}
	err = decode("dead letter", data, func(r *reader, f, t int) {
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			d.At = r.time()
		case 2<<3 | typeBytes:
			d.Topic = r.text()
		case 3<<3 | typeBytes:
			d.Reason = r.text()
		case 4<<3 | typeBytes:
			m := r.nested()
			d.Violations = append(d.Violations, m.violation())
			r.bad = r.bad || m.bad
		case 5<<3 | typeBytes:
			d.Payload = r.bytes()
		case 6<<3 | typeFixed64:
			d.Device = gateway.DeviceID(r.fixed64())
		default:
			r.skip(t)
		}
	})
	return d, err
}

func (r *reader) violation() (v gateway.Violation) {
	for {
		f, t, ok := r.next()
		if !ok {
			return v
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			v.Field = r.text()
		case 2<<3 | typeBytes:
			v.Text = r.text()
		default:
			r.skip(t)
		}
	}
}

// AppendClaim appends the record of c to dst.
func AppendClaim(dst []byte, c *Claim) []byte {
	return putUint(putText(dst, 1, c.Owner), 2, c.Epoch)
}

// DecodeClaim reads a record of AppendClaim.
func DecodeClaim(data []byte) (c Claim, err error) {
	err = decode("claim", data, func(r *reader, f, t int) {
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Owner = r.text()
		case 2<<3 | typeVarint:
			c.Epoch = r.varint()
		default:
			r.skip(t)
		}
	})
	return c, err
}

// AppendPosition appends the record of p to dst.
func AppendPosition(dst []byte, p FollowerPosition) []byte {
	return putUint(putUint(dst, 1, p.EventSeq), 2, p.StepSeq)
}

// DecodePosition reads a record of AppendPosition.
func DecodePosition(data []byte) (p FollowerPosition, err error) {
	err = decode("position", data, func(r *reader, f, t int) {
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			p.EventSeq = r.varint()
		case 2<<3 | typeVarint:
			p.StepSeq = r.varint()
		default:
			r.skip(t)
		}
	})
	return p, err
}

// decode walks over the fields of a small record.
func decode(what string, data []byte, field func(r *reader, f, t int)) error {
	r := newReader(string(data))
	for {
		f, t, ok := r.next()
		if !ok {
			break
		}
		field(&r, f, t)
	}
	if r.bad {
		return gateway.Errorf(gateway.Internal, "%s of %d bytes is no record of this format", what, len(data))
	}
	return nil
}
