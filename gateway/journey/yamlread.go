package journey

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"touchpoint/gateway"
)

// node is a YAML value with the line that it stands on.
type node struct {
	line   int
	kind   nodeKind
	text   string // of a scalar
	keys   []nodeKey
	values []*node // of a map (beside keys) or a list
}

type nodeKey struct {
	name string
	line int
}

type nodeKind uint8

const (
	nodeNull nodeKind = iota
	nodeScalar
	nodeMap
	nodeList
)

var nodeKindNames = [...]string{"nothing", "a value", "a map", "a list"}

// The limits of a definition: far above any real one.
const (
	maxDefinitionSize = 256 << 10
	maxDepth          = 24
)

// parseYAML reads one YAML document.
func parseYAML(text []byte) (root *node, err error) {
	if len(text) > maxDefinitionSize {
		return nil, invalidAt(0, "the definition has %d bytes; %d are allowed", len(text), maxDefinitionSize)
	}
	defer func() { // the parser panics on some malformed texts
		if r := recover(); r != nil {
			root, err = nil, invalidAt(0, "is no YAML")
		}
	}()
	file, perr := parser.ParseBytes(text, 0)
	if perr != nil {
		line, message := yamlError(perr)
		return nil, invalidAt(line, "is no YAML: %s", message)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, invalidAt(0, "must be exactly one YAML document")
	}
	return convert(file.Docs[0].Body, 0)
}

func invalidAt(line int, format string, args ...any) error {
	return &gateway.Error{Kind: gateway.Invalid,
		Violations: []gateway.Violation{{Line: line, Text: fmt.Sprintf(format, args...)}}}
}

// yamlError takes line and message out of "[3:7] message" and its excerpt.
func yamlError(err error) (line int, message string) {
	message = firstLine(err.Error())
	if at, rest, ok := strings.Cut(strings.TrimPrefix(message, "["), "] "); ok {
		n, _, _ := strings.Cut(at, ":")
		if l, perr := strconv.Atoi(n); perr == nil {
			return l, rest
		}
	}
	return 0, message
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

func convert(n ast.Node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, invalidAt(lineOf(n), "is nested deeper than %d", maxDepth)
	}
	out := &node{line: lineOf(n)}
	switch v := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		out.kind, out.text = nodeScalar, v.Value
	case *ast.LiteralNode:
		out.kind, out.text = nodeScalar, v.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		out.kind, out.text = nodeScalar, n.GetToken().Value
	case *ast.MappingNode:
		return convertMap(out, v.Values, depth)
	case *ast.MappingValueNode:
		return convertMap(out, []*ast.MappingValueNode{v}, depth)
	case *ast.SequenceNode:
		out.kind = nodeList
		for _, item := range v.Values {
			c, err := convert(item, depth+1)
			if err != nil {
				return nil, err
			}
			out.values = append(out.values, c)
		}
	default:
		return nil, invalidAt(out.line, "anchors, aliases and tags are not supported here")
	}
	return out, nil
}

func convertMap(out *node, values []*ast.MappingValueNode, depth int) (*node, error) {
	out.kind = nodeMap
	for _, mv := range values {
		key, ok := mv.Key.(ast.ScalarNode)
		if !ok {
			return nil, invalidAt(lineOf(mv), "a key must be a plain word")
		}
		name := key.GetToken().Value
		line := lineOf(mv.Key)
		if len(out.keys) == 0 {
			out.line = line
		}
		if slices.ContainsFunc(out.keys, func(k nodeKey) bool { return k.name == name }) {
			return nil, invalidAt(line, "the key %q is there twice", name)
		}
		c, err := convert(mv.Value, depth+1)
		if err != nil {
			return nil, err
		}
		if c.kind == nodeNull {
			c.line = line
		}
		out.keys = append(out.keys, nodeKey{name, line})
		out.values = append(out.values, c)
	}
	return out, nil
}

// reader collects what is wrong with a definition; all faults of a text come
// back at once.
type reader struct {
	violations []gateway.Violation
	step       string // the step that is being read
	trace      func(path string, keys []string)
}

func (r *reader) fault(line int, field, format string, args ...any) {
	r.violations = append(r.violations, gateway.Violation{
		Field: field, Step: r.step, Line: line, Text: fmt.Sprintf(format, args...)})
}

// object reads the keys of a map and knows which ones were asked for, so that
// finish can name the others.
type object struct {
	r     *reader
	n     *node
	path  string
	known []string
	lost  bool // it is no map: what it lacks follows from that
}

// object opens n as a map.
func (r *reader) object(n *node, path string) *object {
	if n.kind == nodeMap {
		return &object{r: r, n: n, path: path}
	}
	r.fault(n.line, path, "is %s, not a map of keys and values", nodeKindNames[n.kind])
	return &object{r: r, n: &node{line: n.line}, path: path, lost: true}
}

