package devices

import (
	"math"
	"slices"
	"strings"
	"time"

	"touchpoint/gateway"
)

// Product is what the gateway knows of a model.
type Product struct {
	// Model is the name in topics.
	Model string
	// Display is what its screen can show.
	Display Display
	// Personal names the fields that are sealed before they are stored. A name
	// covers the fields nested below it, too.
	Personal []string
	// UploadInterval is how rarely the model uploads: silence for less says
	// nothing. 0 = it is always online.
	UploadInterval time.Duration
	// OfflineBuffer is how long a unit keeps events that it could not send;
	// duplicates are known for at least as long.
	OfflineBuffer time.Duration
	// Events declares event types; others are taken as they come unless Strict.
	Events map[string]EventType
	// Categories maps an event type or a field of it ("brew_finished" or
	// "brew_finished.water_ml") to the category of data that it is, such as usage
	// or location: journeys that join it with data of the customer need consent.
	Categories map[string]string
	// Strict refuses event types and fields that are not declared.
	Strict bool
}

// Display is what a model can show of a message.
type Display struct {
	Characters int      // of title and body together, 0 = no limit known
	Buttons    int      // that a message may offer
	Languages  []string // that it can show, empty = any
	Shared     bool     // seen by anyone nearby: personal fields are not shown
}

// EventType declares the fields of one type of event.
type EventType struct {
	Fields map[string]FieldType
}

// FieldType is the declared type of a field.
type FieldType string

// The types that a field can be declared as.
const (
	FieldInt    FieldType = "int"
	FieldFloat  FieldType = "float"
	FieldString FieldType = "string"
	FieldBool   FieldType = "bool"
)

// DefaultOfflineBuffer holds for models that declare none.
const DefaultOfflineBuffer = 8 * 24 * time.Hour

// IsPersonal reports whether a field is sealed before it is stored.
func (p *Product) IsPersonal(key string) bool {
	for _, name := range p.Personal {
		if rest, ok := strings.CutPrefix(key, name); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

// coerce checks declared fields and gives them their declared type: a float
// that was written as 92 stays a float, so that the time series keeps one type.
func (p *Product) coerce(typ string, props gateway.Properties) error {
	if p.Events == nil {
		return nil
	}
	declared, ok := p.Events[typ]
	if !ok {
		if p.Strict {
			return gateway.InvalidField("type", "is no event type that product %q declares", p.Model)
		}
		return nil
	}
	for i := range props {
		want, ok := declared.Fields[props[i].Key]
		if !ok {
			if p.Strict {
				return gateway.InvalidField("data."+clip(props[i].Key), "is no field that product %q declares for this event type", p.Model)
			}
			continue
		}
		v, ok := want.convert(props[i].Value)
		if !ok {
			return gateway.InvalidField("data."+props[i].Key, "is %s: product %q declares it as %s", valueName(props[i].Value), p.Model, want)
		}
		props[i].Value = v
	}
	return nil
}

func (t FieldType) valid() bool {
	return slices.Contains([]FieldType{FieldInt, FieldFloat, FieldString, FieldBool}, t)
}

// convert returns v as the declared type; ok is false when that would change
// what was said. Null fits every type.
func (t FieldType) convert(v gateway.Value) (gateway.Value, bool) {
	switch kind := v.Kind(); {
	case kind == gateway.KindNull,
		kind == gateway.KindInt && t == FieldInt,
		kind == gateway.KindFloat && t == FieldFloat,
		kind == gateway.KindString && t == FieldString,
		kind == gateway.KindBool && t == FieldBool:
		return v, true
	case kind == gateway.KindInt && t == FieldFloat:
		return gateway.Float(float64(v.AsInt())), true
	case kind == gateway.KindFloat && t == FieldInt:
		f, _ := v.AsFloat()
		if f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
			return gateway.Int(int64(f)), true
		}
	}
	return v, false
}

func valueName(v gateway.Value) string {
	switch v.Kind() {
	case gateway.KindBool:
		return "a boolean"
	case gateway.KindInt, gateway.KindFloat:
		return "a number"
	case gateway.KindString:
		return "a text"
	}
	return "null"
}
