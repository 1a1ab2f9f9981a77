package history

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"touchpoint/gateway"
)

// The measurements in InfluxDB beside the one of the events.
const (
	creditMeasurement   = "touchpoint_credit"   // which subjects have events credited to a customer
	positionMeasurement = "touchpoint_position" // how far the store has followed each partition
	inputMeasurement    = "touchpoint_input"    // what a partition applied beside the events
)

// Tags and fields of an event in InfluxDB:
//
//	tags    device, product, type; contact (the customer) instead of device
//	        for a touchpoint without one
//	fields  customer, id, seq (the device's own number), applied (milliseconds)
//	        and the properties under their own names, for dashboards and for aggregation on the server;
//	        record, the whole point as a block of one, in base64
//
// Whole points are read from that one field: it keeps every value as it was, and
// a query that joins ten fields to rows takes six times as long.
//
// Numbers are floats, since the JSON of a device writes 38 and 38.5 and InfluxDB
// fixes a field's type with its first value. A property whose name is taken gets
// the prefix "p.", a sealed one "s.".
const (
	tagDevice, tagProduct, tagType, tagContact        = "device", "product", "type", "contact"
	fieldCustomer, fieldID, fieldApplied, fieldRecord = "customer", "id", "applied", "record"
	fieldSeq                                          = "seq"
	propertyPrefix, sealedPrefix                      = "p.", "s."
	hexDigits                                         = "0123456789abcdef"
)

// reserved are the names that a property cannot have as they are: our own, and
// those that Flux gives to columns.
var reserved = map[string]bool{
	tagDevice: true, tagProduct: true, tagType: true, tagContact: true,
	fieldCustomer: true, fieldID: true, fieldApplied: true, fieldRecord: true, fieldSeq: true,
	"time": true, "result": true, "table": true, "": true, "error": true, "reference": true,
}

// lineEncoder writes line protocol into memory that is used again and again.
type lineEncoder struct {
	measurement string
	buf         []byte
	block       blockWriter
	data        []byte
}

// event appends the line of a point.
func (l *lineEncoder) event(p *Point) {
	e := &p.Event
	e.Properties.Sort()
	b := append(l.buf, l.measurement...)
	if e.Device == 0 && p.Customer != 0 {
		b = append(b, ",contact="...)
		b = append(b, p.Customer.String()...)
	}
	if e.Device != 0 {
		b = append(b, ",device="...)
		b = append(b, e.Device.String()...)
	}
	b = appendTag(b, ",product=", e.Product)
	b = appendTag(b, ",type=", e.Type)
	b = append(b, " applied="...)
	b = strconv.AppendInt(b, int64(p.AppliedAt), 10)
	b = append(b, 'i')
	if p.Customer != 0 {
		b = append(b, `,customer="`...)
		b = append(b, p.Customer.String()...)
		b = append(b, '"')
	}
	if e.ID != "" {
		b = append(b, `,id="`...)
		b = appendQuoted(b, e.ID)
		b = append(b, '"')
	}
	if e.HasSeq && e.Seq <= math.MaxInt64 {
		b = append(b, `,seq=`...)
		b = strconv.AppendUint(b, e.Seq, 10)
		b = append(b, 'i')
	}
	l.block.reset()
	l.block.add(p)
	l.data = l.block.appendTo(l.data[:0])
	b = append(b, `,record="`...)
	b = base64.RawStdEncoding.AppendEncode(b, l.data)
	b = append(b, '"')
	for i := range e.Properties {
		b = appendField(b, &e.Properties[i])
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, TimeOf(e), 10)
	l.buf = append(b, '\n')
}

// input appends the line of a point that is no event of the series: tags customer
// and device, by which it can be deleted, and partition; the whole point in one
// field. Its time is that of application and, below the millisecond, its place.
func (l *lineEncoder) input(p *Point) {
	b := append(l.buf, inputMeasurement+",kind="...)
	b = strconv.AppendUint(b, uint64(p.Kind), 10)
	b = append(b, ",partition="...)
	b = strconv.AppendInt(b, int64(p.Place.Partition), 10)
	if p.Customer != 0 {
		b = append(b, ",customer="...)
		b = append(b, p.Customer.String()...)
	}
	if p.Event.Device != 0 {
		b = append(b, ",device="...)
		b = append(b, p.Event.Device.String()...)
	}
	b, place := appendPlace(b, p)
	l.block.reset()
	l.block.add(p)
	l.data = l.block.appendTo(l.data[:0])
	b = append(b, ` record="`...)
	b = base64.RawStdEncoding.AppendEncode(b, l.data)
	b = append(b, '"', ' ')
	b = strconv.AppendInt(b, int64(p.AppliedAt)*subMillis+int64(place%subMillis), 10)
	l.buf = append(b, '\n')
}

