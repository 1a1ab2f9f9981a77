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

// heldInputs are inputs of every kind that may have to wait, with something in
// every field.
func heldInputs() []gateway.Input {
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
	return inputs
}

// TestHeldInputs writes and reads every input that may have to wait.
func TestHeldInputs(t *testing.T) {
	for _, want := range heldInputs() {
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

// TestHeldReachable: the difference between channels that are not told and no
// channel at all is kept.
func TestHeldReachable(t *testing.T) {
	for _, reachable := range [][]string{nil, {}, {"email"}} {
		var e encoder
		e.input(&gateway.Input{Command: gateway.UpsertCustomer{Customer: 1, Reachable: reachable}})
		d := decoder{b: e.b}
		got := d.input().Command.(gateway.UpsertCustomer).Reachable
		if d.err("input") != nil || !reflect.DeepEqual(got, reachable) {
			t.Errorf("%#v became %#v", reachable, got)
		}
		kept := cloneInput(&gateway.Input{Command: gateway.UpsertCustomer{Reachable: reachable}}).Command.(gateway.UpsertCustomer).Reachable
		if !reflect.DeepEqual(kept, reachable) {
			t.Errorf("of %#v %#v is kept", reachable, kept)
		}
	}
	if d := (decoder{b: []byte{heldRecall + 1, 0, 0, 0}}); d.input().Command != nil || !d.bad {
		t.Error("an input of no known kind is read")
	}
}
