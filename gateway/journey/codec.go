package journey

import (
	"encoding/binary"
	"math"

	"touchpoint/gateway"
)

// The core's own encoding, used for changes, snapshots and device states:
// unsigned varints; signed values zigzag; ids eight bytes, little endian;
// strings and lists with their length in front; instants as signed varints.
// Every top-level value starts with its version; see formatVersion.

// formatVersion is the first byte of every encoding of this package. A reader
// of a later version keeps reading the earlier ones.
const formatVersion = 1

// maxElements bounds any one length in an encoding, so that a broken one
// cannot ask for more memory than it has bytes.
const maxElements = 1 << 26

// encoder appends to b.
type encoder struct{ b []byte }

func (e *encoder) byte(v byte)          { e.b = append(e.b, v) }
func (e *encoder) uint(v uint64)        { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)          { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) fixed(v uint64)       { e.b = binary.LittleEndian.AppendUint64(e.b, v) }
func (e *encoder) raw(v []byte)         { e.b = append(e.b, v...) }
func (e *encoder) at(v gateway.Instant) { e.int(int64(v)) }

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

func (e *encoder) string(v string) {
	e.uint(uint64(len(v)))
	e.b = append(e.b, v...)
}

func (e *encoder) bytes(v []byte) {
	e.uint(uint64(len(v)))
	e.b = append(e.b, v...)
}

func (e *encoder) strings(v []string) {
	e.uint(uint64(len(v)))
	for _, s := range v {
		e.string(s)
	}
}

func (e *encoder) value(v gateway.Value) {
	e.byte(byte(v.Kind()))
	switch v.Kind() {
	case gateway.KindBool:
		e.bool(v.AsBool())
	case gateway.KindInt:
		e.int(v.AsInt())
	case gateway.KindFloat:
		f, _ := v.AsFloat()
		e.fixed(math.Float64bits(f))
	case gateway.KindString, gateway.KindSealed:
		e.string(v.AsString())
	}
}

func (e *encoder) properties(v gateway.Properties) {
	e.uint(uint64(len(v)))
	for i := range v {
		e.string(v[i].Key)
		e.value(v[i].Value)
	}
}

// decoder reads from b. The first fault sticks; reads after it return zeros.
type decoder struct {
	b   []byte
	bad bool
	op  byte // of the change being read
	// translate is set while a state of another partition is read.
	translate *translation
	texts     *texts
}

func (d *decoder) fail() {
	d.bad = true
	d.b = nil
}

// must fails unless what was read can be.
func (d *decoder) must(holds bool) {
	if !holds {
		d.fail()
	}
}

// err returns the fault as an error, also when bytes are left over.
func (d *decoder) err(what string) error {
	if d.bad || len(d.b) > 0 {
		return gateway.Errorf(gateway.Internal, "journey: broken %s", what)
	}
	return nil
}

func (d *decoder) byte() (v byte) {
	if len(d.b) == 0 {
		d.fail()
		return
	}
	v = d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) bool() bool {
	v := d.byte()
	d.must(v <= 1)
	return v == 1
}

// flags reads bits, of which only the known ones may be set.
func (d *decoder) flags(known byte) byte {
	v := d.byte()
	d.must(v&^known == 0)
	return v
}

func (d *decoder) uint() (v uint64) {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() (v int64) {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return
	}
	d.b = d.b[n:]
	return v
}

// upTo reads a number that is at most max.
func (d *decoder) upTo(max uint64) uint64 {
	v := d.uint()
	d.must(v <= max)
	return v
}

func (d *decoder) uint16() uint16 { return uint16(d.upTo(math.MaxUint16)) }
func (d *decoder) uint32() uint32 { return uint32(d.upTo(math.MaxUint32)) }

func (d *decoder) at() gateway.Instant { return gateway.Instant(d.int()) }

