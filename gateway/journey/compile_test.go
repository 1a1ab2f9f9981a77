package journey

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// good is a definition in which each test breaks one line.
const good = `name: care
purpose: service
trigger:
  event: brew_finished
  where: event.water_ml > 100
filter: customer.country == "DE"
traits:
  brews: {count: brew_finished, within: 7d}
reentry: after_exit
goal: {event: descaling_finished, within: 7d}
exit:
  - event: descaling_finished
steps:
  - id: ask
    send:
      channels: [product]
      expires_after: 1d
      texts:
        en: {title: Hello, body: "{{ trait.brews }} cups of {{ event.water_ml }} ml"}
  - id: rest
    wait: {for: 3d}
  - id: choose
    branch:
      - {when: trait.brews > 3, go: ask2}
      - {otherwise: end}
  - id: ask2
    send: {channels: [webhook], texts: {en: {title: Again}}}
`

var testEnv = Env{
	Events: map[string]EventType{
		"brew_finished":      {Properties: map[string]string{"water_ml": "int", "strength": "int", "engine.temp_c": "float"}},
		"descaling_finished": {},
	},
	Channels: []string{"product", "webhook", "stream"},
	CheckTemplate: func(text string, values []string) error {
		if strings.Contains(text, "{{ }}") {
			return errors.New("an empty {{ }}")
		}
		return nil
	},
}

