package journey

import "strings"

// Tree is a definition as it was written: a value, or a map or list of values.
// Tools that show, compare and convert definitions read it, so that they know a
// new key without being told.
type Tree struct {
	// Key is the name under which a map holds it, "" in a list.
	Key  string
	Line int
	// Kind is "value", "map", "list" or "nothing".
	Kind     string
	Text     string // of a value
	Children []*Tree
}

// ParseTree reads a definition without checking its keys.
func ParseTree(yaml []byte) (*Tree, error) {
	root, err := parseYAML(yaml)
	if err != nil {
		return nil, err
	}
	return treeOf("", root), nil
}

var treeKinds = [...]string{nodeNull: "nothing", nodeScalar: "value", nodeMap: "map", nodeList: "list"}

func treeOf(key string, n *node) *Tree {
	t := &Tree{Key: key, Line: n.line, Kind: treeKinds[n.kind], Text: n.text}
	for i, v := range n.values {
		name := ""
		if n.kind == nodeMap {
			name = n.keys[i].name
		}
		t.Children = append(t.Children, treeOf(name, v))
	}
	return t
}

// Get follows keys down; nil when there is none of that name.
func (t *Tree) Get(path ...string) *Tree {
	for _, key := range path {
		if t == nil {
			return nil
		}
		var found *Tree
		for _, c := range t.Children {
			if t.Kind == "map" && c.Key == key {
				found = c
			}
		}
		t = found
	}
	return t
}

// Value returns the text of a value below, "" when there is none.
func (t *Tree) Value(path ...string) string {
	if c := t.Get(path...); c != nil {
		return c.Text
	}
	return ""
}

// List returns the items; a single value counts as a list of one.
func (t *Tree) List() []*Tree {
	switch {
	case t == nil || t.Kind == "nothing":
		return nil
	case t.Kind == "list":
		return t.Children
	}
	return []*Tree{t}
}

// String writes the tree on one line, as YAML's flow style does.
func (t *Tree) String() string {
	var parts []string
	switch t.Kind {
	case "value":
		return t.Text
	case "nothing":
		return ""
	case "list":
		for _, c := range t.Children {
			parts = append(parts, c.String())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	for _, c := range t.Children {
		parts = append(parts, c.Key+": "+c.String())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// Walk calls f with every value of the tree, from above to below.
func (t *Tree) Walk(f func(*Tree)) {
	f(t)
	for _, c := range t.Children {
		c.Walk(f)
	}
}
