package engine

import (
	"testing"

	"touchpoint/gateway"
)

// TestQuery looks at a live partition's state; one that is not here is an error.
func TestQuery(t *testing.T) {
	w := newWorld(t, 2)
	e := w.engine()
	w.add(0, event(1, "wait", 1000))
	w.settle(e)
	seen := gateway.Instant(-1)
	if err := e.Query(w.ctx(), 0, func(c Core) { seen, _ = c.NextTimers() }); err != nil || seen <= 0 {
		t.Errorf("next timer %v, %v", seen, err)
	}
	if err := e.Query(w.ctx(), 7, func(Core) { t.Error("looked") }); gateway.KindOf(err) != gateway.Unavailable {
		t.Error(err)
	}
	w.stop(e)
}
