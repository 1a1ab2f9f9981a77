package history

import (
	"math"
	"strconv"
	"strings"

	"touchpoint/gateway"
)

// The measurements in InfluxDB beside the one of the events.
const (
	creditMeasurement   = "touchpoint_credit"   // which subjects have events credited to a customer
	positionMeasurement = "touchpoint_position" // how far the store has followed each partition
)

// Tags and fields of an event in InfluxDB:
//
//	tags    device, product, type; contact (the customer) instead of device
//	        for a touchpoint without one
//	fields  customer, id, applied (milliseconds), seq (the device's number of
//	        the event), origin (see there), and the properties under their own
//	        names
//
// Numbers are floats, since the JSON of a device writes 38 and 38.5 and
// InfluxDB fixes a field's type with its first value; origin remembers which
// were integers. A property whose name is taken gets the prefix "p.", a sealed
// one "s.", and a text that would not come back from a query as it went in (an
// empty one, or one with a carriage return) "e.".
const (
	tagDevice, tagProduct, tagType, tagContact        = "device", "product", "type", "contact"
	fieldCustomer, fieldID, fieldApplied, fieldOrigin = "customer", "id", "applied", "origin"
	fieldSeq                                          = "seq" // for queries: origin has it, too
	propertyPrefix, sealedPrefix, escapedPrefix       = "p.", "s.", "e."
	maxExactFloat                                     = 1 << 53
	hexDigits                                         = "0123456789abcdef"
)

// reserved are the names that a property cannot have as they are: our own, and
// those that Flux gives to columns.
var reserved = map[string]bool{
	tagDevice: true, tagProduct: true, tagType: true, tagContact: true,
	fieldCustomer: true, fieldID: true, fieldApplied: true, fieldOrigin: true, fieldSeq: true,
	"time": true, "result": true, "table": true, "": true, "error": true, "reference": true,
}

// lineEncoder writes line protocol into memory that is used again and again.
type lineEncoder struct {
	measurement string
	buf         []byte
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
		b = appendQuoted(b, storedName(e.ID))
		b = append(b, '"')
	}
	if e.HasSeq && e.Seq <= math.MaxInt64 {
		b = append(b, `,seq=`...)
		b = strconv.AppendUint(b, e.Seq, 10)
		b = append(b, 'i')
	}
	b = append(b, `,origin="`...)
	b = l.origin(b, p)
	b = append(b, '"')
	for i := range e.Properties {
		b = appendField(b, &e.Properties[i])
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, TimeOf(e), 10)
	l.buf = append(b, '\n')
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
	case kind == gateway.KindString && fragile(p.Value.AsString()):
		return appendEscaped(b, p)
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

// fragile reports whether a text does not survive the CSV that queries answer
// in: there, an empty text is none, and a carriage return is dropped.
func fragile(s string) bool { return s == "" || strings.IndexByte(s, '\r') >= 0 }

func appendEscaped(b []byte, p *gateway.Property) []byte {
	b = append(b, escapedPrefix...)
	b = appendName(b, p.Key)
	b = append(b, `="=`...)
	b = appendQuoted(b, storedName(p.Value.AsString()))
	return append(b, '"')
}

