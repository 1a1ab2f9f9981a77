package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestTriggerErrors shows what an author sees of a trigger, or a step, of the
// kinds that look at more than one event.
func TestTriggerErrors(t *testing.T) {
	env := testEnv
	env.Segments, env.Stages = []string{"heavy", "members"}, []string{"new", "active", "dormant"}
	const head, tail = "name: care\npurpose: service\ntrigger:\n", "\nsteps:\n  - {id: done, end: {}}\n"
	tests := []struct{ trigger, want string }{
		{"  sequence: {events: [brew_finished], within: 1h}", `line 4, trigger.sequence.events: is missing; name at least two events in their order`},
		{"  sequence: {events: [brew_finished, descaling_finnished], within: 1h}", `line 4, trigger.sequence.events: "descaling_finnished" is no declared event type; did you mean "descaling_finished"?`},
		{"  sequence: {events: [brew_finished, descaling_finished]}", `line 4, trigger.sequence.within: is missing; write a duration such as 10m`},
		{"  sequence: {events: [brew_finished, {event: brew_finished, where: event.strenght > 3}], within: 1h}", `trigger.sequence.events[1].where: "event.strenght > 3" reads event.strenght, which brew_finished does not have; did you mean event.strength?`},
		{"  sequence: {events: [brew_finished, descaling_finished], witout: brew_finished, within: 1h}", `line 4, trigger.sequence.witout: is no key here; did you mean "without"?`},
		{"  segment: {enter: heavyy}", `line 4, trigger.segment.enter: "heavyy" is no segment; did you mean "heavy"?`},
		{"  segment: {}", `trigger.segment.enter: is missing; write enter: <segment> or leave: <segment>`},
		{"  segment: {enter: heavy, leave: heavy}", `line 4, trigger.segment.leave: excludes enter; a trigger has one of them`},
		{"  stage: {enter: sleepy}", `line 4, trigger.stage.enter: "sleepy" is no stage; declared are new, active, dormant`},
		{"  stage: {enter: new, from: [new]}", `line 4, trigger.stage.from: "new" is the stage that he enters`},
		{"  stage: {enter: new}\nfilter: customer.stage == \"dorman\"", `line 5, filter: 'customer.stage == "dorman"' names the stage "dorman"; did you mean "dormant"?`},
		{"  stage: {enter: new}\nfilter: '\"member\" in customer.segments'", `names the segment "member"; did you mean "members"?`},
		{"  schedule: {rrule: FREQ=WEEKLY}", `line 4, trigger.schedule.start: is missing; write the first possible local time, such as "2026-05-04 09:00"`},
		{"  schedule: {rrule: FREQ=OFTEN, start: \"2026-05-04 09:00\"}", `line 4, trigger.schedule.rrule: "FREQ=OFTEN" is no rule`},
		{"  schedule: {rrule: FREQ=MINUTELY, start: \"2026-05-04 09:00\"}", `line 4, trigger.schedule.rrule: a schedule is at most hourly`},
		{"  schedule: {rrule: FREQ=DAILY;BYSECOND=5, start: \"2026-05-04 09:00\"}", `excludes BYSECOND; a schedule has whole minutes`},
		{"  schedule: {rrule: FREQ=DAILY;BYMONTHDAY=31, start: \"2026-05-04 09:00\"}", `picks days of the month or year; write it with FREQ=MONTHLY or FREQ=YEARLY`},
		{"  schedule: {rrule: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30, start: \"2026-05-04 09:00\"}", `never happens`},
		{"  schedule: {rrule: FREQ=DAILY, start: tomorrow}", `line 4, trigger.schedule.start: "tomorrow" is no local time; write it as "2026-05-04 09:00"`},
		{"  schedule: {rrule: FREQ=DAILY, start: \"2026-05-04 09:00\", where: event.x > 1}", `reads event, but no event is at hand here`},
		{"  api: {}\nsteps:\n  - {id: a, start_journey: care}\nx: 1", `line 6, step "a", start_journey: a journey does not start itself`},
		{"  api: {}\nsteps:\n  - {id: a, stop_journey: care}\nx: 1", `line 6, step "a", stop_journey: a journey does not stop itself; write end: {}`},
		{"  api: {}\nsteps:\n  - {id: a, start_journey: Care Now}\nx: 1", `step "a", start_journey: "Care Now" is no name of a journey`},
		{"  api: {}\nsteps:\n  - {id: a, task: {texts: {en: {title: Call}}}}", `line 6, step "a", task.assignee: is missing; name who does it: a role or a team, such as support`},
		{"  api: {}\nsteps:\n  - {id: a, task: {assignee: The Boss, texts: {en: {title: Call}}}}", `step "a", task.assignee: "The Boss" is no name of a role or a team`},
		{"  api: {}\nsteps:\n  - {id: a, task: {assignee: boss}}", `line 6, step "a", task.texts: is missing; write title and body per locale`},
		{"  api: {}\nsteps:\n  - {id: a, task: {assignee: boss, texts: {en: {title: Call, actions: []}}}}", `step "a", task.texts.en.actions: is no key here`},
		{"  api: {}\nsteps:\n  - {id: a, task: {assignee: boss, text: {}, texts: {en: {title: Call}}}}", `step "a", task.text: is no key here; did you mean "texts"?`},
		{"  api: {}\nsteps:\n  - {id: a, task: {assignee: boss, due: soon, texts: {en: {title: Call}}}}", `line 6, step "a", task.due: `},
		{"  api: {}\nsteps:\n  - {id: a, task: {assignee: boss, texts: {en: {title: \"{{ trait.nope }}\"}}}}", `step "a", task.texts.en.title: reads trait.nope, which is not declared`},
	}
	for _, tt := range tests {
		text := head + tt.trigger + tail
		if strings.Contains(tt.trigger, "steps:") {
			text = head + tt.trigger + "\n"
		}
		_, err := Compile([]byte(text), env)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngot  %v\nwant %s", tt.trigger, err, tt.want)
		}
	}
}

