package engine

import (
	"context"

	"touchpoint/gateway"
)

// query is a look at a partition's state on its runner's goroutine.
type query struct {
	look func(Core)
	done chan struct{}
}

// Query calls look with the core of a partition that this process owns, between
// two steps. look must not change anything, and keeps nothing of the core. A
// partition that is not live here is an error of kind Unavailable.
func (e *Engine) Query(ctx context.Context, partition int, look func(Core)) error {
	for _, r := range e.runners {
		if r.partition != partition {
			continue
		}
		q := query{look, make(chan struct{})}
		for State(r.state.Load()) == Live {
			select {
			case r.queries <- q:
				select {
				case <-q.done:
					return nil
				case <-ctx.Done():
					return gateway.Errorf(gateway.Unavailable, "partition %d: %w", partition, ctx.Err())
				}
			case <-e.changed.next():
			case <-ctx.Done():
				return gateway.Errorf(gateway.Unavailable, "partition %d: %w", partition, ctx.Err())
			}
		}
		break
	}
	return gateway.Errorf(gateway.Unavailable, "partition %d is not live in this process", partition)
}

// Partitions lists the partitions that are live in this process.
func (e *Engine) Partitions() (live []int) {
	for _, r := range e.runners {
		if State(r.state.Load()) == Live {
			live = append(live, r.partition)
		}
	}
	return live
}
