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

// TestDisplays: a text is held against each model that can start the journey,
// and against what that model declares.
func TestDisplays(t *testing.T) {
	const onEvent, byAPI, ten = "{event: brew_finished}", "{api: {}}", `{title: Ten, body: letters}`
	brew := []string{"brew_finished"}
	tests := []struct {
		name    string
		d       Display
		trigger string
		texts   string
		want    string // "" = good
	}{
		{"as long as fits", Display{Characters: 10, Events: brew}, onEvent, "{en: " + ten + "}", ""},
		{"one too long", Display{Characters: 9, Events: brew}, onEvent, "{en: " + ten + "}", "send.texts.en: is 10 characters long, without what is filled in; the display of m shows 9"},
		{"what is filled in does not count", Display{Characters: 4, Events: brew}, onEvent, `{en: {title: "Ok{{ event.water_ml }}ml{% if event.strength %}"}}`, ""},
		{"characters, not bytes", Display{Characters: 4, Events: brew}, onEvent, `{en: {title: Fünf}}`, ""},
		{"no length declared", Display{Events: brew}, onEvent, `{en: {title: "A text of any length, and a button", actions: [{id: a, label: A}]}}`, ""},
		{"as many buttons as fit", Display{Characters: 10, Buttons: 1, Events: brew}, onEvent, `{en: {title: A, actions: [{id: a, label: A}]}}`, ""},
		{"a button too many", Display{Characters: 10, Events: brew}, onEvent, `{en: {title: A, actions: [{id: a, label: A}]}}`, "send.texts.en.actions: are 1; the display of m has room for 0"},
		{"a model that does not send the event", Display{Characters: 1, Events: []string{"ride_finished"}}, onEvent, "{en: " + ten + "}", ""},
		{"a model of any event", Display{Characters: 1}, onEvent, "{en: " + ten + "}", "the display of m shows 1"},
		{"a journey of any device", Display{Characters: 1, Events: []string{"ride_finished"}}, byAPI, "{en: " + ten + "}", "the display of m shows 1"},
		{"a display of any language", Display{Characters: 5}, onEvent, `{en: {title: Hello}, xx: {title: "Longer"}}`, "send.texts.xx: is 6 characters long"},
		{"another language is not shown", Display{Characters: 5, Languages: []string{"en"}}, onEvent, `{en: {title: Hello}, xx: {title: "Longer"}}`, ""},
		{"the language of a region", Display{Characters: 5, Languages: []string{"en"}}, onEvent, `{en-GB: {title: "Longer"}}`, "send.texts.en-GB: is 6 characters long"},
		{"a region of its own", Display{Characters: 5, Languages: []string{"en-GB"}}, onEvent, `{en-GB: {title: "Longer"}, en: {title: "Much longer"}}`, "send.texts.en-GB: is 6 characters long"},
		{"no text in its language", Display{Languages: []string{"en", "de"}}, onEvent, `{xx: {title: Hello}}`, "send.texts: has no text that the display of m can show; it shows en, de"},
		{"no text at all", Display{}, onEvent, `{}`, "send.texts.en: is missing; write at least one locale"},
		{"how to address him", Display{Shared: true}, onEvent, `{en: {title: "{{ customer.locale }} {{ customer.country }}"}}`, ""},
		{"who he is", Display{Shared: true}, onEvent, `{en: {title: "{{ customer.locale }} {{ customer.given_name }}"}}`, "send.texts.en.title: shows customer.given_name on the display of m, which anyone nearby can read; leave it out, or send on another channel"},
		{"who he is, in the body", Display{Shared: true}, onEvent, `{en: {title: A, body: "{{ customer.given_name }}"}}`, "send.texts.en.body: shows customer.given_name"},
		{"who he is, on a button", Display{Shared: true}, onEvent, `{en: {title: A, actions: [{id: a, label: A}, {id: b, label: "{{ customer.given_name }}"}]}}`, "send.texts.en.actions[1].label: shows customer.given_name"},
		{"on his own display", Display{}, onEvent, `{en: {title: "{{ customer.given_name }}"}}`, ""},
	}
	for _, tt := range tests {
		env := testEnv
		tt.d.Product = "m"
		env.Displays = []Display{tt.d}
		send := "{id: say, send: {channels: [product], texts: " + tt.texts + "}}"
		_, err := Compile([]byte("name: d\npurpose: service\ntrigger: "+tt.trigger+"\nsteps: ["+send+"]\n"), env)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "texts") != 1) {
			t.Errorf("%s\ngot  %v\nwant %s", tt.name, err, tt.want)
		}
	}
	env := testEnv
	env.Displays = []Display{{Product: "m", Characters: 1}}
	for channels, good := range map[string]bool{"channels: [webhook], ": true, "channels: [webhook, product], ": false, "": false} { // none = any
		_, err := Compile([]byte("name: d\npurpose: service\ntrigger: {api: {}}\nsteps: [{id: say, send: {"+channels+"texts: {en: {title: Long}}}}]\n"), env)
		if (err == nil) != good {
			t.Errorf("%s: %v", channels, err)
		}
	}
}

