package render

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// allowedFilters is the closed list that a message may use. What is not in it
// either makes unbounded text, reads the wall clock or works on lists, which
// messages do not have.
var allowedFilters = map[string]bool{
	"default": true, "append": true, "prepend": true, "replace": true, "replace_first": true, "remove": true, "remove_first": true,
	"upcase": true, "downcase": true, "capitalize": true, "strip": true, "lstrip": true, "rstrip": true,
	"truncate": true, "truncatewords": true, "escape": true, "escape_once": true, "url_encode": true,
	"strip_html": true, "strip_newlines": true, "newline_to_br": true, "size": true,
	"plus": true, "minus": true, "times": true, "divided_by": true, "modulo": true,
	"abs": true, "ceil": true, "floor": true, "round": true, "at_least": true, "at_most": true,
}

// ownFilters replace those of the library that are not safe with long or
// non-ASCII text, or that print numbers as 1e+06.
var ownFilters = map[string]any{
	"append": func(s, suffix string) (string, error) {
		return bounded(len(s)+len(suffix), func() string { return s + suffix })
	},
	"prepend": func(s, prefix string) (string, error) {
		return bounded(len(s)+len(prefix), func() string { return prefix + s })
	},
	"replace":       replaceAll,
	"replace_first": replaceFirst,
	"capitalize":    capitalize,
	"truncate":      truncate,
	"truncatewords": truncateWords,
	"escape":        escapeHTML,
	"size":          func(s string) int { return utf8.RuneCountInString(s) },
	"plus":          func(a, b float64) any { return tidy(a + b) },
	"minus":         func(a, b float64) any { return tidy(a - b) },
	"times":         func(a, b float64) any { return tidy(a * b) },
	"divided_by":    dividedBy,
	"modulo":        modulo,
	"abs":           func(a float64) any { return tidy(math.Abs(a)) },
	"ceil":          func(a float64) any { return tidy(math.Ceil(a)) },
	"floor":         func(a float64) any { return tidy(math.Floor(a)) },
	"round":         round,
	"at_least":      func(a, b float64) any { return tidy(math.Max(a, b)) },
	"at_most":       func(a, b float64) any { return tidy(math.Min(a, b)) },
}

// decimal is a number that prints as people write it.
type decimal float64

// String formats without an exponent.
func (d decimal) String() string { return strconv.FormatFloat(float64(d), 'f', -1, 64) }

// tidy makes a whole number an int, so that 3.0 prints as 3.
func tidy(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int(f)
	}
	return decimal(f)
}

func bounded(n int, text func() string) (string, error) {
	if n > MaxOutput {
		return "", errTooLong
	}
	return text(), nil
}

func replaceAll(s, old, by string) (string, error) {
	n := len(s) + strings.Count(s, old)*(len(by)-len(old))
	return bounded(n, func() string { return strings.ReplaceAll(s, old, by) })
}

func replaceFirst(s, old, by string) (string, error) {
	return bounded(len(s)+len(by), func() string { return strings.Replace(s, old, by, 1) })
}

func escapeHTML(s string) (string, error) {
	return bounded(len(s), func() string { return htmlEscaper.Replace(s) })
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

func capitalize(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// truncate cuts to length characters, the ellipsis counted.
func truncate(s string, length func(int) int, ellipsis func(string) string) string {
	n, end := length(50), ellipsis("...")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	keep := max(n-utf8.RuneCountInString(end), 0)
	return string([]rune(s)[:keep]) + end
}

func truncateWords(s string, length func(int) int, ellipsis func(string) string) string {
	words, n := strings.Fields(s), max(length(15), 0)
	if len(words) <= n {
		return s
	}
	return strings.Join(words[:n], " ") + ellipsis("...")
}

func dividedBy(a float64, b any) (any, error) {
	switch d := b.(type) {
	case int:
		if d == 0 {
			return nil, strconv.ErrRange
		}
		return tidy(math.Floor(a / float64(d))), nil // whole by whole stays whole, as in Liquid
	case float64:
		if d == 0 {
			return nil, strconv.ErrRange
		}
		return tidy(a / d), nil
	case decimal:
		return dividedBy(a, float64(d))
	}
	return nil, strconv.ErrSyntax
}

func modulo(a, b float64) (any, error) {
	if b == 0 {
		return nil, strconv.ErrRange
	}
	return tidy(math.Mod(a, b)), nil
}

func round(n float64, places func(int) int) any {
	exp := math.Pow10(min(max(places(0), 0), 12))
	return tidy(math.Round(n*exp) / exp)
}
