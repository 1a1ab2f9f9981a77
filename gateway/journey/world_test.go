package journey

import (
	"testing"

	"touchpoint/gateway"
)

// world is a World that ends its test when something goes wrong.
type world struct {
	*World
	t testing.TB
}

func newWorld(t testing.TB, cfg Config, partitions int) *world {
	return &world{NewWorld(cfg, partitions, true), t}
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) submit(part int, inputs ...gateway.Input) {
	w.t.Helper()
	w.ok(w.Submit(part, inputs...))
}

func (w *world) apply(part int, at, observed gateway.Instant, inputs []gateway.Input) {
	w.t.Helper()
	w.ok(w.World.apply(part, at, observed, inputs))
}

func (w *world) carry() {
	w.t.Helper()
	w.ok(w.World.carry())
}

func (w *world) advance(to gateway.Instant) {
	w.t.Helper()
	w.ok(w.Advance(to))
}

func (w *world) restart() {
	w.t.Helper()
	w.ok(w.Restart())
}

func (w *world) check() {
	w.t.Helper()
	w.ok(w.Check())
	w.ok(UnsoundWorld(w.World))
}
