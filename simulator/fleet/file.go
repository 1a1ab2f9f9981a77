package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"touchpoint/devices"
	"touchpoint/gateway"
)

// file is the form on disk.
type file struct {
	Seed          uint64       `yaml:"seed"`
	Product       string       `yaml:"product"`
	Customers     int          `yaml:"customers"`
	SecondMachine float64      `yaml:"second_machine"`
	JoinOver      string       `yaml:"join_over"`
	Connections   int          `yaml:"connections"`
	Locales       []localeFile `yaml:"locales"`
	Consents      struct {
		Marketing float64 `yaml:"marketing"`
		Service   float64 `yaml:"service"`
	} `yaml:"consents"`
	Habits     []habitFile `yaml:"habits"`
	Offline    offlineFile `yaml:"offline"`
	Duplicates float64     `yaml:"duplicates"`
	Reactions  struct {
		Displayed float64 `yaml:"displayed"`
		After     string  `yaml:"after"`
		Clicked   float64 `yaml:"clicked"`
		Dismissed float64 `yaml:"dismissed"`
	} `yaml:"reactions"`
	Answers []answerFile `yaml:"answers"`
	Grid    string       `yaml:"grid"`
}

type localeFile struct {
	Locale   string  `yaml:"locale"`
	TimeZone string  `yaml:"time_zone"`
	Country  string  `yaml:"country"`
	Share    float64 `yaml:"share"`
}

type habitFile struct {
	Name        string          `yaml:"name"`
	Share       float64         `yaml:"share"`
	BrewsPerDay float64         `yaml:"brews_per_day"`
	Weekend     *float64        `yaml:"weekend"`
	Hours       map[int]float64 `yaml:"hours"`
	Pause       *struct {
		Every string `yaml:"every"`
		For   string `yaml:"for"`
	} `yaml:"pause"`
	DescalesEvery string `yaml:"descales_every"`
}

type offlineFile struct {
	Share float64 `yaml:"share"`
	Every string  `yaml:"every"`
	For   string  `yaml:"for"`
}

type answerFile struct {
	Says        []string `yaml:"says"`
	Event       string   `yaml:"event"`
	Probability float64  `yaml:"probability"`
	After       string   `yaml:"after"`
}

// Parse reads a fleet file. Unknown keys, wrong types and values out of range
// are errors of kind Invalid with the key and its line, all at once.
func Parse(text []byte) (Config, error) {
	var f file
	dec := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, syntaxError(err)
	}
	r := reader{}
	r.doc, _ = parser.ParseBytes(text, 0)
	c := r.config(&f)
	if len(r.faults) > 0 {
		return Config{}, &gateway.Error{Kind: gateway.Invalid, Text: "fleet file", Violations: r.faults}
	}
	return c, nil
}

var atLine = regexp.MustCompile(`(?s)^\[(\d+):\d+\] (.*)`)

func syntaxError(err error) error {
	text := strings.TrimSpace(yaml.FormatError(err, false, false))
	v := gateway.Violation{Text: text}
	if m := atLine.FindStringSubmatch(text); m != nil {
		v.Line, _ = strconv.Atoi(m[1])
		v.Text = m[2]
	}
	return &gateway.Error{Kind: gateway.Invalid, Text: "fleet file", Violations: []gateway.Violation{v}}
}

// reader checks a file and remembers where things stand.
type reader struct {
	doc    *ast.File
	faults []gateway.Violation
}

func (r *reader) fail(field, format string, args ...any) {
	r.faults = append(r.faults, gateway.Violation{Field: field, Line: r.line(field), Text: fmt.Sprintf(format, args...)})
}

// line finds the line of a field, or of the nearest thing above it that the
// file has.
func (r *reader) line(field string) int {
	for r.doc != nil && field != "" {
		if p, err := yaml.PathString("$." + field); err == nil {
			if n, err := p.FilterFile(r.doc); err == nil && n != nil && n.GetToken() != nil {
				return n.GetToken().Position.Line
			}
		}
		cut := strings.LastIndexAny(field, ".[")
		field = field[:max(cut, 0)]
	}
	return 0
}

func (r *reader) share(field string, v float64) float64 {
	if v < 0 || v > 1 || math.IsNaN(v) {
		r.fail(field, "is %v: must be a share from 0 to 1", v)
	}
	return v
}

func (r *reader) number(field string, v, min, max float64) {
	if !(v >= min && v <= max) {
		r.fail(field, "is %v: must be from %v to %v", v, min, max)
	}
}

// duration reads a time such as "90m", "12h" or "10d".
func (r *reader) duration(field, text string, min, max time.Duration) time.Duration {
	d, err := parseDuration(text)
	switch {
	case err != nil:
		r.fail(field, "%q is no time: write one such as 90m, 12h or 10d", text)
	case d < min || d > max:
		r.fail(field, "is %s: must be from %v to %v", text, min, max)
	}
	return d
}

func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || math.Abs(n) > 36500 {
			return 0, fmt.Errorf("%q is no number of days", text)
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	return time.ParseDuration(text)
}

// between reads a range such as "2h..3d".
func (r *reader) between(field, text string, max time.Duration) Range {
	from, to, ok := strings.Cut(text, "..")
	if !ok {
		to = from
	}
	g := Range{r.duration(field, from, 0, max), r.duration(field, to, 0, max)}
	if g.To < g.From {
		r.fail(field, "is %s: the range ends before it begins", text)
	}
	return g
}

