package devices

import (
	"bytes"
	"math"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json/jsontext"

	"touchpoint/gateway"
)

// Limits bounds what one message may hold. Whatever is over a limit is refused
// with the limit in the error, never cut.
type Limits struct {
	PayloadBytes int // of one message
	Events       int // in one message
	Properties   int // of one event, after flattening
	KeyBytes     int // of a flattened key
	StringBytes  int // of one text value
	Depth        int // of nesting below "data"
}

// DefaultLimits returns the limits that hold unless configured otherwise.
func DefaultLimits() Limits {
	return Limits{PayloadBytes: 256 << 10, Events: 1000, Properties: 128, KeyBytes: 128, StringBytes: 4096, Depth: 8}
}

// Validate says which limit is out of range.
func (l Limits) Validate() error {
	for _, c := range []struct {
		key     string
		n, most int
	}{
		{"payload_bytes", l.PayloadBytes, 4 << 20}, {"events", l.Events, 10000}, {"properties", l.Properties, 1024},
		{"key_bytes", l.KeyBytes, 1024}, {"string_bytes", l.StringBytes, 1 << 20}, {"depth", l.Depth, 32},
	} {
		if c.n < 1 || c.n > c.most {
			return gateway.InvalidField("limits."+c.key, "is %d: must be from 1 to %d", c.n, c.most)
		}
	}
	return nil
}

// The rules of a device's clock.
const (
	// maxAhead is how far a device's clock may run ahead of the gateway before
	// the receive time is taken instead.
	maxAhead = 5 * 60 * 1000
	// earliest is 2000-01-01: a device that says less has a clock that nobody
	// has set, and the receive time is taken instead.
	earliest gateway.Instant = 946684800000
)

// Uplink is one decoded message. Decode fills it anew each time; Events is
// reused by the next Decode into the same Uplink, what the events point to is
// not.
type Uplink struct {
	Topic
	// Events, for KindEvents. Device is not set: the vault knows the ids.
	Events []gateway.Event
	// Receipt, for KindReceipt, without the device.
	Receipt gateway.Receipt
	// Shown, for KindHello: messages that the device has displayed already and
	// still remembers.
	Shown []gateway.MessageID
	// Profile is what the registry knows of the product, never nil.
	Profile *Product
}

// Decoder decodes the own dialect. It keeps buffers between calls, so one
// Decoder serves one goroutine at a time.
type Decoder struct {
	registry *Registry
	limits   Limits

	strangers map[string]*Product // profiles of models that are not registered

	received gateway.Instant
	profile  *Product
	text     string // the payload; texts of the result are parts of it
	batch    bool   // it is a JSON array
	src      bytes.Buffer
	dec      jsontext.Decoder
	scratch  []byte
	props    []gateway.Property // of all events of the message
	ends     []int              // end of each event's properties in props
}

// maxStrangers bounds what a decoder remembers of models that are not registered.
const maxStrangers = 1024

// NewDecoder returns a decoder that looks products up in registry and holds
// messages to limits.
func NewDecoder(registry *Registry, limits Limits) *Decoder {
	return &Decoder{registry: registry, limits: limits}
}

// Decode decodes one message that came in at received. The error is of kind
// Invalid and names the field; up is of no use then. A message is taken whole
// or not at all. The payload is not kept.
func (d *Decoder) Decode(topic string, payload []byte, received gateway.Instant, up *Uplink) error {
	t, err := ParseTopic(topic)
	if err != nil {
		return err
	}
	profile, err := d.product(t.Product)
	if err != nil {
		return err
	}
	up.Topic, up.Profile = t, profile
	up.Events, up.Shown, up.Receipt = up.Events[:0], nil, gateway.Receipt{}
	if len(payload) > d.limits.PayloadBytes {
		return gateway.InvalidField("payload", "has %d bytes: at most %d are allowed", len(payload), d.limits.PayloadBytes)
	}
	d.received, d.profile, d.text = received, profile, string(payload)
	defer func() { d.text = "" }()
	switch t.Kind {
	case KindReceipt:
		return d.receipt(t, payload, up)
	case KindHello:
		return d.hello(payload, up)
	}
	return d.events(payload, up)
}

// product returns the profile of a model. Models that an open registry does not
// know get one that is kept here, so that it is not made for every message.
func (d *Decoder) product(model string) (*Product, error) {
	if p := d.registry.Lookup(model); p != nil {
		return p, nil
	}
	if p := d.strangers[model]; p != nil {
		return p, nil
	}
	if d.registry.Strict() {
		return nil, gateway.InvalidField("topic.product", "%q is not registered, and the registry is strict", model)
	}
	if d.strangers == nil || len(d.strangers) >= maxStrangers {
		d.strangers = make(map[string]*Product)
	}
	model = strings.Clone(model)
	p := &Product{Model: model, OfflineBuffer: DefaultOfflineBuffer}
	d.strangers[model] = p
	return p, nil
}