func TestCompileGood(t *testing.T) {
	def, err := Compile([]byte(good), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if def.Name != "care" || len(def.steps) != 4 || len(def.Templates) != 2 {
		t.Errorf("got %+v", def)
	}
	tpl, locale, ok := def.Template("ask", "de-CH")
	if !ok || locale != "en" || tpl.Title != "Hello" {
		t.Errorf("template %+v in %q", tpl, locale)
	}
}

func TestExampleJourneys(t *testing.T) {
	files, _ := filepath.Glob("../../deploy/journeys/*.yaml")
	if len(files) < 4 {
		t.Fatal("examples are missing")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		def, err := Compile(text, Env{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for id, byLocale := range def.Templates {
			for _, locale := range []string{"de", "en"} {
				if _, ok := byLocale[locale]; !ok {
					t.Errorf("%s: %s has no text in %s", file, id, locale)
				}
			}
		}
	}
}

// TestCompileErrors shows the errors that an author sees.
func TestCompileErrors(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"misspelled key", "trigger:\n", "triger:\n",
			`line 3, triger: is no key here; did you mean "trigger"?`},
		{"unknown key", "reentry: after_exit", "colour: red",
			`line 9, colour: is no key here; allowed are name, purpose, description, max_event_age, holdout, holdout_reason, existing, `},
		{"misspelled step", "    send: {channels: [webhook]", "    sned: {channels: [webhook]",
			`line 27, step "ask2", sned: is no key here; did you mean "send"?`},
		{"entry cap without max", "reentry: after_exit", "entry_cap: {per: 7d}", "line 9, entry_cap.max: is missing; write how many may enter, such as max: 500"},
		{"entry cap of two windows", "reentry: after_exit", "entry_cap: {max: 5, per: 7d, calendar: day}", "line 9, entry_cap.calendar: excludes per; keep one"},
		{"entry cap of a half", "reentry: after_exit", "entry_cap: {max: 1.5}", `line 9, entry_cap.max: "1.5" is no whole number in 1…1000000000`},
		{"misspelled window", "reentry: after_exit", "entry_cap: {max: 5, calendar: weak}", `line 9, entry_cap.calendar: "weak" is not allowed; did you mean "week"?`},
		{"misspelled cap", "reentry: after_exit", "entry_cap: {maxx: 5, max: 5}", `line 9, entry_cap.maxx: is no key here; did you mean "max"?`},
		{"existing by the hour", "reentry: after_exit", "existing: enroll 5 per hour", `line 9, existing: "enroll 5 per hour" is not allowed; write ignore, enroll, or enroll 500 per day`},
		{"ramp without start", "reentry: after_exit", "ramp: {then: [{after: 1d, share: 50%}]}", "line 9, ramp.start: is missing; write the share that may enter at first, such as start: 5%"},
		{"ramp that shrinks", "reentry: after_exit", "ramp: {start: 50%, then: [{after: 1d, share: 5%}]}", "line 9, ramp.then[0].share: is less than the 50 % before it; a ramp only grows"},
		{"ramp without share", "reentry: after_exit", "ramp: {start: 50%, then: [{after: 1d}]}", "line 9, ramp.then[0].share: is missing; write the share that may enter from then on, such as share: 25%"},
		{"ramp back in time", "reentry: after_exit", "ramp: {start: 5%, then: [{after: 1d, share: 6%}, {after: 1d, share: 7%}]}", "line 9, ramp.then[1].after: is not later than the step before it"},
		{"forecast of nothing", "reentry: after_exit", "forecast: {factor: 3}", "line 9, forecast.messages_per_day: is missing; write how many messages a day are expected"},
		{"migrate to nowhere", "reentry: after_exit", "migrate: {old: chose}", `line 9, migrate.old: "chose" is no step; did you mean "choose"?`},
		{"migrate a step that is there", "reentry: after_exit", "migrate: {ask: rest}", "line 9, migrate.ask: is still a step; only a removed one names its target"},
		{"key twice", "purpose: service", "purpose: service\npurpose: service", `mapping key "purpose" already defined at [2:1]`},
		{"no purpose", "purpose: service\n", "", `purpose: is missing; write service, marketing or safety: it decides the consent that is needed`},
		{"wrong purpose", "purpose: service", "purpose: marketting", `line 2, purpose: "marketting" is not allowed; did you mean "marketing"?`},
		{"bad name", "name: care", "name: Care Now", `line 1, name: "Care Now" may hold a-z, 0-9, - and _ only; did you mean "care-now"?`},
		{"undeclared event", "  event: brew_finished\n", "  event: brew_finnished\n",
			`line 4, trigger.event: "brew_finnished" is no declared event type; did you mean "brew_finished"?`},
		{"unknown property", "event.water_ml > 100", "event.watter_ml > 100",
			`line 5, trigger.where: "event.watter_ml > 100" reads event.watter_ml, which brew_finished does not have; did you mean event.water_ml?`},
		{"unknown root", "customer.country ==", "custmer.country ==",
			`line 6, filter: 'custmer.country == "DE"' does not know "custmer"; did you mean "customer"?`},
		{"no condition", "event.water_ml > 100", "event.water_ml + 100", `"event.water_ml + 100" is a number, not a condition; compare it with something`},
		{"syntax of a condition", "event.water_ml > 100", "event.water_ml >> 100", `"event.water_ml >> 100" is no condition: it cannot be read from "> 100" on`},
		{"text for a condition", `customer.country == "DE"`, `"'DE'"`, `line 6, filter: "'DE'" is a text, not a condition; compare it with something`},
		{"event without one", `customer.country == "DE"`, "customer.country == event.land", `line 6, filter: "customer.country == event.land" reads event.land, which brew_finished does not have; it has engine.temp_c, strength, water_ml`},
		{"event in a branch", "when: trait.brews > 3", "when: event.water_ml > 3",
			`line 24, step "choose", branch[0].when: "event.water_ml > 3" reads event, but no event is at hand here; trigger.… holds what started the enrollment`},
		{"undeclared trait", "when: trait.brews > 3", "when: trait.brew > 3",
			`line 24, step "choose", branch[0].when: "trait.brew > 3" reads trait.brew, which is not declared; did you mean trait.brews?`},
		{"trait in a text", "{{ trait.brews }}", "{{ trait.cups }}", `line 19, step "ask", send.texts.en.body: reads trait.cups, which is not declared under traits`},
		{"property in a text", "{{ event.water_ml }}", "{{ event.water }}", `line 19, step "ask", send.texts.en.body: reads event.water, which brew_finished does not have; did you mean event.water_ml?`},
		{"template", "Hello,", `"{{ }}",`, `line 19, step "ask", send.texts.en.title: an empty {{ }}`},
		{"bad duration", "wait: {for: 3d}", "wait: {for: 3 days}", `line 21, step "rest", wait.for: "3 days" is no duration; did you mean "3d"?`},
		{"no duration", "wait: {for: 3d}", "wait: {}", `line 21, step "rest", wait.for: is missing; a wait is one of for, until_event, until_local_time`},
		{"two waits", "wait: {for: 3d}", "wait: {for: 3d, until_local_time: \"08:00\"}", `line 21, step "rest", wait.until_local_time: excludes for; a wait is one of for, until_event, until_local_time`},
		{"no timeout", "wait: {for: 3d}", "wait: {until_event: descaling_finished}", `line 21, step "rest", wait.timeout: is missing; write a duration such as 7d`},
		{"time of day", "wait: {for: 3d}", "wait: {until_local_time: 8 o'clock}", `line 21, step "rest", wait.until_local_time: "8 o'clock" is no time of day; write it as "08:30"`},
		{"weekday", "wait: {for: 3d}", "wait: {until_local_time: \"08:00\", days: [saturday]}", `line 21, step "rest", wait.days: "saturday" is no day; write mon, tue, wed, thu, fri, sat or sun`},
		{"unknown target", "go: ask2}", "go: aks2}", `line 24, step "choose", branch[0].go: "aks2" is no step; did you mean "ask2"?`},
		{"same id twice", "id: ask2", "id: ask", `line 26, steps[3].id: "ask" is the id of the step in line 14; take another one`},
		{"no id", "  - id: rest\n    wait", "  - wait", `steps[1].id: is missing; every step has a stable id`},
		{"two things", "wait: {for: 3d}", "wait: {for: 3d}\n    end: {}", `line 22, step "rest", end: excludes wait; a step does one thing`},
		{"nothing", "    wait: {for: 3d}\n", "", `line 20, step "rest", send: is missing; a step is one of send, wait, branch, split, set, end`},
		{"circle", "- {otherwise: end}", "- {otherwise: choose}", `line 22, step "choose", next: the steps lead in a circle without a wait`},
		{"otherwise first", "- {when: trait.brews > 3, go: ask2}", "- {otherwise: ask2}", `line 24, step "choose", branch[0].otherwise: must be the last arm; later ones are never reached`},
		{"no go", "go: ask2}", "to: ask2}", `branch[0].to: is no key here; did you mean "go"?`},
		{"split", "    branch:\n      - {when: trait.brews > 3, go: ask2}\n      - {otherwise: end}", "    split:\n      - {arm: a, percent: 60}\n      - {arm: b, percent: 30}",
			`line 23, step "choose", split: the arms sum up to 90 %; they must make 100 %`},
		{"channel", "channels: [webhook]", "channels: [webhok]", `line 27, step "ask2", send.channels: "webhok" is no channel; did you mean "webhook"?`},
		{"no text", "texts: {en: {title: Again}}", "expires_after: 1d", `line 27, step "ask2", send.texts: is missing; write title and body per locale, such as texts: {en: {title: …, body: …}}`},
		{"no title", "{en: {title: Again}}", "{en: {body: Again}}", `line 27, step "ask2", send.texts.en.title: is missing; every message has a title`},
		{"goal", "within: 7d}\nexit", "wihtin: 7d}\nexit", `line 10, goal.wihtin: is no key here; did you mean "within"?`},
		{"gap", "reentry: after_exit", "reentry: after_exit_and_gap", `line 9, reentry: needs the length of the gap; write reentry: {after_exit_and_gap: 30d}`},
		{"key", "reentry: after_exit", "reentry: concurrent_per_key", `line 9, reentry: concurrent_per_key needs a key; add key: device or key: event.<property>`},
		{"two triggers", "  event: brew_finished\n  where", "  event: brew_finished\n  api: {}\n  where", `line 5, trigger.api: excludes event; a journey has one trigger`},
		{"priority", "reentry: after_exit", "priority: high", `line 9, priority: "high" is no whole number in -1000…1000`},
		{"half a priority", "reentry: after_exit", "priority: 1.5", `line 9, priority: "1.5" is no whole number in -1000…1000`},
		{"decision window", "reentry: after_exit", "decision_window: 30d", `line 9, decision_window: is longer than 7d: a message would come too late to be of use`},
		{"tags", "reentry: after_exit", "tags: [Tip of the day]", `line 9, tags: "Tip of the day" may hold a-z, 0-9, - and _ only; did you mean "tip-of-the-day"?`},
		{"tags of a step", "      channels: [product]", "      channels: [product]\n      tag: [x]", `line 17, step "ask", send.tag: is no key here; did you mean "tags"?`},
		{"threshold", "  event: brew_finished\n  where: event.water_ml > 100\n", "  threshold: {count: brew_finished, within: 7d}\n", `line 4, trigger.threshold.at_least: is missing; write at_least: 200, or every: 100`},
		{"threshold sum", "  event: brew_finished\n  where: event.water_ml > 100\n", "  threshold: {sum: brew_finished, at_least: 3, within: 7d}\n", `line 4, trigger.threshold.sum: needs a property of the event; write sum: brew_finished.water_ml`},
		{"half a count", "  event: brew_finished\n  where: event.water_ml > 100\n", "  threshold: {count: brew_finished, at_least: 2.5, within: 7d}\n", `line 4, trigger.threshold.at_least: "2.5" is no whole number in 1…65536`},
		{"trait window", "brews: {count: brew_finished, within: 7d}", "brews: {sum: brew_finished.water_ml}", `line 8, traits.brews.within: is missing; write the length of the window such as 30d`},
		{"trait kinds", "brews: {count: brew_finished, within: 7d}", "brews: {cuont: brew_finished, within: 7d}", `line 8, traits.brews.cuont: is no key here; did you mean "count"?`},
		{"trait two kinds", "brews: {count: brew_finished, within: 7d}", "brews: {p90: brew_finished.water_ml, slope: brew_finished.water_ml, within: 7d}", `line 8, traits.brews.p90: excludes slope; a trait has one of them`},
		{"percentile", "brews: {count: brew_finished, within: 7d}", "brews: {p100: brew_finished.water_ml, within: 7d}", `line 8, traits.brews.p100: is no key here; allowed are count, sum,`},
		{"percentile of nothing", "brews: {count: brew_finished, within: 7d}", "brews: {p50: brew_finished, within: 7d}", `line 8, traits.brews.p50: needs a property of the event; write p50: brew_finished.water_ml`},
		{"first in a window", "brews: {count: brew_finished, within: 7d}", "brews: {first: brew_finished, within: 7d}", `line 8, traits.brews.within: does not go with first, which is the first ever`},
		{"level", "  event: brew_finished\n  where: event.water_ml > 100\n", "  threshold: {mean: brew_finished.water_ml, within: 7d, at_laest: 3}\n", `line 4, trigger.threshold.above: is missing; write above: 96, or below, at_least, at_most; line 4, trigger.threshold.at_laest: is no key here; did you mean "at_least"?`},
		{"two levels", "  event: brew_finished\n  where: event.water_ml > 100\n", "  threshold: {mean: brew_finished.water_ml, within: 7d, above: 3, below: 4}\n", `line 4, trigger.threshold.below: excludes above; a threshold has one bound`},
		{"threshold of no trait", "  event: brew_finished\n  where: event.water_ml > 100\n", "  threshold: {trait: brws, at_least: 3}\n", `line 4, trigger.threshold.trait: "brws" is none of the traits; did you mean "brews"?`},
		{"threshold of a time", "  event: brew_finished\n  where: event.water_ml > 100\n", "  threshold: {last: brew_finished, above: 3}\n", `line 4, trigger.threshold.last: is no trait to compare with a bound; use count, sum, mean, min, max, last with a property, slope, distinct or p90`},
		{"unless without a window", "  event: brew_finished\n  where: event.water_ml > 100\n", "  threshold: {distinct: brew_finished.water_ml, above: 3, unless: descaling_finished}\n", `line 4, trigger.threshold.unless: needs a window; add within: 30d`},
		{"holdout", "reentry: after_exit", "holdout: 110", `line 9, holdout: "110" is no number in 0…100`},
		{"quiet hours", "reentry: after_exit", "quiet_hours: [{from: \"22:00\", to: \"22:00\"}]", `line 9, quiet_hours[0].to: equals from; the interval is empty`},
		{"no map", "goal: {event: descaling_finished, within: 7d}", "goal: descaling_finished", `line 10, goal: is "descaling_finished", where keys and values belong`},
		{"broken yaml", "filter: customer", "filter: {customer", `is no YAML`},
		{"anchor", "filter: customer.country == \"DE\"", "filter: &a x", `line 6, anchors, aliases and tags are not supported here`},
		{"two documents", "name: care", "name: care\n---\nname: more", `must be exactly one YAML document`},
		{"empty", good, "", `must be exactly one YAML document`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if text == good {
				t.Fatalf("%q is not in the good definition", tt.old)
			}
			_, err := Compile([]byte(text), testEnv)
			if err == nil {
				t.Fatal("compiles")
			}
			if gateway.KindOf(err) != gateway.Invalid {
				t.Errorf("kind %v", gateway.KindOf(err))
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("\ngot  %v\nwant %v", err, tt.want)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{"1d12h": "1d12h", "36h": "1d12h", "90s": "1m30s", "2w": "2w", "15d": "15d", "7d": "1w", "250ms": "250ms", "36600d": "36600d"} {
		d, err := ParseDuration(text)
		if err != nil || d.String() != want {
			t.Errorf("%s: %v %v", text, d, err)
		}
	}
	const general = "is no duration; write a number and a unit (s, m, h, d, w), such as 30d or 4h"
	for text, want := range map[string]string{"": general, "d": general, "1x": general, "-1d": general, "1d 2h": general, "1.5h": general, "2 months": general, "1dd": general,
		"1": "has no unit; write 1s, 1m, 1h, 1d or 1w", "30 ": "has no unit; write 30s, 30m, 30h, 30d or 30w", "5 days": `is no duration; did you mean "5d"?`,
		"5D": `is no duration; did you mean "5d"?`, "10 min": `is no duration; did you mean "10m"?`, "10 Seconds": `is no duration; did you mean "10s"?`,
		"1 hour": `is no duration; did you mean "1h"?`, "3weeks": `is no duration; did you mean "3w"?`, "36600d1ms": "is longer than 36600d, a hundred years",
		"36601d": "is longer than 36600d, a hundred years", "99999999999w": "is longer than 36600d, a hundred years", "99999999999999999999ms": "is longer than 36600d, a hundred years"} {
		if d, err := ParseDuration(text); err == nil || err.Error() != fmt.Sprintf("%q %s", text, want) {
			t.Errorf("%q gives %v, %v", text, d, err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	from, to := []string{"start"}, []string{"stop"}
	tests := []struct {
		c    Config
		want string
	}{
		{Config{Zone: "Mars"}, `zone: "Mars" is no time zone; write a name such as Europe/Berlin`},
		{Config{Caps: []CapRule{{Name: "a", Max: 1}}}, "caps[0].per: is missing; write a duration such as 7d, or calendar: day"},
		{Config{Caps: []CapRule{{Name: "a", Max: 1, Calendar: "year"}}}, `caps[0].calendar: "year" is not day, week or month`},
		{Config{Caps: []CapRule{{Max: 1}}}, "caps[0].name: is missing; decisions name the rule"},
		{Config{Caps: []CapRule{{Name: "a"}}}, "caps[0].max: 0 is not at least 1"},
		{Config{QuietHours: []QuietHours{{From: 5, To: 5}}}, "quiet_hours[0].to: equals from; the interval is empty"},
		{Config{QuietHours: []QuietHours{{To: 5, OnHit: "drop"}}}, `quiet_hours[0].on_hit: "drop" is not hold or discard`},
		{Config{Holdout: map[gateway.Purpose]float64{"marketing": 101}}, "holdout.marketing: 101 is not in 0…100"},
		{Config{Caps: []CapRule{{Name: "a", Max: 1, Calendar: "day", Per: 1}}}, "caps[0].calendar: excludes per; keep one"},
		{Config{Caps: []CapRule{{Name: "a", Max: 1, Per: -1}}}, "caps[0].per: is missing; write a duration such as 7d, or calendar: day"},
		{Config{Caps: []CapRule{{Name: "a", Max: 1, Per: 1, Scope: "firm"}}}, `caps[0].scope: "firm" is not group or customer`},
		{Config{Holdout: map[gateway.Purpose]float64{"marketing": -1}}, "holdout.marketing: -1 is not in 0…100"},
		{Config{Holdout: map[gateway.Purpose]float64{"marketing": math.NaN()}}, "holdout.marketing: NaN is not in 0…100"},
		{Config{Partitions: 2, Partition: 2}, "partition: 2 is not in 0…1"},
		{Config{Partitions: -1}, "partitions: -1 is negative"},
		{Config{Partition: -1}, "partition: -1 is not in 0…0"},
		{Config{Partition: 1}, "partition: 1 is not in 0…0"},
		{Config{DeviceStates: map[string]DeviceState{"idle": {From: from, To: to}}}, "device_states.idle: is no name for a state; idle and unknown are taken, a name holds a-z, 0-9, - and _"},
		{Config{DeviceStates: map[string]DeviceState{"unknown": {From: from, To: to}}}, "device_states.unknown: is no name for a state; idle and unknown are taken, a name holds a-z, 0-9, - and _"},
		{Config{DeviceStates: map[string]DeviceState{"On": {From: from, To: to}}}, "device_states.On: is no name for a state; idle and unknown are taken, a name holds a-z, 0-9, - and _"},
		{Config{DeviceStates: map[string]DeviceState{"on": {From: from}}}, "device_states.on: needs from and to: the event types that begin and end it"},
		{Config{DeviceStates: map[string]DeviceState{"on": {To: to}}}, "device_states.on: needs from and to: the event types that begin and end it"},
		{Config{DeviceStates: map[string]DeviceState{"on": {From: from, To: to, Max: -1}}}, "device_states.on.max: is negative"},
		{Config{DeviceStates: map[string]DeviceState{"on": {From: from, To: to}, "up": {From: from, To: to}}}, "device_states.on.from: names an event type that begins up, too"},
		{Config{Suspension: Suspension{OnHit: "drop"}}, `suspension.on_hit: "drop" is not hold or discard`},
		{Config{Segments: []Rule{{"a", ""}}}, "segments[0].when: is missing; write a condition such as trait.brews >= 100"},
	}
	for _, tt := range tests {
		if err := tt.c.Validate(); fmt.Sprint(err) != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	for i, good := range []Config{Config{}.WithDefaults(), {Partitions: 2, Partition: 1}, {Holdout: map[gateway.Purpose]float64{"marketing": 100, "service": 0}},
		{Caps: []CapRule{{Name: "a", Max: 1, Calendar: "day"}, {Name: "b", Max: 2, Calendar: "week"}, {Name: "c", Max: 3, Calendar: "month", Scope: "customer"}}},
		{QuietHours: []QuietHours{{To: 5, OnHit: "hold"}, {To: 5, OnHit: "discard"}, {From: 5}}}, {Suspension: Suspension{OnHit: "hold"}}, {Suspension: Suspension{OnHit: "discard"}},
		{DeviceStates: map[string]DeviceState{"on": {From: from, To: to}, "up": {From: to, To: from}}}} {
		if err := good.Validate(); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}