func isReserved(key string) bool {
	if key == "" || key[0] == '_' || reserved[key] {
		return true
	}
	return len(key) > 1 && key[1] == '.' && strings.IndexByte("pse", key[0]) >= 0
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

// parseField reads the property that a field holds; ok is false for our own
// fields and for what is null in a row.
func parseField(name string, stored any) (p gateway.Property, ok bool) {
	prefix := ""
	if len(name) > 1 && name[1] == '.' {
		prefix = name[:2]
	}
	switch v := stored.(type) {
	case float64:
		p.Value = gateway.Float(v)
	case int64:
		p.Value = gateway.Int(v)
	case bool:
		p.Value = gateway.Bool(v)
	case string:
		switch prefix {
		case sealedPrefix:
			p.Value = gateway.Sealed(v)
		case escapedPrefix:
			p.Value = gateway.String(parseName(strings.TrimPrefix(v, "=")))
		default:
			p.Value = gateway.String(v)
		}
	default:
		return p, false
	}
	switch {
	case prefix == propertyPrefix || prefix == sealedPrefix || prefix == escapedPrefix:
		p.Key = parseName(name[2:])
	case name == "" || name[0] == '_' || reserved[name]:
		return p, false
	default:
		p.Key = parseName(name)
	}
	return p, true
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

// origin appends the rest of a point in one text: a letter and a number each.
// What is zero is left out.
//
//	p partition   s record      i input       l late number
//	r received − occurred       d device time − occurred
//	b boot        q sequence    h payload hash
//	g source      t too old     c customer that the sender named
//	n bits of the properties that are integers, 63 at a time
//	x number of a property, followed by v, its integer that no float holds
func (l *lineEncoder) origin(b []byte, p *Point) []byte {
	e := &p.Event
	b = appendPart(b, 'p', int64(p.Place.Partition))
	b = appendPart(b, 's', int64(p.Place.Seq))
	b = appendPart(b, 'i', int64(p.Place.Index))
	b = appendPart(b, 'l', int64(p.Place.Late))
	b = appendPart(b, 'r', int64(e.ReceivedAt-e.OccurredAt))
	if e.DeviceTime != 0 {
		b = append(b, 'd')
		b = strconv.AppendInt(b, int64(e.DeviceTime-e.OccurredAt), 10)
	}
	b = appendPart(b, 'b', int64(e.Boot))
	if e.HasSeq {
		b = append(b, 'q')
		b = strconv.AppendUint(b, e.Seq, 10)
	}
	b = appendPart(b, 'h', int64(e.PayloadHash))
	b = appendPart(b, 'g', int64(e.Source))
	b = appendPart(b, 't', int64(boolByte(p.TooOld)))
	b = appendPart(b, 'c', int64(e.Customer))
	return appendIntegers(b, e.Properties)
}

func appendPart(b []byte, letter byte, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, letter), n, 10)
}

// appendIntegers notes which of the properties that are kept are integers, by
// their number among those.
func appendIntegers(b []byte, list gateway.Properties) []byte {
	var bits uint64
	n := 0
	for i := range list {
		v := list[i].Value
		if !kept(v) {
			continue
		}
		if n > 0 && n%63 == 0 {
			b = strconv.AppendUint(append(b, 'n'), bits, 10)
			bits = 0
		}
		if v.Kind() == gateway.KindInt {
			bits |= 1 << (n % 63)
			if x := v.AsInt(); x > maxExactFloat || x < -maxExactFloat {
				b = strconv.AppendInt(append(b, 'x'), int64(n), 10)
				b = strconv.AppendInt(append(b, 'v'), x, 10)
			}
		}
		n++
	}
	if bits != 0 {
		b = strconv.AppendUint(append(b, 'n'), bits, 10)
	}
	return b
}

// parseOrigin reads an origin into the point, whose OccurredAt is known and
// whose properties are there in their order, numbers all floats.
func parseOrigin(s string, p *Point) bool {
	e := &p.Event
	e.ReceivedAt = e.OccurredAt
	word, exact := 0, -1
	for len(s) > 0 {
		letter := s[0]
		end := 1
		for end < len(s) && (s[end] == '-' || s[end] >= '0' && s[end] <= '9') {
			end++
		}
		text := s[1:end]
		s = s[end:]
		if letter == 'q' {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return false
			}
			e.HasSeq, e.Seq = true, n
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return false
		}
		switch letter {
		case 'n':
			restoreIntegers(e.Properties, word, uint64(n))
			word++
		case 'x':
			exact = int(n)
		case 'v':
			if exact >= 0 && exact < len(e.Properties) {
				e.Properties[exact].Value = gateway.Int(n)
			}
			exact = -1
		default:
			setOrigin(p, letter, n)
		}
	}
	return true
}

func setOrigin(p *Point, letter byte, n int64) {
	e := &p.Event
	switch letter {
	case 'p':
		p.Place.Partition = int(n)
	case 's':
		p.Place.Seq = uint64(n)
	case 'i':
		p.Place.Index = uint32(n)
	case 'l':
		p.Place.Late = uint32(n)
	case 'r':
		e.ReceivedAt = e.OccurredAt + gateway.Instant(n)
	case 'd':
		e.DeviceTime = e.OccurredAt + gateway.Instant(n)
	case 'b':
		e.Boot = uint32(n)
	case 'h':
		e.PayloadHash = uint64(n)
	case 'g':
		e.Source = gateway.Source(n)
	case 't':
		p.TooOld = n != 0
	case 'c':
		e.Customer = gateway.CustomerID(n)
	}
}

func restoreIntegers(list gateway.Properties, word int, bits uint64) {
	for i := range min(63, len(list)-word*63) {
		v := &list[word*63+i].Value
		if f, ok := v.AsFloat(); ok && bits&(1<<i) != 0 && v.Kind() == gateway.KindFloat && math.Abs(f) <= maxExactFloat {
			*v = gateway.Int(int64(f))
		}
	}
}
