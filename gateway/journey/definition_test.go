package journey

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestWhatIsRead: each key of a definition comes out as what it says, and as
// its default where it is left out.
func TestWhatIsRead(t *testing.T) {
	const base = "name: read\npurpose: service\ntrigger: {event: brew}\n"
	const say = "{id: say, send: {texts: {en: {title: Hello}}}}"
	list := func(values ...any) string { return strings.TrimSuffix(fmt.Sprintln(values...), "\n") }
	first := func(d *Definition) *step { return &d.steps[0] }
	tests := []struct {
		part string
		get  func(*Definition) any
		want any
	}{
		{"", func(d *Definition) any { return d.maxAge }, Duration(0)},
		{"max_event_age: 90m", func(d *Definition) any { return d.maxAge }, Duration(90 * 60_000)},
		{"", func(d *Definition) any { return d.holdout }, -1},
		{"holdout: 12.345%", func(d *Definition) any { return d.holdout }, 1235},
		{"holdout: 0", func(d *Definition) any { return d.holdout }, 0},
		{"", func(d *Definition) any { return d.keyBy }, ""},
		{"key: device", func(d *Definition) any { return d.keyBy }, "device"},
		{"key: event.order", func(d *Definition) any { return d.keyBy }, "order"},
		{"", func(d *Definition) any { return d.reentry }, reentry{mode: reentryAfterExit}},
		{"reentry: once", func(d *Definition) any { return d.reentry }, reentry{mode: reentryOnce}},
		{"reentry: after_exit", func(d *Definition) any { return d.reentry }, reentry{mode: reentryAfterExit}},
		{"reentry: {after_exit_and_gap: 2d}", func(d *Definition) any { return d.reentry }, reentry{reentryAfterGap, 2 * dayMillis}},
		{"key: device\nreentry: concurrent_per_key", func(d *Definition) any { return d.reentry }, reentry{mode: reentryConcurrent}},
		{"trigger: {milestone: {event: brew}}", func(d *Definition) any { return d.reentry }, reentry{mode: reentryOnce}},
		{"trigger: {milestone: {event: brew}}\nreentry: after_exit", func(d *Definition) any { return d.reentry }, reentry{mode: reentryAfterExit}},
		{"", func(d *Definition) any { return [2]bool{d.obeys, d.counts} }, [2]bool{true, true}},
		{"caps: {obeys: false}", func(d *Definition) any { return [2]bool{d.obeys, d.counts} }, [2]bool{false, true}},
		{"caps: {counts: false}", func(d *Definition) any { return [2]bool{d.obeys, d.counts} }, [2]bool{true, false}},
		{"purpose: safety\nlegal_basis: recall", func(d *Definition) any { return list(d.obeys, d.counts, d.legalBasis) }, "false true recall"},
		{"purpose: safety\nlegal_basis: recall\ncaps: {obeys: true}", func(d *Definition) any { return d.obeys }, true},
		{`quiet_hours: [{from: "22:00", to: "07:30", days: [fri, sat], channels: [email], on_hit: discard}, {from: "12:00", to: "13:00"}]`,
			func(d *Definition) any { return list(d.quiet) }, "[{22:00 07:30 [fri sat] [email] discard} {12:00 13:00 [] [] hold}]"},
		{"priority: -7", func(d *Definition) any { return d.priority }, -7},
		{"decision_window: 5m", func(d *Definition) any { return d.window }, Duration(5 * 60_000)},
		{"tags: [b, a, b]", func(d *Definition) any { return list(d.tags) }, "[a b]"},
		{"tags: sale", func(d *Definition) any { return list(d.tags) }, "[sale]"},
		{"data: [usage, customer, usage]", func(d *Definition) any { return list(d.data) }, "[customer usage]"},
		{"context: {when: device.state == \"idle\", unknown: hold, channels: [product]}",
			func(d *Definition) any { return list(d.context.hold, d.context.channels, d.context.when.text) }, `true [product] device.state == "idle"`},
		{"context: {when: device.state == \"idle\", unknown: send}", func(d *Definition) any { return d.context.hold }, false},
		{"goal: {event: clean, within: 3d, where: event.ok}", func(d *Definition) any { return list(d.goal.event, d.goal.within, d.goal.where.text) }, "clean 3d event.ok"},
		{"exit: [{event: clean, where: event.ok}, {when: customer.x == 1}]",
			func(d *Definition) any {
				return list(len(d.exits), d.exits[0].event, d.exits[0].where.text, d.exits[1].event, d.exits[1].where.text)
			}, "2 clean event.ok  customer.x == 1"},
		{"", func(d *Definition) any { return d.trigger.kind }, triggerEvent},
		{"trigger: {event: brew, where: event.ml > 3}", func(d *Definition) any { return d.trigger.event + d.trigger.where.text }, "brewevent.ml > 3"},
		{"trigger: {api: {}}", func(d *Definition) any {
			return list(d.trigger.kind, d.trigger.event, d.trigger.trait, d.trigger.unless)
		}, "5  -1 -1"},
		{"trigger: {milestone: {event: brew}}", func(d *Definition) any { return list(d.trigger.nth, d.traits[0].perDev) }, "1 false"},
		{"trigger: {milestone: {event: brew, nth: 20, per: device}}", func(d *Definition) any { return list(d.trigger.nth, d.traits[0].perDev, d.trigger.trait) }, "20 true 0"},
		{"trigger: {absence: {event: brew, for: 3d}}", func(d *Definition) any {
			return list(d.trigger.within, d.traits[0].silence, d.traits[0].owner, d.traits[0].kind == traitLast)
		}, "3d 3d read true"},
		{"trigger: {threshold: {count: brew, within: 1d, at_least: 3}}", func(d *Definition) any {
			return list(d.trigger.atLeast, d.trigger.every, d.trigger.sum, d.traits[0].limit, d.trigger.watched, d.trigger.unless)
		}, "3 false false 3 count -1"},
		{"trigger: {threshold: {count: brew, within: 1d, every: 4, per: device}}", func(d *Definition) any {
			return list(d.trigger.atLeast, d.trigger.every, d.traits[0].limit, d.traits[0].perDev)
		}, "4 true 4 true"},
		{"trigger: {threshold: {sum: brew.ml, within: 1d, at_least: 2.5}}", func(d *Definition) any {
			return list(d.trigger.atLeast, d.trigger.sum, d.traits[0].limit, d.trigger.watched, d.trigger.within)
		}, "2500000 true 0 sum 1d"},
		{"traits: {ml: {mean: brew.ml, within: 2d}}\ntrigger: {threshold: {trait: ml, below: -3}}", func(d *Definition) any {
			return list(d.trigger.level, d.trigger.watched, d.trigger.within, d.trigger.trait, d.traits[1].name == "", d.traits[1].owner)
		}, "{below -3} ml 2d 1 true read"},
		{"trigger: {threshold: {p95: brew.ml, within: 1d, at_most: 3, unless: clean}}", func(d *Definition) any {
			return list(d.trigger.level, d.traits[d.trigger.trait].percent, d.traits[d.trigger.unless].event, d.trigger.watched)
		}, "{at_most 3} 95 clean p95"},
		{"trigger: {sequence: {events: [brew, {event: clean, where: event.ok}], without: [clean], within: 5m, per: device}}", func(d *Definition) any {
			q := d.trigger.sequence
			return list(d.trigger.event, d.trigger.within, len(q.steps), len(q.without), q.perDev, q.types())
		}, "clean 5m 2 1 true [brew clean]"},
		{"trigger: {sequence: {events: [clean, brew], within: 5m}}\nkey: event.kind\nfilter: event.ml > trigger.shot && customer.x == 1", func(d *Definition) any {
			return list(d.trigger.sequence.props)
		}, "[kind ml shot]"},
		{"trigger: {sequence: {events: [clean, brew], within: 5m}}\nkey: device", func(d *Definition) any {
			return list(d.trigger.sequence.props)
		}, "[]"},
		{"trigger: {segment: {leave: heavy}}", func(d *Definition) any { return d.trigger.class.text() }, "left segment heavy"},
		{"trigger: {segment: {enter: heavy}}", func(d *Definition) any { return d.trigger.class.text() }, "segment heavy"},
		{"trigger: {stage: {enter: active, from: [new]}}", func(d *Definition) any { return list(*d.trigger.class) }, "{ false active [new]}"},
		{`trigger: {schedule: {rrule: "RRULE:FREQ=WEEKLY;BYDAY=MO", start: "2026-05-05 09:30"}}`, func(d *Definition) any {
			times := occurrences{rule: d.trigger.schedule.rule}
			times.after(0)
			return times.list[0].String()
		}, "2026-05-11 09:30"},
		{"traits: {a: {count: brew, within: 3d, per: device, where: event.ml > 1}, b: {sum: brew.ml, within: 1d}}", func(d *Definition) any {
			a, b := d.traits[0], d.traits[1]
			return list(a.name, a.within, a.perDev, a.where.text, a.property, b.name, b.property, b.perDev, b.owner)
		}, "a 3d true event.ml > 1  b ml false "},
		{"steps: [{id: w, wait: {for: 2d}}, " + say + "]", func(d *Definition) any { return list(first(d).wait.kind, first(d).wait.duration, first(d).next) }, "1 2d 1"},
		{"steps: [{id: w, wait: {until_event: clean, timeout: 2d, where: event.ok}}, " + say + "]", func(d *Definition) any {
			w := first(d).wait
			return list(w.kind, w.until.event, w.until.where.text, w.duration, w.onTimeout)
		}, "2 clean event.ok 2d 1"},
		{"steps: [{id: w, wait: {until_event: clean, timeout: 2d, on_timeout: end}}, " + say + "]", func(d *Definition) any { return first(d).wait.onTimeout }, toEnd},
		{`steps: [{id: w, wait: {until_local_time: "09:15", days: [mon, sun]}}]`, func(d *Definition) any {
			w := first(d).wait
			return list(w.kind, w.local, w.days, first(d).next)
		}, "3 09:15 [mon sun] -1"},
		{"steps: [{id: b, branch: [{when: customer.x == 1, go: say}, {otherwise: end}]}, " + say + "]", func(d *Definition) any {
			a := first(d).arms
			return list(a[0].name, a[0].when.text, a[0].to, a[1].name, a[1].when == nil, a[1].to)
		}, "customer.x == 1 customer.x == 1 1 otherwise true -1"},
		{"steps: [{id: s, split: [{arm: x, percent: 33.33, go: end}, {arm: y, percent: 66.67}]}, " + say + "]", func(d *Definition) any { return list(first(d).arms) },
			"[{x <nil> 3333 -1} {y <nil> 10000 1}]"},
		{"steps: [{id: s, set: {b: true, a: false, n: , i: 3, f: 2.5, s: text, x: nan, y: \"3\"}}]", func(d *Definition) any {
			out := ""
			for _, p := range first(d).set {
				out += fmt.Sprintf("%s=%d:%v ", p.Key, p.Value.Kind(), p.Value)
			}
			return out
		}, "a=1:false b=1:true f=3:2.5 i=2:3 n=0:null s=4:text x=4:nan y=2:3 "},
		{"steps: [{id: e, end: {}}, " + say + "]", func(d *Definition) any { return first(d).next }, toEnd},
		{"steps: [{id: s, start_journey: other}, " + say + "]", func(d *Definition) any { return list(first(d).kind, first(d).journey) }, "7 other"},
		{"steps: [{id: s, stop_journey: other}, " + say + "]", func(d *Definition) any { return list(first(d).kind, first(d).journey) }, "8 other"},
		{"steps: [{id: call, task: {assignee: support, due: 2d, texts: {en: {title: Call, body: Now}}}}]", func(d *Definition) any {
			return list(first(d).task, d.Templates["call"]["en"])
		}, "{support 172800000} {Call Now []}"},
		{"tags: [b]\nsteps: [{id: say, send: {channels: [product, email], expires_after: 1d, tags: [c, a, b], fallback_after: 2h, texts: {en: {title: Hello, actions: [{id: go, label: Go}]}}}}]",
			func(d *Definition) any {
				s := first(d).send
				return list(s.channels, s.expiresAfter, s.tags, s.fallbackAfter, s.context == nil, d.Channels, d.Templates["say"]["en"].Actions)
			}, "[product email] 1d [a b c] 2h true [product email] [{go Go}]"},
		{"steps: [{id: a, send: {channels: [product], texts: {en: {title: A}}}}, {id: b, send: {channels: [email, product], texts: {en: {title: B}}}}]",
			func(d *Definition) any { return list(d.Channels) }, "[product email]"},
		{"steps: [{id: a, send: {channels: [product], texts: {en: {title: A}}}}, " + say + "]", func(d *Definition) any { return d.Channels == nil }, true},
		{"steps: [{id: a, send: {texts: {en: {title: \"{{ event.ml }}{% if trigger.kind %}{{ trait.x }}\"}}}}]\ntraits: {x: {count: brew}}",
			func(d *Definition) any { return list(d.keep, d.ValueNames()) }, "[kind ml] [product customer.locale customer.country event.kind event.ml trait.x]"},
	}
	for _, tt := range tests {
		text := tt.part + "\n"
		for line := range strings.Lines(base + "steps: [" + say + "]\n") {
			key, _, _ := strings.Cut(line, ":")
			if !strings.HasPrefix(tt.part, key+":") && !strings.Contains(tt.part, "\n"+key+":") {
				text += line
			}
		}
		d, err := Compile([]byte(text), Env{})
		if err != nil {
			t.Errorf("%s: %v", tt.part, err)
			continue
		}
		if got := tt.get(d); got != tt.want {
			t.Errorf("%s\ngot  %v\nwant %v", tt.part, got, tt.want)
		}
	}
}

