package render

import (
	"strings"

	"github.com/osteele/liquid/parser"
)

// use is one name in a template and the line of its source.
type use struct {
	name string
	line int
}

// scan is what a template source uses: found without running it, so that it
// covers the branches that a trial run would miss.
type scan struct {
	variables []use
	filters   []use
	problems  []use // name is the text of the problem
	locals    map[string]bool
}

var words = map[string]bool{"and": true, "or": true, "contains": true, "true": true, "false": true, "nil": true}

// conditions take an expression; bare tags take nothing.
var conditions = map[string]bool{"if": true, "elsif": true, "unless": true, "case": true, "when": true}
var bare = map[string]bool{"else": true, "endif": true, "endunless": true, "endcase": true}

func scanSource(source string) *scan {
	s := &scan{locals: map[string]bool{}}
	skip := "" // the end tag of a comment or raw block
	for _, t := range parser.Scan(source, parser.SourceLoc{LineNo: 1}, nil) {
		line := t.SourceLoc.LineNo
		switch {
		case skip != "":
			if t.Type == parser.TagTokenType && t.Name == skip {
				skip = ""
			}
		case t.Type == parser.ObjTokenType:
			s.expression(strings.Trim(t.Args, "- \t\n"), line)
		case t.Type == parser.TagTokenType:
			skip = s.tag(t.Name, t.Args, line)
		case t.Type == parser.TextTokenType:
			s.text(t.Source, line)
		}
	}
	if skip != "" {
		s.problem(0, "{% "+strings.TrimPrefix(skip, "end")+" %} is not closed by {% "+skip+" %}")
	}
	return s
}

// tag notes what a tag uses; for a comment or raw block it returns the name of
// the tag that ends it.
func (s *scan) tag(name, args string, line int) string {
	switch {
	case name == "comment", name == "raw":
		return "end" + name
	case bare[name]:
	case conditions[name]:
		s.expression(args, line)
	case name == "assign":
		local, expr, ok := strings.Cut(args, "=")
		if !ok {
			s.problem(line, "{% assign %} needs the form name = value")
			break
		}
		s.expression(expr, line)
		s.locals[strings.TrimSpace(local)] = true
	default:
		s.problem(line, "{% "+name+" %} is not available in messages; there are if, unless, case, assign, comment and raw")
	}
	return ""
}

func (s *scan) text(text string, line int) {
	for _, open := range []string{"{{", "{%"} {
		if i := strings.Index(text, open); i >= 0 {
			s.problem(line+strings.Count(text[:i], "\n"), open+" is not closed")
		}
	}
}

func (s *scan) problem(line int, text string) { s.problems = append(s.problems, use{text, line}) }

// expression walks the words of an expression: names of variables, names of
// filters after "|", and neither inside quotes.
func (s *scan) expression(e string, line int) {
	filter := false
	for i := 0; i < len(e); {
		c := e[i]
		switch {
		case c == '\n':
			line++
			i++
		case c == '"' || c == '\'':
			end := strings.IndexByte(e[i+1:], c)
			if end < 0 {
				s.problem(line, "a quote is not closed")
				return
			}
			i += end + 2
		case c == '|':
			filter = true
			i++
		case c == '[':
			s.problem(line, "[ ] is not available: values have plain names, such as event.water_ml")
			return
		case isLetter(c):
			n := pathLength(e[i:])
			s.word(e[i:i+n], line, filter, strings.HasPrefix(e[i+n:], ":"))
			filter = false
			i += n
		case c >= '0' && c <= '9':
			for i < len(e) && (e[i] >= '0' && e[i] <= '9' || e[i] == '.') {
				i++
			}
		default:
			i++
		}
	}
}

func (s *scan) word(name string, line int, filter, parameter bool) {
	switch {
	case filter:
		s.filters = append(s.filters, use{name, line})
	case parameter || words[name]:
	case s.locals[root(name)]:
	default:
		s.variables = append(s.variables, use{name, line})
	}
}

func root(name string) string {
	r, _, _ := strings.Cut(name, ".")
	return r
}

func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// pathLength is the length of a name with its dots, such as event.water_ml.
func pathLength(e string) int {
	i := 0
	for i < len(e) {
		c := e[i]
		switch {
		case isLetter(c), c >= '0' && c <= '9', c == '-', c == '?':
		case c == '.' && i+1 < len(e) && isLetter(e[i+1]):
		default:
			return i
		}
		i++
	}
	return i
}
