package author

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"touchpoint/gateway/journey"
)

// textWidth guesses the width of a text in a usual sans-serif face.
func textWidth(text string, size float64) float64 {
	w := 0.0
	for _, r := range text {
		switch {
		case strings.ContainsRune("iljtfr.,:;'|!()[]{}I ", r):
			w += 0.32
		case strings.ContainsRune("mwMW@%→≥", r):
			w += 0.88
		case r >= 'A' && r <= 'Z':
			w += 0.68
		default:
			w += 0.555
		}
	}
	return w * size
}

func shorten(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:limit-1]), " ") + "…"
}

// wrap breaks a text into at most a few lines.
func wrap(text string, width, most int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+shorten(word, width), " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	if len(lines) > most {
		lines = lines[:most]
		lines[most-1] = shorten(lines[most-1]+" …", width)
	}
	return lines
}

const cardChars = 38

// triggerLines says what starts the journey.
func triggerLines(t *journey.Tree) (lines []string) {
	trigger := t.Get("trigger")
	if trigger == nil {
		return nil
	}
	for _, way := range trigger.Children {
		if way.Key == "where" {
			continue
		}
		text := words(way)
		if way.Key == "event" {
			text = "on " + way.Text
		}
		if where := trigger.Value("where"); where != "" && way.Key == "event" {
			text += " where " + where
		}
		lines = append(lines, wrap(text, cardChars, 4)...)
	}
	if f := t.Value("filter"); f != "" {
		lines = append(lines, wrap("only if "+f, cardChars, 2)...)
	}
	return lines
}

// words tells a map of the definition in words: known keys as a sentence,
// others by their names.
func words(t *journey.Tree) string {
	if t.Kind != "map" || len(t.Children) == 0 {
		return strings.TrimSpace(t.Key + " " + t.String())
	}
	var parts []string
	for _, c := range t.Children {
		text := c.String()
		if c.Kind == "list" {
			text = listWords(c)
		}
		if before, ok := connectors[c.Key]; ok {
			text = strings.TrimSpace(before + " " + text)
		} else {
			text = strings.ReplaceAll(c.Key, "_", " ") + " " + text
		}
		parts = append(parts, text)
	}
	if _, plain := plainTriggers[t.Key]; plain {
		return strings.Join(parts, " ")
	}
	return strings.ReplaceAll(t.Key, "_", " ") + ": " + strings.Join(parts, " ")
}

func listWords(t *journey.Tree) string {
	var items []string
	for _, c := range t.Children {
		if e := c.Value("event"); e != "" {
			if w := c.Value("where"); w != "" {
				e += " (" + w + ")"
			}
			items = append(items, e)
			continue
		}
		items = append(items, c.String())
	}
	join := ", "
	if t.Key == "events" {
		join = " → "
	}
	return strings.Join(items, join)
}

var plainTriggers = map[string]bool{"threshold": true, "milestone": true, "absence": true, "silence": true}

// connectors stand in front of values instead of the key.
var connectors = map[string]string{
	"at_least": "≥", "within": "within", "for": "for", "per": "per", "event": "", "events": "", "nth": "number",
	"unless": "unless", "where": "where", "every": "every", "count": "count of", "sum": "sum of",
}

// stepLines says what a step does.
func stepLines(s journey.OutlineStep, o *journey.Outline) []string {
	body := s.Tree.Get(s.Kind)
	switch s.Kind {
	case "send":
		return sendLines(s, o)
	case "task":
		return taskLines(s, o)
	case "wait":
		return wrap(waitWords(body), cardChars, 3)
	case "branch", "split", "end":
		return nil
	case "set":
		var parts []string
		for _, c := range body.Children {
			parts = append(parts, c.Key+" = "+c.String())
		}
		return wrap(strings.Join(parts, ", "), cardChars, 3)
	}
	if body == nil {
		return nil
	}
	return wrap(words(&journey.Tree{Key: s.Kind, Kind: body.Kind, Text: body.Text, Children: body.Children}), cardChars, 4)
}

// headline quotes the English title, or else one of another language.
func headline(s journey.OutlineStep, o *journey.Outline) (lines, locales []string) {
	byLocale := o.Templates[s.ID]
	locales = slices.Sorted(maps.Keys(byLocale))
	if len(locales) > 0 {
		locale := locales[0]
		if _, ok := byLocale["en"]; ok {
			locale = "en"
		}
		lines = wrap("“"+byLocale[locale].Title+"”", cardChars, 2)
	}
	return lines, locales
}

func taskLines(s journey.OutlineStep, o *journey.Outline) []string {
	lines, _ := headline(s, o)
	facts := "for " + s.Tree.Value("task", "assignee")
	if due := s.Tree.Value("task", "due"); due != "" {
		facts += ", due in " + due
	}
	return append(lines, wrap(facts, cardChars, 2)...)
}

func sendLines(s journey.OutlineStep, o *journey.Outline) (lines []string) {
	lines, locales := headline(s, o)
	var facts []string
	for _, c := range s.Tree.Get("send", "channels").List() {
		facts = append(facts, c.Text)
	}
	if len(facts) == 0 {
		facts = append(facts, "any channel")
	}
	facts = []string{strings.Join(facts, ", ")}
	if v := s.Tree.Value("send", "recipient"); v != "" && v != "owner" {
		facts[0] = "to " + v + ": " + facts[0]
	}
	if v := s.Tree.Value("send", "expires_after"); v != "" {
		facts = append(facts, "expires after "+v)
	}
	facts = append(facts, strings.Join(locales, " "))
	return append(lines, wrap(strings.Join(facts, " · "), cardChars+6, 2)...)
}

func waitWords(t *journey.Tree) string {
	switch {
	case t.Value("for") != "":
		return "for " + t.Value("for")
	case t.Value("until_event") != "":
		text := "until " + t.Value("until_event")
		if w := t.Value("where"); w != "" {
			text += " where " + w
		}
		return text + ", at most " + t.Value("timeout")
	case t.Value("until_local_time") != "":
		text := "until " + t.Value("until_local_time")
		if d := t.Get("days"); d != nil {
			text += " on " + strings.Trim(d.String(), "[]")
		}
		return text + ", local time"
	}
	return words(t)
}

// asides are what holds for the whole journey: a title and what it says.
func asides(o *journey.Outline) (out []aside) {
	add := func(kind, title, text string) {
		if text != "" {
			out = append(out, aside{kind, title, wrap(text, 30, 4)})
		}
	}
	if g := o.Tree.Get("goal"); g != nil {
		add("goal", "Goal", strings.TrimPrefix(words(g), "goal: "))
	}
	for _, e := range o.Tree.Get("exit").List() {
		text := "on " + e.Value("event")
		if w := e.Value("where"); w != "" {
			text += " where " + w
		}
		if w := e.Value("when"); w != "" {
			text = "when " + w
		}
		add("exit", "Leaves at once", text)
	}
	for _, q := range o.Tree.Get("quiet_hours").List() {
		add("quiet", "Quiet hours", q.Value("from")+" – "+q.Value("to"))
	}
	for _, key := range []string{"reentry", "holdout", "priority", "decision_window", "existing", "caps"} {
		t := o.Tree.Get(key)
		if t == nil {
			continue
		}
		text := strings.ReplaceAll(t.String(), "_", " ")
		if key == "holdout" {
			text += " %"
		}
		add("fact", strings.ToUpper(key[:1])+strings.ReplaceAll(key[1:], "_", " "), strings.Trim(text, "{}"))
	}
	return out
}

// aside is a note beside the drawing.
type aside struct {
	kind, title string
	lines       []string
}
