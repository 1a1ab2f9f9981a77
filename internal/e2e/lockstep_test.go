package e2e

import (
	"slices"
	"testing"
	"time"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

// lockstep is the change of a configuration to virtual time.
func lockstep(origin time.Time) func(*app.Config) {
	return func(c *app.Config) { c.Clock = app.ClockConfig{Mode: "lockstep", Origin: origin} }
}

const script = `
name: second
purpose: service
trigger:
  threshold: {count: brew_finished, at_least: 2, within: 1h}
reentry: {after_exit_and_gap: 2h}
steps:
  - id: pause
    wait: {for: 30m}
  - id: say
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Two}}}
`

const silence = `
name: silence
purpose: service
trigger:
  absence: {event: brew_finished, for: 3h}
reentry: {after_exit_and_gap: 1m}
steps:
  - id: say
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Silence}}}
`

// TestLockStep drives a day by hand: what is decided, and when, was worked out
// on paper.
func TestLockStep(t *testing.T) {
	day := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	at := func(hour, minute int) time.Time {
		return day.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	g := start(t, lockstep(at(6, 0)))
	g.customer("K-1")
	g.bind("SN-1", "K-1")
	g.publish(script, silence)
	m := g.power("SN-1")
	brews := []time.Time{
		at(7, 0), at(7, 59), // two within an hour: message at 8:29
		at(9, 30), at(10, 15), // two again, but 2 h after the exit are not over
		at(12, 0), at(12, 20), // silence 10:15–13:15 did not last; message at 12:50
		// silence from 12:20: message at 15:20
		at(17, 0), // and again at 20:00
		at(21, 0), // a sign of life: the machine gets what waited for it
	}
	k := 0
	for now := at(6, 0); !now.After(at(22, 0)); now = now.Add(time.Minute) {
		g.advance(now)
		if slices.Contains(brews, now) {
			k++
			m.brew(g.ctx, k, now.Format(time.RFC3339))
		}
	}
	g.displayed(m, 4)
	var got []string
	for _, msg := range g.listMessages(&pb.ListMessagesRequest{}) {
		got = append(got, msg.DecidedAt.AsTime().Format("15:04 ")+msg.Journey)
	}
	slices.Sort(got)
	// A silence is seen a minute later, but decided as of its end.
	want := []string{"08:29 second", "12:50 second", "15:20 silence", "20:00 silence"}
	if !slices.Equal(got, want) {
		t.Errorf("decided:\n got %q\nwant %q", got, want)
	}
}