const year = 366 * 24 * time.Hour

func (r *reader) config(f *file) Config {
	c := Config{Seed: f.Seed, Product: f.Product, Customers: f.Customers, Connections: f.Connections,
		SecondMachine: r.share("second_machine", f.SecondMachine), Duplicates: r.share("duplicates", f.Duplicates),
		Marketing: r.share("consents.marketing", f.Consents.Marketing), Service: r.share("consents.service", f.Consents.Service)}
	if err := devices.CheckProduct(f.Product); err != nil {
		r.fail("product", "is missing or holds what no topic may: use letters, digits, '-', '_' and '.'")
	}
	r.number("customers", float64(f.Customers), 1, 1_000_000)
	r.number("connections", float64(f.Connections), 0, 1_000)
	if f.JoinOver != "" {
		c.JoinOver = r.duration("join_over", f.JoinOver, 0, year)
	}
	c.Locales = r.locales(f.Locales)
	c.Habits = r.habits(f.Habits)
	c.Offline = Offline{Share: r.share("offline.share", f.Offline.Share)}
	if f.Offline.Share > 0 {
		c.Offline.Every = r.duration("offline.every", f.Offline.Every, time.Hour, year)
		c.Offline.For = r.between("offline.for", f.Offline.For, c.Offline.Every*3/4)
	}
	r.reactions(f, &c)
	if f.Grid != "" {
		c.Grid = r.duration("grid", f.Grid, 0, 24*time.Hour)
	}
	return c
}

func (r *reader) reactions(f *file, c *Config) {
	in := f.Reactions
	c.Reactions = Reactions{Displayed: r.share("reactions.displayed", in.Displayed),
		Clicked: r.share("reactions.clicked", in.Clicked), Dismissed: r.share("reactions.dismissed", in.Dismissed)}
	if in.Clicked+in.Dismissed > 1 {
		r.fail("reactions.dismissed", "and reactions.clicked are more than 1 together")
	}
	if in.After != "" {
		c.Reactions.After = r.between("reactions.after", in.After, year)
	}
	for i, a := range f.Answers {
		at := fmt.Sprintf("answers[%d]", i)
		if len(a.Says) == 0 {
			r.fail(at+".says", "is missing: name words of the message, such as [descal, entkalk]")
		}
		if a.Event == "" {
			r.fail(at+".event", "is missing: name the event that follows")
		}
		out := Answer{Event: a.Event, Probability: r.share(at+".probability", a.Probability), After: r.between(at+".after", a.After, year)}
		for _, word := range a.Says {
			out.Says = append(out.Says, strings.ToLower(word))
		}
		c.Answers = append(c.Answers, out)
	}
}

func (r *reader) locales(in []localeFile) (out []Locale) {
	sum := 0.0
	for i, l := range in {
		at := fmt.Sprintf("locales[%d]", i)
		if l.Locale == "" {
			r.fail(at+".locale", "is missing: write one such as de-DE")
		}
		if _, err := time.LoadLocation(l.TimeZone); err != nil || l.TimeZone == "" {
			r.fail(at+".time_zone", "%q is no time zone: write one such as Europe/Berlin", l.TimeZone)
		}
		sum += r.share(at+".share", l.Share)
		out = append(out, Locale(l))
	}
	r.whole("locales", sum, len(in))
	return out
}

func (r *reader) habits(in []habitFile) (out []Habit) {
	sum := 0.0
	for i, h := range in {
		at := fmt.Sprintf("habits[%d]", i)
		if h.Name == "" {
			r.fail(at+".name", "is missing")
		}
		sum += r.share(at+".share", h.Share)
		r.number(at+".brews_per_day", h.BrewsPerDay, 0, 200)
		out = append(out, r.habit(at, h))
	}
	r.whole("habits", sum, len(in))
	return out
}

func (r *reader) habit(at string, h habitFile) Habit {
	out := Habit{Name: h.Name, Share: h.Share, BrewsPerDay: h.BrewsPerDay, Weekend: 1}
	if h.Weekend != nil {
		out.Weekend = *h.Weekend
		r.number(at+".weekend", out.Weekend, 0, 20)
	}
	sum := 0.0
	for hour, weight := range h.Hours {
		if hour < 0 || hour > 23 {
			r.fail(at+".hours", "names the hour %d: use 0 to 23", hour)
			continue
		}
		r.number(fmt.Sprintf("%s.hours.%d", at, hour), weight, 0, 1e6)
		out.Hours[hour] = weight
		sum += weight
	}
	if sum <= 0 && h.BrewsPerDay > 0 {
		r.fail(at+".hours", "is missing: give weights to hours of the day, such as {7: 3, 8: 2}")
	}
	if h.Pause != nil {
		out.PauseEvery = r.duration(at+".pause.every", h.Pause.Every, 24*time.Hour, 10*year)
		out.PauseFor = r.between(at+".pause.for", h.Pause.For, out.PauseEvery*3/4)
	}
	if h.DescalesEvery != "" {
		out.DescalesEvery = r.duration(at+".descales_every", h.DescalesEvery, 24*time.Hour, 10*year)
	}
	return out
}

// whole checks that the shares of a list are the whole.
func (r *reader) whole(field string, sum float64, n int) {
	switch {
	case n == 0:
		r.fail(field, "is empty: describe at least one")
	case math.Abs(sum-1) > 0.001:
		r.fail(field, "have shares of %.3g together: must be 1", sum)
	}
}
