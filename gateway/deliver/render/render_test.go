package render_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver/render"
)

// library finds templates by id and locale.
type library map[string]render.Text

func (l library) Template(_ string, _ uint32, id, locale string) (render.Text, bool) {
	t, ok := l[id+"/"+locale]
	return t, ok
}

// vault is what it holds of the one customer.
type vault struct {
	fields map[string]gateway.Personal
	err    error
	reads  int
}

func (v *vault) Profile(context.Context, gateway.CustomerID) (map[string]gateway.Personal, error) {
	v.reads++
	return v.fields, v.err
}

func renderer(t testing.TB, l library, v *vault) *render.Renderer {
	t.Helper()
	o := render.Options{Templates: l}
	if v != nil {
		o.Personal = v
	}
	r, err := render.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func message(values ...gateway.Property) *gateway.Message {
	return &gateway.Message{Journey: "welcome", Version: 1, Template: "t", Locale: "en", Customer: 7, Values: values}
}

func prop(key string, v gateway.Value) gateway.Property { return gateway.Property{Key: key, Value: v} }

var someValues = []gateway.Property{
	prop("device.on", gateway.Bool(true)),
	prop("event.big", gateway.Int(12345678)),
	prop("event.half", gateway.Float(1234567.5)),
	prop("event.sealed", gateway.Sealed("xyz")),
	prop("event.water_ml", gateway.Int(120)),
	prop("event.whole", gateway.Float(3000000)),
	prop("note", gateway.String("äpfel & <b>birnen</b>")),
	prop("odd", gateway.String("a\x1b[31mb\u2028c\nd")),
}

func TestRender(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"", ""},
		{"plain", "plain"},
		{"{{ event.water_ml }} ml", "120 ml"},
		{"{{event.big}}", "12345678"},
		{"{{event.whole}}", "3000000"},
		{"{{event.half}}", "1234567.5"},
		{"{{event.half | plus: 1}}", "1234568.5"},
		{"{{event.big | plus: 1}}", "12345679"},
		{"{{event.big | times: 1000 }}", "12345678000"},
		{"{{event.water_ml | divided_by: 7}}", "17"},
		{"{{event.water_ml | divided_by: 7.0 | round: 2}}", "17.14"},
		{"{{event.half | floor}} {{event.half | ceil}} {{event.half | round}}", "1234567 1234568 1234568"},
		{"{{event.water_ml | minus: 130 | abs}}", "10"},
		{"{{event.water_ml | modulo: 50 | at_least: 30 | at_most: 25}}", "25"},
		{"{% if event.half > 1000 and event.water_ml == 120 %}yes{% else %}no{% endif %}", "yes"},
		{"{% unless device.on %}off{% else %}on{% endunless %}", "on"},
		{"{% case event.water_ml %}{% when 1, 120 %}a{% else %}b{% endcase %}", "a"},
		{"{% assign x = note | upcase %}{{ x }}", "ÄPFEL & <B>BIRNEN</B>"},
		{"{{ note | capitalize | truncate: 8 }}", "Äpfel..."},
		{"{{ note | truncate: 8, '…' }}", "äpfel &…"},
		{"{{ note | truncatewords: 1 }}", "äpfel..."},
		{"{{ note | escape }}", "äpfel &amp; &lt;b&gt;birnen&lt;/b&gt;"},
		{"{{ note | size }}", "21"},
		{"{{ note | replace: 'b', 'x' | replace_first: 'x', 'y' | append: '!' | prepend: '?' }}", "?äpfel & <y>xirnen</x>!"},
		{"{{ missing.one | default: 'friend' }}", "friend"},
		{"{% if missing.one %}a{% endif %}b", "b"},
		{"{{ odd }}", "a [31mb c\nd"},
		{"{% comment %}{{ nothing }}{% endcomment %}x{% raw %}{{ y }}{% endraw %}", "x{{ y }}"},
		{"a{%- if device.on -%} b {%- endif -%} c", "abc"},
	} {
		got, err := renderer(t, library{"t/en": {Body: c.template}}, nil).Render(context.Background(), message(someValues...))
		if err != nil || got.Body != c.want {
			t.Errorf("%s\n got %q, %v\nwant %q", c.template, got.Body, err, c.want)
		}
	}
}

