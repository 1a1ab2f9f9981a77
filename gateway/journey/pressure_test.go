package journey

import (
	"strings"
	"testing"
)

// TestPressureErrors shows what an author reads who gets the keys of pressure
// wrong.
func TestPressureErrors(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"no legal basis", "purpose: service", "purpose: safety", `line 1, legal_basis: is missing; a safety journey passes consent, caps, quiet hours and suspension`},
		{"legal basis of a service", "purpose: service", "purpose: service\nlegal_basis: because", `line 3, legal_basis: is for purpose safety alone; it lets nothing pass here`},
		{"context without a condition", "reentry: after_exit", "context: {unknown: send}", `line 9, context.when: is missing; write the state`},
		{"context without a policy", "reentry: after_exit", `context: {when: device.state == "idle"}`, `line 9, context.unknown: is missing; write what happens while the device's state is unknown: send or hold`},
		{"wrong policy", "reentry: after_exit", `context: {when: device.state == "idle", unknown: wait}`, `context.unknown: "wait" is not allowed; write send or hold`},
		{"unknown field of a device", "reentry: after_exit", `context: {when: device.stat == "idle", unknown: send}`, `reads device.stat; write device.state, all that is known of a device`},
		{"event in a context", "reentry: after_exit", `context: {when: event.water_ml > 1, unknown: send}`, `reads event, but no event is at hand here`},
		{"channel of a context", "reentry: after_exit", `context: {when: device.state == "idle", unknown: send, channels: [prduct]}`, `context.channels: "prduct" is no channel; did you mean "product"?`},
		{"context of a step", "      channels: [product]", "      channels: [product]\n      context: {when: device.state, unknown: send, chanels: [product]}", `line 17, step "ask", send.context.chanels: is no key here; did you mean "channels"?`},
		{"fallback without a second channel", "      channels: [product]", "      channels: [product]\n      fallback_after: 2h", `line 17, step "ask", send.fallback_after: has no channel to fall back to; name a second one in channels`},
		{"fallback", "      channels: [product]", "      channels: [product, webhook]\n      fallback_after: soon", `send.fallback_after: "soon" is no duration`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(good, tt.old) {
				t.Fatalf("%q is not in the definition", tt.old)
			}
			_, err := Compile([]byte(strings.Replace(good, tt.old, tt.new, 1)), testEnv)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("\ngot  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestPressureSettings(t *testing.T) {
	brewing := DeviceState{From: Names{"brew_started"}, To: Names{"brew_finished"}}
	tests := []struct {
		cfg  Config
		want string
	}{
		{Config{DeviceStates: map[string]DeviceState{"idle": brewing}}, "device_states.idle"},
		{Config{DeviceStates: map[string]DeviceState{"brewing": {From: Names{"x"}}}}, "needs from and to"},
		{Config{DeviceStates: map[string]DeviceState{"a": brewing, "b": brewing}}, "begins b, too"},
		{Config{DeviceStates: map[string]DeviceState{"a": {From: Names{"x"}, To: Names{"y"}, Max: -1}}}, "is negative"},
		{Config{Suspension: Suspension{OnHit: "drop"}}, "suspension.on_hit"},
		{Config{DeviceStates: map[string]DeviceState{"brewing": brewing}, Suspension: Suspension{OnHit: "discard"}}, ""},
	}
	for _, tt := range tests {
		err := tt.cfg.WithDefaults().Validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: got %v, want %q", tt.cfg.DeviceStates, err, tt.want)
		}
	}
}

func TestCountryZones(t *testing.T) {
	for country, name := range countryZones {
		if loadZone(name) == nil {
			t.Errorf("%s: %s is no zone", country, name)
		}
	}
	if countryZones["US"] != "" || countryZones["DE"] != "Europe/Berlin" {
		t.Error("a country with several zones is in the table, or one with a single zone is not")
	}
}
