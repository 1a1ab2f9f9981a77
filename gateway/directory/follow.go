package directory

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"touchpoint/gateway"
)

const (
	// maxPending bounds the steps of one transaction.
	maxPending = 512
	// saveEvery is how often positions are stored while only counters change.
	saveEvery = time.Second
	// idleAfter is how long the last commit must be ago for the next to go at once.
	idleAfter = 50 * time.Millisecond
)

// read follows one partition. An error of the log is waited out: a hole never
// heals and stays visible in Health, everything else does.
func (d *Directory) read(ctx context.Context, partition int, after uint64) {
	wait := newBackOff()
	for ctx.Err() == nil {
		before := after
		err := d.readFrom(ctx, partition, &after)
		if ctx.Err() != nil {
			return
		}
		d.setReadError(partition, err)
		if after != before { // it went on for a while
			wait.Reset()
		}
		d.o.Logger.Warn("directory: the steps of a partition cannot be read, trying again", "partition", partition, "error", err)
		if !sleep(ctx, wait.NextBackOff()) {
			return
		}
	}
}

func (d *Directory) readFrom(ctx context.Context, partition int, after *uint64) error {
	if err := d.skipTrimmed(ctx, partition, after); err != nil {
		return err
	}
	reader, err := d.o.Steps.ReadSteps(ctx, partition, *after)
	if err != nil {
		return err
	}
	defer reader.Close()
	d.setReadError(partition, nil)
	for {
		s := d.pool.Get().(*gateway.Step)
		if err := reader.Next(ctx, s); err != nil {
			return err
		}
		*after = s.Seq
		select {
		case d.steps <- s:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// skipTrimmed lets a directory that is built anew begin where STEPS begin. One
// that has followed before must not: what it lacks would stay missing.
func (d *Directory) skipTrimmed(ctx context.Context, partition int, after *uint64) error {
	t, ok := d.o.Steps.(Trimmed)
	if !ok || *after != 0 {
		return nil
	}
	_, stepSeq, err := t.Trimmed(ctx, partition)
	if err != nil || stepSeq == 0 {
		return err
	}
	d.o.Logger.Warn("directory: built anew from where the steps begin, older rows are missing: restore a backup to have them",
		"partition", partition, "after_step_record", stepSeq)
	*after = stepSeq
	return nil
}

func newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 50*time.Millisecond, 5*time.Second
	return b
}

// sleep waits for d; false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// run collects steps and commits them: at once when the directory is idle or
// someone waits, else after the linger, so that a busy one commits large
// transactions. Steps that change counters alone need no transaction.
func (w *writer) run(ctx context.Context) {
	defer w.finish()
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	for {
		select {
		case s := <-w.d.steps:
			w.take(s)
		case <-linger.C:
			w.flush(ctx)
		case <-w.d.nudge:
			w.drain()
			w.flush(ctx)
		case <-save.C:
			w.save(ctx)
		case <-ctx.Done():
			return
		}
		w.drain()
		if len(w.pending) == 0 {
			continue
		}
		since := time.Since(w.committed)
		if since > idleAfter || len(w.pending) >= maxPending || w.d.waiting.Load() > 0 {
			w.flush(ctx)
		} else {
			linger.Reset(max(w.d.o.Linger-since, 0))
		}
	}
}

// drain takes what has arrived without waiting.
func (w *writer) drain() {
	for len(w.pending) < maxPending {
		select {
		case s := <-w.d.steps:
			w.take(s)
		default:
			return
		}
	}
}

// take counts a step and keeps it when it has rows.
func (w *writer) take(s *gateway.Step) {
	w.count(s)
	if hasRows(s) {
		w.pending = append(w.pending, s)
		return
	}
	if len(w.pending) == 0 { // nothing that must be visible first
		w.show()
	}
	w.d.pool.Put(s)
}

func hasRows(s *gateway.Step) bool {
	return len(s.Messages)+len(s.Updates)+len(s.Decisions)+len(s.Entered)+len(s.Profiles)+
		len(s.Ownerships)+len(s.Routes)+len(s.Erased)+len(s.Journeys)+
		len(s.Classes)+len(s.Filtered)+len(s.Memberships)+len(s.Tasks)+len(s.TaskUpdates) > 0
}

// count adds a step to the totals and moves the position that the next commit
// makes visible.
func (w *writer) count(s *gateway.Step) {
	t := &w.totals
	t.Steps++
	t.Late += int64(len(s.Late))
	t.Now = max(t.Now, s.Now)
	for i := range s.Outcomes {
		t.count(s.Outcomes[i].Disposition)
	}
	m := &w.marks[s.Partition]
	m.stepSeq, m.stepNumber = s.Seq, s.Number
	if n := len(s.Applied); n > 0 {
		m.eventSeq = s.Applied[n-1].Seq
		if s.More { // the record is decided upon when its last step is
			m.eventSeq--
		}
	}
	w.dirty = true
}

// show makes the counted steps visible and wakes who waits for them.
func (w *writer) show() {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	copy(w.d.visible, w.marks)
	w.d.totals = w.totals
	if w.d.waiting.Load() > 0 {
		close(w.d.moved)
		w.d.moved = make(chan struct{})
	}
}

// flush commits what is pending. A database that refuses (a full disk) is
// asked again until it takes the steps: they come only once.
func (w *writer) flush(ctx context.Context) {
	if len(w.pending) == 0 {
		return
	}
	wait := newBackOff()
	for {
		changes, err := w.commit(ctx, w.pending)
		w.d.setErr(err)
		if err == nil {
			w.show()
			w.d.feed.publish(changes)
			break
		}
		if ctx.Err() != nil {
			return
		}
		w.d.o.Logger.Error("directory: steps cannot be written, trying again", "error", err)
		if !sleep(ctx, wait.NextBackOff()) {
			return
		}
	}
	for i, s := range w.pending {
		*s = gateway.Step{} // changes of the feed share its memory
		w.d.pool.Put(s)
		w.pending[i] = nil
	}
	w.pending = w.pending[:0]
	w.committed = time.Now()
}

// save stores positions and totals while no rows do it, and tells the registry
// what is stored.
func (w *writer) save(ctx context.Context) {
	if !w.dirty || len(w.pending) > 0 {
		return
	}
	if _, err := w.commit(ctx, nil); err != nil {
		w.d.setErr(err)
		w.d.o.Logger.Error("directory: positions cannot be stored", "error", err)
		return
	}
	w.register(ctx)
}

func (w *writer) register(ctx context.Context) {
	if w.d.o.Registry == nil || time.Since(w.registered) < 5*saveEvery {
		return
	}
	w.registered = time.Now()
	for p, m := range w.marks {
		if m == w.told[p] {
			continue
		}
		if err := w.d.o.Registry.SetFollower(ctx, FollowerName, p, m.eventSeq, m.stepSeq); err != nil {
			w.d.o.Logger.Warn("directory: the position was not registered", "partition", p, "error", err)
			return
		}
		w.told[p] = m
	}
}

// finish commits what is pending when the directory closes.
func (w *writer) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	w.flush(ctx)
	w.registered = time.Time{}
	w.save(ctx)
}

func (d *Directory) setErr(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *Directory) setReadError(partition int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.lastRead, partition)
		return
	}
	d.lastRead[partition] = err
}