func TestRenderFails(t *testing.T) {
	long := strings.Repeat("x", 60<<10)
	doubling := "{% assign a = 'xxxxxxxxxx' %}" + strings.Repeat("{% assign a = a | append: a %}", 40) + "{{ a }}"
	for template, want := range map[string]string{
		"{{ missing.one }}":                    "body: line 1",
		"line\nline\n{{ event.water }}":        "has no value and no default filter",
		"{{ event.sealed }}":                   "has no value",
		"{{ note | plus: 1 }}":                 "cannot use the value",
		"{{ event.water_ml | divided_by: 0 }}": "cannot use the value",
		"{{ 'a' | truncate: 2000000000 | append: note }}{{ event.water_ml | divided_by: 'x' }}": "cannot use",
		long + "{{ note }}": "at most 32768",
		doubling:            "longer than 65536",
		"{{ note | replace: '', note | replace: '', note | replace: '', note | replace: '', note }}": "longer than",
		"{% for i in (1..1000000000) %}{% endfor %}":                                                 "{% for %} is not available",
		"{% include 'x' %}":       "{% include %} is not available",
		"{{ note | date: '%Y' }}": `the filter "date" is not available`,
		"{{ note | upcas }}":      `did you mean "upcase"?`,
		"{{ note":                 "{{ is not closed",
		"{% if note %}":           "if",
		"{{ note | }}":            "syntax",
		"{{ note[0] }}":           "[ ] is not available",
		"{% assign x %}":          "name = value",
		"{% comment %}":           "is not closed by {% endcomment %}",
	} {
		_, err := renderer(t, library{"t/en": {Body: template}}, nil).Render(context.Background(), message(someValues...))
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "line 1, body", "body: line 1"), want) {
			t.Errorf("%.80s\n got %v\nwant %s", template, err, want)
		}
		if err != nil && (gateway.KindOf(err) != gateway.Invalid || strings.Contains(err.Error(), "äpfel")) {
			t.Errorf("%.80s: %v shows a value or has kind %v", template, err, gateway.KindOf(err))
		}
	}
}

func TestPersonalFields(t *testing.T) {
	l := library{"t/en": {Title: "Hello {{ customer.name }}", Body: "in {{ customer.country }}"}, "plain/en": {Body: "{{ customer.country }}"}}
	v := &vault{fields: map[string]gateway.Personal{"name": "Erika\r\nBcc: x"}}
	r := renderer(t, l, v)
	m := message(prop("customer.country", gateway.String("DE")))
	c, err := r.Render(context.Background(), m)
	if err != nil || c.Title != "Hello Erika Bcc: x" || c.Body != "in DE" {
		t.Errorf("got %+v, %v", c, err)
	}
	if !r.UsesPersonal(m) {
		t.Error("does not say that it uses personal fields")
	}
	m.Template = "plain"
	if _, err := r.Render(context.Background(), m); err != nil || v.reads != 1 || r.UsesPersonal(m) {
		t.Errorf("%v, the vault was read %d times", err, v.reads)
	}
	m.Template = "t"
	v.fields = nil // erased, or never known
	v.err = gateway.Errorf(gateway.NotFound, "no profile")
	if _, err := r.Render(context.Background(), m); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("got %v", err)
	}
	v.err = gateway.Errorf(gateway.Unavailable, "away")
	if _, err := r.Render(context.Background(), m); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestLocales(t *testing.T) {
	for locale, want := range map[string][]string{
		"de-AT":      {"de-AT", "de", "en", ""},
		"zh-Hant-TW": {"zh-Hant-TW", "zh-Hant", "zh", "en", ""},
		"de_CH":      {"de-CH", "de", "en", ""},
		"en":         {"en", ""},
		"":           {"en", ""},
	} {
		if got := render.Fallback(locale, "en"); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", locale, got, want)
		}
	}
	r := renderer(t, library{"t/de": {Body: "de"}, "t/en": {Body: "en"}, "one/": {Body: "any"}}, nil)
	for _, c := range []struct{ id, locale, want string }{
		{"t", "de-AT", "de"}, {"t", "fr", "en"}, {"t", "", "en"}, {"one", "fr", "any"}, {"two", "de", ""},
	} {
		m := message()
		m.Template, m.Locale = c.id, c.locale
		for range 2 { // the second time from the cache
			got, err := r.Render(context.Background(), m)
			if got.Body != c.want || (c.want == "") != (gateway.KindOf(err) == gateway.NotFound && err != nil) {
				t.Errorf("%+v: got %q, %v", c, got.Body, err)
			}
		}
	}
}

