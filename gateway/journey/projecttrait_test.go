package journey

import (
	"strings"
	"testing"
)

var projectTraits = map[string]map[string]any{
	"brews":  {"count": "brew_finished", "within": "30d"},
	"litres": {"sum": "brew_finished.ml", "within": "30d", "where": `event.kind == "x"`},
	"first":  {"p90": "brew_finished.temp", "within": "7d", "per": "device"},
}

// TestStandalone: what is published declares the traits of the project that it
// names, and only those, however its text is written.
func TestStandalone(t *testing.T) {
	const head = "name: tip\npurpose: service\ntrigger: {event: machine_on}\nfilter: trait.brews > 2\n"
	const steps = "steps:\n  - id: s\n    send: {texts: {en: {title: '{{ trait.litres }}'}}}\n"
	for _, tt := range []struct{ name, text, want string }{
		{"none", head + steps, head + steps + "traits: # of the project, as of the publication\n  brews: {count: brew_finished, within: 30d}\n  litres: {sum: brew_finished.ml, where: \"event.kind == \\\"x\\\"\", within: 30d}\n"},
		{"block", head + "traits: # mine\n    a: {count: x}\n" + steps, head + "traits: # mine\n    brews: {count: brew_finished, within: 30d} # of the project\n" +
			"    litres: {sum: brew_finished.ml, where: \"event.kind == \\\"x\\\"\", within: 30d} # of the project\n    a: {count: x}\n" + steps},
		{"one line", head + "traits: {a: {count: x}}\n" + steps, head + "traits: {brews: {count: brew_finished, within: 30d}, litres: {sum: brew_finished.ml, where: \"event.kind == \\\"x\\\"\", within: 30d}, a: {count: x}}\n" + steps},
		{"empty", head + "traits: {}\n" + steps, head + "traits: {brews: {count: brew_finished, within: 30d}, litres: {sum: brew_finished.ml, where: \"event.kind == \\\"x\\\"\", within: 30d}, }\n" + steps},
		{"declared", head + "traits: {brews: {count: brew_finished, within: 30d}, litres: {sum: brew_finished.ml, within: 30d, where: 'event.kind == \"x\"'}}\n" + steps, ""},
		{"broken", head + "steps: 3\n", ""},
	} {
		want := tt.want
		if want == "" {
			want = tt.text
		}
		got := string(Standalone([]byte(tt.text), projectTraits))
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, want)
		}
		if _, err := Compile([]byte(got), Env{}); err != nil && tt.name != "broken" {
			t.Errorf("%s: what is published does not stand for itself: %v", tt.name, err)
		}
		if again := string(Standalone([]byte(got), projectTraits)); again != got {
			t.Errorf("%s: written twice:\n%s", tt.name, again)
		}
	}
}

func TestProjectTraitFaults(t *testing.T) {
	const text = "name: tip\npurpose: service\ntrigger: {threshold: {trait: NAME, above: 1}}\nTRAITS\nsteps: [{id: s, wait: {for: 1h}}]\n"
	for _, tt := range []struct{ name, traits, want string }{
		{"brew", "", `trigger.threshold.trait: "brew" is none of the traits; did you mean "brews"?`},
		{"brews", "traits: {brews: {count: brew_finished, within: 7d}}", "line 4, traits.brews: is a trait of the project that means something else; leave it out to use that one, or take another name"},
		{"first", "traits: {first: {p50: brew_finished.temp, within: 7d, per: device}}", "means something else"},
		{"first", "traits: {first: {p90: brew_finished.temp, within: 7d, per: device}}", ""},
		{"first", "", ""},
	} {
		_, err := Compile([]byte(strings.NewReplacer("NAME", tt.name, "TRAITS", tt.traits).Replace(text)), Env{Traits: projectTraits})
		switch {
		case err == nil && tt.want != "", err != nil && (tt.want == "" || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s, %s: got %v, want %q", tt.name, tt.traits, err, tt.want)
		}
	}
	if err := (Config{Traits: map[string]map[string]any{"x": {"count": "a.b"}}}).Validate(); err == nil {
		t.Error("a wrong trait that no rule reads is not refused")
	}
	per := Config{Traits: projectTraits, Segments: []Rule{{Name: "hot", When: "trait.first > 90.0"}}}
	if err := per.Validate(); err == nil || !strings.Contains(err.Error(), "is per device; a rule looks at a customer") {
		t.Errorf("a rule reads a trait per device: %v", err)
	}
}

// TestProjectTraitsAsWritten: what the publication writes reads as people write
// it, and means the same.
func TestProjectTraitsAsWritten(t *testing.T) {
	traits := map[string]map[string]any{
		"hot":   {"p90": "brew_finished.temp", "per": "device", "where": "event.ml > 1", "within": "7d"},
		"ago":   {"per": "device", "first": "brew_finished"},
		"cups":  {"distinct": "brew_finished.kind", "within": "30d", "where": "event.ok"},
		"named": {"last": "brew_finished.name", "within": "1d12h"},
	}
	for name, want := range map[string]string{
		"hot":   `{p90: brew_finished.temp, per: device, where: "event.ml > 1", within: 7d}`,
		"ago":   `{first: brew_finished, per: device}`,
		"cups":  `{distinct: brew_finished.kind, where: event.ok, within: 30d}`,
		"named": `{last: brew_finished.name, within: "1d12h"}`,
	} {
		if got := inlineTrait(traits[name]); got != want {
			t.Errorf("%s is written %s, want %s", name, got, want)
		}
	}
	broken := map[string]map[string]any{"brews": {"count": "a.b"}, "never": {"count": "x", "within": func() {}}, "two": {}}
	const text = "name: tip\npurpose: service\ntrigger: {event: machine_on}\nfilter: trait.NAME > 2\nsteps: [{id: s, wait: {for: 1h}}]\n"
	for name := range broken {
		own := []byte(strings.ReplaceAll(text, "NAME", name))
		if _, err := Compile(own, Env{Traits: broken}); err == nil {
			t.Errorf("%s of the project is used though it is broken", name)
		}
		if got := string(Standalone(own, broken)); got != string(own) {
			t.Errorf("%s is written:\n%s", name, got)
		}
	}
	for _, tt := range []struct{ trait, own string }{
		{"hot", `{p50: brew_finished.temp, per: device, where: "event.ml > 1", within: 7d}`},
		{"ago", `{last: brew_finished, per: device}`},
	} {
		text := strings.ReplaceAll(text, "filter: trait.NAME > 2", "traits: {"+tt.trait+": "+tt.own+"}")
		if _, err := Compile([]byte(text), Env{Traits: traits}); err == nil || !strings.Contains(err.Error(), "means something else") {
			t.Errorf("%s is declared anew: %v", tt.trait, err)
		}
	}
	if _, err := Compile([]byte("name: tip\npurpose: service\ntrigger: {threshold: {trait: '', above: 1}}\nsteps: [{id: s, wait: {for: 1h}}]\n"),
		Env{Traits: map[string]map[string]any{"": {"count": "x"}}}); err == nil {
		t.Error("a threshold without a trait compiles")
	}
}
