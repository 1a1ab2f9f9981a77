package eventlog

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"touchpoint/gateway"
)

// refuseAt is the share of a stream's limit, in percent, at which input from
// outside is refused; the rest is for what keeps the gateway going.
const refuseAt = 90

// overhead is what the store adds to a record, roughly.
const overhead = 160

// remeasure is how long a refusal relies on one answer of the server.
const remeasure = 100 * time.Millisecond

// fill estimates how full a stream is: what the server said last, and what was
// appended since. It may be too high, by what was appended while the server
// answered; never too low.
type fill struct {
	name  string
	bytes atomic.Int64
	dirty atomic.Bool

	mu       sync.Mutex
	measured time.Time
}

func (f *fill) grew(n int) {
	f.bytes.Add(int64(n) + overhead)
	f.dirty.Store(true)
}

func (l *Log) openFills(ctx context.Context) error {
	l.fills = make([]fill, 2*l.o.Streams)
	for s := range l.o.Streams {
		l.eventFill(s).name, l.stepFill(s).name = l.names.eventStream(s), l.names.stepStream(s)
	}
	for i := range l.fills {
		if err := l.measure(ctx, &l.fills[i]); err != nil {
			return readError("size of "+l.fills[i].name, err)
		}
	}
	return nil
}

func (l *Log) eventFill(p int) *fill { return &l.fills[p%l.o.Streams] }
func (l *Log) stepFill(p int) *fill  { return &l.fills[l.o.Streams+p%l.o.Streams] }

// checkFill refuses while the partition's EVENTS or STEPS stream is 90 % full.
func (l *Log) checkFill(ctx context.Context, p int) error {
	limit := l.o.MaxBytes / int64(l.o.Streams) / 100 * refuseAt
	for _, f := range [...]*fill{l.eventFill(p), l.stepFill(p)} {
		if f.bytes.Load() < limit {
			continue
		}
		if err := l.measureIfOlder(ctx, f, remeasure); err != nil {
			return readError("size of "+f.name, err)
		}
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
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for i := range l.fills {
				if f := &l.fills[i]; f.dirty.Swap(false) && l.measure(l.running, f) != nil {
					f.dirty.Store(true)
				}
			}
		case <-l.running.Done():
			return
		}
	}
}

// measure asks the server for the size of a stream.
func (l *Log) measure(ctx context.Context, f *fill) error { return l.measureIfOlder(ctx, f, 0) }

// measureIfOlder measures unless the last answer is younger than age. One at a
// time, since each corrects the estimate by what it found it to be.
func (l *Log) measureIfOlder(ctx context.Context, f *fill, age time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.measured) < age {
		return nil
	}
	h, err := l.handle(ctx, f.name)
	if err != nil {
		return err
	}
	before := f.bytes.Load()
	info, err := h.info(ctx)
	if err != nil {
		return err
	}
	f.bytes.Add(int64(info.State.Bytes) - before)
	f.measured = time.Now()
	return nil
}
