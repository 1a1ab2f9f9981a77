package app

import (
	"errors"
	"testing"

	"touchpoint/gateway"
)

// TestOneBacktestAtATime: a second one is refused while one runs, and may come
// afterwards.
func TestOneBacktestAtATime(t *testing.T) {
	b := newBacktests(nil)
	running, end, done := make(chan struct{}), make(chan struct{}), make(chan error)
	own := errors.New("what it returns")
	go func() {
		done <- b.alone(func() error {
			close(running)
			<-end
			return own
		})
	}()
	<-running
	if err := b.alone(func() error { return nil }); gateway.KindOf(err) != gateway.Exhausted {
		t.Errorf("a second one: %v", err)
	}
	close(end)
	if err := <-done; !errors.Is(err, own) {
		t.Errorf("got %v", err)
	}
	if err := b.alone(func() error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
