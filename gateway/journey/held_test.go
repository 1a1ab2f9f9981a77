package journey

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"touchpoint/gateway"
)

// fillAll sets every field of a value to something, so that a field which the
// encoding forgets shows.
func fillAll(v reflect.Value, n *int) {
	*n++
	if _, is := v.Interface().(gateway.Value); is {
		v.Set(reflect.ValueOf(gateway.String(fmt.Sprint("v", *n))))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillAll(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fillAll(v.Index(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillAll(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("t", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	default:
		v.SetUint(uint64(*n % 200))
	}
}

// TestHeldInputs writes and reads every input that may have to wait.
func TestHeldInputs(t *testing.T) {
	n := 0
	inputs := []gateway.Input{{}}
	fillAll(reflect.ValueOf(&inputs[0].Event).Elem(), &n)
	for _, c := range []gateway.Command{&gateway.BindDevice{}, &gateway.UnbindDevice{}, &gateway.ReleaseDevice{}, &gateway.Receipt{},
		&gateway.UpsertCustomer{}, &gateway.SetConsent{}, &gateway.CustomerEvent{}, &gateway.TriggerJourney{}, &gateway.JoinGroup{},
		&gateway.LeaveGroup{}, &gateway.ReleaseCustomer{}, &gateway.AdmitCustomer{}, &gateway.AddressRecipient{}, &gateway.RecallRecipient{}} {
		v := reflect.ValueOf(c).Elem()
		fillAll(v, &n)
		inputs = append(inputs, gateway.Input{Command: v.Interface().(gateway.Command)})
	}
	for _, want := range inputs {
		var e encoder
		e.input(&want)
		d := decoder{b: e.b}
		got := d.input()
		if err := d.err("input"); err != nil {
			t.Errorf("%T: %v", want.Command, err)
		}
		opts := cmp.Options{cmpopts.EquateEmpty(), cmp.AllowUnexported(gateway.Value{})}
		if diff := cmp.Diff(want, got, opts); diff != "" {
			t.Errorf("%T: %s", want.Command, diff)
		}
		if diff := cmp.Diff(want, cloneInput(&want), opts); diff != "" {
			t.Errorf("clone of %T: %s", want.Command, diff)
		}
	}
}
