package app

import (
	"reflect"
	"testing"

	"touchpoint/devices"
	"touchpoint/gateway/journey"
)

// The profiles say which models upload in bulk.
func TestUploadsOfProfiles(t *testing.T) {
	registry, err := devices.LoadRegistry([]byte(`products:
  tracker: {upload_interval: 24h, strict: true, events: {ride: {km: float}, battery: {}}}
  lock: {upload_interval: 12h, events: {closed: {}}}
  bike: {}
`))
	if err != nil {
		t.Fatal(err)
	}
	const hour = journey.Duration(3_600_000)
	got := uploads(map[string]journey.Upload{"old": {Interval: hour}, "lock": {Interval: hour}}, registry)
	want := map[string]journey.Upload{"old": {Interval: hour}, "lock": {Interval: 12 * hour},
		"tracker": {Interval: 24 * hour, Events: []string{"battery", "ride"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := uploads(nil, devices.OpenRegistry()); got != nil {
		t.Errorf("without profiles: %v", got)
	}
}
