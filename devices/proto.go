package devices

import (
	"errors"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"touchpoint/gateway"
)

// protoTag is the first byte of every DeviceEvents message: field 2, length
// delimited. No JSON text begins with it.
const protoTag = 2<<3 | byte(protowire.BytesType)

// protoEvents reads a DeviceEvents message. It is read field by field instead
// of through generated code, because devices are strangers: limits hold while
// reading, an error names the field, and texts share the payload's memory.
func (d *Decoder) protoEvents(payload []byte, events []gateway.Event) ([]gateway.Event, error) {
	off := 0
	for off < len(payload) {
		num, typ, n := protowire.ConsumeTag(payload[off:])
		if n < 0 {
			return events, protoError("payload")
		}
		off += n
		if num != 2 || typ != protowire.BytesType {
			n = protowire.ConsumeFieldValue(num, typ, payload[off:])
			if n < 0 {
				return events, protoError("payload")
			}
			off += n
			continue
		}
		if len(events) == d.limits.Events {
			return events, gateway.InvalidField("payload", "holds more than %d events", d.limits.Events)
		}
		body, n := protowire.ConsumeBytes(payload[off:])
		if n < 0 {
			return events, protoError("payload")
		}
		start := off + n - len(body)
		off += n
		events = append(events, gateway.Event{})
		if err := d.protoEvent(&events[len(events)-1], body, start); err != nil {
			return events, locate(err, len(events)-1)
		}
	}
	return events, nil
}

// protoEvent reads one DeviceEvent; start is where body begins in the payload.
func (d *Decoder) protoEvent(e *gateway.Event, body []byte, start int) error {
	from := len(d.props)
	for off := 0; off < len(body); {
		num, typ, n := protowire.ConsumeTag(body[off:])
		if n < 0 {
			return protoError("event")
		}
		off += n
		n = protowire.ConsumeFieldValue(num, typ, body[off:])
		if n < 0 {
			return protoError("event")
		}
		if err := d.protoField(e, num, typ, body[off:off+n], start+off, from); err != nil {
			return err
		}
		off += n
	}
	return d.finish(e, from)
}

func (d *Decoder) protoField(e *gateway.Event, num protowire.Number, typ protowire.Type, v []byte, start, from int) (err error) {
	varint, _ := protowire.ConsumeVarint(v)
	switch {
	case num == 1 && typ == protowire.BytesType:
		if e.ID, err = d.protoText("id", v, start); err == nil && e.ID != "" {
			err = checkIdentifier("id", e.ID, 128)
		}
	case num == 2 && typ == protowire.VarintType:
		e.DeviceTime = gateway.Instant(int64(varint))
	case num == 3 && typ == protowire.BytesType:
		if e.Type, err = d.protoText("type", v, start); err == nil && e.Type != "" {
			err = checkIdentifier("type", e.Type, 64)
		}
	case num == 4 && typ == protowire.VarintType:
		if varint > math.MaxInt64 {
			return gateway.InvalidField("seq", "must be a whole number from 0 to %d", math.MaxInt64)
		}
		e.Seq, e.HasSeq = varint, true
	case num == 5 && typ == protowire.VarintType:
		if varint > math.MaxUint32 {
			return gateway.InvalidField("boot", "must be a whole number from 0 to %d", uint32(math.MaxUint32))
		}
		e.Boot = uint32(varint)
	case num == 6 && typ == protowire.BytesType:
		err = d.protoProperty(v, start, from)
	case num <= 6:
		err = gateway.InvalidField("event", "field %d has the wrong wire type", num)
	}
	return err
}

// protoProperty reads one entry of the map "data".
func (d *Decoder) protoProperty(field []byte, start, from int) error {
	entry, n := protowire.ConsumeBytes(field)
	start += n - len(entry)
	var key string
	value := gateway.Null()
	for off := 0; off < len(entry); {
		num, typ, n := protowire.ConsumeTag(entry[off:])
		if n < 0 {
			return protoError("data")
		}
		off += n
		n = protowire.ConsumeFieldValue(num, typ, entry[off:])
		if n < 0 {
			return protoError("data")
		}
		var err error
		switch {
		case num == 1 && typ == protowire.BytesType:
			key, err = d.protoText("data", entry[off:off+n], start+off)
		case num == 2 && typ == protowire.BytesType:
			value, err = d.protoValue(entry[off:off+n], start+off)
		}
		if err != nil {
			var ge *gateway.Error
			if errors.As(err, &ge) && key != "" {
				ge.Violations[0].Field = "data." + clip(key)
			}
			return err
		}
		off += n
	}
	switch {
	case key == "":
		return gateway.InvalidField("data", "has a field without a name")
	case len(key) > d.limits.KeyBytes:
		return gateway.InvalidField("data."+clip(key), "has a name of %d bytes: at most %d are allowed", len(key), d.limits.KeyBytes)
	case len(d.props)-from == d.limits.Properties:
		return gateway.InvalidField("data", "holds more than %d values", d.limits.Properties)
	}
	d.props = append(d.props, gateway.Property{Key: key, Value: value})
	return nil
}

// protoValue reads a DeviceValue; its caller knows the field's name, which an
// error needs and nothing else.
func (d *Decoder) protoValue(raw []byte, start int) (gateway.Value, error) {
	body, n := protowire.ConsumeBytes(raw)
	start += n - len(body)
	v := gateway.Null()
	for off := 0; off < len(body); {
		num, typ, n := protowire.ConsumeTag(body[off:])
		if n < 0 {
			return v, protoError("data")
		}
		off += n
		n = protowire.ConsumeFieldValue(num, typ, body[off:])
		if n < 0 {
			return v, protoError("data")
		}
		varint, _ := protowire.ConsumeVarint(body[off:])
		switch {
		case num == 1 && typ == protowire.VarintType:
			v = gateway.Bool(varint != 0)
		case num == 2 && typ == protowire.VarintType:
			v = gateway.Int(protowire.DecodeZigZag(varint))
		case num == 3 && typ == protowire.Fixed64Type:
			bits, _ := protowire.ConsumeFixed64(body[off:])
			f := math.Float64frombits(bits)
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return v, gateway.InvalidField("data", "is a number out of range")
			}
			v = gateway.Float(f)
		case num == 4 && typ == protowire.BytesType:
			s, err := d.protoText("data", body[off:off+n], start+off)
			if err != nil {
				return v, err
			}
			if len(s) > d.limits.StringBytes {
				return v, gateway.InvalidField("data", "has %d bytes: at most %d are allowed", len(s), d.limits.StringBytes)
			}
			v = gateway.String(s)
		}
		off += n
	}
	return v, nil
}

// protoText returns a length-delimited field as a part of d.text.
func (d *Decoder) protoText(field string, raw []byte, start int) (string, error) {
	body, n := protowire.ConsumeBytes(raw)
	if !utf8.Valid(body) {
		return "", gateway.InvalidField(field, "is not valid UTF-8")
	}
	start += n - len(body)
	return d.text[start : start+len(body)], nil
}

func protoError(field string) error {
	return gateway.InvalidField(field, "is no valid protobuf message of type touchpoint.v1.DeviceEvents")
}
