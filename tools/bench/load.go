package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// load publishes events of many devices over a few dozen connections.
type load struct {
	addr     string
	conns    int
	inflight int
	devices  int
	events   int
	rate     float64 // events per second, 0 = as fast as the broker acknowledges
	// special, if not 0, makes every such event of a device one of type
	// water_low, the devices taking turns.
	special int

	published []int64 // when each event was given to the network
	acked     atomic.Int64
	start     time.Time
	end       time.Time
}

// isSpecial says whether event i is of the type that leads to a message at once.
func (l *load) isSpecial(i int) bool {
	return l.special > 0 && (i+i/l.devices)%l.special == 0
}

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// event appends the JSON of event i, about 180 bytes, as devices of the
// documented dialect send it.
func (l *load) event(b []byte, i int, now time.Time) []byte {
	b = append(b, `{"id":"01H`...)
	v := uint64(i)*0x9E3779B97F4A7C15 + 1
	for k := range 23 {
		b = append(b, alphabet[v&31])
		if v = v>>5 | v<<59; k == 11 {
			v = uint64(i)
		}
	}
	b = append(b, `","ts":"`...)
	b = now.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	kind := "brew_finished"
	if l.isSpecial(i) {
		kind = "water_low"
	}
	return fmt.Appendf(b, `","type":"%s","seq":%d,"data":{"program":"espresso","duration_ms":%d,"water_ml":%d,"temp_c":92.5}}`,
		kind, i/l.devices, 24500+i%1000, 30+i%20)
}

// run publishes everything and returns when all of it is acknowledged.
func (l *load) run() error {
	l.conns = min(l.conns, l.devices)
	l.published = make([]int64, l.events)
	links := make([]*link, l.conns)
	for k := range links {
		var err error
		if links[k], err = connect(l.addr, fmt.Sprintf("load-%d", k)); err != nil {
			return err
		}
		defer links[k].conn.Close()
	}
	l.start = time.Now()
	var all errgroup.Group
	for k, c := range links {
		all.Go(func() error { return l.drive(k, c) })
	}
	err := all.Wait()
	l.end = time.Now()
	return err
}

// drive publishes the events of one connection's devices.
func (l *load) drive(k int, c *link) error {
	window := make(chan struct{}, l.inflight)
	broken := make(chan error, 1)
	var waiting sync.WaitGroup
	go func() {
		for {
			kind, _, err := c.receive()
			if err != nil {
				broken <- err
				return
			}
			if kind>>4 == typePuback {
				l.acked.Add(1)
				<-window
				waiting.Done()
			}
		}
	}()
	id := uint16(0)
	var payload, scratch []byte
	last := make([]int64, l.devices) // a peer keeps one point per device and millisecond
	for round := 0; round*l.devices < l.events; round++ {
		for d := k; d < l.devices; d += l.conns {
			i := round*l.devices + d
			if i >= l.events {
				break
			}
			if err := l.await(i, c, window, broken); err != nil {
				return err
			}
			waiting.Add(1)
			if id++; id == 0 {
				id = 1
			}
			now := time.Now()
			l.published[i] = now.UnixNano()
			if last[d] = max(now.UnixMilli(), last[d]+1); last[d] > now.UnixMilli() {
				now = time.UnixMilli(last[d])
			}
			payload = l.event(payload[:0], i, now)
			var err error
			if scratch, err = c.publish(scratch, fmt.Sprintf("touchpoint/v1/cm1/dev%04d/events", d), id, payload); err != nil {
				return err
			}
		}
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { waiting.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case err := <-broken:
		return err
	}
}

// await waits for the time of event i, and for room in the window.
func (l *load) await(i int, c *link, window chan struct{}, broken chan error) error {
	if l.rate > 0 {
		at := l.start.Add(time.Duration(float64(i) / l.rate * 1e9))
		if left := time.Until(at); left > 0 {
			if err := c.out.Flush(); err != nil {
				return err
			}
			time.Sleep(left)
		}
	}
	select {
	case window <- struct{}{}:
		return nil
	default:
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	select {
	case window <- struct{}{}:
		return nil
	case err := <-broken:
		return err
	}
}
