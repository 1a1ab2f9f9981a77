package author

import (
	"cmp"
	"slices"
)

// The measures of the drawing, in pixels.
const (
	titleSize   = 14.0
	lineSize    = 12.0
	labelSize   = 11.5
	lineHeight  = 17.0
	cardPadding = 13.0
	iconSpace   = 24.0
	nodeGap     = 34.0
	layerGap    = 30.0
	margin      = 28.0
)

// layout gives every node its place: layers by the longest way, an order with
// few crossings, then positions close to the neighbours above and below.
func (g *graph) layout() {
	g.turnBackEdges()
	g.assignLayers()
	g.addBends()
	g.order()
	g.place()
}

// turnBackEdges finds the edges that close a circle.
func (g *graph) turnBackEdges() {
	state := map[*node]int8{}
	var visit func(n *node)
	visit = func(n *node) {
		state[n] = 1
		for _, e := range g.edges {
			if e.from != n {
				continue
			}
			switch state[e.to] {
			case 0:
				visit(e.to)
			case 1:
				e.back = true
			}
		}
		state[n] = 2
	}
	for _, n := range g.nodes {
		if state[n] == 0 {
			visit(n)
		}
	}
}

// ends are the upper and the lower node of an edge.
func (e *edge) ends() (upper, lower *node) {
	if e.back {
		return e.to, e.from
	}
	return e.from, e.to
}

// assignLayers puts cards on even layers: those between are for labels.
func (g *graph) assignLayers() {
	for range g.nodes {
		for _, e := range g.edges {
			if u, l := e.ends(); l.layer < u.layer+2 {
				l.layer = u.layer + 2
			}
		}
	}
}

// addBends leads long edges over a bend on each layer; a label is one, too, and
// stands on the first layer behind its source.
func (g *graph) addBends() {
	for _, e := range g.edges {
		u, l := e.ends()
		e.path = []*node{u}
		for layer := u.layer + 1; layer < l.layer; layer++ {
			n := &node{kind: "bend", layer: layer, w: 10, back: e.back}
			first := layer == u.layer+1 && !e.back || layer == l.layer-1 && e.back
			if first && e.label != "" {
				n.kind, n.title, n.w, n.h = "label", shorten(e.label, 44), 0, labelSize+8
				n.w = textWidth(n.title, labelSize) + 14
			}
			e.path = append(e.path, n)
			g.nodes = append(g.nodes, n)
		}
		e.path = append(e.path, l)
		for i := range len(e.path) - 1 {
			a, b := e.path[i], e.path[i+1]
			a.down, b.up = append(a.down, b), append(b.up, a)
		}
	}
	for _, n := range g.nodes {
		for len(g.layers) <= n.layer {
			g.layers = append(g.layers, nil)
		}
		g.layers[n.layer] = append(g.layers[n.layer], n)
	}
}

// order sorts the layers by the mean place of the neighbours, down and up in
// turn, and keeps what crosses least.
func (g *graph) order() {
	best, fewest := g.copyLayers(), g.crossings()
	for pass := range 12 {
		for i := range g.layers {
			layer := i
			if pass%2 == 1 {
				layer = len(g.layers) - 1 - i
			}
			g.sortLayer(layer, pass%2 == 0)
		}
		if c := g.crossings(); c < fewest {
			best, fewest = g.copyLayers(), c
		}
	}
	g.layers = best
}

func (g *graph) copyLayers() [][]*node {
	out := make([][]*node, len(g.layers))
	for i, l := range g.layers {
		out[i] = slices.Clone(l)
	}
	return out
}

func (g *graph) sortLayer(layer int, down bool) {
	place := map[*node]float64{}
	for _, i := range []int{layer - 1, layer + 1} {
		if i >= 0 && i < len(g.layers) {
			for k, n := range g.layers[i] {
				place[n] = float64(k)
			}
		}
	}
	key := map[*node]float64{}
	for k, n := range g.layers[layer] {
		near := n.up
		if !down {
			near = n.down
		}
		key[n] = float64(k)
		if len(near) > 0 {
			key[n] = mean(near, func(o *node) float64 { return place[o] })
		}
	}
	slices.SortStableFunc(g.layers[layer], func(a, b *node) int { return cmp.Compare(key[a], key[b]) })
}

func mean(list []*node, f func(*node) float64) float64 {
	sum := 0.0
	for _, n := range list {
		sum += f(n)
	}
	return sum / float64(len(list))
}

func (g *graph) crossings() int {
	place := map[*node]int{}
	for _, l := range g.layers {
		for k, n := range l {
			place[n] = k
		}
	}
	sum := 0
	for _, l := range g.layers {
		var ends [][2]int
		for k, n := range l {
			for _, d := range n.down {
				ends = append(ends, [2]int{k, place[d]})
			}
		}
		for i, a := range ends {
			for _, b := range ends[:i] {
				if (a[0]-b[0])*(a[1]-b[1]) < 0 {
					sum++
				}
			}
		}
	}
	return sum
}

