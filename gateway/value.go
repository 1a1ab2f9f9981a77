package gateway

import (
	"math"
	"sort"
	"strconv"
)

// ValueKind is the type of a Value.
type ValueKind uint8

// The kinds of value. A sealed value is ciphertext of the vault: the core
// never looks inside.
const (
	KindNull ValueKind = iota
	KindBool
	KindInt
	KindFloat
	KindString
	KindSealed
)

// Value is one typed property value without an interface, so that a batch of
// events is decoded without an allocation per field.
type Value struct {
	kind ValueKind
	num  uint64
	str  string
}

// Null is the absent value: missing is not zero.
func Null() Value { return Value{} }

// Bool makes a boolean value.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.num = 1
	}
	return v
}

// Int makes an integer value.
func Int(i int64) Value { return Value{kind: KindInt, num: uint64(i)} }

// Float makes a floating-point value.
func Float(f float64) Value { return Value{kind: KindFloat, num: math.Float64bits(f)} }

// String makes a text value.
func String(s string) Value { return Value{kind: KindString, str: s} }

// Sealed makes a value of ciphertext.
func Sealed(ciphertext string) Value { return Value{kind: KindSealed, str: ciphertext} }

// Kind returns the type of the value.
func (v Value) Kind() ValueKind { return v.kind }

// AsBool returns the boolean, false for other kinds.
func (v Value) AsBool() bool { return v.kind == KindBool && v.num != 0 }

// AsInt returns the integer (a float is cut), 0 for other kinds.
func (v Value) AsInt() int64 {
	switch v.kind {
	case KindInt:
		return int64(v.num)
	case KindFloat:
		return int64(math.Float64frombits(v.num))
	}
	return 0
}

// AsFloat returns the number as a float; ok is false when it is none.
func (v Value) AsFloat() (f float64, ok bool) {
	switch v.kind {
	case KindInt:
		return float64(int64(v.num)), true
	case KindFloat:
		return math.Float64frombits(v.num), true
	}
	return 0, false
}

// AsString returns the text or ciphertext, "" for other kinds.
func (v Value) AsString() string { return v.str }

// Any returns the value as nil, bool, int64, float64 or string. A sealed value
// comes back as the fixed text "[sealed]".
func (v Value) Any() any {
	switch v.kind {
	case KindBool:
		return v.num != 0
	case KindInt:
		return int64(v.num)
	case KindFloat:
		return math.Float64frombits(v.num)
	case KindString:
		return v.str
	case KindSealed:
		return "[sealed]"
	}
	return nil
}

// String formats the value for people; ciphertext is never shown.
func (v Value) String() string {
	switch v.kind {
	case KindBool:
		return strconv.FormatBool(v.num != 0)
	case KindInt:
		return strconv.FormatInt(int64(v.num), 10)
	case KindFloat:
		return strconv.FormatFloat(math.Float64frombits(v.num), 'g', -1, 64)
	case KindString:
		return v.str
	case KindSealed:
		return "[sealed]"
	}
	return "null"
}

// Property is a named value.
type Property struct {
	Key   string
	Value Value
}

// Properties are named values in the order of their keys, each key once.
// Nested objects are flattened with a dot ("engine.temp_c").
type Properties []Property

// Get returns the value of key, Null when there is none.
func (p Properties) Get(key string) Value {
	for i := range p { // short lists: a scan beats a search
		if p[i].Key == key {
			return p[i].Value
		}
	}
	return Value{}
}

// Has reports whether key is present.
func (p Properties) Has(key string) bool {
	for i := range p {
		if p[i].Key == key {
			return true
		}
	}
	return false
}

// Sort orders the properties by key, as every holder of them expects.
func (p Properties) Sort() {
	for i := 1; i < len(p); i++ {
		if p[i].Key < p[i-1].Key {
			sort.Slice(p, func(a, b int) bool { return p[a].Key < p[b].Key })
			return
		}
	}
}
