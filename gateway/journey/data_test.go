package journey

import (
	"strings"
	"testing"
)

// dataEnv declares categories and a shared display beside the events.
func dataEnv() Env {
	env := testEnv
	env.Categories = map[string]string{"brew_finished": "usage", "brew_finished.strength": "taste", "descaling_finished": "care"}
	env.Displays = []Display{
		{Product: "coffee-1", Characters: 40, Buttons: 1, Languages: []string{"en", "de"}, Shared: true, Events: []string{"brew_finished"}},
		{Product: "e-bike", Characters: 1, Shared: true, Events: []string{"ride_finished"}},
	}
	return env
}

// TestDataAndDisplays: what a definition joins must be declared, and what it
// shows must fit the display of the models that it can start on.
func TestDataAndDisplays(t *testing.T) {
	declared := "data: [usage, customer]\nreentry: after_exit"
	tests := []struct{ name, old, new, want string }{
		{"a join that is not declared", "reentry: after_exit", "reentry: after_exit", `trigger.where: reads event.water_ml, which is usage data, and the journey joins data of devices with data of the customer: declare data: [customer, usage]`},
		{"the customer's side is not declared", "reentry: after_exit", "data: [usage]\nreentry: after_exit", `filter: reads customer.country, which is customer data`},
		{"declared", "reentry: after_exit", declared, ""},
		{"a property of a category of its own", "when: trait.brews > 3", "when: trigger.strength > 3", `step "choose", branch[0].when: reads trigger.strength, which is taste data`},
		{"in a text", "{{ event.water_ml }}", "{{ event.strength }}", `step "ask", send.texts.en.body: reads event.strength, which is taste data`},
		{"no word", "reentry: after_exit", "data: [Usage data]", `data: "Usage data" may hold a-z`},
		{"a name on a shared display", "title: Hello", `title: "Hello {{ customer.given_name }}"`, `step "ask", send.texts.en.title: shows customer.given_name on the display of coffee-1, which anyone nearby can read`},
		{"too long", "title: Hello", `title: "Hello, hello, hello, hello, hello, hello"`, `step "ask", send.texts.en: is 52 characters long, without what is filled in; the display of coffee-1 shows 40`},
		{"too many buttons", "{title: Hello,", "{title: Hello, actions: [{id: a, label: A}, {id: b, label: B}],", `step "ask", send.texts.en.actions: are 2; the display of coffee-1 has room for 1`},
		{"another language", "        en: {title", "        fr: {title", `step "ask", send.texts: has no text that the display of coffee-1 can show; it shows en, de`},
		{"a name on another channel", "{en: {title: Again}}", `{en: {title: "Again {{ customer.given_name }}"}}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if tt.old != "reentry: after_exit" {
				text = strings.Replace(text, "reentry: after_exit", declared, 1)
			}
			_, err := Compile([]byte(text), dataEnv())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("\ngot  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestSafetyJoinsWithoutConsent(t *testing.T) {
	text := strings.Replace(good, "purpose: service", "purpose: safety\nlegal_basis: a recall", 1)
	if _, err := Compile([]byte(text), dataEnv()); err != nil {
		t.Error(err)
	}
}
