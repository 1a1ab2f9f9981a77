package author

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchpoint/gateway/journey"
)

const loop = `name: loop
description: Branches, a split, a timeout & a way back.
purpose: service
trigger: {threshold: {count: brew_finished, at_least: 200, within: 30d}}
filter: customer.country == "DE"
goal: {event: descaling_finished, within: 7d}
exit: [{event: case_opened}]
steps:
  - id: choose
    branch:
      - {when: customer.points < 3 && customer.vip == true, go: gold}
      - {when: customer.points > 1, go: silver}
      - {otherwise: end}
  - {id: gold, send: {channels: [product], texts: {en: {title: "A <golden> day"}}}, next: listen}
  - id: silver
    split: [{arm: short, percent: 50, go: one}, {arm: long, percent: 50, go: two}]
  - {id: one, send: {texts: {en: {title: One}}}, next: listen}
  - {id: two, send: {texts: {en: {title: Two}}}}
  - {id: listen, wait: {until_event: descaling_finished, timeout: 7d, on_timeout: again}}
  - {id: thanks, set: {cared: true}, next: end}
  - {id: again, wait: {for: 3d}, next: choose}
  - {id: lost, wait: {for: 3d}}
`

// TestGraph: every card and label has room of its own, everything is said, and
// the file is well-formed.
func TestGraph(t *testing.T) {
	texts := map[string]string{"loop": loop}
	files, _ := filepath.Glob("../../../deploy/journeys/*.yaml")
	more, _ := filepath.Glob("../../../deploy/journeys/*/*.yaml")
	for _, f := range append(files, more...) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(text)
	}
	for name, text := range texts {
		o, err := journey.Describe([]byte(text), journey.Env{})
		if err != nil {
			t.Fatal(name, err)
		}
		g := newGraph(o)
		g.layout()
		for i, a := range g.nodes {
			for _, b := range g.nodes[:i] {
				apartX, apartY := (a.w+b.w)/2, (a.h+b.h)/2
				if dx, dy := max(a.x, b.x)-min(a.x, b.x), max(a.y, b.y)-min(a.y, b.y); dx < apartX && dy < apartY {
					t.Errorf("%s: %s %s covers %s %s", name, a.kind, a.title, b.kind, b.title)
				}
			}
		}
		svg := string(g.svg(o))
		for dec := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for _, s := range o.Steps {
			if !strings.Contains(svg, ">"+s.ID+"</text>") {
				t.Errorf("%s: step %s is not drawn", name, s.ID)
			}
		}
	}
	svg, err := Graph([]byte(loop), journey.Env{})
	for _, want := range []string{"customer.points &lt; 3 &amp;&amp; cu", "“A &lt;golden&gt; day”", "short 50 %", "after 1w", "descaling_finished within 7d", "on case_opened", `class="faint"`} {
		if err != nil || !strings.Contains(string(svg), want) {
			t.Errorf("%q is missing (%v)", want, err)
		}
	}
}