// TestRuleErrors shows what an operator sees of wrong segments and stages.
func TestRuleErrors(t *testing.T) {
	traits := map[string]map[string]any{"brews": {"count": "brew", "within": "7d"}}
	rest, many := []Rule{{"rest", ""}}, map[string]map[string]any{}
	for i := range 65 {
		many[fmt.Sprint("t", i)] = map[string]any{"count": "brew", "within": fmt.Sprint(i+1, "d")}
	}
	tests := []struct {
		c    Config
		want string
	}{
		{Config{Traits: traits, Segments: []Rule{{"heavy", "trait.brew > 3"}}}, `segments[0].when: "trait.brew > 3" reads trait.brew, which is not declared; did you mean trait.brews?`},
		{Config{Traits: traits, Segments: []Rule{{"heavy", "event.x > 3"}}}, `reads event, but a rule looks at the customer alone`},
		{Config{Traits: traits, Segments: []Rule{{"heavy", ""}}}, `segments[0].when: is missing; write a condition such as trait.brews >= 100`},
		{Config{Segments: []Rule{{"Heavy", "customer.a == 1"}}}, `segments[0].name: "Heavy" may hold a-z`},
		{Config{Segments: []Rule{{"a", "customer.a == 1"}, {"a", "customer.a == 2"}}}, `segments[1].name: "a" is there twice`},
		{Config{Segments: []Rule{{"a", `"b" in customer.segments`}}}, `reads customer.segments; only stages may`},
		{Config{Stages: []Rule{{"a", `customer.stage == "b"`}, {"b", ""}}}, `reads customer.stage, which is decided after it`},
		{Config{Stages: []Rule{{"a", `customer.a == 1`}}}, `stages[0].when: the last stage takes the rest and has no condition; add a stage without one`},
		{Config{Segments: []Rule{{"heavy", "customer.a == 1"}}, Stages: []Rule{{"a", `"heavvy" in customer.segments`}, rest[0]}}, `names the segment "heavvy"; did you mean "heavy"?`},
		{Config{Segments: []Rule{{"all", "size(customer) > 1"}}}, `reads customer as a whole; name its fields`},
		{Config{Traits: map[string]map[string]any{"brews": {"cuont": "brew"}}, Stages: rest}, `traits.brews.cuont: is no key here; did you mean "count"?`},
		{Config{Traits: map[string]map[string]any{"brews": {"count": "brew", "per": "device"}}, Stages: []Rule{{"a", "trait.brews > 1"}, rest[0]}}, `stages[0].when: "trait.brews > 1" reads trait.brews, which is per device; a rule looks at a customer`},
		{Config{Segments: []Rule{{"vip", "trait.t > 0"}}, Traits: map[string]map[string]any{"t": {"count": func() {}}}}, `traits: json: unsupported type`},
		{Config{Segments: []Rule{{"a", "event_type == \"x\""}}}, `reads event_type as a whole`},
		{Config{Segments: []Rule{{"a", "trigger.x > 3"}}}, `reads trigger, but a rule looks at the customer alone`},
		{Config{Segments: []Rule{{"a", "[customer].exists(c, c.x == 1)"}}}, `reads customer as a whole`},
		{Config{Segments: []Rule{{"a", `device.state == "idle"`}}}, `reads device, but a rule looks at the customer alone`},
		{Config{Traits: traits, Segments: []Rule{{"a", `trait.brews == "many"`}}}, `segments[0].when: 'trait.brews == "many"' compares`},
		{Config{Segments: []Rule{{"heavy", "customer.a == 1"}}, Stages: []Rule{{"a", `string("gold" in customer.segments).startsWith("t")`}, rest[0]}}, `names the segment "gold", which the rules do not declare`},
		{Config{Segments: []Rule{{"heavy", "customer.a == 1"}}, Stages: []Rule{{"a", `string(size(customer)).startsWith("t")`}, rest[0]}}, `reads customer as a whole`},
		{Config{Segments: []Rule{{"heavy", "customer.a == 1"}}, Stages: []Rule{{"a", `{"gold" in customer.segments: 1, true: 2}[true] == 1`}, rest[0]}}, `names the segment "gold"`},
		{Config{Traits: many, Stages: rest}, `traits: has 65 entries; 64 are allowed`},
		{Config{Segments: slices.Repeat(rest, 65)}, `segments: has 65 entries; 64 are allowed`},
		{Config{Segments: []Rule{{"heavy", "customer.a == 1"}}, Stages: []Rule{{"a", `"other" in customer.segments`}, rest[0]}}, `names the segment "other", which the rules do not declare`},
	}
	for _, tt := range tests {
		if err := tt.c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "line ") {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

// TestRuleNames: what the rules declare is what a definition may name.
func TestRuleNames(t *testing.T) {
	c := Config{Segments: []Rule{{"heavy", "customer.a == 1"}, {"light", "customer.a == 2"}}, Stages: []Rule{{"new", "customer.a == 1"}, {"rest", ""}}}
	segments, stages := c.RuleNames()
	if got := fmt.Sprint(segments, stages); got != "[heavy light] [new rest]" {
		t.Errorf("declared are %s", got)
	}
	if segments, stages = (Config{}).RuleNames(); segments == nil || stages == nil || len(segments)+len(stages) > 0 { // nil would allow any
		t.Errorf("nothing is declared as %v %v", segments, stages)
	}
}
