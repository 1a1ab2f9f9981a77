package directory_test

import (
	"testing"

	"touchpoint/gateway"
)

// TestClass: the latest word on segments and stages is kept, and goes with an
// erasure; what filters turned away adds up.
func TestClass(t *testing.T) {
	f := open(t)
	class := gateway.CustomerClass{Customer: 7, Segments: []string{"heavy"}, At: start,
		Stages: []gateway.StageVisit{{Stage: "new", At: start}, {Stage: "active", At: start + 1}}}
	f.step(gateway.Step{Classes: []gateway.CustomerClass{{Customer: 7, At: start}, class},
		Filtered: []gateway.FilteredCount{{Journey: "tips", Version: 1, Count: 3, Unowned: 2}}})
	f.step(gateway.Step{Filtered: []gateway.FilteredCount{{Journey: "tips", Version: 2, Count: 4}}})
	diff(t, "class", class, must(f.Class(f.ctx, 7))(t))
	diff(t, "nobody's class", gateway.CustomerClass{}, must(f.Class(f.ctx, 8))(t))
	if n := must(f.Counts(f.ctx, "tips", 0))(t); n.Filtered != 7 || n.Unowned != 2 {
		t.Errorf("%d were turned away, want 7; %d belonged to nobody, want 2", n.Filtered, n.Unowned)
	}
	f.step(gateway.Step{Erased: []gateway.CustomerID{7}})
	diff(t, "class of the erased", gateway.CustomerClass{}, must(f.Class(f.ctx, 7))(t))
}
