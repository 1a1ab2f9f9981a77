package author

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"touchpoint/gateway/journey"
)

// What fits on the display of a product, in characters. Values that a template
// fills in count as eight.
const (
	longestTitle = 40
	longestBody  = 160
	longestLabel = 20
	mostActions  = 3
)

// texts looks at locales and lengths of every message.
func (l *linter) texts() {
	locales := map[string]bool{}
	for _, byLocale := range l.o.Templates {
		for locale := range byLocale {
			locales[locale] = true
		}
	}
	all := slices.Sorted(maps.Keys(locales))
	if len(all) == 1 && len(l.o.Templates) > 0 {
		l.warn(Finding{Code: "one_locale", Line: l.line("steps"), Text: fmt.Sprintf("there are texts in %s alone", all[0]),
			Suggestion: "add a second language, or leave it when all customers read this one"})
	}
	for _, s := range l.o.Steps {
		l.stepTexts(s, all)
	}
}

func (l *linter) stepTexts(s journey.OutlineStep, all []string) {
	byLocale := l.o.Templates[s.ID]
	if len(byLocale) == 0 {
		return
	}
	var missing []string
	for _, locale := range all {
		if _, ok := byLocale[locale]; !ok {
			missing = append(missing, locale)
		}
	}
	if len(missing) > 0 {
		l.warn(Finding{Code: "missing_locale", Line: s.Line, Step: s.ID, Field: s.Kind + ".texts",
			Text: "lacks " + strings.Join(missing, ", ") + ", which other steps have", Suggestion: "add the text; without it another language is shown"})
	}
	locales := slices.Sorted(maps.Keys(byLocale))
	for i, locale := range locales {
		if s.Kind == "send" { // staff read on larger screens
			l.lengths(s, locale, byLocale[locale])
		}
		for _, other := range locales[:i] {
			if a, b := byLocale[locale], byLocale[other]; a.Body != "" && a.Title == b.Title && a.Body == b.Body {
				l.warn(Finding{Code: "same_text", Line: l.textLine(s, other), Step: s.ID, Field: s.Kind + ".texts." + other,
					Text: "says the same as " + locale, Suggestion: "translate it"})
			}
		}
	}
}

func (l *linter) textLine(s journey.OutlineStep, locale string) int {
	if t := s.Tree.Get(s.Kind, "texts", locale); t != nil {
		return t.Line
	}
	return s.Line
}

func (l *linter) lengths(s journey.OutlineStep, locale string, t journey.Template) {
	if to := s.Tree.Value("send", "recipient"); to == "dealer" || to == "staff" {
		return // never on the display
	}
	if channels := s.Tree.Get("send", "channels").List(); len(channels) > 0 &&
		!slices.ContainsFunc(channels, func(c *journey.Tree) bool { return c.Text == journey.ProductChannel }) {
		return
	}
	at := "send.texts." + locale
	check := func(field, text string, limit int) {
		if n := shownLength(text); n > limit {
			l.warn(Finding{Code: "long_text", Line: l.textLine(s, locale), Step: s.ID, Field: field,
				Text: fmt.Sprintf("has about %d characters; a product's display shows some %d", n, limit), Suggestion: "shorten it"})
		}
	}
	check(at+".title", t.Title, longestTitle)
	check(at+".body", t.Body, longestBody)
	for i, a := range t.Actions {
		check(fmt.Sprintf("%s.actions[%d].label", at, i), a.Label, longestLabel)
	}
	if len(t.Actions) > mostActions {
		l.warn(Finding{Code: "many_actions", Line: l.textLine(s, locale), Step: s.ID, Field: at + ".actions",
			Text: fmt.Sprintf("has %d buttons; a product's display shows %d", len(t.Actions), mostActions), Suggestion: "keep the most important ones"})
	}
}

var liquidPattern = regexp.MustCompile(`\{\{.*?\}\}`)
var liquidTag = regexp.MustCompile(`\{%.*?%\}`)

// shownLength guesses how many characters a template shows.
func shownLength(text string) int {
	text = liquidTag.ReplaceAllString(text, "")
	return utf8.RuneCountInString(liquidPattern.ReplaceAllString(text, "12345678"))
}
