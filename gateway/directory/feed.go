package directory

import (
	"sync"

	"touchpoint/gateway"
)

// Change is one thing that became visible. Exactly one of the pointers, or
// Erased, is set; what they point to is shared and must not be changed.
type Change struct {
	Partition  int
	Message    *gateway.Message
	Update     *gateway.MessageUpdate
	Decision   *gateway.Decision
	Enrollment *gateway.Enrollment
	Profile    *gateway.CustomerProfile
	Ownership  *gateway.Ownership
	Journey    *gateway.JourneyStatus
	Erased     gateway.CustomerID
}

// Subscription receives changes from the moment of Subscribe on.
type Subscription struct {
	// Changes are in the order in which they became visible; closed by Close and
	// with the directory.
	Changes <-chan Change
	ch      chan Change
	feed    *feed
	mu      sync.Mutex
	lost    int64
}

// Lost returns how many changes did not fit into the buffer since the last
// call: a slow reader loses changes and reads anew, it holds up nobody.
func (s *Subscription) Lost() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.lost
	s.lost = 0
	return n
}

// Close ends the subscription.
func (s *Subscription) Close() { s.feed.remove(s) }

// feed hands changes to subscribers within the process.
type feed struct {
	mu     sync.Mutex
	subs   map[*Subscription]struct{}
	closed bool
}

func (f *feed) init() { f.subs = map[*Subscription]struct{}{} }

// Subscribe returns what becomes visible from now on; buffer is how many
// changes wait for a slow reader, 1024 when 0.
func (d *Directory) Subscribe(buffer int) *Subscription {
	if buffer <= 0 {
		buffer = 1024
	}
	s := &Subscription{ch: make(chan Change, buffer), feed: &d.feed}
	s.Changes = s.ch
	d.feed.mu.Lock()
	defer d.feed.mu.Unlock()
	if d.feed.closed {
		close(s.ch)
		return s
	}
	d.feed.subs[s] = struct{}{}
	return s
}

func (f *feed) remove(s *Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.subs[s]; ok {
		delete(f.subs, s)
		close(s.ch)
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for s := range f.subs {
		delete(f.subs, s)
		close(s.ch)
	}
}

func (f *feed) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subs) == 0
}

func (f *feed) publish(changes []Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		for i, c := range changes {
			select {
			case s.ch <- c:
				continue
			default:
			}
			s.mu.Lock()
			s.lost += int64(len(changes) - i)
			s.mu.Unlock()
			break
		}
	}
}
