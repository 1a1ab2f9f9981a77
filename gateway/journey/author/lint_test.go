package author

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchpoint/gateway/journey"
)

// clean is a definition in which each test changes one line.
const clean = `name: care
purpose: marketing
trigger: {event: brew_finished}
traits:
  brews: {count: brew_finished, within: 7d}
goal: {event: descaling_finished, within: 7d}
steps:
  - id: ask
    send: &
  - id: rest
    wait: {for: 3d}
  - id: choose
    branch:
      - {when: trait.brews > 3, go: again}
      - {otherwise: end}
  - id: again
    send: &
`

const texts = `{channels: [product], texts: {en: {title: Hello, body: Good morning}, de: {title: Hallo, body: Guten Morgen}}}`

func TestLint(t *testing.T) {
	tests := []struct{ old, new, want string }{
		{"", "", ""},
		{"trigger:", "triger:", `3: error: triger is no key here; did you mean "trigger"? [invalid]`},
		{"trait.brews > 3", "customer.vip == true", `5: warning: traits.brews is counted for every customer and never used; remove it, or read it as trait.brews [unused_trait]`},
		{"goal: {event: descaling_finished, within: 7d}\n", "", `2: warning: marketing without a goal: its effect cannot be measured; say what success is, such as goal: {event: descaling_finished, within: 14d} [no_goal]`},
		{"purpose: marketing\ntrigger: {event: brew_finished}\ntraits:\n  brews: {count: brew_finished, within: 7d}\ngoal: {event: descaling_finished, within: 7d}\n",
			"purpose: service\ntrigger: {event: brew_finished}\ntraits:\n  brews: {count: brew_finished, within: 7d}\n", `7: warning: a message follows a wait, and nothing ends the journey when the customer has acted meanwhile; add exit: [{event: …}], or a goal [no_exit]`},
		{"steps:", "holdout: 0\nsteps:", `7: warning: holdout is switched off without a reason: the effect cannot be measured; remove it, or say why with holdout_reason: … [holdout_off]`},
		{"steps:", "holdout: 0\nholdout_reason: a legal duty\nsteps:", ""},
		{"go: again}", "go: end}", `16: warning: step "again": is never reached; lead a branch, a split or a next here, or remove it [unreached_step]`},
		{"go: again}", "go: end}", `12: warning: step "choose": has arms that all lead to the same step`},
		{"for: 3d", "for: 400d", `10: warning: step "rest": wait.for is longer than a year; shorten it, or start a journey of its own later [endless_wait]`},
		{"otherwise: end}", "otherwise: rest}\n      ", ""},
		{"    branch:\n      - {when: trait.brews > 3, go: again}\n      - {otherwise: end}", "    branch:\n      - {when: trait.brews > 3, go: rest}\n      - {otherwise: rest}",
			`lies in a circle that no step and no exit leaves; add exit: …, or a branch that leads to end [endless_circle]`},
		{", de: {title: Hallo, body: Guten Morgen}", "", `8: warning: step "ask": send.texts lacks de, which other steps have; add the text; without it another language is shown [missing_locale]`},
		{"wait: {for: 3d}", "task: {assignee: support, texts: {en: {title: Call}}}", `10: warning: step "rest": task.texts lacks de, which other steps have; add the text; without it another language is shown [missing_locale]`},
		{"title: Hallo, body: Guten Morgen", "title: Hello, body: Good morning", `9: warning: step "ask": send.texts.de says the same as en; translate it [same_text]`},
		{"body: Guten Morgen", "body: " + strings.Repeat("Guten Morgen ", 20), `send.texts.de.body has about 259 characters; a product's display shows some 160; shorten it [long_text]`},
		{"body: Guten Morgen", "body: M, actions: [{id: a, label: A}, {id: b, label: B}, {id: c, label: C}, {id: d, label: D}]", `has 4 buttons; a product's display shows 3; keep the most important ones [many_actions]`},
	}
	for _, tt := range tests {
		text := strings.Replace(strings.ReplaceAll(clean, "&", texts), tt.old, tt.new, 1)
		var got []string
		for _, f := range Lint([]byte(text), journey.Env{}) {
			got = append(got, f.String())
		}
		all := strings.Join(got, "\n")
		if tt.want == "" && all != "" || !strings.Contains(all, tt.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.new, all, tt.want)
		}
	}
	one := strings.ReplaceAll(clean, "&", "{channels: [webhook], texts: {en: {title: Hello}}}")
	if got := fmt.Sprint(Lint([]byte(one), journey.Env{})); !strings.Contains(got, "there are texts in en alone") {
		t.Error(got)
	}
}

// TestLintAgainstProducts: what the products declare is looked at, as a warning
// where a service may know better.
func TestLintAgainstProducts(t *testing.T) {
	env := journey.Env{
		Events:     map[string]journey.EventType{"brew_finished": {Properties: map[string]string{"water_ml": "int"}}, "ordered": {}},
		Displays:   []journey.Display{{Product: "coffee-1", Characters: 20, Languages: []string{"en"}}},
		Categories: map[string]string{"brew_finished": "usage"},
	}
	tests := []struct{ trigger, rest, title, want string }{
		{"brew_finished, where: event.water_ml > 100", "", "Hi", ""},
		{"brew_finishd", "", "Hi", `3: warning: trigger.event "brew_finishd" is no declared event type; did you mean "brew_finished"? [undeclared]`},
		{"brew_finished, where: event.watr_ml > 100", "", "Hi", `did you mean event.water_ml? [undeclared]`},
		{"ordered, where: event.anything > 100", "", "Hi", ""},
		{"brew_finished", "", "A title that no such display can show", "error: step \"a\""},
		{"brew_finished", "filter: customer.plan == \"plus\" && event.water_ml > 1\n", "Hi", "usage"},
	}
	for _, tt := range tests {
		text := "name: x\npurpose: service\ntrigger: {event: " + tt.trigger + "}\n" + tt.rest + "steps:\n  - {id: a, send: {channels: [product], texts: {en: {title: " + tt.title + "}}}}\n"
		var got []string
		for _, f := range Lint([]byte(text), env) {
			if f.Code != "missing_locale" {
				got = append(got, f.String())
			}
		}
		all := strings.Join(got, "\n")
		if tt.want == "" && strings.Contains(all, "undeclared") || !strings.Contains(all, tt.want) {
			t.Errorf("%+v: got\n%s", tt, all)
		}
	}
}

// TestLintExamples: what we show is without a finding.
func TestLintExamples(t *testing.T) {
	files, _ := filepath.Glob("../../../deploy/journeys/*.yaml")
	more, _ := filepath.Glob("../../../deploy/journeys/*/*.yaml")
	if files = append(files, more...); len(files) < 4 {
		t.Fatal("examples are missing")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range Lint(text, journey.Env{}) {
			t.Errorf("%s:%s", file, f)
		}
	}
}
