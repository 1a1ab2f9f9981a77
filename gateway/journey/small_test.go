package journey

import (
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestOwnQuietHours: intervals that are none are left out of a customer's own.
func TestOwnQuietHours(t *testing.T) {
	var got []string
	for _, q := range ownQuietHours([]gateway.QuietInterval{{From: 0, To: 1439}, {From: 1439, To: 0, Days: 1 << 6}, {From: -1, To: 60}, {From: 60, To: -1},
		{From: 1440, To: 60}, {From: 60, To: 1440}, {From: 60, To: 60}, {From: 60, To: 120, Days: 0b101, Channels: []string{"email"}}}) {
		days := ""
		for _, d := range q.Days {
			days += string(rune('0' + d))
		}
		got = append(got, strings.Join([]string{q.From.String(), q.To.String(), days, strings.Join(q.Channels, ","), q.OnHit}, " "))
	}
	want := []string{"00:00 23:59   hold", "23:59 00:00 6  hold", "01:00 02:00 02 email hold"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestContactSettings shows what an operator reads who gets a touchpoint or the
// scope of a cap wrong.
func TestContactSettings(t *testing.T) {
	contact := Touchpoint{Event: "called", Channel: "call"}
	rule := CapRule{Name: "one", Max: 1, Per: dayMillis}
	with := func(change func(*Touchpoint, *CapRule)) Config {
		k, r := contact, rule
		change(&k, &r)
		return Config{Touchpoints: []Touchpoint{contact, k}, Caps: []CapRule{rule, r}}
	}
	for want, cfg := range map[string]Config{
		"touchpoints[1].event: is missing":                                    with(func(k *Touchpoint, _ *CapRule) { k.Event = "" }),
		"touchpoints[1].channel: is missing":                                  with(func(k *Touchpoint, _ *CapRule) { k.Channel = "" }),
		`touchpoints[1].purpose: "sales" is not marketing, service or safety`: with(func(k *Touchpoint, _ *CapRule) { k.Purpose = "sales" }),
		`caps[1].scope: "household" is not group or customer`:                 with(func(_ *Touchpoint, r *CapRule) { r.Scope = "household" }),
	} {
		if err := cfg.WithDefaults().Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, purpose := range []gateway.Purpose{"", gateway.PurposeMarketing, gateway.PurposeService, gateway.PurposeSafety} {
		if err := with(func(k *Touchpoint, _ *CapRule) { k.Purpose = purpose }).Validate(); err != nil {
			t.Errorf("purpose %q: %v", purpose, err)
		}
	}
	for _, scope := range []string{"", "group", "customer"} {
		if err := with(func(_ *Touchpoint, r *CapRule) { r.Scope = scope }).Validate(); err != nil {
			t.Errorf("scope %q: %v", scope, err)
		}
	}
}

// TestContactsAreForgotten: a contact stays for as long as a cap may ask for it,
// at least eight days.
func TestContactsAreForgotten(t *testing.T) {
	for days, want := range map[Duration][]gateway.Instant{1: {-7, 0}, 10: {-9, -8, -7, 0}, 30: {-20, -10, -9, -8, -7, 0}} {
		w := newWorld(t, Config{DedupWindow: 90 * dayMillis, Touchpoints: []Touchpoint{{Event: "called", Channel: "call"}},
			Caps: []CapRule{{Name: "one", Max: 1, Per: days * dayMillis}}}, 1)
		w.clock = modelStart
		for _, ago := range []gateway.Instant{-20, -10, -9, -8, -7, 0} {
			at := w.clock + ago*dayMillis
			w.submit(0, gateway.Input{Event: gateway.Event{Type: "called", ID: at.String(), Customer: 1, OccurredAt: at, ReceivedAt: w.clock}})
		}
		var got []gateway.Instant
		for _, k := range w.parts[0].customers[1].more.contacts {
			got = append(got, (k.at-w.clock)/dayMillis)
		}
		if !slices.Equal(got, want) {
			t.Errorf("caps of %d days: contacts of days %v are kept, want %v", days, got, want)
		}
		w.check()
	}
}

// TestFillWants: which events of history a version that is being filled counts:
// those of before its publication, of a type and age that it asks for; what other
// partitions accepted has no place in this one's order.
func TestFillWants(t *testing.T) {
	f := &gateway.Filling{Partition: 1, Seq: 10, Index: 3, Needs: []gateway.FillNeed{{Type: "brew", From: 1000}, {Type: "rinse"}}}
	for _, tt := range []struct {
		partition int
		seq       uint64
		index     uint32
		typ       string
		at        gateway.Instant
		want      bool
	}{
		{1, 9, 7, "brew", 1000, true}, {1, 10, 2, "brew", 1000, true}, {1, 10, 3, "brew", 1000, false}, {1, 10, 4, "brew", 1000, false},
		{1, 11, 0, "brew", 1000, false}, {2, 11, 0, "brew", 1000, true}, {2, 10, 3, "brew", 1000, true}, {1, 9, 0, "brew", 999, false},
		{1, 9, 0, "rinse", 1, true}, {1, 9, 0, "clean", 2000, false},
	} {
		if got := FillWants(f, tt.partition, tt.seq, tt.index, &gateway.Event{Type: tt.typ, OccurredAt: tt.at}); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}
