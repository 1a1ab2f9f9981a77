package eventlog

import (
	"context"
	"sync/atomic"
	"time"

	"touchpoint/gateway"
)

// refuseAt is the share of a stream's limit, in percent, at which input from
// outside is refused; the rest is for what keeps the gateway going.
const refuseAt = 90

// overhead is what the store adds to a record, roughly.
const overhead = 160

// fill estimates how full a stream is: what the server said last, and what was
// appended since.
type fill struct {
	bytes atomic.Int64
	dirty atomic.Bool
}

func (f *fill) grew(n int) {
	f.bytes.Add(int64(n) + overhead)
	f.dirty.Store(true)
}

func (l *Log) eventFill(p int) *fill { return &l.fills[p%l.o.Streams] }
func (l *Log) stepFill(p int) *fill  { return &l.fills[l.o.Streams+p%l.o.Streams] }

// checkFill refuses while the partition's EVENTS or STEPS stream is 90 % full.
func (l *Log) checkFill(p int) error {
	limit := l.o.MaxBytes / int64(l.o.Streams) / 100 * refuseAt
	for _, f := range [...]*fill{l.eventFill(p), l.stepFill(p)} {
		if f.bytes.Load() >= limit {
			return gateway.Errorf(gateway.Exhausted, "the log is %d %% full: no further events are taken until a trim makes room; raise log.max_bytes or look which follower is behind", refuseAt)
		}
	}
	return nil
}

// Full returns the fullest stream's share of its limit, between 0 and 1.
func (l *Log) Full() float64 {
	limit := float64(l.o.MaxBytes / int64(l.o.Streams))
	full := 0.0
	for i := range l.fills {
		full = max(full, float64(l.fills[i].bytes.Load())/limit)
	}
	return full
}

// watchFill corrects the estimates against the server.
func (l *Log) watchFill() {
	defer l.wg.Done()
	l.measure(l.running, true)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.measure(l.running, false)
		case <-l.running.Done():
			return
		}
	}
}

// measure asks the server for the size of the streams that changed.
func (l *Log) measure(ctx context.Context, all bool) {
	for s := range l.o.Streams {
		for _, one := range [...]struct {
			f    *fill
			name string
		}{{l.eventFill(s), l.names.eventStream(s)}, {l.stepFill(s), l.names.stepStream(s)}} {
			if !one.f.dirty.Swap(false) && !all {
				continue
			}
			h, err := l.handle(ctx, one.name)
			if err != nil {
				continue
			}
			before := one.f.bytes.Load()
			info, err := h.info(ctx)
			if err != nil {
				one.f.dirty.Store(true)
				continue
			}
			// What was appended meanwhile may or may not be in the answer.
			one.f.bytes.Add(int64(info.State.Bytes) - before)
		}
	}
}
