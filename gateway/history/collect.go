package history

import (
	"context"
	"time"

	"touchpoint/gateway"
)

// saveEvery is how often positions are stored while there are no points.
const saveEvery = time.Second

// collector collects chunks of all partitions into batches and writes them.
type collector struct {
	f         *Follower
	positions []Position // of all that was collected
	pending   []*chunk
	batch     Batch
	dirty     []bool // partitions whose position is not stored
	points    int
	told      []uint64
	toldAt    time.Time
}

func (w *collector) run(ctx context.Context) {
	w.dirty = make([]bool, len(w.positions))
	w.told = make([]uint64, len(w.positions))
	for p, pos := range w.positions {
		w.told[p] = pos.StepSeq
	}
	wait := time.NewTimer(w.f.o.BatchWait)
	defer wait.Stop()
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	for {
		before := len(w.pending)
		select {
		case c := <-w.f.chunks:
			w.take(c)
			w.drain()
			if w.points >= w.f.o.BatchPoints || w.f.waiting.Load() > 0 || w.erases() {
				w.flush(ctx)
			}
		case <-wait.C:
			w.flush(ctx)
		case <-w.f.nudge:
			w.drain()
			w.flush(ctx)
		case <-save.C:
			w.save(ctx)
		case <-ctx.Done():
			w.finish()
			return
		}
		if before == 0 && len(w.pending) > 0 {
			wait.Reset(w.f.o.BatchWait)
		}
	}
}

// drain takes what has arrived without waiting.
func (w *collector) drain() {
	for w.points < w.f.o.BatchPoints && !w.erases() {
		select {
		case c := <-w.f.chunks:
			w.take(c)
		default:
			return
		}
	}
}

// take adds a chunk. One without points is through at once when nothing must go
// before it.
func (w *collector) take(c *chunk) {
	w.positions[c.partition] = c.position
	w.dirty[c.partition] = true
	if len(c.points) == 0 && len(c.erased) == 0 && len(w.pending) == 0 {
		w.show(c.partition)
		w.release(c)
		return
	}
	w.pending = append(w.pending, c)
	w.points += len(c.points)
}

// erases reports whether the last chunk erases someone: then it is written
// before anything else is collected.
func (w *collector) erases() bool {
	n := len(w.pending)
	return n > 0 && len(w.pending[n-1].erased) > 0
}

// flush writes what is pending. Positions go with the points, so that a restart
// goes on behind them; behind an erasure only when it is done.
func (w *collector) flush(ctx context.Context) {
	if len(w.pending) == 0 {
		return
	}
	w.batch.Points = w.batch.Points[:0]
	var erased []gateway.CustomerID
	for _, c := range w.pending {
		w.batch.Points = append(w.batch.Points, c.points...)
		erased = append(erased, c.erased...)
	}
	if len(erased) == 0 {
		w.addPositions()
	} else {
		w.batch.Positions = w.batch.Positions[:0]
	}
	if !w.append(ctx) {
		return
	}
	if len(erased) > 0 {
		if !w.erase(ctx, erased) {
			return
		}
		w.batch.Points = w.batch.Points[:0]
		w.addPositions()
		if !w.append(ctx) {
			return
		}
	}
	clear(w.dirty)
	clear(w.batch.Points)
	for i, c := range w.pending {
		w.show(c.partition)
		w.release(c)
		w.pending[i] = nil
	}
	w.pending, w.points = w.pending[:0], 0
	w.registerAll(ctx)
}

func (w *collector) addPositions() {
	w.batch.Positions = w.batch.Positions[:0]
	for p, dirty := range w.dirty {
		if dirty {
			w.batch.Positions = append(w.batch.Positions, w.positions[p])
		}
	}
}

// append gives the batch to the store until it takes it; false when the
// follower ends before.
func (w *collector) append(ctx context.Context) bool {
	return w.insist(ctx, "points cannot be written", func() error { return w.f.o.Store.Append(ctx, &w.batch) })
}

func (w *collector) erase(ctx context.Context, list []gateway.CustomerID) bool {
	for _, c := range list {
		if !w.insist(ctx, "a customer cannot be erased", func() error { return w.f.o.Store.DeleteCustomer(ctx, c) }) {
			return false
		}
	}
	return true
}

func (w *collector) insist(ctx context.Context, what string, fn func() error) bool {
	wait := newBackOff()
	for {
		err := fn()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		w.f.o.Logger.Error("history: "+what+", trying again", "error", err)
		if !sleep(ctx, wait.NextBackOff()) {
			return false
		}
	}
}

// save stores positions that no batch took along.
func (w *collector) save(ctx context.Context) {
	if len(w.pending) > 0 {
		return
	}
	w.batch.Points = w.batch.Points[:0]
	w.addPositions()
	if len(w.batch.Positions) > 0 {
		if !w.append(ctx) {
			return
		}
		clear(w.dirty)
	}
	w.registerAll(ctx)
}

// finish writes what was collected when the follower ends. A store that is away
// is not waited for: the logs still have it.
func (w *collector) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	w.toldAt = time.Time{}
	w.flush(ctx)
	w.save(ctx)
}

// release gives the chunk's memory back.
func (w *collector) release(c *chunk) {
	for _, record := range c.done {
		w.f.records.Put(record)
	}
	clear(c.points)
	clear(c.done)
	*c = chunk{points: c.points[:0], done: c.done[:0], data: c.data[:0]}
	w.f.free.Put(c)
}

// show makes the partition's position known to those who wait.
func (w *collector) show(partition int) {
	f := w.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.visible[partition] = w.positions[partition].behind()
	if f.waiting.Load() > 0 {
		close(f.moved)
		f.moved = make(chan struct{})
	}
}

// registerAll tells the registry every few seconds what the store has for good:
// that alone may be trimmed.
func (w *collector) registerAll(ctx context.Context) {
	if w.f.o.Registry == nil || time.Since(w.toldAt) < 5*saveEvery {
		return
	}
	w.toldAt = time.Now()
	stored, err := w.f.o.Store.Positions(ctx)
	if err != nil {
		w.f.o.Logger.Warn("history: the stored positions cannot be read", "error", err)
		return
	}
	for _, pos := range stored {
		if w.told[pos.Partition] != pos.StepSeq {
			w.told[pos.Partition] = pos.StepSeq
			w.register(ctx, pos)
		}
	}
}

func (w *collector) register(ctx context.Context, pos Position) {
	if w.f.o.Registry == nil {
		return
	}
	if err := w.f.o.Registry.SetFollower(ctx, FollowerName, pos.Partition, pos.behind(), pos.StepSeq); err != nil {
		w.f.o.Logger.Warn("history: the position was not registered", "partition", pos.Partition, "error", err)
	}
}
