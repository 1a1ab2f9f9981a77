package journey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Traits of the project
//
// A journey may name a trait that the rules declare. Its publication writes the
// trait into the definition, which so stands for itself: a later change of the
// rules does not change a published version, and whoever reads the definition
// sees what the trait meant. Equal traits share a counter, whoever declares
// them.

// borrow declares a trait of the project in the definition that names it.
func (c *compiler) borrow(name string) bool {
	spec, ok := c.projectTrait(name)
	if !ok {
		return false
	}
	c.def.borrowed = append(c.def.borrowed, name)
	c.def.traits = append(c.def.traits, spec)
	return true
}

// traitNamed returns the index of a trait that a definition names, its own or
// one of the project; -1 when there is none.
func (c *compiler) traitNamed(name string) int {
	if i := c.def.traitIndex(name); i >= 0 {
		return i
	}
	if name == "" || !c.borrow(name) {
		return -1
	}
	return len(c.def.traits) - 1
}

// projectTrait compiles a trait of the project.
func (c *compiler) projectTrait(name string) (spec traitSpec, ok bool) {
	declared, known := c.env.Traits[name]
	if !known {
		return
	}
	own := &compiler{env: Env{}, def: &Definition{}}
	n := plainNode(map[string]any{name: declared})
	own.traits(own.object(&node{kind: nodeMap, keys: []nodeKey{{name: "traits"}}, values: []*node{n}}, ""))
	if len(own.violations) > 0 {
		return // Config.Validate says so
	}
	return own.def.traits[0], true
}

// plainNode shows a value to the reader of definitions; one that cannot be
// written is nothing.
func plainNode(v any) *node {
	text, _ := json.Marshal(v)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var plain any
	_ = dec.Decode(&plain)
	return nodeOf(plain)
}

// shadows says when a trait of a definition hides one of the project that is
// something else.
func (c *compiler) shadows(o *object, spec *traitSpec) {
	other, ok := c.projectTrait(spec.name)
	if !ok || other.kind == spec.kind && other.percent == spec.percent && traitKey(&other) == traitKey(spec) {
		return
	}
	o.fault(spec.name, "is a trait of the project that means something else; leave it out to use that one, or take another name")
}

// projectTraitNames lists the project's traits.
func (c *compiler) projectTraitNames() []string { return sortedKeys(c.env.Traits) }

// Standalone returns the text as it is published: with the traits of the project
// that it names. A text that does not compile stays as it is.
func Standalone(text []byte, traits map[string]map[string]any) []byte {
	def, err := Compile(text, Env{Traits: traits})
	if err != nil || len(def.borrowed) == 0 {
		return text
	}
	out := writeTraits(string(text), def.borrowed, traits)
	if _, err := Compile(out, Env{}); err != nil {
		return text // its publication says what is not declared
	}
	return out
}

var (
	traitsKey  = regexp.MustCompile(`(?m)^traits:[ \t]*(\{[ \t]*)?(#.*)?$|^traits:[ \t]*\{[ \t]*`)
	plainYAML  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$|^[0-9]+[smhdw]?$`)
	firstChild = regexp.MustCompile(`(?m)^([ \t]+)[^ \t#\r\n]`)
)

// writeTraits puts declarations under the text's traits.
func writeTraits(text string, names []string, traits map[string]map[string]any) []byte {
	at := traitsKey.FindStringIndex(text)
	if at == nil {
		var b strings.Builder
		b.WriteString(strings.TrimRight(text, "\n"))
		b.WriteString("\ntraits: # of the project, as of the publication\n")
		for _, name := range names {
			fmt.Fprintf(&b, "  %s: %s\n", name, inlineTrait(traits[name]))
		}
		return []byte(b.String())
	}
	head, tail := text[:at[1]], text[at[1]:]
	var b strings.Builder
	b.WriteString(head)
	if strings.Contains(head[at[0]:], "{") { // in one line, or so
		for _, name := range names {
			fmt.Fprintf(&b, "%s: %s, ", name, inlineTrait(traits[name]))
		}
	} else {
		indent := "  "
		if m := firstChild.FindStringSubmatch(tail); m != nil {
			indent = m[1]
		}
		for _, name := range names {
			fmt.Fprintf(&b, "\n%s%s: %s # of the project", indent, name, inlineTrait(traits[name]))
		}
	}
	b.WriteString(tail)
	return []byte(b.String())
}

// inlineTrait writes a declaration in one line.
func inlineTrait(m map[string]any) string {
	var first, rest []string // what it counts comes first
	for _, key := range sortedKeys(m) {
		text := fmt.Sprint(m[key])
		if !plainYAML.MatchString(text) {
			text = quoted(text)
		}
		switch part := key + ": " + text; key {
		case "per", "where", "within":
			rest = append(rest, part)
		default:
			first = append(first, part)
		}
	}
	return "{" + strings.Join(append(first, rest...), ", ") + "}"
}

// quoted writes a text in quotes, as people do: < and > stay what they are.
func quoted(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a text always can be
	return strings.TrimSuffix(b.String(), "\n")
}
