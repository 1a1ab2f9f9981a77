package app

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/engine"
	"touchpoint/gateway/history"
	"touchpoint/gateway/journey"
)

// filler brings the events of before to the counters of newly published
// versions, on the partitions that this process owns. Where it stopped is in the
// state of the partitions, so that a restart, or another process, goes on there.
type filler struct {
	g    *Gateway
	wake chan struct{}

	mu      sync.Mutex
	busy    bool
	trouble error
	changed chan struct{} // closed and replaced when busy or trouble change
}

// The bounds of filling.
const (
	fillBatch = 256
	fillRetry = time.Second
)

func newFiller(g *Gateway) *filler {
	return &filler{g: g, wake: make(chan struct{}, 1), changed: make(chan struct{})}
}

// Committed implements engine.Sink.
func (f *filler) Committed(_ int, s *gateway.Step) {
	for i := range s.Journeys {
		if s.Journeys[i].State == gateway.JourneyFilling {
			f.nudge()
		}
	}
	for i := range s.Decisions {
		if d := &s.Decisions[i]; d.Reason == gateway.ReasonFilling && d.Journey == "" { // of the rules
			f.nudge()
		}
	}
}

// Resume implements engine.Sink.
func (f *filler) Resume(int, []gateway.Message) { f.nudge() }

// Lost implements engine.Sink.
func (f *filler) Lost(int) {}

func (f *filler) nudge() {
	f.set(true, nil)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *filler) set(busy bool, trouble error) {
	f.mu.Lock()
	f.busy, f.trouble = busy, trouble
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
}

// Trouble says why filling does not go on, nil when nothing is wrong.
func (f *filler) Trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trouble
}

// Idle waits until nothing is left to fill, or filling cannot go on.
func (f *filler) Idle(ctx context.Context) error {
	for {
		f.mu.Lock()
		done, changed := !f.busy || f.trouble != nil, f.changed
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run fills whenever something asks for it, until ctx ends.
func (f *filler) run(ctx context.Context) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-f.wake:
		case <-retry.C:
		case <-ctx.Done():
			return
		}
		left, err := f.round(ctx)
		for again := 0; left && err == nil && again < 3; again++ { // what was asked for meanwhile, or stopped half-way
			left, err = f.round(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			f.g.log.Warn("new counters wait for history: their versions become active when it is there", "error", err)
		}
		if err == nil && !left && len(f.wake) == 0 {
			f.set(false, nil)
			continue
		}
		f.set(true, err)
		retry.Reset(fillRetry)
	}
}

type versionName struct {
	journey string
	version uint32
}

// round fills what waits now; left says that something may still wait.
func (f *filler) round(ctx context.Context) (left bool, err error) {
	waiting := map[versionName][]gateway.Filling{}
	live := f.g.engine.Partitions()
	for _, p := range live {
		err := f.g.engine.Query(ctx, p, func(c engine.Core) {
			for _, fl := range c.(*journey.Partition).Fillings() {
				name := versionName{fl.Journey, fl.Version}
				waiting[name] = append(waiting[name], fl)
			}
		})
		if err != nil {
			return true, err
		}
	}
	for name, list := range waiting {
		if err := f.fill(ctx, name, list); err != nil {
			return true, fmt.Errorf("%s version %d: %w", cmp.Or(name.journey, "rules"), name.version, err)
		}
		left = true // look again: it may have been stopped half-way
	}
	return left && len(live) > 0, nil
}

// fill reads history once for all partitions of a version.
func (f *filler) fill(ctx context.Context, name versionName, list []gateway.Filling) error {
	end, err := f.settled(ctx)
	if err != nil {
		return err
	}
	q := history.Query{OldestFirst: true, Limit: history.MaxLimit}
	targets := make([]*fillTarget, len(list))
	for i := range list {
		t := &fillTarget{f: f, filling: &list[i]}
		t.cmd = gateway.FillTraits{Journey: name.journey, Version: name.version, AfterAt: list[i].AfterAt, AfterN: list[i].AfterN}
		targets[i] = t
		from := max(earliest(list[i].Needs), list[i].AfterAt)
		if i == 0 || from < q.From {
			q.From = from
		}
	}
	q.Types = eventTypes(list[0].Needs)
	for more := len(list[0].Needs) > 0; more; {
		page, err := f.g.history.Events(ctx, q)
		if err != nil {
			return err
		}
		for _, t := range targets {
			if err := t.take(ctx, page.Points, end); err != nil {
				return err
			}
		}
		q.Page, more = page.Next, page.Next != ""
	}
	for _, t := range targets {
		if err := t.finish(ctx); err != nil {
			return err
		}
	}
	return f.applied(ctx)
}