// TestTemplateOfLocale: the exact locale, then its language, then English, then
// the first by name.
func TestTemplateOfLocale(t *testing.T) {
	d := Definition{Templates: map[string]map[string]Template{
		"all":   {"de": {Title: "de"}, "de-CH": {Title: "de-CH"}, "en": {Title: "en"}, "fr": {Title: "fr"}},
		"other": {"nl": {Title: "nl"}, "fr": {Title: "fr"}},
		"empty": {},
	}}
	for _, tt := range []struct{ id, locale, want string }{
		{"all", "de-CH", "de-CH"}, {"all", "de-AT", "de"}, {"all", "de_AT", "de"}, {"all", "de", "de"}, {"all", "it", "en"}, {"all", "", "en"},
		{"other", "it", "fr"}, {"other", "nl-BE", "nl"}, {"empty", "de", ""}, {"none", "de", ""},
	} {
		got, locale, ok := d.Template(tt.id, tt.locale)
		if got.Title != tt.want || locale != tt.want || ok != (tt.want != "") {
			t.Errorf("%s in %s: %q in %q, %v; want %q", tt.id, tt.locale, got.Title, locale, ok, tt.want)
		}
	}
}

// TestBoundsOfDefinitions: what a definition may hold at most, and one more.
func TestBoundsOfDefinitions(t *testing.T) {
	const head = "name: big\npurpose: service\ntrigger: {event: brew}\n"
	steps := func(n int) string {
		out := head + "steps:\n"
		for i := range n {
			out += fmt.Sprintf("  - {id: s%d, end: {}}\n", i)
		}
		return out
	}
	split := func(n int) string {
		out := head + "steps:\n  - id: s\n    split:\n"
		for i := range n {
			out += fmt.Sprintf("      - {arm: a%d, percent: %d}\n", i, boolInt(i == 0)*100)
		}
		return out
	}
	sized := func(n int) string {
		text := head + "steps: [{id: s, end: {}}]\n#"
		return text + strings.Repeat("x", n-len(text))
	}
	deep := func(n int) string { // the value of x lies n levels below the root
		return head + "x: " + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "\nsteps: [{id: s, end: {}}]\n"
	}
	for _, tt := range []struct{ name, fits, tooMuch, want string }{
		{"steps", steps(1000), steps(1001), "steps: has 1001 entries; 1000 are allowed"},
		{"arms", split(100), split(101), `step "s", split: has 101 arms; 100 are allowed`},
		{"bytes", sized(256 << 10), sized(256<<10 + 1), "the definition has 262145 bytes; 262144 are allowed"},
	} {
		if _, err := Compile([]byte(tt.fits), Env{}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := Compile([]byte(tt.tooMuch), Env{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
	for n, want := range map[int]string{24: "x: is no key here", 26: "is nested deeper than 24"} {
		if _, err := Compile([]byte(deep(n)), Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d levels: got %v, want %s", n, err, want)
		}
	}
}

// TestUndeclaredClasses: an installation without segments and stages says so.
func TestUndeclaredClasses(t *testing.T) {
	env := Env{Segments: []string{}, Stages: []string{}}
	for trigger, want := range map[string]string{
		"segment: {enter: heavy}": `"heavy" is no segment; the installation's rules declare none`,
		"stage: {enter: new}":     `"new" is no stage; the installation's rules declare none`,
	} {
		_, err := Compile([]byte("name: a\npurpose: service\ntrigger: {"+trigger+"}\nsteps: [{id: s, end: {}}]\n"), env)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", trigger, err)
		}
	}
}

// TestOutlineWays: every way out of a step, also the one behind a branch
// without an otherwise, and which steps can be reached.
func TestOutlineWays(t *testing.T) {
	o, err := Describe([]byte(`name: ways
purpose: service
trigger: {event: brew}
holdout: 2.5
traits: {cups: {count: brew}}
steps:
  - {id: ask, branch: [{when: trait.cups > 3, go: listen}]}
  - {id: rest, wait: {for: 1d}, next: share}
  - {id: lost, wait: {until_local_time: "09:00"}}
  - {id: listen, wait: {until_event: clean, timeout: 2d, on_timeout: share}, next: end}
  - {id: share, split: [{arm: a, percent: 12.5, go: end}, {arm: b, percent: 87.5}]}
`), Env{})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(o.Name, o.Holdout, o.Traits, o.HasGoal, o.HasExit)
	for _, s := range o.Steps {
		got += fmt.Sprintf("\n%s %s %d %v %v", s.ID, s.Kind, s.Line, s.Reached, s.Edges)
	}
	want := `ways2.5 [cups] false false
ask branch 7 true [{arm trait.cups > 3 3} {otherwise otherwise 1}]
rest wait 8 true [{next  4}]
lost wait 9 false [{next  3}]
listen wait 10 true [{event clean -1} {timeout after 2d 4}]
share split 11 true [{arm a 12.5 % -1} {arm b 87.5 % -1}]`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if _, err := Describe([]byte("name: x"), Env{}); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("a faulty definition has an outline: %v", err)
	}
}

// TestCELOverRoots: what CEL sees of an event, of what started the run, and of a
// customer, when a condition looks at them as a whole or computes with them.
func TestCELOverRoots(t *testing.T) {
	event := &gateway.Event{Type: "brew", Properties: gateway.Properties{{Key: "a", Value: gateway.Int(3)}, {Key: "f", Value: gateway.Float(math.NaN())},
		{Key: "flag", Value: gateway.Bool(true)}, {Key: "n.x", Value: gateway.Int(2)}, {Key: "none", Value: gateway.Null()}, {Key: "s", Value: gateway.String("x")}}}
	all := func(s *scope) {
		s.event = event
		s.c = &customer{profile: &profile{locale: "de", attributes: gateway.Properties{{Key: "key", Value: gateway.String("a")}, {Key: "n.y", Value: gateway.Int(1)}}}}
		s.e = &enrollment{extras: &extras{props: gateway.Properties{{Key: "k", Value: gateway.Int(7)}}}, arm: armTreated}
	}
	nothing := func(*scope) {}
	for _, tt := range []struct {
		text  string
		scope func(*scope)
		want  outcome
	}{
		{`size(event) == 6`, all, yes}, {`size(trigger) == 1`, all, yes}, {`size(customer) == 2`, all, yes}, {`size(event.n) == 1`, all, yes},
		{`size(event) == 0`, nothing, yes}, {`size(trigger) == 0`, nothing, yes}, {`size(customer) == 0`, nothing, yes}, {`size(trait) == 0`, all, yes},
		{`event.exists(k, k == "s")`, all, yes}, {`event.exists(k, k == "t")`, all, no}, {`event.n.exists(k, k == "x")`, all, yes}, {`trigger.exists(k, k == "k")`, all, yes},
		{`customer.exists(k, k == "key")`, all, yes}, {`customer.exists(k, k == "locale")`, all, no},
		{`"a" in event`, all, yes}, {`"b" in event`, all, no}, {`customer.key in event`, all, yes}, {`dyn(1) in event`, all, no},
		{`event[customer.key] == 3`, all, yes}, {`event["b" + customer.key] == 3`, all, unavailable}, {`event[dyn(1)] == 3`, all, unavailable},
		{`type(event) == map`, all, yes}, {`string(dyn(event)) == "x"`, all, unavailable}, {`event == event`, all, yes}, {`event == trigger`, all, no},
		{`event.a + 1 == 4 && event.flag`, all, yes}, {`event.flag && event.a + 1 == 5`, all, no}, {`event.a + 1 == 5 || event.flag`, all, yes}, {`event.flag || event.a + 1 == 5`, all, yes},
		{`event.a + 1 > event.a`, all, yes}, {`event.a < event.a + 1`, all, yes}, {`event.a == event.a + 0`, all, yes}, {`event.a + 0 == event.a`, all, yes}, {`!(event.a + 1 == 4)`, all, no},
		{`event.a in [event.a]`, all, yes}, {`event.a + 1 in [4]`, all, yes}, {`event.a in [1, event.a + 1]`, all, no}, {`event.a in {3: true}`, all, yes}, {`event.a in trigger`, all, no},
		{`has(event.a) == true`, all, yes}, {`has(event.n.x) && has(event.n)`, all, yes}, {`has(event.a.b)`, all, no}, {`has(event.n.y)`, all, no}, {`has(event.q.y)`, all, unavailable}, {`has(event.q)`, all, no}, {`has(event.q)`, nothing, no},
		{`1 == event.n`, all, no}, {`event.n != 1`, all, yes}, {`event.n < 1`, all, unavailable}, {`1 < event.n`, all, unavailable}, {`event.n in [1]`, all, no}, {`event.n`, all, unavailable},
		{`event.n == null`, all, no}, {`null == event.n`, all, no}, {`event.n != null`, all, yes}, {`event.n in [null]`, all, no}, {`event.n < null`, all, unavailable},
		{`event.f > 1`, all, unavailable}, {`1 > event.f`, all, unavailable}, {`event.f == event.f`, all, no}, {`event.none == null`, all, yes}, {`event.none in [null]`, all, yes},
		{`event.a == 3u`, all, yes}, {`event.s == b"x"`, all, no}, {`trigger.k == 7`, all, yes}, {`trigger.k == 7`, nothing, unavailable}, {`customer.key == "a"`, nothing, unavailable},
		{`customer.locale == "de"`, all, yes}, {`trait.x > 1`, nothing, unavailable}, {`device.state == "idle"`, nothing, unavailable}, {`device.other == "idle"`, all, unavailable},
		{`arm == "treated"`, all, yes}, {`arm == ""`, nothing, yes}, {`event_type == "brew"`, all, yes}, {`event_type == ""`, nothing, yes}, {`product == ""`, all, yes},
		{`["a"][0] == event.s`, all, no}, {`[{"a": 3}].exists(m, m["a"] == event.a)`, all, yes}, {`{"a": event.a}.a == 3`, all, yes},
		{`customer.segments.exists(s, s == "x")`, all, unavailable}, {`"x" in customer.segments`, all, unavailable}, {`customer.n.y == 1`, all, yes}, {`has(customer.n)`, all, yes},
		{`event.a == 3 ? event.flag : false`, all, yes}, {`event.q > 1 ? true : false`, all, unavailable}, {`event.a / 0 == 1`, all, unavailable},
	} {
		c, err := compileCondition(tt.text, func(fieldRef) string { return "" })
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var s scope
		s.init(NewPartition(Config{}))
		tt.scope(&s)
		if got := c.eval(&s); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.text, got, tt.want)
		}
	}
}

