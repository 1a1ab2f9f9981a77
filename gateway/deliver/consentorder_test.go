package deliver

import (
	"testing"

	"touchpoint/gateway"
)

// TestConsentsByTheirTime: what counts is when a consent was given, not when it
// was told; the core decides the same (story consent-late).
func TestConsentsByTheirTime(t *testing.T) {
	type said struct {
		channel string
		granted bool
		at      gateway.Instant
	}
	for name, c := range map[string]struct {
		said           []said
		webhook, email bool
	}{
		"an older word of one channel":          {[]said{{"", false, 20}, {"webhook", true, 10}}, false, false},
		"a newer word of one channel":           {[]said{{"", false, 20}, {"webhook", true, 30}}, true, false},
		"an older word of all channels":         {[]said{{"webhook", true, 20}, {"", false, 10}}, true, false},
		"a newer word of all channels":          {[]said{{"webhook", true, 20}, {"", false, 30}}, false, false},
		"at one instant the revocation stays":   {[]said{{"webhook", false, 20}, {"", true, 20}}, false, true},
		"an older revocation of all, told last": {[]said{{"", true, 5}, {"webhook", true, 20}, {"", false, 10}}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			table := newConsents()
			profile := gateway.CustomerProfile{Customer: 1}
			last := c.said[len(c.said)-1]
			for _, s := range c.said[:len(c.said)-1] {
				profile.Consents = append(profile.Consents, gateway.Consent{Purpose: gateway.PurposeMarketing, Channel: s.channel, Granted: s.granted, At: s.at})
			}
			table.profile(&profile)
			table.set(gateway.SetConsent{Customer: 1, Purpose: gateway.PurposeMarketing, Channel: last.channel, Granted: last.granted, At: last.at}, 40)
			table.profile(&profile) // a step from before the word puts it on top again
			for channel, want := range map[string]bool{"webhook": c.webhook, "email": c.email} {
				if got := table.allows(1, gateway.PurposeMarketing, channel, 40); got != want {
					t.Errorf("%s: allowed %v, want %v", channel, got, want)
				}
			}
		})
	}
}
