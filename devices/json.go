package devices

import (
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"touchpoint/gateway"
)

// jsonEvents reads one event object or an array of them.
func (d *Decoder) jsonEvents(payload []byte, events []gateway.Event) ([]gateway.Event, error) {
	d.open(payload)
	d.batch = d.dec.PeekKind() == '['
	if !d.batch {
		events = append(events, gateway.Event{})
		if err := d.jsonEvent(&events[0]); err != nil {
			return events, err
		}
		return events, d.end()
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return events, d.syntax(err)
	}
	for d.dec.PeekKind() != ']' {
		if len(events) == d.limits.Events {
			return events, gateway.InvalidField("payload", "holds more than %d events", d.limits.Events)
		}
		events = append(events, gateway.Event{})
		if err := d.jsonEvent(&events[len(events)-1]); err != nil {
			return events, locate(err, len(events)-1)
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return events, d.syntax(err)
	}
	return events, d.end()
}

// locate says in an error which event of a batch it is about.
func locate(err error, index int) error {
	var ge *gateway.Error
	if !errors.As(err, &ge) || len(ge.Violations) == 0 || ge.Violations[0].Field == "payload" {
		return err
	}
	at := "[" + strconv.Itoa(index) + "]"
	if v := &ge.Violations[0]; v.Field == "event" {
		v.Field = at
	} else {
		v.Field = at + "." + v.Field
	}
	return err
}

// jsonEvent reads one event object.
func (d *Decoder) jsonEvent(e *gateway.Event) error {
	from := len(d.props)
	if kind := d.dec.PeekKind(); kind != '{' {
		if kind == 0 { // what comes is no JSON at all
			_, err := d.dec.ReadToken()
			return d.syntax(err)
		}
		return gateway.InvalidField("event", "is %s: an event is an object", kindName(kind))
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return d.syntax(err)
	}
	for d.dec.PeekKind() != '}' {
		name, _, err := d.value()
		if err != nil {
			return err
		}
		if err := d.eventField(e, name[1:len(name)-1]); err != nil {
			return err
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return d.syntax(err)
	}
	return d.finish(e, from)
}

func (d *Decoder) eventField(e *gateway.Event, name string) (err error) {
	switch name {
	case "id":
		e.ID, err = d.identifier("id", 128)
	case "type":
		e.Type, err = d.identifier("type", 64)
	case "ts":
		e.DeviceTime, err = d.instant("ts")
	case "seq":
		e.Seq, err = d.unsigned("seq", math.MaxInt64)
		e.HasSeq = true
	case "boot":
		var boot uint64
		boot, err = d.unsigned("boot", math.MaxUint32)
		e.Boot = uint32(boot)
	case "data":
		if kind := d.dec.PeekKind(); kind != '{' && kind != 0 {
			return gateway.InvalidField("data", "is %s: must be an object", kindName(kind))
		}
		return d.flatten("", len(d.props), 0)
	default:
		return gateway.InvalidField(clip(name), "is no field of an event: use id, ts, type, seq, boot, data")
	}
	return err
}

// flatten reads a value below "data" and appends what it holds to d.props,
// nested names joined with dots and elements of arrays by their index. Empty
// objects and arrays leave nothing.
func (d *Decoder) flatten(key string, from, depth int) error {
	kind := d.dec.PeekKind()
	if kind != '{' && kind != '[' {
		return d.property(key, from)
	}
	if depth == d.limits.Depth {
		return gateway.InvalidField("data."+key, "is nested deeper than %d levels", d.limits.Depth)
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return d.syntax(err)
	}
	for i := 0; ; i++ {
		next := d.dec.PeekKind()
		if next == '}' || next == ']' {
			break
		}
		var name string
		var err error
		if kind == '{' {
			if name, err = d.str(); err == nil && name == "" {
				err = gateway.InvalidField("data", "has a field without a name")
			}
		} else {
			name = strconv.Itoa(i)
		}
		if err != nil {
			return err
		}
		if key != "" {
			name = key + "." + name
		}
		if len(name) > d.limits.KeyBytes {
			return gateway.InvalidField("data."+clip(name), "has a name of %d bytes: at most %d are allowed", len(name), d.limits.KeyBytes)
		}
		if err := d.flatten(name, from, depth+1); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	if err != nil {
		return d.syntax(err)
	}
	return nil
}

// property reads a scalar and appends it under key.
func (d *Decoder) property(key string, from int) error {
	text, kind, err := d.value()
	if err != nil {
		return err
	}
	if len(d.props)-from == d.limits.Properties {
		return gateway.InvalidField("data", "holds more than %d values", d.limits.Properties)
	}
	v := gateway.Null()
	switch kind {
	case 't', 'f':
		v = gateway.Bool(kind == 't')
	case '0':
		var ok bool
		if v, ok = number(text); !ok {
			return gateway.InvalidField("data."+key, "is a number out of range")
		}
	case '"':
		s := d.unquote(text)
		if len(s) > d.limits.StringBytes {
			return gateway.InvalidField("data."+key, "has %d bytes: at most %d are allowed", len(s), d.limits.StringBytes)
		}
		v = gateway.String(s)
	}
	d.props = append(d.props, gateway.Property{Key: key, Value: v})
	return nil
}

// number converts a JSON number: an integer when it is written as one and fits,
// else a float.
func number(text string) (gateway.Value, bool) {
	if whole(text) {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return gateway.Int(i), true
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	return gateway.Float(f), err == nil
}

func whole(number string) bool {
	for i := range len(number) {
		if c := number[i]; c == '.' || c == 'e' || c == 'E' {
			return false
		}
	}
	return true
}

// open sets the JSON reader to a new text.
func (d *Decoder) open(payload []byte) {
	d.batch = false
	d.src.Reset()
	d.src.Write(payload)
	d.dec.Reset(&d.src)
}

// end checks that nothing follows the value.
func (d *Decoder) end() error {
	if _, err := d.dec.ReadToken(); err != io.EOF {
		return gateway.InvalidField("payload", "goes on after the end of the JSON value")
	}
	return nil
}

// value reads the next value or name whole and returns its raw text as a part
// of d.text.
func (d *Decoder) value() (text string, kind jsontext.Kind, err error) {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return "", 0, d.syntax(err)
	}
	end := int(d.dec.InputOffset())
	return d.text[end-len(raw) : end], raw.Kind(), nil
}

// str reads the next name or text.
func (d *Decoder) str() (string, error) {
	text, kind, err := d.value()
	if err != nil || kind != '"' {
		return "", err
	}
	return d.unquote(text), nil
}

// unquote returns what a valid quoted text says, without a copy when it holds
// no escape.
func (d *Decoder) unquote(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1]
	}
	d.scratch, _ = jsontext.AppendUnquote(d.scratch[:0], text)
	return string(d.scratch)
}

// identifier reads a short printable text.
func (d *Decoder) identifier(field string, limit int) (string, error) {
	text, kind, err := d.value()
	if err != nil {
		return "", err
	}
	if kind != '"' {
		return "", gateway.InvalidField(field, "is %s: must be a text", kindName(kind))
	}
	s := d.unquote(text)
	return s, checkIdentifier(field, s, limit)
}

func checkIdentifier(field, s string, limit int) error {
	if s == "" {
		return gateway.InvalidField(field, "must not be empty")
	}
	if len(s) > limit {
		return gateway.InvalidField(field, "has %d bytes: at most %d are allowed", len(s), limit)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return gateway.InvalidField(field, "has a space or control character at %d", i+1)
		}
	}
	return nil
}

