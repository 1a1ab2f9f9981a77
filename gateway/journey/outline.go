package journey

import (
	"strconv"

	"touchpoint/gateway"
)

// Outline is a compiled definition to look at: what lint, graph and diff need.
type Outline struct {
	Name    string
	Purpose gateway.Purpose
	Tree    *Tree
	Steps   []OutlineStep
	// Traits are the declared ones, in order.
	Traits []string
	// HasGoal, HasExit: it says what success is, what ends it early.
	HasGoal, HasExit bool
	// Holdout is the share left untreated in percent, -1 as the purpose says.
	Holdout float64
	// Templates are the texts by step and locale.
	Templates map[string]map[string]Template
}

// OutlineEnd is the target of an edge that leaves the journey.
const OutlineEnd = toEnd

// OutlineStep is one step with its ways out.
type OutlineStep struct {
	ID    string
	Line  int
	Kind  string
	Tree  *Tree // the step as it was written
	Edges []OutlineEdge
	// Reached reports whether any way leads here from the first step.
	Reached bool
}

// OutlineEdge is a way out of a step. Kind is "next", "event", "timeout",
// "arm" or "otherwise".
type OutlineEdge struct {
	Kind, Label string
	To          int // index of a step, or OutlineEnd
}

// Describe compiles a definition and outlines it.
func Describe(yaml []byte, env Env) (*Outline, error) {
	root, err := parseYAML(yaml)
	if err != nil {
		return nil, err
	}
	def, err := compileTree(root, env)
	if err != nil {
		return nil, err
	}
	tree := treeOf("", root)
	o := &Outline{Name: def.Name, Purpose: def.Purpose, Tree: tree, Templates: def.Templates,
		HasGoal: def.goal != nil, HasExit: len(def.exits) > 0, Holdout: -1}
	if def.holdout >= 0 {
		o.Holdout = float64(def.holdout) / 100
	}
	for _, t := range tree.Get("traits").children() {
		o.Traits = append(o.Traits, t.Key)
	}
	written := tree.Get("steps").List()
	for i := range def.steps {
		s := &def.steps[i]
		o.Steps = append(o.Steps, OutlineStep{ID: s.id, Line: s.line, Kind: stepNames[s.kind], Tree: written[i], Edges: s.edges()})
	}
	o.reach(0)
	return o, nil
}

func (t *Tree) children() []*Tree {
	if t == nil {
		return nil
	}
	return t.Children
}

// edges lists the ways out of a step.
func (s *step) edges() []OutlineEdge {
	next := OutlineEdge{Kind: "next", To: s.next}
	switch s.kind {
	case stepWait:
		if s.wait.kind != waitEvent {
			break
		}
		next.Kind, next.Label = "event", s.wait.until.event
		return []OutlineEdge{next, {Kind: "timeout", Label: "after " + s.wait.duration.String(), To: s.wait.onTimeout}}
	case stepBranch, stepSplit:
		return s.armEdges()
	}
	return []OutlineEdge{next}
}

func (s *step) armEdges() (edges []OutlineEdge) {
	before, open := 0, s.kind == stepBranch
	for _, a := range s.arms {
		e := OutlineEdge{Kind: "arm", Label: a.name, To: a.to}
		if s.kind == stepSplit {
			e.Label += " " + strconv.FormatFloat(float64(a.upTo-before)/100, 'f', -1, 64) + " %"
			before = a.upTo
		} else if a.when == nil {
			e.Kind, open = "otherwise", false
		}
		edges = append(edges, e)
	}
	if open {
		edges = append(edges, OutlineEdge{Kind: "otherwise", Label: "otherwise", To: s.next})
	}
	return edges
}

// reach marks what can be reached from a step.
func (o *Outline) reach(i int) {
	if i == OutlineEnd || o.Steps[i].Reached {
		return
	}
	o.Steps[i].Reached = true
	for _, e := range o.Steps[i].Edges {
		o.reach(e.To)
	}
}
