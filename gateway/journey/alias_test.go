package journey

import (
	"fmt"
	"reflect"
	"testing"
	"unsafe"

	"touchpoint/gateway"
)

// memory lists the places at which the texts and lists of a value lie, by where
// they stand in it.
func memory(v reflect.Value, path string, at map[string]uintptr) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			memory(v.Elem(), path, at)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			memory(v.Field(i), path+"."+v.Type().Field(i).Name, at)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			at[path] = v.Pointer()
		}
		for i := range v.Len() {
			memory(v.Index(i), fmt.Sprint(path, i), at)
		}
	case reflect.String:
		if v.Len() > 0 {
			at[path] = uintptr(unsafe.Pointer(unsafe.StringData(v.String())))
		}
	}
}

// TestHeldInputsStandAlone: what is kept of an input shares no memory with the
// record that it came in, whatever kind of input it is.
func TestHeldInputsStandAlone(t *testing.T) {
	for _, in := range heldInputs() {
		from, kept := map[string]uintptr{}, map[string]uintptr{}
		memory(reflect.ValueOf(in), "", from)
		memory(reflect.ValueOf(cloneInput(&in)), "", kept)
		for path, at := range from {
			if kept[path] == at {
				t.Errorf("%T: %s is the record's", in.Command, path)
			}
			if kept[path] == 0 {
				t.Errorf("%T: %s is gone", in.Command, path)
			}
		}
	}
	for _, v := range []gateway.Value{gateway.String("text"), gateway.Sealed("sealed")} {
		from, kept := map[string]uintptr{}, map[string]uintptr{}
		memory(reflect.ValueOf(v), "", from)
		memory(reflect.ValueOf(cloneValue(v)), "", kept)
		if len(from) != 1 || !reflect.DeepEqual(cloneValue(v), v) {
			t.Errorf("%v became %v", v, cloneValue(v))
		}
		for path, at := range from {
			if kept[path] == at {
				t.Errorf("%v: its text is the record's", v)
			}
		}
	}
}
