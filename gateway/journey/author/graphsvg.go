package author

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"strings"

	"touchpoint/gateway/journey"
)

const asideWidth = 220.0

// palette gives a kind of card its colour and its icon, a path in 16 × 16.
var palette = map[string]struct{ colour, icon string }{
	"trigger": {"#7c5cff", "M9 1 3 9h4l-1 6 6-8H8z"},
	"send":    {"#0b7fd0", "M1.5 3.5h13v9h-13z M1.5 4l6.500 5 6.500-5"},
	"wait":    {"#b7791f", "M8 1.500a6.500 6.500 0 1 0 .01 0z M8 4.500V8l2.500 2"},
	"branch":  {"#0f8a72", "M8 1v5 M8 6 3 11v4 M8 6l5 5v4"},
	"split":   {"#0f8a72", "M8 1v4 M8 5 3 9v6 M8 5v10 M8 5l5 4v6"},
	"task":    {"#b45309", "M3 2h10v12H3z M5.500 6h5 M5.500 9h5"},
	"set":     {"#64748b", "M2 2h6l6 6-6 6-6-6z M5 5h.01"},
	"end":     {"#64748b", "M3 3h10v10H3z"},
	"":        {"#a6467c", "M2 8h10 M8 4l4 4-4 4"},
}

func paletteOf(kind string) (colour, icon string) {
	p, ok := palette[kind]
	if !ok {
		p = palette[""]
	}
	return p.colour, p.icon
}

// style stands in every drawing; no element has a style of its own, so that a
// page may allow this one text by its hash.
const style = `<style>` + styleText + `</style>
`

const styleText = `
svg { --bg: #ffffff; --card: #ffffff; --ink: #14202e; --soft: #566475; --line: #9aa8b8; --edge: #d5dde6; --label: #f3f6f9; }
@media (prefers-color-scheme: dark) { svg { --bg: #11161d; --card: #1a222c; --ink: #e8eef5; --soft: #a5b3c2; --line: #61707f; --edge: #34414e; --label: #222c37; } }
text { font-family: Inter, "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif; fill: var(--ink); }
.bg { fill: var(--bg); } .card { fill: var(--card); stroke: var(--edge); } .soft { fill: var(--soft); }
.way { fill: none; stroke: var(--line); stroke-width: 1.6; } .late { stroke-dasharray: 5 4; } .tip { fill: var(--line); }
.label { fill: var(--label); stroke: var(--edge); stroke-width: .8; } .faint { opacity: .45; } .icon { fill: none; stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round; }
.white { fill: #fff; } .goal { fill: #2f855a; } .exit { fill: #c05621; } .quiet { fill: #5a67d8; } .fact { fill: #64748b; }
`

// StyleHash is the style of a drawing as a source of a Content-Security-Policy.
func StyleHash() string {
	sum := sha256.Sum256([]byte(styleText))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// drawing collects the elements.
type drawing struct{ strings.Builder }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *drawing) text(x, y, size float64, class, anchor, weight, text string) {
	d.add(`<text x="%.1f" y="%.1f" font-size="%.1f" class="%s" text-anchor="%s" font-weight="%s">%s</text>`,
		x, y, size, class, anchor, weight, html.EscapeString(text))
}

// svg draws the graph under its heading, with the notes to the right.
func (g *graph) svg(o *journey.Outline) []byte {
	notes := asides(o)
	head := wrap(o.Tree.Value("description"), 84, 3)
	top := margin + 34 + float64(len(head))*18 + 18
	right := 0.0
	if len(notes) > 0 {
		right = 44 + asideWidth
	}
	noteHeight := 0.0
	for _, n := range notes {
		noteHeight += n.height() + 12
	}
	width := max(g.width+right, headWidth(o, head)) + 2*margin
	height := top + max(g.height, noteHeight) + margin
	var d drawing
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`,
		width, height, width, height, html.EscapeString("journey "+o.Name))
	d.WriteString(style)
	d.add(`<rect class="bg" width="100%%" height="100%%"/>`)
	d.heading(o, head)
	d.add(`<g transform="translate(%.1f %.1f)">`, margin, top)
	for _, e := range g.edges {
		d.edge(e)
	}
	for _, n := range g.nodes {
		d.node(n)
	}
	d.add(`</g>`)
	y := top
	for _, n := range notes {
		d.aside(width-margin-asideWidth, y, n)
		y += n.height() + 12
	}
	d.add(`</svg>`)
	return []byte(d.String())
}

func headWidth(o *journey.Outline, head []string) float64 {
	w := textWidth(o.Name, 22) + 140
	for _, l := range head {
		w = max(w, textWidth(l, 13))
	}
	return w
}

var purposeColours = map[string]string{"service": "#0b7fd0", "marketing": "#c2417c", "safety": "#c53030"}

func (d *drawing) heading(o *journey.Outline, head []string) {
	d.text(margin, margin+20, 22, "", "start", "700", o.Name)
	x, purpose := margin+textWidth(o.Name, 22)*1.06+16, string(o.Purpose)
	w := textWidth(purpose, 12) + 20
	d.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="22" rx="11" fill="%s"/>`, x, margin+3, w, purposeColours[purpose])
	d.add(`<text x="%.1f" y="%.1f" font-size="12" font-weight="600" text-anchor="middle" class="white">%s</text>`, x+w/2, margin+18, purpose)
	for i, l := range head {
		d.text(margin, margin+46+float64(i)*18, 13, "soft", "start", "400", l)
	}
}

