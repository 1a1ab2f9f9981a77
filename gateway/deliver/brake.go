package deliver

import "context"

// The brake: while it is on nothing is handed over. What was decided is taken
// back by the core, message by message; withdrawals go on.

// Brake puts the brake on or releases it in this process, ahead of the steps
// that tell of it. When it returns nil after on, no hand-over is under way and
// none begins.
func (d *Delivery) Brake(ctx context.Context, on bool) error {
	d.mu.Lock()
	running := d.brake(on)
	d.mu.Unlock()
	return wait(ctx, running)
}

// brakeBy is the brake as a step tells it.
func (d *Delivery) brakeBy(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.brake(on)
}

// brake returns what to wait for until nothing is under way.
func (d *Delivery) brake(on bool) (running []chan struct{}) {
	d.braked = on
	for _, it := range d.box.items {
		switch {
		case on && it.running && it.recall == "":
			running = append(running, it.done)
		case !on && it.held:
			it.held = false
			d.enqueue(it)
		}
	}
	return running
}

// Braked reports whether nothing is handed over.
func (d *Delivery) Braked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.braked
}
