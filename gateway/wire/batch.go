package wire

import (
	"fmt"

	"touchpoint/gateway"
)

// MaxInputs bounds the inputs of one batch, so that a damaged record cannot
// make a reader reserve without end.
const MaxInputs = 1 << 16

// AppendBatch appends the record of b, an EventBatch, to dst. It allocates
// nothing when dst has room. Texts must be valid UTF-8, as the decoders of the
// uplink see to.
func AppendBatch(dst []byte, b *gateway.Batch) []byte {
	start := len(dst)
	dst = putTime(dst, 1, b.RecordTime)
	dst = putTime(dst, 2, b.Observed)
	dst = putInt(dst, 3, b.Partition)
	properties := 0
	for i := range b.Inputs {
		if b.Inputs[i].Command == nil {
			properties += len(b.Inputs[i].Event.Properties)
		}
	}
	dst = putInt(dst, 4, len(b.Inputs))
	dst = putInt(dst, 5, properties)
	for i := range b.Inputs {
		var at int
		dst, at = open(dst, 6)
		dst = appendInput(dst, &b.Inputs[i])
		dst = shut(dst, at)
	}
	return appendCRC(dst, start)
}

// DecodeBatch reads a record of AppendBatch into b and reuses b.Inputs; Seq is
// left alone. Texts and properties are new with every call and share one
// allocation each: whoever keeps a single short text for long clones it, or it
// keeps the whole record in memory.
func DecodeBatch(data []byte, b *gateway.Batch) error {
	data, err := checkCRC(data)
	if err != nil {
		return err
	}
	b.RecordTime, b.Observed, b.Partition = 0, 0, 0
	d := batchDecoder{reader: newReader(string(data))}
	d.decode(b)
	if d.err != nil {
		return d.err
	}
	if d.bad {
		return gateway.Errorf(gateway.Internal, "event batch of %d bytes is no record of this format", len(data))
	}
	return nil
}

// batchDecoder holds the slab that all properties of a batch are cut from.
type batchDecoder struct {
	reader
	slab gateway.Properties
	err  error
}

func (d *batchDecoder) decode(b *gateway.Batch) {
	b.Inputs = b.Inputs[:0]
	for {
		f, t, ok := d.next()
		if !ok {
			return
		}
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			b.RecordTime = d.time()
		case 2<<3 | typeVarint:
			b.Observed = d.time()
		case 3<<3 | typeVarint:
			b.Partition = d.int()
		case 4<<3 | typeVarint:
			if n := d.varint(); n <= MaxInputs && n <= uint64(d.left()) && int(n) > cap(b.Inputs) {
				b.Inputs = make([]gateway.Input, 0, n)
			}
		case 5<<3 | typeVarint:
			// A property takes two bytes at least.
			if n := d.varint(); n <= uint64(d.left())/2 {
				d.slab = make(gateway.Properties, 0, n)
			}
		case 6<<3 | typeBytes:
			if len(b.Inputs) >= MaxInputs {
				d.fail()
				return
			}
			b.Inputs = append(b.Inputs, gateway.Input{})
			d.input(d.nested(), &b.Inputs[len(b.Inputs)-1])
			if d.err != nil {
				return
			}
		default:
			d.skip(t)
		}
	}
}

// input decodes one input from m.
func (d *batchDecoder) input(m reader, in *gateway.Input) {
	body := false
	for {
		f, t, ok := m.next()
		if !ok {
			break
		}
		switch {
		case f == 15 && t == typeBytes:
			n := m.nested()
			forwarded(&n, &in.From)
			m.bad = m.bad || n.bad
		case f == 1 && t == typeBytes:
			body = true
			n := m.nested()
			d.event(&n, &in.Event)
			m.bad = m.bad || n.bad
		case (f <= 14 || f >= fieldJoinGroup && f <= fieldAdmitCustomer || f >= firstLimit && f <= lastLimit || f >= fieldAddressRecipient && f <= fieldRecallRecipient) && t == typeBytes:
			body = true
			n := m.nested()
			in.Command = d.command(f, &n)
			m.bad = m.bad || n.bad
		default:
			m.skip(t)
		}
	}
	d.bad = d.bad || m.bad
	if !body && !d.bad {
		d.err = gateway.Errorf(gateway.Internal, "an input is of a kind that this release does not know: it was written by a newer one")
	}
}