func (d *drawing) node(n *node) {
	faint := ""
	if n.faint {
		faint = ` class="faint"`
	}
	x, y := n.x-n.w/2, n.y-n.h/2
	switch n.kind {
	case "bend":
	case "label":
		d.add(`<rect class="label" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.1f"/>`, x, y, n.w, n.h, n.h/2)
		d.text(n.x, n.y+4, labelSize, "soft", "middle", "500", n.title)
	case "stop":
		d.add(`<g%s><rect class="label" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.1f"/>`, faint, x, y, n.w, n.h, n.h/2)
		d.text(n.x, n.y+4, lineSize, "soft", "middle", "600", n.title)
		d.add(`</g>`)
	default:
		d.card(n, x, y, faint)
	}
}

func (d *drawing) card(n *node, x, y float64, faint string) {
	colour, icon := paletteOf(n.kind)
	d.add(`<g%s><title>%s %s</title>`, faint, html.EscapeString(n.kind), html.EscapeString(n.title))
	d.add(`<rect class="card" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="10"/>`, x, y, n.w, n.h)
	d.add(`<path d="M%.1f %.1fh-1a9 9 0 0 0 -9 9v%.1fa9 9 0 0 0 9 9h1z" fill="%s"/>`, x+10, y+.5, n.h-19, colour)
	d.add(`<path class="icon" stroke="%s" transform="translate(%.1f %.1f)" d="%s"/>`, colour, x+cardPadding+6, y+cardPadding-2, icon)
	d.text(x+cardPadding+iconSpace+6, y+cardPadding+titleSize-3, titleSize, "", "start", "600", n.title)
	for i, l := range n.lines {
		d.text(x+cardPadding+6, y+cardPadding+titleSize+6+float64(i+1)*lineHeight-5, lineSize, "soft", "start", "400", l)
	}
	d.add(`</g>`)
}

// edge draws a curve from card to card over the bends.
func (d *drawing) edge(e *edge) {
	if e.back {
		d.backEdge(e)
		return
	}
	var p strings.Builder
	last := e.path[len(e.path)-1]
	x, y := e.path[0].x, e.path[0].y+e.path[0].h/2
	fmt.Fprintf(&p, "M%.1f %.1f", x, y)
	for _, n := range e.path[1:] {
		if n.kind == "bend" && n.h == 0 { // nothing to go past
			continue
		}
		top := n.y - n.h/2
		if n == last {
			top -= 6
		}
		x, y = curve(&p, x, y, n, top)
	}
	class := "way"
	if e.kind == "timeout" || e.kind == "otherwise" {
		class += " late"
	}
	d.add(`<path class="%s" d="%s"/>`, class, p.String())
	d.add(`<path class="tip" d="M%.1f %.1fl-4.500 -8h9z"/>`, last.x, last.y-last.h/2-1)
}

// curve leads down to a node and, past a bend or a label, to its lower side.
func curve(p *strings.Builder, x, y float64, n *node, top float64) (float64, float64) {
	half := (top - y) / 2
	fmt.Fprintf(p, "C%.1f %.1f %.1f %.1f %.1f %.1f", x, y+half, n.x, top-half, n.x, top)
	if n.kind == "label" || n.kind == "bend" {
		fmt.Fprintf(p, "L%.1f %.1f", n.x, n.y+n.h/2)
	}
	return n.x, n.y + n.h/2
}

// backEdge leads from the side of a card up to the side of an earlier one.
func (d *drawing) backEdge(e *edge) {
	target, source := e.path[0], e.path[len(e.path)-1]
	bends := e.path[1 : len(e.path)-1]
	side := func(n, toward *node) float64 {
		if toward.x < n.x {
			return n.x - n.w/2
		}
		return n.x + n.w/2
	}
	first, last := bends[0], bends[len(bends)-1]
	x, y := side(target, first), target.y
	var p strings.Builder
	fmt.Fprintf(&p, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x, y, first.x, y, first.x, y, first.x, first.y+first.h/2)
	cx, cy := first.x, first.y+first.h/2
	for _, n := range bends[1:] {
		if n.h == 0 {
			continue
		}
		cx, cy = curve(&p, cx, cy, n, n.y-n.h/2)
	}
	end := side(source, last)
	if (end-source.x)*(cx-end) < 0 { // it passes above the card
		end = source.x
	}
	fmt.Fprintf(&p, "C%.1f %.1f %.1f %.1f %.1f %.1f", cx, source.y, cx, source.y, end, source.y)
	d.add(`<path class="way late" d="%s"/>`, p.String())
	turn := 1.0
	if first.x < target.x {
		turn = -1
	}
	d.add(`<path class="tip" d="M%.1f %.1fl%.1f -4.500v9z"/>`, x+turn, y, 8*turn)
}

func (a aside) height() float64 { return 2*10 + 14 + float64(len(a.lines))*16 }

func (d *drawing) aside(x, y float64, a aside) {
	d.add(`<g><rect class="label" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="8"/>`, x, y, asideWidth, a.height())
	d.add(`<text x="%.1f" y="%.1f" font-size="11.5" font-weight="700" class="%s">%s</text>`, x+12, y+21, a.kind, html.EscapeString(a.title))
	for i, l := range a.lines {
		d.text(x+12, y+23+float64(i+1)*16, lineSize, "soft", "start", "400", l)
	}
	d.add(`</g>`)
}
