package rpc

import (
	"sync"

	"touchpoint/gateway"
)

// feedBuffer is how many changes a slow watcher may be behind before it misses
// some.
const feedBuffer = 1_024

// Feed passes changes of messages to whoever watches. It never blocks its
// writer: a watcher that is too slow misses changes and is told how many.
type Feed struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	closed   bool
}

type watcher struct {
	changes chan gateway.MessageUpdate
	mu      sync.Mutex
	skipped int64
}

// NewFeed returns a feed without watchers.
func NewFeed() *Feed { return &Feed{watchers: make(map[*watcher]struct{})} }

// Decided reports a message that became visible in the read model.
func (f *Feed) Decided(m *gateway.Message) {
	state := m.State
	if state == gateway.MessageUnknown {
		state = gateway.MessageDecided
	}
	f.Changed(gateway.MessageUpdate{Message: m.ID, Customer: m.Customer, Device: m.Device, Journey: m.Journey,
		Channel: m.Channel, State: state, At: m.DecidedAt})
}

// Changed reports a change that became visible in the read model.
func (f *Feed) Changed(u gateway.MessageUpdate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.send(u)
}

func (f *Feed) send(u gateway.MessageUpdate) {
	for w := range f.watchers {
		select {
		case w.changes <- u:
		default:
			w.mu.Lock()
			w.skipped++
			w.mu.Unlock()
		}
	}
}

// watch starts to listen; end it with stop. The channel is closed when the feed
// is.
func (f *Feed) watch() *watcher {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &watcher{changes: make(chan gateway.MessageUpdate, feedBuffer)}
	if f.closed {
		close(w.changes)
		return w
	}
	f.watchers[w] = struct{}{}
	return w
}

func (f *Feed) stop(w *watcher) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watchers, w)
}

// Close ends every watch.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for w := range f.watchers {
		close(w.changes)
		delete(f.watchers, w)
	}
}

// missed returns and resets how many changes were left out.
func (w *watcher) missed() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.skipped
	w.skipped = 0
	return n
}
