package reference

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// coverage counts in how many worlds something occurred.
type coverage struct {
	sync.Mutex
	worlds map[string]int
}

// seen collects what occurs in one world.
type seen map[string]bool

func (s seen) note(words ...string) { s[strings.Join(words, " ")] = true }

func (c *coverage) add(s seen) {
	c.Lock()
	defer c.Unlock()
	if c.worlds == nil {
		c.worlds = map[string]int{}
	}
	for what := range s {
		c.worlds[what]++
	}
}

// report prints the counts and refuses what occurs in too few worlds to count
// as tried.
func (c *coverage) report(t *testing.T, worlds uint64) {
	var out []string
	for _, what := range slices.Sorted(maps.Keys(c.worlds)) {
		out = append(out, fmt.Sprintf("%6d %s", c.worlds[what], what))
	}
	t.Logf("of %d worlds\n%s", worlds, strings.Join(out, "\n"))
	if worlds < 10_000 {
		return
	}
	for what, least := range wanted() {
		if n := c.worlds[what]; n < least {
			t.Errorf("%s occurred in %d worlds; %d are wanted", what, n, least)
		}
	}
}

// wanted says in how many of 10,000 worlds something has to occur.
func wanted() map[string]int {
	out := map[string]int{}
	for _, what := range strings.Split(strings.TrimSpace(usual), "\n") {
		out[what] = 100
	}
	for _, what := range strings.Split(strings.TrimSpace(rare), "\n") {
		out[what] = 5
	}
	return out
}

// definition notes what a journey is made of.
func (s seen) definition(d *journeyDef) {
	s.note("trigger", d.trigger.kind)
	if n := len(d.trigger.chain); n > 2 {
		s.note("sequence of", fmt.Sprint(n))
	}
	for i := range d.steps {
		s.note("step", d.steps[i].kind)
	}
	for i := range d.traits {
		s.note("trait", d.traits[i].kind)
	}
}

// decision notes a decision that both sides made.
func (s seen) decision(d *decision) { s.note(d.kind, d.reason) }