func (o *object) field(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

// get returns the value of key, nil when it is not there.
func (o *object) get(key string) *node {
	if !slices.Contains(o.known, key) {
		o.known = append(o.known, key)
	}
	for i, k := range o.n.keys {
		if k.name == key {
			return o.n.values[i]
		}
	}
	return nil
}

// has reports whether a key is there, which may have no place here.
func (o *object) has(key string) bool {
	return slices.ContainsFunc(o.n.keys, func(k nodeKey) bool { return k.name == key })
}

// fault reports a key of the object, unless a fault of it is known: the other
// one follows from that.
func (o *object) fault(key, format string, args ...any) {
	if !o.broken(key) {
		o.also(key, format, args...)
	}
}

// also reports a key of which other faults may be known.
func (o *object) also(key, format string, args ...any) {
	line := o.n.line
	for _, k := range o.n.keys {
		if k.name == key {
			line = k.line
		}
	}
	o.r.fault(line, o.field(key), format, args...)
}

// finish reports the keys that nobody asked for.
func (o *object) finish() {
	if o.r.trace != nil {
		o.r.trace(o.fromRoot(), o.known)
	}
	for _, k := range o.n.keys {
		if slices.Contains(o.known, k.name) {
			continue
		}
		if s := closest(k.name, o.known); s != "" {
			o.found(s)
			o.fault(k.name, "is no key here; did you mean %q?", s)
		} else if len(o.known) == 0 {
			o.fault(k.name, "is no key here; nothing stands in it")
		} else {
			o.fault(k.name, "is no key here; allowed are %s", strings.Join(o.known, ", "))
		}
	}
}

// found takes back that a key is missing: it is there, misspelt.
func (o *object) found(key string) {
	o.r.violations = slices.DeleteFunc(o.r.violations, func(v gateway.Violation) bool {
		return v.Field == o.field(key) && v.Step == o.r.step && strings.HasPrefix(v.Text, "is missing")
	})
}

// strange reports whether a key is there that nobody asked for, which was
// probably meant to be one that is missing.
func (o *object) strange() bool {
	return slices.ContainsFunc(o.n.keys, func(k nodeKey) bool { return !slices.Contains(o.known, k.name) })
}

// fromRoot is the path from the root.
func (o *object) fromRoot() string {
	switch {
	case o.r.step == "":
		return o.path
	case o.path == "":
		return "steps[]"
	}
	return "steps[]." + o.path
}

// text returns a scalar, "" when the key is not there.
func (o *object) text(key string) string {
	n := o.get(key)
	if n == nil {
		return ""
	}
	if n.kind != nodeScalar {
		o.fault(key, "is %s, not a text", nodeKindNames[n.kind])
		return ""
	}
	return n.text
}

// required returns a scalar that must be there.
func (o *object) required(key, hint string) string {
	v := o.text(key)
	if v == "" {
		o.fault(key, "is missing; %s", hint)
	}
	return v
}

// broken reports whether a fault of the key is known already.
func (o *object) broken(key string) bool {
	return o.lost || slices.ContainsFunc(o.r.violations, func(v gateway.Violation) bool {
		return v.Field == o.field(key) && v.Step == o.r.step
	})
}

func (o *object) duration(key string) Duration {
	v := o.text(key)
	if v == "" {
		return 0
	}
	d, err := ParseDuration(v)
	if err != nil {
		o.fault(key, "%s", err)
	}
	return d
}

// number reads a number, ok is false when there is none.
func (o *object) number(key string, low, high float64) (v float64, ok bool) {
	return o.parsed(key, o.text(key), "number", low, high)
}

// whole reads a whole number, 0 when there is none.
func (o *object) whole(key string, low, high int64) (v int64, ok bool) {
	f, ok := o.parsed(key, o.text(key), "whole number", float64(low), float64(high))
	if v = int64(f); ok && float64(v) != f {
		o.fault(key, "%q is no whole number in %d…%d", o.text(key), low, high)
		return 0, false
	}
	return v, ok
}

// share reads a share in percent, as hundredths; the sign may stand behind it.
func (o *object) share(key string) (hundredths int, ok bool) {
	f, ok := o.parsed(key, strings.TrimSuffix(o.text(key), "%"), "number", 0, 100)
	return int(f*100 + 0.5), ok
}

func (o *object) parsed(key, text, what string, low, high float64) (v float64, ok bool) {
	if text == "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= low && v <= high) {
		o.fault(key, "%q is no %s in %s…%s", text, what, plainFloat(low), plainFloat(high))
		return 0, false
	}
	return v, true
}

func plainFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (o *object) bool(key string, otherwise bool) bool {
	switch v := o.text(key); v {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	default:
		o.fault(key, "%q is not true or false", v)
		return otherwise
	}
}

// choice returns one of the allowed words.
func (o *object) choice(key, otherwise string, allowed ...string) string {
	v := o.text(key)
	if v == "" {
		return otherwise
	}
	if !slices.Contains(allowed, v) {
		if s := closest(v, allowed); s != "" {
			o.fault(key, "%q is not allowed; did you mean %q?", v, s)
		} else {
			o.fault(key, "%q is not allowed; write %s", v, strings.Join(allowed, ", "))
		}
		return otherwise
	}
	return v
}

// list returns the items; a single scalar counts as a list of one.
func (o *object) list(key string) []*node {
	n := o.get(key)
	switch {
	case n == nil:
		return nil
	case n.kind == nodeList:
		return n.values
	case n.kind == nodeNull:
		return nil
	}
	return []*node{n}
}

// words returns a list of scalars.
func (o *object) words(key string) (out []string) {
	for _, n := range o.list(key) {
		if n.kind != nodeScalar {
			o.also(key, "holds %s, not a text", nodeKindNames[n.kind])
			continue
		}
		out = append(out, n.text)
	}
	return out
}

// closest returns the word of the list that name was probably meant to be.
func closest(name string, list []string) string {
	best, distance := "", 3
	for _, w := range list {
		limit := min(distance, 1+len(w)/3)
		if d := editDistance(strings.ToLower(name), w); d < distance && d <= limit {
			best, distance = w, d
		}
		if best == "" && len(name) > 2 && strings.HasPrefix(w, name) {
			best = w // cut short
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := boolInt(a[i-1] != b[j-1])
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
