package journey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	celast "cel.dev/cel-go/common/ast"

	"touchpoint/gateway"
)

// Rule names a set of customers by a condition over customer and traits.
type Rule struct {
	Name string `yaml:"name" json:"name"`
	// When is a CEL condition; only the last stage has none: it takes the rest.
	When string `yaml:"when" json:"when,omitempty"`
}

// ruleTexts is what the installation's rules say about customers, in the form
// in which it stands in a partition's state.
type ruleTexts struct {
	Traits   map[string]map[string]any `json:"traits,omitempty"`
	Segments []Rule                    `json:"segments,omitempty"`
	Stages   []Rule                    `json:"stages,omitempty"`
}

// ruleText is the canonical text of the rules, "" when there are none.
func (c *Config) ruleText() string {
	if len(c.Segments)+len(c.Stages) == 0 {
		return "" // journeys that name a trait bring its counter along
	}
	return c.ruleTextWhole()
}

func (c *Config) ruleTextWhole() string {
	text, err := json.Marshal(ruleTexts{c.Traits, c.Segments, c.Stages})
	if err != nil {
		return "!" + err.Error() // names what cannot be a trait; compileRules refuses it
	}
	return string(text)
}

// maxRules bounds segments and stages each: their bits are one word.
const maxRules = 64

// classRules is one text of rules, compiled.
type classRules struct {
	text string
	gen  uint64 // hash of the text
	// v is no version of a journey: it holds the traits for conditions.
	v                *version
	segments, stages []rule
	scan             scan // goes over the customers after a change
	queued           queued
	dropped          bool // replaced before its counters were filled
}

// rule is a segment or stage with what it depends on.
type rule struct {
	name     string
	when     *condition
	traits   uint64 // by index of the set's traits
	fields   []string
	segments bool // it looks at segments
}

// compileRules makes a text ready to run. The error names the key.
func compileRules(text string) (*classRules, error) {
	rs := &classRules{text: text, v: &version{journey: &journey{}, def: &Definition{}}}
	if text == "" {
		return rs, nil
	}
	var t ruleTexts
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	if err := dec.Decode(&t); err != nil {
		return nil, gateway.InvalidField("traits", "%s", strings.TrimPrefix(text, "!"))
	}
	c := &compiler{def: rs.v.def}
	traits := &node{kind: nodeMap, keys: []nodeKey{{name: "traits"}}, values: []*node{nodeOf(anyMap(t.Traits))}}
	c.traits(c.object(traits, ""))
	if n := len(rs.v.def.traits); n > maxRules {
		c.fault(0, "traits", "has %d entries; %d are allowed", n, maxRules)
	}
	var names []string
	for _, s := range t.Segments {
		names = append(names, s.Name)
	}
	rs.segments = c.rules("segments", t.Segments, nil)
	rs.stages = c.rules("stages", t.Stages, names)
	if len(c.violations) > 0 {
		return nil, &gateway.Error{Kind: gateway.Invalid, Violations: c.violations}
	}
	return rs, nil
}

func anyMap(m map[string]map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// nodeOf shows a value of JSON to the reader of definitions.
func nodeOf(v any) *node {
	switch v := v.(type) {
	case nil:
		return &node{}
	case map[string]any:
		n := &node{kind: nodeMap}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.keys = append(n.keys, nodeKey{name: k})
			n.values = append(n.values, nodeOf(v[k]))
		}
		return n
	case []any:
		return &node{kind: nodeList} // no key of a trait takes one
	}
	return &node{kind: nodeScalar, text: fmt.Sprint(v)}
}

// rules compiles segments (known is nil) or stages (known are the segments).
func (c *compiler) rules(key string, list []Rule, known []string) (out []rule) {
	stages := key == "stages"
	if len(list) > maxRules {
		c.fault(0, key, "has %d entries; %d are allowed", len(list), maxRules)
		return nil
	}
	for i, r := range list {
		at := indexed(key, i)
		if problem := wordFault(r.Name); problem != "" {
			c.fault(0, at+".name", "%s", problem)
		}
		if slices.ContainsFunc(list[:i], func(o Rule) bool { return o.Name == r.Name }) {
			c.fault(0, at+".name", "%q is there twice", r.Name)
		}
		last := stages && i == len(list)-1
		switch {
		case last && r.When != "":
			c.fault(0, at+".when", "the last stage takes the rest and has no condition; add a stage without one")
		case !last && r.When == "":
			c.fault(0, at+".when", "is missing; write a condition such as trait.brews >= 100")
		}
		compiled := rule{name: r.Name}
		if r.When != "" {
			if err := c.ruleCondition(&compiled, r.When, stages, known); err != nil {
				c.fault(0, at+".when", "%s %s", quotedText(r.When), err)
			}
		}
		out = append(out, compiled)
	}
	return out
}

