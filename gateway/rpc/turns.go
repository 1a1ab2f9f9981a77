package rpc

import (
	"context"
	"sync"
)

// turns lets calls about the same thing go one after the other, so that each
// reads the answer to what it wrote itself.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

// take waits for the turn of key and returns how to end it.
func (t *turns) take(ctx context.Context, key string) (end func(), err error) {
	mine := make(chan struct{})
	for {
		t.mu.Lock()
		other, taken := t.busy[key]
		if !taken {
			if t.busy == nil {
				t.busy = make(map[string]chan struct{})
			}
			t.busy[key] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, key)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
