package journey

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// dump writes down what a definition was compiled to: every field that is not
// zero, conditions by their text and by what they read.
func dump(def *Definition) string {
	var b strings.Builder
	dumpValue(&b, reflect.ValueOf(def).Elem())
	return b.String()
}

var conditionType = reflect.TypeFor[condition]()

func dumpValue(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		dumpValue(b, v.Elem())
	case reflect.Struct:
		dumpStruct(b, v)
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(' ')
			}
			dumpValue(b, v.Index(i))
		}
		b.WriteByte(']')
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(b, "%s:", k.String())
			dumpValue(b, v.MapIndex(k))
		}
		b.WriteByte('}')
	case reflect.String:
		fmt.Fprintf(b, "%q", v.String())
	default:
		fmt.Fprintf(b, "%v", v)
	}
}

func dumpStruct(b *strings.Builder, v reflect.Value) {
	b.WriteByte('{')
	first := true
	for i := range v.NumField() {
		f := v.Type().Field(i)
		whole := v.Type() != conditionType || f.Name == "text" || f.Name == "refs" || f.Name == "classes"
		if v.Field(i).IsZero() || f.Name == "loc" { // of a time
			continue
		}
		if !first {
			b.WriteByte(' ')
		}
		first = false
		b.WriteString(f.Name)
		if whole {
			b.WriteByte(':')
			dumpValue(b, v.Field(i))
		}
	}
	b.WriteByte('}')
}
