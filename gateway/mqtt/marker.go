package mqtt

import (
	"bytes"
	"context"
	"strconv"
	"sync"

	"touchpoint/gateway"
)

// markers are messages that a session sends to itself. A broker delivers to a
// session in order, so a marker that came back proves that everything that the
// broker had for the session before is in.
type markers struct {
	topic string
	nonce string

	mu    sync.Mutex
	sent  uint64
	times map[uint64]gateway.Instant // of markers on their way
	seen  uint64                     // the latest that came back
	at    gateway.Instant            // when it was sent
	moved chan struct{}
}

// maxMarkers bounds the markers on their way: a broker may drop them.
const maxMarkers = 1024

func (k *markers) init(topic, nonce string) {
	k.topic, k.nonce = topic, nonce
	k.times = make(map[uint64]gateway.Instant)
	k.moved = make(chan struct{})
}

// next returns the payload of a marker sent now.
func (k *markers) next(now gateway.Instant) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent++
	if len(k.times) >= maxMarkers {
		clear(k.times)
	}
	k.times[k.sent] = now
	return append([]byte(k.nonce+" "), strconv.FormatUint(k.sent, 10)...)
}

// want returns the number that the next marker gets.
func (k *markers) want() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sent + 1
}

// back takes a marker that came back; those of an earlier process say nothing.
func (k *markers) back(payload []byte) {
	nonce, number, _ := bytes.Cut(payload, []byte(" "))
	n, err := strconv.ParseUint(string(number), 10, 64)
	if string(nonce) != k.nonce || err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	at, known := k.times[n]
	delete(k.times, n)
	if !known || n <= k.seen {
		return
	}
	k.seen, k.at = n, max(k.at, at)
	close(k.moved)
	k.moved = make(chan struct{})
}

// interrupt has those who wait look whether it makes sense still.
func (k *markers) interrupt() {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.moved)
	k.moved = make(chan struct{})
}

func (k *markers) observed() gateway.Instant {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.at
}

// wait waits until the marker with a number, or a later one, is back, unless
// lost has an error.
func (k *markers) wait(ctx context.Context, want uint64, lost func() error) error {
	k.mu.Lock()
	for k.seen < want {
		moved := k.moved
		k.mu.Unlock()
		if err := lost(); err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
		k.mu.Lock()
	}
	k.mu.Unlock()
	return nil
}
