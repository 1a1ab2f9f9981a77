package journey

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common"
)

// CEL's messages are for those who know its grammar. What follows puts them into
// words for the author of a journey, with what to write instead.

// conditionFault says why a text is no condition.
func conditionFault(text string, e *common.Error) error {
	message := firstLine(e.Message)
	if name, found := strings.CutPrefix(message, "undeclared reference to '"); found {
		name, _, _ = strings.Cut(name, "'")
		return unknownName(text, name)
	}
	m := noOverload.FindStringSubmatch(message)
	if m != nil && mapType.MatchString(m[2]) {
		return errors.New("takes all fields at once; name one, such as event.water_ml")
	}
	if m != nil {
		return noSuchComparison(text, m[1], strings.Split(m[2], ", "))
	}
	if m := otherType.FindStringSubmatch(message); m != nil {
		return fmt.Errorf("needs a condition where %s stands", typeWord(m[2]))
	}
	return unreadable(text, strings.TrimPrefix(message, "Syntax error: "), e.Location)
}

var (
	noOverload = regexp.MustCompile(`^found no matching overload for '(\S+)' applied to '(?:\S+\.)?\((.*)\)'`)
	otherType  = regexp.MustCompile(`^expected type '(bool)' but found '(.*)'`)
	mapType    = regexp.MustCompile(`map\(string, dyn\)`)
)

func unknownName(text, name string) error {
	known := slices.Concat(roots, plainTexts)
	if s := closest(name, known); s != "" {
		return fmt.Errorf("does not know %q; did you mean %q?", name, s)
	}
	if !strings.Contains(text, name+".") && !strings.Contains(text, name+"(") {
		return fmt.Errorf("does not know %q; a text stands in quotes, a field behind %s", name, orList(roots))
	}
	return fmt.Errorf("does not know %q; it may read %s", name, strings.Join(known, ", "))
}

// noSuchComparison names two things that do not go together.
func noSuchComparison(text, op string, args []string) error {
	words := make([]string, 0, len(args))
	for _, a := range args {
		words = append(words, typeWord(a))
	}
	if len(words) == 2 && strings.HasPrefix(op, "_") && words[0] != words[1] {
		if strings.Contains(text, "!") && args[0] == "bool" {
			return fmt.Errorf("compares what is true or false with %s; put what ! turns round in brackets, as in !(…)", words[1])
		}
		return fmt.Errorf("compares %s with %s", words[0], words[1])
	}
	return fmt.Errorf("cannot use %s with %s", strings.Trim(op, "_@"), strings.Join(words, " and "))
}

// typeWord is what an author calls a type.
func typeWord(name string) string {
	switch name {
	case "bool":
		return "true or false"
	case "int", "uint", "double":
		return "a number"
	case "string":
		return "a text"
	case "dyn":
		return "a field"
	}
	if strings.HasPrefix(name, "list") {
		return "a list"
	}
	return "a " + name
}

var operatorWords = regexp.MustCompile(`(?i)\b(and|or|not)\b`)

// unreadable says where a text stops being a condition.
func unreadable(text, message string, at common.Location) error {
	bare, open := withoutTexts(text)
	switch {
	case open:
		return errors.New("is no condition: a quote is not closed")
	case strings.Contains(lessOrEqual.ReplaceAllString(bare, ""), "="):
		return errors.New("is no condition: a single = compares nothing; write ==")
	case operatorWords.MatchString(bare):
		word := strings.ToLower(operatorWords.FindString(bare))
		return fmt.Errorf("is no condition: write %s for %s", map[string]string{"and": "&&", "or": "||", "not": "!"}[word], word)
	case strings.Contains(message, "'<EOF>'") && !strings.Contains(message, "expecting <EOF>"):
		return errors.New("is no condition: it breaks off; something is missing at its end")
	}
	if lines := strings.Split(text, "\n"); at != nil && at.Line() <= len(lines) {
		if rest := []rune(lines[at.Line()-1]); at.Column() < len(rest) {
			return fmt.Errorf("is no condition: it cannot be read from %s on", quotedText(string(rest[at.Column():])))
		}
	}
	return fmt.Errorf("is no condition: %s", message)
}

var lessOrEqual = regexp.MustCompile(`[=!<>]=`)

// withoutTexts leaves out what stands in quotes; open says that one does not
// end.
func withoutTexts(text string) (bare string, open bool) {
	var b strings.Builder
	var quote rune
	for _, r := range text {
		switch {
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0:
			b.WriteRune(r)
		case r == quote:
			quote = 0
		}
	}
	return b.String(), quote != 0
}

// quotedText puts a text in quotes that it does not hold itself.
func quotedText(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, quote := range []string{`"`, `'`, "`"} {
		if !strings.Contains(text, quote) {
			return quote + text + quote
		}
	}
	return fmt.Sprintf("%q", text)
}

// orList writes words as people do: a, b or c.
func orList(words []string) string {
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], ", ") + " or " + words[n]
	}
	return strings.Join(words, "")
}