func (c *compiler) ruleCondition(r *rule, text string, stage bool, segments []string) (err error) {
	r.when, err = compileCondition(text, func(ref fieldRef) string {
		switch {
		case ref.root == "event" || ref.root == "trigger" || ref.root == "device":
			return "reads " + ref.root + ", but a rule looks at the customer alone"
		case ref.root == "customer" && ref.key == "stage":
			return "reads customer.stage, which is decided after it"
		case ref.root == "customer" && ref.key == "segments" && !stage:
			return "reads customer.segments; only stages may"
		case ref.root == "trait":
			if i := c.def.traitIndex(ref.key); i >= 0 && c.def.traits[i].perDev {
				return "reads trait." + ref.key + ", which is per device; a rule looks at a customer"
			}
			return c.undeclared(ref, eventAtHand{})
		}
		return ""
	})
	if err != nil {
		return err
	}
	problem := checkTypes(r.when.ast, func(ref fieldRef) gateway.ValueKind { return c.fieldKind(ref, eventAtHand{}) })
	whole := readWhole(r.when.ast.Expr(), slices.Concat(roots, plainTexts))
	if r.when.ast = nil; problem != "" {
		return errors.New(problem)
	}
	if problem := r.when.unknownClass(segments, nil); problem != "" {
		return errors.New(problem)
	}
	if whole != "" {
		return fmt.Errorf("reads %s as a whole; name its fields, so that it is known when to look again", whole)
	}
	for _, ref := range r.when.refs {
		switch {
		case ref.root == "trait":
			r.traits |= 1 << c.def.traitIndex(ref.key)
		case ref.key == "segments":
			r.segments = true
		case !slices.Contains(r.fields, ref.key):
			r.fields = append(r.fields, ref.key)
		}
	}
	return nil
}

// readWhole names one of the variables that an expression uses other than by a
// field of it, "" when it uses none.
func readWhole(expr celast.Expr, variables []string) (name string) {
	var visit func(e celast.Expr)
	visit = func(e celast.Expr) {
		if _, ok := asField(e); ok {
			return
		}
		if e.Kind() == celast.IdentKind && slices.Contains(variables, e.AsIdent()) {
			name = e.AsIdent()
		}
		for _, child := range childrenOf(e) {
			visit(child)
		}
	}
	visit(expr)
	return name
}

// read says which traits the rules look at.
func (rs *classRules) read() (traits uint64) {
	for _, r := range slices.Concat(rs.segments, rs.stages) {
		traits |= r.traits
	}
	return traits
}

// childrenOf lists the expressions inside one.
func childrenOf(e celast.Expr) (out []celast.Expr) {
	switch e.Kind() {
	case celast.SelectKind:
		return []celast.Expr{e.AsSelect().Operand()}
	case celast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			out = append(out, call.Target())
		}
		return append(out, call.Args()...)
	case celast.ListKind:
		return e.AsList().Elements()
	case celast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			out = append(out, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return out
	case celast.ComprehensionKind:
		c := e.AsComprehension()
		return []celast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()}
	}
	return nil
}

// classRef is a segment or stage that a condition names.
type classRef struct {
	stage bool
	name  string
}

// collectClasses finds "x" in customer.segments and customer.stage == "x".
func collectClasses(e celast.Expr, out *[]classRef) {
	for _, child := range childrenOf(e) {
		collectClasses(child, out)
	}
	if e.Kind() != celast.CallKind || len(e.AsCall().Args()) != 2 {
		return
	}
	args := e.AsCall().Args()
	for i, a := range args {
		ref, ok := asField(a)
		if !ok || ref.root != "customer" {
			continue
		}
		others := []celast.Expr{args[1-i]}
		if others[0].Kind() == celast.ListKind {
			others = others[0].AsList().Elements()
		}
		for _, o := range others {
			v, ok := literal(o)
			if ok && v.Kind() == gateway.KindString && (ref.key == "stage" || ref.key == "segments") {
				*out = append(*out, classRef{ref.key == "stage", v.AsString()})
			}
		}
	}
}

// unknownClass names a segment or stage that is not declared; nil allows any.
func (c *condition) unknownClass(segments, stages []string) string {
	for _, ref := range c.classes {
		known, what := segments, "segment"
		if ref.stage {
			known, what = stages, "stage"
		}
		if known == nil || slices.Contains(known, ref.name) {
			continue
		}
		if s := closest(ref.name, known); s != "" {
			return fmt.Sprintf("names the %s %q; did you mean %q?", what, ref.name, s)
		}
		if len(known) == 0 {
			return fmt.Sprintf("names the %s %q; the installation's rules declare none", what, ref.name)
		}
		return fmt.Sprintf("names the %s %q, which the rules do not declare; declared are %s", what, ref.name, strings.Join(known, ", "))
	}
	return ""
}

// RuleNames lists the declared segments and stages; Env takes them.
func (c Config) RuleNames() (segments, stages []string) {
	segments, stages = []string{}, []string{}
	for _, r := range c.Segments {
		segments = append(segments, r.Name)
	}
	for _, r := range c.Stages {
		stages = append(stages, r.Name)
	}
	return segments, stages
}
