package historytest

import (
	"fmt"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
)

// input returns a point of another kind than an event, a minute after the n-th.
func input(n int, kind history.Kind, c gateway.CustomerID, data string) history.Point {
	p := Brew(n, 0, c)
	at := p.AppliedAt
	p.Event = gateway.Event{OccurredAt: at, ReceivedAt: at}
	p.Kind, p.Observed = kind, at-9
	if data != "" {
		p.Data = []byte(data)
	}
	return p
}

func held(n int, d gateway.DeviceID) history.Point {
	p := Brew(n, d, 0)
	p.Kind = history.KindHeld
	return p
}

// testInputs has what a partition was given beside events: only a reader that
// asks for it meets it, in its place.
func testInputs(t *testing.T, f *fixture) {
	withWatermark := Brew(3, device1, anna)
	withWatermark.Observed = withWatermark.AppliedAt - 7
	everything := []history.Point{
		input(0, history.KindRules, 0, `{"zone": "Europe/Berlin"}`),
		Brew(1, device1, anna),
		input(2, history.KindInput, anna, "\x00consent\xff"),
		withWatermark,
		input(4, history.KindRecord, 0, ""),
		held(5, device2),
		input(6, history.KindInput, 0, "tick"),
	}
	for i := range 20 { // many inputs in one record, and records of one instant
		p := input(7, history.KindInput, ben, fmt.Sprint("receipt", i))
		p.Place.Index = uint32(i * 700)
		everything = append(everything, p)
	}
	for i := range 20 {
		p := input(8, history.KindInput, ben, fmt.Sprint("late receipt", i))
		p.Place.Seq += uint64(i)
		p.AppliedAt = everything[7].AppliedAt + 1
		everything = append(everything, p)
	}
	f.append(t, everything[:4]...)
	f.append(t, everything[4:]...)
	f.append(t, everything[4:]...) // again, as after a crash
	f.wantOnly(t, "brew-1-1 brew-1-3")
	if d := Diff(everything, f.scan(t, history.ScanRange{Inputs: true})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	from, to := everything[2].AppliedAt, everything[6].AppliedAt
	if d := Diff(everything[2:6], f.scan(t, history.ScanRange{Inputs: true, From: from, To: to, Partitions: []int{3}})); d != "" {
		t.Errorf("a range (-want +got):\n%s", d)
	}
	if got := f.scan(t, history.ScanRange{Inputs: true, Partitions: []int{4}}); len(got) != 0 {
		t.Errorf("another partition has %d inputs", len(got))
	}
	if got := f.events(t, history.Query{Filter: history.Filter{Customer: ben}}); len(got) != 0 {
		t.Errorf("%d inputs are among the events", len(got))
	}
}

// testInstant has more records in one instant than a millisecond has room for:
// so it is with a virtual clock.
func testInstant(t *testing.T, f *fixture) {
	var points []history.Point
	for i := range 20_000 {
		p := input(1, history.KindInput, 0, "t")
		p.Place.Seq, p.Place.Index = uint64(1000+i/2), uint32(i%2*100)
		points = append(points, p)
	}
	f.append(t, points...)
	if got := f.scan(t, history.ScanRange{Inputs: true}); len(got) != len(points) {
		t.Errorf("%d of %d inputs are left", len(got), len(points))
	}
}

// testErasedInputs erases a customer: his inputs go with his events, and what is
// held of his devices.
func testErasedInputs(t *testing.T, f *fixture) {
	late := Brew(3, device1, anna)
	late.Place.Late = 1
	bens := held(5, device2)
	f.append(t, input(0, history.KindInput, anna, "binding"), Brew(1, device1, anna), held(2, device1), late,
		input(4, history.KindInput, ben, "consent"), bens, input(6, history.KindInput, anna, "receipt"),
		input(7, history.KindInput, 0, "publish"))
	f.Store = f.reopen()
	if err := f.DeleteCustomer(f.ctx, anna); err != nil {
		t.Fatal(err)
	}
	want := []history.Point{input(4, history.KindInput, ben, "consent"), bens, input(7, history.KindInput, 0, "publish")}
	if d := Diff(want, f.scan(t, history.ScanRange{Inputs: true})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
