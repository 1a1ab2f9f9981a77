package render

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"touchpoint/gateway"
)

// Templates finds a template by its definition; locale is matched exactly.
type Templates interface {
	Template(journey string, version uint32, id, locale string) (Text, bool)
}

// Personal reads what the vault holds of a customer.
type Personal interface {
	Profile(ctx context.Context, customer gateway.CustomerID) (map[string]gateway.Personal, error)
}

// Options of a Renderer.
type Options struct {
	Templates Templates
	// Personal may be nil: then no template can use a personal field.
	Personal Personal
	// Locale is the one of last resort; "en" by default.
	Locale string
	// Cache is how many parsed templates are kept; 4,096 by default.
	Cache int
}

// Renderer renders messages; it is safe for concurrent use.
type Renderer struct {
	opts  Options
	mu    sync.RWMutex
	cache map[key]*parsed
}

type key struct {
	journey string
	version uint32
	id      string
	locale  string
}

// parsed is a Text ready to run.
type parsed struct {
	parts   []*template
	actions []string // ids
	locale  string
	names   []string // what may come from the vault: customer.…
}

// New makes a renderer.
func New(o Options) (*Renderer, error) {
	if o.Templates == nil {
		return nil, gateway.InvalidField("render.templates", "is required")
	}
	if o.Locale == "" {
		o.Locale = "en"
	}
	if o.Cache <= 0 {
		o.Cache = 4096
	}
	return &Renderer{opts: o, cache: map[key]*parsed{}}, nil
}

// Render makes the text of a message. Errors of kind Invalid and NotFound are
// final; others (the vault is away) may be tried again.
func (r *Renderer) Render(ctx context.Context, m *gateway.Message) (Content, error) {
	p, err := r.find(m)
	if err != nil {
		return Content{}, err
	}
	profile, err := r.profile(ctx, p, m)
	if err != nil {
		return Content{}, err
	}
	texts := make([]string, len(p.parts))
	for i, t := range p.parts {
		// Each part gets its own values: assign writes into them.
		if texts[i], err = t.run(values(m, profile)); err != nil {
			return Content{}, fmt.Errorf("template %q of journey %q version %d, locale %q: %w", m.Template, m.Journey, m.Version, p.locale, err)
		}
	}
	c := Content{Title: oneLine(texts[0]), Body: strings.TrimSpace(texts[1]), Locale: p.locale}
	for i, id := range p.actions {
		c.Actions = append(c.Actions, Action{ID: id, Label: oneLine(texts[2+2*i]), URL: strings.TrimSpace(texts[3+2*i])})
	}
	return c, nil
}

// UsesPersonal says whether rendering m reads the vault, so that a shared
// display can be refused.
func (r *Renderer) UsesPersonal(m *gateway.Message) bool {
	p, err := r.find(m)
	return err == nil && p.reads(m)
}

func (p *parsed) reads(m *gateway.Message) bool {
	for _, n := range p.names {
		if !m.Values.Has(n) {
			return true
		}
	}
	return false
}

func (r *Renderer) profile(ctx context.Context, p *parsed, m *gateway.Message) (map[string]gateway.Personal, error) {
	if r.opts.Personal == nil || m.Customer == 0 || !p.reads(m) {
		return nil, nil
	}
	profile, err := r.opts.Personal.Profile(ctx, m.Customer)
	if err != nil && gateway.KindOf(err) != gateway.NotFound {
		return nil, fmt.Errorf("read the customer's fields: %w", err)
	}
	return profile, nil
}

// find returns the parsed template, from the cache as a rule.
func (r *Renderer) find(m *gateway.Message) (*parsed, error) {
	k := key{m.Journey, m.Version, m.Template, m.Locale}
	r.mu.RLock()
	p := r.cache[k]
	r.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	for _, locale := range Fallback(m.Locale, r.opts.Locale) {
		text, ok := r.opts.Templates.Template(m.Journey, m.Version, m.Template, locale)
		if !ok {
			continue
		}
		p, err := parseText(text, locale)
		if err != nil {
			return nil, err
		}
		r.keep(k, p)
		return p, nil
	}
	return nil, gateway.Errorf(gateway.NotFound, "journey %q version %d has no template %q for locale %q, nor for %q",
		m.Journey, m.Version, m.Template, m.Locale, r.opts.Locale)
}

// keep stores p under the key's own copies of its strings.
func (r *Renderer) keep(k key, p *parsed) {
	k.journey, k.id, k.locale = strings.Clone(k.journey), strings.Clone(k.id), strings.Clone(k.locale)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cache) >= r.opts.Cache {
		clear(r.cache) // rare: old versions piled up; what is in use comes back
	}
	r.cache[k] = p
}

func parseText(text Text, locale string) (*parsed, error) {
	p := &parsed{locale: locale, names: PersonalVariables(text)}
	for _, src := range text.parts() {
		t, bad := parse(src)
		if len(bad) > 0 {
			return nil, &gateway.Error{Kind: gateway.Invalid, Violations: bad}
		}
		p.parts = append(p.parts, t)
	}
	for _, a := range text.Actions {
		p.actions = append(p.actions, a.ID)
	}
	return p, nil
}

// Fallback lists the locales to try: "de-AT" gives de-AT, de, then the last
// resort and its language, then "" for a template without a language.
func Fallback(locale, last string) []string {
	var out []string
	add := func(l string) {
		for _, o := range out {
			if o == l {
				return
			}
		}
		out = append(out, l)
	}
	for _, l := range []string{locale, last} {
		l = strings.ReplaceAll(l, "_", "-")
		for l != "" {
			add(l)
			i := strings.LastIndexByte(l, '-')
			l = l[:max(i, 0)]
		}
	}
	add("")
	return out
}

// values nests the flat names ("event.water_ml") as Liquid reads them.
func values(m *gateway.Message, profile map[string]gateway.Personal) map[string]any {
	out := make(map[string]any, 4)
	for name, v := range profile {
		put(out, PersonalPrefix+name, clean(v.Reveal()))
	}
	for i := range m.Values {
		if v := open(m.Values[i].Value); v != nil {
			put(out, m.Values[i].Key, v)
		}
	}
	return out
}

func put(out map[string]any, name string, v any) {
	for {
		head, rest, nested := strings.Cut(name, ".")
		if !nested {
			out[name] = v
			return
		}
		inner, ok := out[head].(map[string]any)
		if !ok {
			inner = make(map[string]any, 4)
			out[head] = inner
		}
		out, name = inner, rest
	}
}

// open converts a value for Liquid; a sealed one has no text.
func open(v gateway.Value) any {
	switch v.Kind() {
	case gateway.KindInt:
		return int(v.AsInt())
	case gateway.KindFloat:
		f, _ := v.AsFloat()
		return tidy(f)
	case gateway.KindString:
		return clean(v.AsString())
	case gateway.KindBool:
		return v.AsBool()
	}
	return nil
}

// clean drops control characters: a value must not shape a display, a header
// line or a terminal.
func clean(s string) string {
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return ' '
		}
		return r
	}, s)
}

func bad(r rune) bool { return unicode.IsControl(r) && r != '\n' || r == '\u2028' || r == '\u2029' }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