// TestSegmentsInConditions: a condition may ask for a segment, or go through all
// of them; of nobody, and of whom the rules have not looked at, nothing is known.
func TestSegmentsInConditions(t *testing.T) {
	p := NewPartition(Config{Segments: []Rule{{"vip", "customer.vip == true"}, {"club", "customer.club == true"}}})
	var s gateway.Step
	p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: gateway.UpsertCustomer{Customer: 1, Mask: []string{"attributes"},
		Attributes: gateway.Properties{{Key: "vip", Value: gateway.Bool(true)}, {Key: "name", Value: gateway.String("vip")}, {Key: "n.x", Value: gateway.Int(1)}}}}}}, &s)
	known, stranger := p.customers[1], &customer{id: 2, profile: p.customers[1].profile}
	for text, want := range map[string][3]outcome{ // of the known one, of a stranger, of nobody
		`"vip" in customer.segments`:                       {yes, unavailable, unavailable},
		`"club" in customer.segments`:                      {no, unavailable, unavailable},
		`"none" in customer.segments`:                      {no, unavailable, unavailable},
		`customer.name in customer.segments`:               {yes, unavailable, unavailable},
		`customer.missing in customer.segments`:            {unavailable, unavailable, unavailable},
		`customer.n in customer.segments`:                  {unavailable, unavailable, unavailable},
		`customer.segments.exists(s, s == "vip")`:          {yes, unavailable, unavailable},
		`size(customer.segments) == 1`:                     {yes, unavailable, unavailable},
		`customer.vip && customer.segments.size() > 1`:     {no, unavailable, unavailable},
		`customer.name in ["vip"] && customer.vip == true`: {yes, yes, unavailable},
	} {
		c, err := compileCondition(text, func(fieldRef) string { return "" })
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for i, who := range []*customer{known, stranger, nil} {
			if got := c.eval(p.look(who, nil, nil, nil)); got != want[i] {
				t.Errorf("%s of customer %d: %d, want %d", text, i, got, want[i])
			}
		}
	}
}