func appendInput(b []byte, in *gateway.Input) []byte {
	if in.Command == nil {
		var at int
		b, at = open(b, 1)
		b = appendEvent(b, &in.Event)
		b = shut(b, at)
	} else {
		b = appendCommand(b, in.Command)
	}
	if in.From != (gateway.Forwarded{}) {
		var at int
		b, at = open(b, 15)
		b = putInt(b, 1, in.From.Partition)
		b = putUint(b, 2, in.From.Step)
		b = putUint(b, 3, uint64(in.From.Index))
		b = shut(b, at)
	}
	return b
}

func forwarded(m *reader, from *gateway.Forwarded) {
	for {
		f, t, ok := m.next()
		if !ok {
			return
		}
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			from.Partition = m.int()
		case 2<<3 | typeVarint:
			from.Step = m.varint()
		case 3<<3 | typeVarint:
			from.Index = m.uint32()
		default:
			m.skip(t)
		}
	}
}

func appendEvent(b []byte, e *gateway.Event) []byte {
	b = putText(b, 1, e.ID)
	b = putText(b, 2, e.Type)
	b = putFixed64(b, 3, uint64(e.Device))
	b = putText(b, 4, e.Product)
	b = putFixed64(b, 5, uint64(e.Customer))
	b = putUint(b, 6, uint64(e.Boot))
	if e.HasSeq {
		b = appendVarint(appendTag(b, 7, typeVarint), e.Seq)
	}
	b = putTime(b, 8, e.OccurredAt)
	b = putTime(b, 9, e.DeviceTime)
	b = putTime(b, 10, e.ReceivedAt)
	b = putUint(b, 11, uint64(e.Source))
	b = putProperties(b, 12, e.Properties)
	return putFixed64(b, 13, e.PayloadHash)
}

// event decodes an event; its properties are cut from the slab.
func (d *batchDecoder) event(m *reader, e *gateway.Event) {
	first := len(d.slab)
	for {
		f, t, ok := m.next()
		if !ok {
			break
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			e.ID = m.text()
		case 2<<3 | typeBytes:
			e.Type = m.text()
		case 3<<3 | typeFixed64:
			e.Device = gateway.DeviceID(m.fixed64())
		case 4<<3 | typeBytes:
			e.Product = m.text()
		case 5<<3 | typeFixed64:
			e.Customer = gateway.CustomerID(m.fixed64())
		case 6<<3 | typeVarint:
			e.Boot = m.uint32()
		case 7<<3 | typeVarint:
			e.Seq, e.HasSeq = m.varint(), true
		case 8<<3 | typeVarint:
			e.OccurredAt = m.time()
		case 9<<3 | typeVarint:
			e.DeviceTime = m.time()
		case 10<<3 | typeVarint:
			e.ReceivedAt = m.time()
		case 11<<3 | typeVarint:
			e.Source = gateway.Source(m.code())
		case 12<<3 | typeBytes:
			d.slab = append(d.slab, gateway.Property{})
			m.property(&d.slab[len(d.slab)-1])
		case 13<<3 | typeFixed64:
			e.PayloadHash = m.fixed64()
		default:
			m.skip(t)
		}
	}
	// The capacity is cut, too: an append by the holder moves his own.
	if last := len(d.slab); last > first {
		e.Properties = d.slab[first:last:last]
	}
}

// unknownCommand stops at the first try to write a command that the format has
// no field for: it is a defect of ours that the round-trip test shows.
func unknownCommand(c gateway.Command) string {
	return fmt.Sprintf("wire: no record format for command %T", c)
}