func TestActionsAndTitle(t *testing.T) {
	r := renderer(t, library{"t/en": {Title: " a\n b ", Body: "\nx\ny\n", Actions: []render.Action{{ID: "order", Label: "Buy {{ n }}", URL: "https://example.com/?n={{ n | url_encode }}"}}}}, nil)
	c, err := r.Render(context.Background(), message(prop("n", gateway.String("a b"))))
	want := render.Content{Title: "a b", Body: "x\ny", Locale: "en", Actions: []render.Action{{ID: "order", Label: "Buy a b", URL: "https://example.com/?n=a+b"}}}
	if err != nil || fmt.Sprint(c) != fmt.Sprint(want) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestCheck(t *testing.T) {
	known := render.Known{Names: []string{"event.water_ml", "customer.name", "n"}, Open: []string{"device"}}
	for _, c := range []struct {
		text render.Text
		want string // "" = none
	}{
		{render.Text{Body: "{{ event.water_ml }} {{ device.anything }} {% assign x = n %}{{ x }}"}, ""},
		{render.Text{Title: "x", Body: "a\n{% if n == 1 %}\n{{ event.watr_ml }}{% endif %}"},
			`line 3, body: the variable "event.watr_ml" is not known here; did you mean "event.water_ml"?`},
		{render.Text{Body: "{{ event.watr_ml | default: 'x' }}"}, `the variable "event.watr_ml"`},
		{render.Text{Body: "{{ device }}"}, `the variable "device" is not known`},
		{render.Text{Body: "{{ zzzzzzzzz }}"}, "known are customer.name, event.water_ml, n"},
		{render.Text{Title: "{{ 'event.x' }} {{ n | append: \"{{ y\" }}", Body: "x"}, ""},
		{render.Text{Body: "x", Actions: []render.Action{{ID: "go", Label: "{{ m }}"}}}, `actions.go.label: the variable "m"`},
		{render.Text{Body: "{% if n %}{{ a.b }}{% elsif c.d %}{% endif %}"}, `"a.b"`},
		{render.Text{Body: "{% tablerow i in n %}{% endtablerow %}"}, "tablerow"},
		{render.Text{Body: "{{ n | fancy }}"}, `"fancy" is not available`},
		{render.Text{Body: "{% if n %}"}, "body"},
		{render.Text{Body: "{{ 'x }}"}, "quote"},
		{render.Text{}, "needs a title or a body"},
	} {
		vs := render.Check(c.text, known)
		got := ""
		for _, v := range vs {
			got += v.String() + "\n"
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestVariables(t *testing.T) {
	text := render.Text{Title: "{{ customer.name }}", Body: "{% if event.a > n %}{{ customer.city | default: customer.country }}{% assign l = n %}{{ l }}{% endif %}"}
	if got, want := render.Variables(text), []string{"customer.city", "customer.country", "customer.name", "event.a", "n"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got, want := render.PersonalVariables(text, "customer.country"), []string{"customer.city", "customer.name"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// FuzzRender: whatever an author writes, rendering ends with a text or an
// Invalid error, and what Check accepts is parsed.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"{{ n | append: n }}", "{% if n %}a{% endif %}", "{%case n%}{%when 1%}{%endcase%}", "{{", "{{ n | truncate: -1, 'x' }}",
		"{{ n | slice: 5 }}", "{% assign a = (1..9) %}{{ a }}", "{{ n | round: 99 }}", "{{ \"\" | capitalize }}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		text := render.Text{Title: "t", Body: source}
		vs := render.Check(text, render.Known{Names: []string{"n"}, Open: []string{"event"}})
		c, err := renderer(t, library{"t/en": text}, nil).Render(context.Background(), message(prop("n", gateway.String("v"))))
		if err != nil {
			var e *gateway.Error
			if !errors.As(err, &e) || e.Kind != gateway.Invalid {
				t.Fatalf("%v", err)
			}
		} else if len(c.Body) > render.MaxOutput {
			t.Fatalf("%d bytes", len(c.Body))
		}
		_ = vs
	})
}

func BenchmarkRender(b *testing.B) {
	l := library{"t/en": {Title: "Hello {{ customer.name }}", Body: "{{ event.water_ml }} ml were used.{% if event.water_ml > 100 %} Please refill.{% endif %}"}}
	r := renderer(b, l, &vault{fields: map[string]gateway.Personal{"name": "Erika"}})
	m := message(prop("event.water_ml", gateway.Int(120)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Render(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
}
