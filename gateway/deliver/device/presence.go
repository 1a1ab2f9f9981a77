package device

import (
	"sync"
	"time"

	"touchpoint/gateway"
)

// presence remembers which devices were heard of within ttl. It is on the way
// of every uplink, so it is split into shards, and what is old goes with its
// whole map instead of being searched for.
type presence struct {
	ttl    time.Duration
	shards [64]shard
}

type shard struct {
	mu        sync.Mutex
	now, past map[gateway.DeviceID]gateway.Instant
	turned    gateway.Instant
}

func newPresence(ttl time.Duration) *presence {
	p := &presence{ttl: ttl}
	for i := range p.shards {
		p.shards[i].now = map[gateway.DeviceID]gateway.Instant{}
	}
	return p
}

func (p *presence) shard(d gateway.DeviceID) *shard {
	return &p.shards[uint64(d)*0x9e3779b97f4a7c15>>58]
}

// seen notes a sign of life; came is true when the device was not present.
func (p *presence) seen(d gateway.DeviceID, now gateway.Instant) (came bool) {
	s := p.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	came = !s.has(d, now, p.ttl)
	if now.Sub(s.turned) > p.ttl {
		s.now, s.past, s.turned = make(map[gateway.DeviceID]gateway.Instant, len(s.now)), s.now, now
	}
	s.now[d] = now
	return came
}

func (p *presence) has(d gateway.DeviceID, now gateway.Instant) bool {
	s := p.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has(d, now, p.ttl)
}

func (s *shard) has(d gateway.DeviceID, now gateway.Instant, ttl time.Duration) bool {
	at, ok := s.now[d]
	if !ok {
		at, ok = s.past[d]
	}
	return ok && now.Sub(at) <= ttl
}

// forget drops what is known of a device that turned out to be away.
func (p *presence) forget(d gateway.DeviceID) {
	s := p.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.now, d)
	delete(s.past, d)
}
