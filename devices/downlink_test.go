package devices

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchpoint/gateway"
)

func TestDownlinkRoundTrip(t *testing.T) {
	at := gateway.Instant(1_780_000_000_123)
	for name, m := range map[string]Downlink{
		"message": {ID: gateway.MessageID{1}, Title: "Grüß Gott", Body: "a\n\"b\"", Locale: "de", Cause: "brew-1",
			Actions:   []Action{{ID: "ok", Label: "OK"}, {ID: "order", Label: "Order", URL: "https://example.com/?a=1&b=2"}},
			DecidedAt: at, ExpiresAt: at.Add(time.Hour), Now: at + 1},
		"small":      {ID: gateway.MessageID{2}, Body: "x"},
		"withdrawal": {ID: gateway.MessageID{3}, Withdraw: true},
	} {
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeDownlink(data)
		if diff := cmp.Diff(m, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s\n%s", name, err, data, diff)
		}
	}
}

func TestDownlinkForm(t *testing.T) {
	at := gateway.Instant(1_780_000_000_000)
	m := Downlink{ID: gateway.MessageID{1}, Title: "t", ExpiresAt: at.Add(90 * time.Second), Now: at}
	data, err := m.Encode()
	want := `{"id":"m_04000000000000000000000000","title":"t","expires_at":"2026-05-28T20:28:10.000Z","ttl_s":90,"now":"2026-05-28T20:26:40.000Z"}`
	if err != nil || string(data) != want {
		t.Errorf("got  %s\nwant %s (%v)", data, want, err)
	}
	w := Downlink{ID: gateway.MessageID{1}, Withdraw: true, Title: "left out"}
	if data, _ := w.Encode(); string(data) != `{"id":"m_04000000000000000000000000","withdraw":true}` {
		t.Errorf("got %s", data)
	}
}

func TestDownlinkErrors(t *testing.T) {
	for payload, want := range map[string]string{
		``: "no JSON object", `[]`: "no JSON object", `{}`: "id", `{"id":"x"}`: "id",
		`{"id":"m_04000000000000000000000000","expires_at":"soon"}`: "expires_at",
	} {
		_, err := DecodeDownlink([]byte(payload))
		if gateway.KindOf(err) != gateway.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", payload, err)
		}
	}
	if _, err := DecodeDownlink([]byte(`{"id":"m_04000000000000000000000000","later":1}`)); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}