// instant reads an RFC 3339 time.
func (d *Decoder) instant(field string) (gateway.Instant, error) {
	text, kind, err := d.value()
	if err != nil {
		return 0, err
	}
	if kind != '"' {
		return 0, gateway.InvalidField(field, "is %s: must be a text such as \"2026-05-01T10:00:00Z\"", kindName(kind))
	}
	var t time.Time
	d.scratch = append(d.scratch[:0], d.unquote(text)...)
	if t.UnmarshalText(d.scratch) != nil {
		return 0, gateway.InvalidField(field, "is no RFC 3339 time with a zone, such as \"2026-05-01T10:00:00Z\"")
	}
	return gateway.InstantOf(t), nil
}

// unsigned reads a whole number from 0 to limit.
func (d *Decoder) unsigned(field string, limit uint64) (uint64, error) {
	text, kind, err := d.value()
	if err != nil {
		return 0, err
	}
	n, perr := strconv.ParseUint(text, 10, 64)
	if kind != '0' || perr != nil || n > limit {
		return 0, gateway.InvalidField(field, "must be a whole number from 0 to %d", limit)
	}
	return n, nil
}

// syntax says what is wrong with the text, and where, without quoting it. In a
// batch the field is given within its event.
func (d *Decoder) syntax(err error) error {
	field, offset := "payload", d.dec.InputOffset()
	var se *jsontext.SyntacticError
	if errors.As(err, &se) {
		offset = se.ByteOffset
		if p := pointerPath(se.JSONPointer, d.batch); p != "" {
			field = p
		}
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return gateway.InvalidField(field, "occurs twice")
	case !utf8.ValidString(d.text):
		return gateway.InvalidField(field, "is not valid UTF-8")
	case errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF:
		return gateway.InvalidField(field, "ends in the midst of the JSON text, after %d bytes", len(d.text))
	}
	return gateway.InvalidField(field, "is not valid JSON at byte %d", offset)
}

// pointerPath turns "/data/x" into "data.x"; in a batch the first part is the
// index of the event, which locate adds.
func pointerPath(p jsontext.Pointer, batch bool) string {
	var b strings.Builder
	for t := range p.Tokens() {
		if batch {
			batch = false
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(clip(t))
	}
	if b.Len() == 0 && p != "" {
		return "event"
	}
	return b.String()
}

// clip keeps an error short whatever a device calls its fields.
func clip(name string) string {
	const most = 64
	name = strings.ToValidUTF8(name, "?")
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "no JSON value"
}