// eventTypes are those that are needed, none for all.
func eventTypes(needs []gateway.FillNeed) (types []string) {
	for _, n := range needs {
		if n.Type == gateway.AnyEvent {
			return nil
		}
		types = append(types, n.Type)
	}
	return types
}

func earliest(needs []gateway.FillNeed) (from gateway.Instant) {
	for i, n := range needs {
		if i == 0 || n.From < from {
			from = n.From
		}
	}
	return from
}

// settled waits until history has what the logs hold now, and what partitions
// passed on to others of it is applied there. It returns the ends of the logs.
func (f *filler) settled(ctx context.Context) ([]gateway.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	end, err := f.ends(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.g.follower.Await(ctx, end); err != nil {
		return nil, err
	}
	for _, s := range f.g.engine.Stats() {
		for s.State == engine.Live && s.Forwarding > 0 {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return nil, gateway.Errorf(gateway.Unavailable, "partition %d has not passed on what it owes to others: %w", s.Partition, ctx.Err())
			}
			s = f.g.engine.Stats()[s.Partition]
		}
	}
	return end, f.applied(ctx)
}

// applied waits until the engine has applied what the logs hold now.
func (f *filler) applied(ctx context.Context) error {
	end, err := f.ends(ctx)
	if err != nil {
		return err
	}
	return f.g.directory.Await(ctx, end)
}

func (f *filler) ends(ctx context.Context) ([]gateway.Position, error) {
	end := make([]gateway.Position, f.g.cfg.Partitions)
	for p := range end {
		seq, err := f.g.store.LastEventSeq(ctx, p)
		if err != nil {
			return nil, err
		}
		end[p] = gateway.Position{Partition: p, Seq: seq}
	}
	return end, nil
}

// fillTarget collects the events of one partition into commands.
type fillTarget struct {
	f       *filler
	filling *gateway.Filling
	cmd     gateway.FillTraits
	at      gateway.Instant // of the last event that was wanted
	same    uint32          // wanted ones of that instant
}

// take chooses from a page what the partition has to count and sends full
// commands.
func (t *fillTarget) take(ctx context.Context, points []history.Point, end []gateway.Position) error {
	lives := map[gateway.CustomerID]bool{}
	err := t.f.g.engine.Query(ctx, t.filling.Partition, func(c engine.Core) {
		for i := range points {
			lives[points[i].Customer] = c.(*journey.Partition).Lives(points[i].Customer)
		}
	})
	if err != nil {
		return err
	}
	for i := range points {
		p := &points[i]
		if p.TooOld || !lives[p.Customer] || p.Place.Seq > end[p.Place.Partition].Seq ||
			!journey.FillWants(t.filling, p.Place.Partition, p.Place.Seq, p.Place.Index, &p.Event) {
			continue
		}
		if p.Event.OccurredAt != t.at {
			t.at, t.same = p.Event.OccurredAt, 0
		}
		if t.same++; t.at < t.filling.AfterAt || t.at == t.filling.AfterAt && t.same <= t.filling.AfterN {
			continue // taken before
		}
		t.cmd.Events = append(t.cmd.Events, gateway.CustomerEvent{Customer: p.Customer, Event: p.Event})
		t.cmd.LastAt, t.cmd.LastN = t.at, t.same
		if len(t.cmd.Events) >= fillBatch {
			if err := t.send(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *fillTarget) send(ctx context.Context) error {
	if len(t.cmd.Events) == 0 {
		return nil
	}
	if _, err := t.f.g.intake.Submit(ctx, t.filling.Partition, gateway.Input{Command: t.cmd}); err != nil {
		return err
	}
	t.cmd = gateway.FillTraits{Journey: t.cmd.Journey, Version: t.cmd.Version, AfterAt: t.cmd.LastAt, AfterN: t.cmd.LastN}
	return nil
}

func (t *fillTarget) finish(ctx context.Context) error {
	if err := t.send(ctx); err != nil {
		return err
	}
	_, err := t.f.g.intake.Submit(ctx, t.filling.Partition, gateway.Input{
		Command: gateway.FinishFill{Journey: t.cmd.Journey, Version: t.cmd.Version, AfterAt: t.cmd.AfterAt, AfterN: t.cmd.AfterN}})
	return err
}