func (d *decoder) fixed() (v uint64) {
	if len(d.b) < 8 {
		d.fail()
		return
	}
	v = binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// length reads the number of elements that follow, each at least min bytes.
func (d *decoder) length(min int) int {
	v := d.uint()
	if v > maxElements || v*uint64(min) > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(v)
}

func (d *decoder) bytes() []byte {
	n := d.length(1)
	if n == 0 {
		return nil
	}
	v := append([]byte(nil), d.b[:n]...)
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string {
	n := d.length(1)
	v := string(d.b[:n])
	d.b = d.b[n:]
	return v
}

func (d *decoder) strings() []string {
	n := d.length(1)
	if n == 0 {
		return nil
	}
	v := make([]string, n)
	for i := range v {
		v[i] = d.string()
	}
	return v
}

func (d *decoder) id16() (id [16]byte) {
	if len(d.b) < len(id) {
		d.fail()
		return
	}
	copy(id[:], d.b)
	d.b = d.b[len(id):]
	return id
}

func (d *decoder) value() (v gateway.Value) {
	switch gateway.ValueKind(d.byte()) {
	case gateway.KindNull:
	case gateway.KindBool:
		v = gateway.Bool(d.bool())
	case gateway.KindInt:
		v = gateway.Int(d.int())
	case gateway.KindFloat:
		v = gateway.Float(math.Float64frombits(d.fixed()))
	case gateway.KindString:
		v = gateway.String(d.string())
	case gateway.KindSealed:
		v = gateway.Sealed(d.string())
	default:
		d.fail()
	}
	return v
}

func (d *decoder) properties() gateway.Properties {
	n := d.length(2)
	if n == 0 {
		return nil
	}
	v := make(gateway.Properties, n)
	for i := range v {
		v[i] = gateway.Property{Key: d.string(), Value: d.value()}
	}
	return v
}

// event encodes an event in full, for inputs that are held or exported.
func (e *encoder) event(v *gateway.Event) {
	e.string(v.ID)
	e.string(v.Type)
	e.fixed(uint64(v.Device))
	e.string(v.Product)
	e.fixed(uint64(v.Customer))
	e.uint(uint64(v.Boot))
	e.uint(v.Seq)
	e.bool(v.HasSeq)
	e.at(v.OccurredAt)
	e.at(v.DeviceTime)
	e.at(v.ReceivedAt)
	e.byte(byte(v.Source))
	e.properties(v.Properties)
	e.fixed(v.PayloadHash)
}

func (d *decoder) event() gateway.Event {
	return gateway.Event{
		ID: d.string(), Type: d.string(), Device: gateway.DeviceID(d.fixed()), Product: d.string(),
		Customer: gateway.CustomerID(d.fixed()), Boot: d.uint32(), Seq: d.uint(), HasSeq: d.bool(),
		OccurredAt: d.at(), DeviceTime: d.at(), ReceivedAt: d.at(), Source: gateway.Source(d.byte()),
		Properties: d.properties(), PayloadHash: d.fixed(),
	}
}

// The commands that may have to wait for a device's state.
const (
	heldEvent = iota
	heldBind
	heldUnbind
	heldRelease
	heldReceipt
	heldMore // see heldcodec.go
)

// input encodes an input that is held.
func (e *encoder) input(v *gateway.Input) {
	switch c := v.Command.(type) {
	case nil:
		e.byte(heldEvent)
		e.event(&v.Event)
	case gateway.BindDevice:
		e.byte(heldBind)
		e.fixed(uint64(c.Device))
		e.string(c.Product)
		e.fixed(uint64(c.Customer))
		e.string(c.Role)
		e.at(c.At)
		e.uint(uint64(c.Holder))
		e.string(c.TimeZone)
		e.bool(c.Holds)
	case gateway.UnbindDevice:
		e.byte(heldUnbind)
		e.fixed(uint64(c.Device))
		e.fixed(uint64(c.Customer))
		e.at(c.At)
	case gateway.ReleaseDevice:
		e.byte(heldRelease)
		e.fixed(uint64(c.Device))
		e.uint(uint64(c.To))
		e.at(c.At)
	case gateway.Receipt:
		e.byte(heldReceipt)
		e.raw(c.Message[:])
		e.fixed(uint64(c.Customer))
		e.fixed(uint64(c.Device))
		e.string(c.Channel)
		e.byte(byte(c.State))
		e.at(c.At)
		e.string(c.Detail)
	default:
		e.heldCommand(v.Command)
	}
}

func (d *decoder) input() (in gateway.Input) {
	kind := int(d.byte())
	switch kind {
	case heldEvent:
		in.Event = d.event()
	case heldBind:
		in.Command = gateway.BindDevice{Device: gateway.DeviceID(d.fixed()), Product: d.string(),
			Customer: gateway.CustomerID(d.fixed()), Role: d.string(), At: d.at(), Holder: int(d.uint()), TimeZone: d.string(),
			Holds: d.bool()}
	case heldUnbind:
		in.Command = gateway.UnbindDevice{Device: gateway.DeviceID(d.fixed()),
			Customer: gateway.CustomerID(d.fixed()), At: d.at()}
	case heldRelease:
		in.Command = gateway.ReleaseDevice{Device: gateway.DeviceID(d.fixed()), To: int(d.uint()), At: d.at()}
	case heldReceipt:
		in.Command = gateway.Receipt{Message: d.id16(), Customer: gateway.CustomerID(d.fixed()),
			Device: gateway.DeviceID(d.fixed()), Channel: d.string(), State: gateway.MessageState(d.byte()),
			At: d.at(), Detail: d.string()}
	default:
		in.Command = d.heldCommand(kind)
	}
	return in
}
