package author

import (
	"strings"

	"touchpoint/gateway/journey"
)

// Graph draws a definition as SVG: what starts it, the steps, and the ways
// between them, from above to below; what ends it early and what success is
// stand beside.
func Graph(yaml []byte, env journey.Env) ([]byte, error) {
	o, err := journey.Describe(yaml, env)
	if err != nil {
		return nil, err
	}
	g := newGraph(o)
	g.layout()
	return g.svg(o), nil
}

// graph is a drawing in the making.
type graph struct {
	nodes  []*node
	edges  []*edge
	layers [][]*node
	width  float64
	height float64
}

// node is a card, the label of an edge, or a bend of a long one.
type node struct {
	kind  string // of the step; "trigger", "stop", "label" or "bend"
	title string
	lines []string
	faint bool // never reached
	back  bool // a bend of an edge that leads back

	layer int
	x, y  float64 // of the centre
	w, h  float64
	up    []*node
	down  []*node
}

// edge leads from one card to another.
type edge struct {
	kind, label string
	from, to    *node
	back        bool    // against the order of the layers
	path        []*node // from, bends and labels, to; by layer
}

func newGraph(o *journey.Outline) *graph {
	g := &graph{}
	entry := g.card("trigger", "Starts", triggerLines(o.Tree))
	steps := make([]*node, len(o.Steps))
	for i, s := range o.Steps {
		steps[i] = g.card(s.Kind, s.ID, stepLines(s, o))
		steps[i].faint = !s.Reached
	}
	g.connect(entry, steps[0], "next", "")
	for i, s := range o.Steps {
		var stop *node
		if s.Kind == "end" {
			continue
		}
		for _, e := range s.Edges {
			if e.To != journey.OutlineEnd {
				g.connect(steps[i], steps[e.To], e.Kind, e.Label)
				continue
			}
			if stop == nil {
				stop = g.card("stop", "end", nil)
				stop.faint = steps[i].faint
			}
			g.connect(steps[i], stop, e.Kind, e.Label)
		}
	}
	return g
}

// card adds a node that is as large as its text.
func (g *graph) card(kind, title string, lines []string) *node {
	n := &node{kind: kind, title: title, lines: lines}
	switch kind {
	case "stop":
		n.w, n.h = 64, 28
	default:
		n.w = max(132, textWidth(title, titleSize)+2*cardPadding+iconSpace)
		for _, l := range lines {
			n.w = max(n.w, textWidth(l, lineSize)+2*cardPadding)
		}
		n.h = 2*cardPadding + titleSize + float64(len(lines))*lineHeight
		if len(lines) > 0 {
			n.h += 6
		}
	}
	g.nodes = append(g.nodes, n)
	return n
}

// connect adds an edge; several with one source and one target share the line.
func (g *graph) connect(from, to *node, kind, label string) {
	for _, e := range g.edges {
		if e.from == from && e.to == to {
			e.label = strings.TrimPrefix(e.label+" or "+label, " or ")
			return
		}
	}
	g.edges = append(g.edges, &edge{kind: kind, label: label, from: from, to: to})
}