// TestCategories: the nearest declared part of a field's name says what it is.
func TestCategories(t *testing.T) {
	env := Env{Categories: map[string]string{"brew": "usage", "brew.where": "location", "brew.where.city": "rough_location", "ride.km": "distance"}}
	const head = "name: d\npurpose: service\nsteps: [{id: say, send: {texts: {en: {title: \"{{ customer.given_name }}\"}}}}]\n"
	for part, want := range map[string]string{
		"trigger: {event: brew, where: event.ml > 1}":                                      "trigger.where: reads event.ml, which is usage data",
		"trigger: {event: brew, where: event.where.lat > 1}":                               "trigger.where: reads event.where.lat, which is location data",
		"trigger: {event: brew, where: event.where.city == \"x\"}":                         "trigger.where: reads event.where.city, which is rough_location data",
		"trigger: {event: brew}":                                                           "trigger: reads brew, which is usage data",
		"trigger: {event: ride, where: event.km > 1}":                                      "trigger.where: reads event.km, which is distance data",
		"trigger: {event: ride, where: event.other > 1}":                                   "",
		"trigger: {api: {}}\nexit: [{event: ride, where: event.km > 1}]":                   "exit[0].where: reads event.km, which is distance data",
		"trigger: {api: {}}\ntraits: {x: {sum: ride.km, within: 1d}}\nfilter: trait.x > 3": "filter: reads trait.x, which is distance data",
		"trigger: {api: {}}\ntraits: {x: {count: ride}}\nfilter: trait.x > 3":              "",
		"trigger: {api: {}}\ntraits: {x: {count: brew}}\nfilter: trait.x > 3":              "filter: reads trait.x, which is usage data",
		"trigger: {event: ride}\nfilter: trigger.km > 3":                                   "filter: reads trigger.km, which is distance data",
		"trigger: {event: brew}\ndata: [customer, usage]":                                  "",
		"trigger: {event: brew}\ndata: [usage]":                                            "send.texts.en.title: reads customer.given_name, which is customer data",
		"trigger: {event: brew}\ndata: [customer]":                                         "declare data: [customer, usage]",
		"trigger: {event: brew}\npurpose: safety\nlegal_basis: recall":                     "",
		"trigger: {event: brew, where: event.where.lat > 1}\ndata: [usage]":                "declare data: [customer, location, usage]",
	} {
		text := head
		if strings.Contains(part, "purpose:") {
			text = strings.Replace(head, "purpose: service\n", "", 1)
		}
		_, err := Compile([]byte(text+part+"\n"), env)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\ngot  %v\nwant %s", part, err, want)
		}
	}
	alone := "name: d\npurpose: service\ntrigger: {event: brew}\nfilter: customer.locale == \"de\" && customer.time_zone != \"\" && !customer.test\nsteps: [{id: s, end: {}}]\n"
	if _, err := Compile([]byte(alone), env); err != nil { // how to address him is no data of his
		t.Error(err)
	}
}
