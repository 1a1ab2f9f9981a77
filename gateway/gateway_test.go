package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestIDsKeepTheirTextForm(t *testing.T) {
	for _, v := range []uint64{1, 0xdeadbeef, 1<<64 - 1} {
		if d, err := ParseDeviceID(DeviceID(v).String()); err != nil || uint64(d) != v {
			t.Errorf("device %x: %v %v", v, d, err)
		}
		if c, err := ParseCustomerID(CustomerID(v).String()); err != nil || uint64(c) != v {
			t.Errorf("customer %x: %v %v", v, c, err)
		}
	}
	e := NewEnrollmentID("welcome", CustomerSubject(7), "", "evt-1")
	m := NewMessageID(e, "greet", 1)
	if got, err := ParseMessageID(m.String()); err != nil || got != m {
		t.Errorf("message: %v %v", got, err)
	}
	if got, err := ParseEnrollmentID(e.String()); err != nil || got != e {
		t.Errorf("enrollment: %v %v", got, err)
	}
	last := m.String()[:27] + "z" // the same 128 bits in another text
	if id, err := ParseMessageID(last); err == nil && id.String() != last {
		t.Errorf("%q and %q are the same id", last, id)
	}
	for _, bad := range []string{"", "d_", "c_0000000000001", "d_000000000000!", "d_00000000000000000000", "m_1"} {
		if _, err := ParseDeviceID(bad); err == nil {
			t.Errorf("ParseDeviceID(%q) accepted", bad)
		}
		if _, err := ParseMessageID(bad); err == nil {
			t.Errorf("ParseMessageID(%q) accepted", bad)
		}
	}
}

func TestIDsDifferWhereTheirPartsDo(t *testing.T) {
	seen := map[EnrollmentID]string{}
	for _, p := range []struct {
		journey      string
		subject      Subject
		key, trigger string
	}{
		{"a", CustomerSubject(1), "", "t"}, {"a", CustomerSubject(2), "", "t"}, {"a", DeviceSubject(1), "", "t"},
		{"a", CustomerSubject(1), "k", "t"}, {"a", CustomerSubject(1), "", "u"}, {"ab", CustomerSubject(1), "", "t"},
		{"a", CustomerSubject(1), "k|t", ""}, {"a", CustomerSubject(1), "k", "|t"},
	} {
		id := NewEnrollmentID(p.journey, p.subject, p.key, p.trigger)
		if other, ok := seen[id]; ok {
			t.Errorf("%+v collides with %s", p, other)
		}
		seen[id] = fmt.Sprintf("%+v", p)
	}
	e := EnrollmentID{1}
	first, again, second := NewMessageID(e, "s", 1), NewMessageID(e, "s", 1), NewMessageID(e, "s", 2)
	if first == second || first != again {
		t.Error("a visit is a message of its own; a replay is not")
	}
}

func TestPartitionsSpread(t *testing.T) {
	var count [16]int
	for i := range 16000 {
		count[CustomerSubject(CustomerID(i+1)).Partition(16)]++
	}
	for p, n := range count {
		if n < 800 || n > 1200 {
			t.Errorf("partition %d holds %d of 16000 subjects", p, n)
		}
	}
}

func TestPersonalTextNeverPrints(t *testing.T) {
	const planted = "ada@example.test"
	v := struct{ Email Personal }{Personal(planted)}
	js, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("saved", "email", v.Email, "all", v)
	printed := fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v.Email, v.Email) + string(js) + log.String()
	if strings.Contains(printed, planted) {
		t.Errorf("printed: %s", printed)
	}
	if v.Email.Reveal() != planted {
		t.Error("Reveal does not return the text")
	}
}

func TestErrorNamesPlaceAndRemedy(t *testing.T) {
	err := error(&Error{Kind: Invalid, Text: "journey", Violations: []Violation{
		{Field: "wait.for", Step: "remind", Line: 7, Text: `"2 days": allowed are durations such as 48h`}}})
	want := `journey; line 7, step "remind", wait.for: "2 days": allowed are durations such as 48h`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	wrapped := fmt.Errorf("publish: %w", err)
	if KindOf(wrapped) != Invalid || KindOf(errors.New("x")) != Internal {
		t.Error("KindOf does not look through wrapping")
	}
}

func TestValues(t *testing.T) {
	p := Properties{{"b", Int(2)}, {"a", Float(1.5)}, {"c", Sealed("cipher")}, {"d", Bool(true)}, {"e", String("x")}}
	p.Sort()
	if p[0].Key != "a" || p.Get("b").AsInt() != 2 || p.Has("z") || p.Get("z").Kind() != KindNull {
		t.Errorf("properties %v", p)
	}
	if s := fmt.Sprint(p.Get("c")); s != "[sealed]" || p.Get("c").Any() != "[sealed]" {
		t.Errorf("a sealed value shows %q", s)
	}
	if f, ok := p.Get("b").AsFloat(); !ok || f != 2 {
		t.Errorf("int as float: %v %v", f, ok)
	}
	if _, ok := p.Get("e").AsFloat(); ok {
		t.Error("text is no number")
	}
}
