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

// closest returns the word of the list that name was probably meant to be.
func closest(name string, list []string) string {
	best, distance := "", 3
	for _, w := range list {
		limit := min(distance, 1+len(w)/5)
		if d := editDistance(strings.ToLower(name), w); d < distance && d <= limit {
			best, distance = w, d
		}
		if best == "" && (len(name) > 2 && strings.HasPrefix(w, name) || len(w) > 2 && strings.HasPrefix(name, w)) {
			best = w // cut short, or too long
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