// place computes the coordinates.
func (g *graph) place() {
	y := 0.0
	for _, l := range g.layers {
		high, labels := 0.0, 0
		for _, n := range l {
			high = max(high, n.h)
			if n.kind == "label" {
				labels++
			}
		}
		if labels > 1 {
			y += layerGap / 2 // room for the curves that fan out
		}
		for _, n := range l {
			n.y = y + high/2
			if n.kind == "bend" {
				n.h = high // straight past the cards of its layer
			}
		}
		gap := layerGap
		if high == 0 {
			gap = layerGap / 2
		}
		y += high + gap*0.8
		spread(l, nil)
	}
	for pass := range 30 {
		for i := range g.layers {
			if pass%2 == 1 {
				i = len(g.layers) - 1 - i
			}
			spread(g.layers[i], func(n *node) float64 { return n.wish(pass) })
		}
	}
	for _, e := range g.edges {
		g.straighten(e)
	}
	g.normalize()
}

// straighten puts the bends of a long edge in one line where there is room.
func (g *graph) straighten(e *edge) {
	bends := slices.DeleteFunc(slices.Clone(e.path), func(n *node) bool { return n.kind != "bend" })
	if len(bends) < 2 {
		return
	}
	x := func(n *node) float64 { return n.x }
	low, high := bends[0].x, bends[0].x
	for _, b := range bends {
		low, high = min(low, b.x), max(high, b.x)
	}
	for _, at := range []float64{mean(bends, x), high, low, high + nodeGap, low - nodeGap} {
		if !slices.ContainsFunc(bends, func(b *node) bool { return !g.free(b, at) }) {
			for _, b := range bends {
				b.x = at
			}
			return
		}
	}
}

// free reports whether a bend has room at x.
func (g *graph) free(b *node, x float64) bool {
	return !slices.ContainsFunc(g.layers[b.layer], func(o *node) bool {
		return o != b && max(x, o.x)-min(x, o.x) < o.w/2+16
	})
}

// wish is where a node wants to stand: in line with the bends of its edge, else
// in the middle of its neighbours, above and below in turn.
func (n *node) wish(pass int) float64 {
	near := slices.Concat(n.up, n.down)
	if n.kind != "bend" { // an edge that leads back pulls no card
		forth := slices.DeleteFunc(near, func(o *node) bool { return o.back })
		return n.middle(forth, pass)
	}
	bends := slices.DeleteFunc(slices.Clone(near), func(o *node) bool { return o.kind != "bend" })
	if len(bends) > 0 && pass > 3 {
		near = bends
	}
	return mean(near, func(o *node) float64 { return o.x })
}

func (n *node) middle(near []*node, pass int) float64 {
	without := func(list []*node) []*node {
		return slices.DeleteFunc(slices.Clone(list), func(o *node) bool { return o.back })
	}
	up, down := without(n.up), without(n.down)
	switch {
	case n.kind == "label" && len(down) > 0:
		near = down
	case pass < 24 && pass%2 == 0 && len(up) > 0:
		near = up
	case pass < 24 && len(down) > 0:
		near = down
	}
	if len(near) == 0 {
		return n.x
	}
	return mean(near, func(o *node) float64 { return o.x })
}

// normalize moves the drawing to the origin and measures it.
func (g *graph) normalize() {
	left := g.nodes[0].x
	for _, n := range g.nodes {
		left = min(left, n.x-n.w/2)
	}
	for _, n := range g.nodes {
		n.x -= left
		g.width = max(g.width, n.x+n.w/2)
		g.height = max(g.height, n.y+n.h/2)
	}
}

// spread moves the nodes of a layer as near as possible to where they want to
// be, in their order and without touching each other.
func spread(layer []*node, want func(*node) float64) {
	type block struct{ sum, weight float64 }
	offset := make([]float64, len(layer))
	var blocks []block
	var size []int
	for i, n := range layer {
		if i > 0 {
			offset[i] = offset[i-1] + (layer[i-1].w+n.w)/2 + nodeGap
		}
		target := 0.0
		if want != nil {
			target = want(n) - offset[i]
		}
		weight := 1.0
		if n.kind == "bend" {
			weight = 4 // a straight line matters more than a card in the middle
		}
		blocks, size = append(blocks, block{target * weight, weight}), append(size, 1)
		for k := len(blocks) - 1; k > 0 && blocks[k-1].sum/blocks[k-1].weight > blocks[k].sum/blocks[k].weight; k-- {
			blocks[k-1].sum += blocks[k].sum
			blocks[k-1].weight += blocks[k].weight
			size[k-1] += size[k]
			blocks, size = blocks[:k], size[:k]
		}
	}
	i := 0
	for k, b := range blocks {
		for range size[k] {
			layer[i].x = b.sum/b.weight + offset[i]
			i++
		}
	}
}
