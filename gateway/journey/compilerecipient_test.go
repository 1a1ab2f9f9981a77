package journey

import (
	"strings"
	"testing"
)

// TestReach: a step that can reach nobody in this installation is refused.
func TestReach(t *testing.T) {
	text := func(recipient string) []byte {
		return []byte("name: a\npurpose: service\ntrigger: {event: due}\nsteps:\n  - id: tell\n    send:\n      recipient: " + recipient +
			"\n      texts: {en: {title: Due}}\n")
	}
	for _, to := range []string{"users", "group", "dealer", "staff"} {
		_, err := Compile(text(to), Env{Channels: []string{productChannel}})
		if want := "line 7, step \"tell\", send.recipient: " + to + " cannot be reached"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", to, err, want)
		}
		if _, err := Compile(text(to), Env{Channels: []string{productChannel, "webhook"}}); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	if _, err := Compile(text("owner"), Env{Channels: []string{productChannel}}); err != nil {
		t.Error(err)
	}
}

// TestReachNamesOthers: what a display does not reach is told with the channels
// that do.
func TestReachNamesOthers(t *testing.T) {
	const text = "name: a\npurpose: service\ntrigger: {event: due}\nsteps:\n  - {id: tell, send: {recipient: dealer, channels: [product], texts: {en: {title: Due}}}}\n"
	for _, tt := range []struct {
		channels []string
		want     string
	}{
		{nil, "such as email or webhook"},
		{[]string{productChannel}, "such as email or webhook"},
		{[]string{"stream", productChannel, "letter"}, "such as stream or letter"},
	} {
		if _, err := Compile([]byte(text), Env{Channels: tt.channels}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %s", tt.channels, err, tt.want)
		}
	}
}