// appendPlace appends the tags that keep inputs of one millisecond apart, and
// returns what goes below it. Of one customer or device there are few; of the
// others (ticks, moves) a virtual clock has any number in one instant, so that a
// million records get times of their own.
func appendPlace(b []byte, p *Point) ([]byte, uint64) {
	width := uint64(4096)
	if p.Customer == 0 && p.Event.Device == 0 {
		const records = subMillis / 64
		width = 64
		b = append(b, ",turn="...)
		b = strconv.AppendUint(b, p.Place.Seq/records%64, 10)
	}
	if high := uint64(p.Place.Index) / width; high != 0 {
		b = append(b, ",high="...)
		b = strconv.AppendUint(b, high, 10)
	}
	return b, p.Place.Seq*width + uint64(p.Place.Index)%width
}

// credit appends the line that a subject has an event of a customer.
func (l *lineEncoder) credit(p *Point) {
	b := append(l.buf, creditMeasurement+",customer="...)
	b = append(b, p.Customer.String()...)
	if p.Event.Device != 0 {
		b = append(b, ",device="...)
		b = append(b, p.Event.Device.String()...)
	}
	b = append(b, " n=1i "...)
	b = strconv.AppendInt(b, TimeOf(&p.Event), 10)
	l.buf = append(b, '\n')
}

// position appends the line of a position; at is wall time, since it must not
// fall out of the bucket's retention however old the events are.
func (l *lineEncoder) position(p *Position, at int64) {
	b := append(l.buf, positionMeasurement+",partition="...)
	b = strconv.AppendInt(b, int64(p.Partition), 10)
	b = append(b, ` at="`...)
	for i, n := range []uint64{p.StepSeq, p.EventSeq, uint64(p.Inputs), uint64(p.Late), uint64(boolByte(p.Open))} {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, n, 10)
	}
	b = append(b, `" `...)
	b = strconv.AppendInt(b, at, 10)
	l.buf = append(b, '\n')
}

func appendField(b []byte, p *gateway.Property) []byte {
	if !kept(p.Value) {
		return b
	}
	b = append(b, ',')
	switch kind := p.Value.Kind(); {
	case kind == gateway.KindSealed:
		b = append(b, sealedPrefix...)
	case isReserved(p.Key):
		b = append(b, propertyPrefix...)
	}
	b = appendName(b, p.Key)
	b = append(b, '=')
	switch p.Value.Kind() {
	case gateway.KindBool:
		return strconv.AppendBool(b, p.Value.AsBool())
	case gateway.KindInt:
		return strconv.AppendInt(b, p.Value.AsInt(), 10) // without "i": a float
	case gateway.KindFloat:
		f, _ := p.Value.AsFloat()
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	}
	b = append(b, '"')
	b = appendQuoted(b, p.Value.AsString())
	return append(b, '"')
}

func isReserved(key string) bool {
	if key == "" || key[0] == '_' || reserved[key] {
		return true
	}
	return len(key) > 1 && key[1] == '.' && (key[0] == 'p' || key[0] == 's')
}

func appendTag(b []byte, name, value string) []byte {
	if value == "" { // an empty tag is the same as none
		return b
	}
	return appendName(append(b, name...), value)
}

// appendName appends a tag's value or a field's name. Line protocol has no way
// to write a line break or a backslash at every place, so those (and "%", the
// sign for it) are written as %XX; parseName undoes it.
func appendName(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20 || c == '\\' || c == '%' || c == 0x7f:
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		case c == ',' || c == '=' || c == ' ':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// storedName is the name as InfluxDB has it.
func storedName(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == '\\' || r == '%' || r == 0x7f }) {
		return s
	}
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '\\' || c == '%' || c == 0x7f {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// parseName is the inverse of storedName.
func parseName(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(c))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// storedField is the field that a property (not a sealed one) is in.
func storedField(key string) string {
	if isReserved(key) {
		return propertyPrefix + storedName(key)
	}
	return storedName(key)
}

// appendQuoted appends the inside of a quoted field.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return b
}
