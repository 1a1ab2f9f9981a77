package app

import (
	"reflect"
	"strings"
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

// What a task says is checked at publish as strictly as what is sent.
func TestTextsOfTasksAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"{{ event.ml }} of {{ product }}": "",
		"{{ even.ml }}":                   "even",
		"{{ customer.nmae }}":             "nmae",
		"{% if %}":                        "if",
	} {
		for _, step := range []string{"send: {channels: [stream], texts: TEXTS}", "task: {assignee: support, texts: TEXTS}"} {
			step = strings.ReplaceAll(step, "TEXTS", "{en: {title: Call, body: '"+text+"'}}")
			def, err := journey.Compile([]byte("name: a\npurpose: service\ntrigger: {event: brew}\nsteps:\n  - id: s\n    "+step+"\n"), journey.Env{})
			if err != nil {
				t.Fatal(err)
			}
			if err := checkTemplates(def); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want something about %q", step, err, want)
			}
		}
	}
}