func (d *Decoder) events(payload []byte, up *Uplink) (err error) {
	d.props, d.ends = d.props[:0], d.ends[:0]
	switch {
	case len(payload) == 0:
		return gateway.InvalidField("payload", "is empty: send an event")
	case payload[0] == protoTag:
		up.Events, err = d.protoEvents(payload, up.Events)
	case jsonStart(payload) == '{' || jsonStart(payload) == '[':
		up.Events, err = d.jsonEvents(payload, up.Events)
	default:
		return gateway.InvalidField("payload", "is neither JSON (an object or an array of objects) nor a DeviceEvents message")
	}
	if err != nil {
		return err
	}
	if len(up.Events) == 0 {
		return gateway.InvalidField("payload", "holds no event")
	}
	d.shareProperties(up.Events)
	return nil
}

// jsonStart returns the first byte that is no JSON white space, 0 for none.
func jsonStart(b []byte) byte {
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

// shareProperties moves the properties of all events from the scratch list to
// one list of the exact size, so that a message costs one allocation for them.
func (d *Decoder) shareProperties(events []gateway.Event) {
	if len(d.props) == 0 {
		return
	}
	all := make([]gateway.Property, len(d.props))
	copy(all, d.props)
	clear(d.props)
	from := 0
	for i, to := range d.ends {
		if to > from {
			events[i].Properties = all[from:to:to]
		}
		from = to
	}
}

// finish completes an event whose fields were read: clock, declared types,
// order of the properties, identity. from is where its properties begin in
// d.props.
func (d *Decoder) finish(e *gateway.Event, from int) error {
	if e.Type == "" {
		return gateway.InvalidField("type", "is missing: name what happened, such as \"brew_finished\"")
	}
	e.Product = d.profile.Model // the profile's string: an event must not keep its topic alive
	e.Source = gateway.SourceMQTT
	e.ReceivedAt = d.received
	e.OccurredAt = clampClock(e.DeviceTime, d.received)
	props := gateway.Properties(d.props[from:])
	if i := sortProperties(props); i >= 0 {
		return gateway.InvalidField("data."+props[i].Key, "occurs twice (nested names are joined with dots)")
	}
	if err := d.profile.coerce(e.Type, props); err != nil {
		return err
	}
	if e.ID == "" && !e.HasSeq {
		e.PayloadHash = d.payloadHash(props)
	}
	d.ends = append(d.ends, len(d.props))
	return nil
}

// clampClock returns when an event occurred: what the device says, unless its
// clock was never set or runs too far ahead.
func clampClock(device, received gateway.Instant) gateway.Instant {
	if device < earliest || device > received+maxAhead {
		return received
	}
	return min(device, received)
}

// sortProperties orders by key and returns the index of a key that occurs
// twice, -1 when none does.
func sortProperties(props gateway.Properties) int {
	if len(props) <= 24 { // no allocation for what devices send usually
		for i := 1; i < len(props); i++ {
			for j := i; j > 0 && props[j].Key < props[j-1].Key; j-- {
				props[j], props[j-1] = props[j-1], props[j]
			}
		}
	} else {
		props.Sort()
	}
	for i := 1; i < len(props); i++ {
		if props[i].Key == props[i-1].Key {
			return i
		}
	}
	return -1
}

// payloadHash hashes the typed properties, so that the same data gives the
// same hash in JSON and in protobuf.
func (d *Decoder) payloadHash(props gateway.Properties) uint64 {
	b := d.scratch[:0]
	for i := range props {
		v := props[i].Value
		b = append(b, props[i].Key...)
		b = append(b, 0, byte(v.Kind()))
		switch v.Kind() {
		case gateway.KindBool:
			if v.AsBool() {
				b = append(b, 1)
			}
		case gateway.KindInt:
			b = append64(b, uint64(v.AsInt()))
		case gateway.KindFloat:
			f, _ := v.AsFloat()
			b = append64(b, math.Float64bits(f))
		case gateway.KindString:
			b = append64(b, uint64(len(v.AsString())))
			b = append(b, v.AsString()...)
		}
	}
	d.scratch = b
	return xxhash.Sum64(b)
}

func append64(b []byte, v uint64) []byte {
	return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
}
