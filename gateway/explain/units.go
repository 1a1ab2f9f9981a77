package explain

import (
	"regexp"
	"strconv"
	"strings"
)

// unitWords are the units of durations as definitions write them. The German
// ones are those behind "in" and "von".
var unitWords = map[string][2]words{
	"w":  {{"week", "Woche"}, {"weeks", "Wochen"}},
	"d":  {{"day", "Tag"}, {"days", "Tagen"}},
	"h":  {{"hour", "Stunde"}, {"hours", "Stunden"}},
	"m":  {{"minute", "Minute"}, {"minutes", "Minuten"}},
	"s":  {{"second", "Sekunde"}, {"seconds", "Sekunden"}},
	"ms": {{"millisecond", "Millisekunde"}, {"milliseconds", "Millisekunden"}},
}

var unitPattern = regexp.MustCompile(`(\d+)(ms|w|d|h|m|s)`)

// span puts a duration such as 1d12h into words. What is none stays as it is.
func (t *teller) span(text string) string {
	if text == "" || unitPattern.ReplaceAllString(text, "") != "" {
		return text
	}
	var out []string
	for _, m := range unitPattern.FindAllStringSubmatch(text, -1) {
		w := unitWords[m[2]][1]
		if m[1] == "1" {
			w = unitWords[m[2]][0]
		}
		out = append(out, m[1]+" "+w.in(t.lang))
	}
	return strings.Join(out, " ")
}

// number shows a number with at most four digits behind the point.
func (t *teller) number(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !strings.ContainsAny(text, ".e") {
		return text
	}
	short := strconv.FormatFloat(f, 'f', 4, 64)
	short = strings.TrimRight(strings.TrimRight(short, "0"), ".")
	if t.lang == "de" {
		short = strings.Replace(short, ".", ",", 1)
	}
	return short
}
