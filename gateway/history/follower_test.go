package history_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
)

const partitions = 4

// checkHistory compares the store with what the traffic says it must hold:
// every point, each once, credited as decided, in the order of application.
func checkHistory(t *testing.T, ctx context.Context, store history.Store, want map[string]gateway.CustomerID) {
	t.Helper()
	got := map[string]gateway.CustomerID{}
	last := map[int]history.Place{}
	err := store.Scan(ctx, history.ScanRange{}, func(p *history.Point) error {
		if _, twice := got[p.Event.ID]; twice {
			t.Errorf("%s is there twice", p.Event.ID)
		}
		got[strings.Clone(p.Event.ID)] = p.Customer
		before, known := last[p.Place.Partition]
		if known && !before.Before(p.Place) {
			t.Errorf("%s at %+v comes after %+v", p.Event.ID, p.Place, before)
		}
		last[p.Place.Partition] = p.Place
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, c := range want {
		if g, ok := got[id]; !ok {
			t.Errorf("%s is missing", id)
		} else if g != c {
			t.Errorf("%s is credited to %v, want %v", id, g, c)
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			t.Errorf("%s was not accepted", id)
		}
	}
}

func follow(t *testing.T, ctx context.Context, log *memLog, store history.Store, change ...func(*history.FollowerOptions)) *history.Follower {
	t.Helper()
	o := history.FollowerOptions{Log: log, Store: store, Partitions: partitions, Registry: log, BatchWait: 5 * time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	f, err := history.Follow(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// eventually polls until the condition holds or ctx ends.
func eventually(t testing.TB, ctx context.Context, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it never comes that %s", what)
		}
	}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestFollower(t *testing.T) {
	ctx := testContext(t)
	path := filepath.Join(t.TempDir(), "history.db")
	for seed := range uint64(4) {
		log := newMemLog()
		tr := newTraffic(log, seed)
		store := openSQLite(t, path+string(rune('0'+seed)))
		f := follow(t, ctx, log, store)
		for i := range 200 {
			tr.step(i % partitions)
			if seed%2 == 1 {
				store.ShrinkSegments()
			}
			if i%37 == 36 { // restart, sometimes in the midst of everything
				if i%2 == 0 {
					await(t, ctx, f, tr.positions()...)
				}
				closeAll(t, ctx, f, store)
				store = openSQLite(t, path+string(rune('0'+seed)))
				f = follow(t, ctx, log, store)
			}
		}
		await(t, ctx, f, tr.positions()...)
		checkHistory(t, ctx, store, tr.want)
		closeAll(t, ctx, f, store)
		for p, pos := range tr.last {
			if log.followers[p][0] != pos.Seq {
				t.Errorf("partition %d is registered at %v, want record %d", p, log.followers[p], pos.Seq)
			}
		}
	}
}

func await(t *testing.T, ctx context.Context, f *history.Follower, at ...gateway.Position) {
	t.Helper()
	if err := f.Await(ctx, at); err != nil {
		t.Fatal(err)
	}
}

func closeAll(t *testing.T, ctx context.Context, f *history.Follower, store history.Store) {
	t.Helper()
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// An erasure takes what came before it, whatever batch it is in, and is done
// again when the process died in its midst.
func TestFollowerErases(t *testing.T) {
	ctx := testContext(t)
	log := newMemLog()
	tr := newTraffic(log, 7)
	broken := &brokenStore{Store: openSQLite(t, filepath.Join(t.TempDir(), "history.db"))}
	broken.set(func(op string) error {
		if op == "delete" {
			return gateway.Errorf(gateway.Unavailable, "not now")
		}
		return nil
	})
	f := follow(t, ctx, log, broken)
	for i := range 40 {
		tr.step(i % partitions)
	}
	log.appendStep(gateway.Step{Partition: 2, Erased: []gateway.CustomerID{3}})
	for id, c := range tr.want {
		if c == 3 {
			delete(tr.want, id)
		}
	}
	eventually(t, ctx, "a customer is deleted", func() bool { return broken.calls("delete") >= 2 })
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
	broken.set(nil)
	f = follow(t, ctx, log, broken)
	marker := gateway.Position{Partition: 2, Seq: log.appendEvents(gateway.Batch{Partition: 2, Inputs: []gateway.Input{{Command: gateway.Tick{}}}})}
	log.appendStep(gateway.Step{Partition: 2, Applied: []gateway.Applied{{Seq: marker.Seq, Inputs: 1}}, Outcomes: make([]gateway.Outcome, 1)})
	await(t, ctx, f, append(tr.positions(), marker)...)
	checkHistory(t, ctx, broken, tr.want)
	closeAll(t, ctx, f, broken)
}

// A store that is away is waited for; what was decided meanwhile comes after.
func TestFollowerOutage(t *testing.T) {
	ctx := testContext(t)
	log := newMemLog()
	tr := newTraffic(log, 9)
	broken := &brokenStore{Store: openSQLite(t, filepath.Join(t.TempDir(), "history.db"))}
	away := gateway.Errorf(gateway.Unavailable, "away")
	broken.set(func(string) error { return away })
	f := follow(t, ctx, log, broken) // not even its positions can be read
	for i := range 20 {
		tr.step(i % partitions)
	}
	if f.Health() == nil {
		t.Error("healthy without a store")
	}
	broken.set(nil)
	await(t, ctx, f, tr.positions()...)
	broken.set(func(string) error { return away })
	for i := range 20 {
		tr.step(i % partitions)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := f.Await(short, tr.positions()); gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("got %v", err)
	}
	broken.set(nil)
	await(t, ctx, f, tr.positions()...)
	checkHistory(t, ctx, broken, tr.want)
	closeAll(t, ctx, f, broken)
}

// A step that does not fit its records stops the partition loudly.
func TestFollowerMismatch(t *testing.T) {
	ctx := testContext(t)
	for name, s := range map[string]gateway.Step{
		"too many inputs":   {Applied: []gateway.Applied{{Seq: 3, Inputs: 2}}, Outcomes: make([]gateway.Outcome, 2)},
		"too few outcomes":  {Applied: []gateway.Applied{{Seq: 3, Inputs: 1}}},
		"no such record":    {Applied: []gateway.Applied{{Seq: 2, Inputs: 1}}, Outcomes: make([]gateway.Outcome, 1)},
		"inputs of nowhere": {Applied: []gateway.Applied{{Seq: 3, Inputs: 1}, {Seq: 3, Inputs: 1}}, Outcomes: make([]gateway.Outcome, 2)},
	} {
		log := newMemLog()
		log.appendEvents(gateway.Batch{Inputs: []gateway.Input{{Command: gateway.Tick{}}}})
		log.appendStep(s)
		store := openSQLite(t, filepath.Join(t.TempDir(), "history.db"))
		f := follow(t, ctx, log, store)
		eventually(t, ctx, name+" is seen", func() bool {
			err := f.Health()
			return err != nil && gateway.KindOf(err) == gateway.Internal
		})
		closeAll(t, ctx, f, store)
	}
}

// An empty store begins where the logs begin.
func TestFollowerTrimmed(t *testing.T) {
	ctx := testContext(t)
	log := newMemLog()
	add := func(id string) gateway.Position {
		e := gateway.Event{ID: id, Type: "x", Device: 1, OccurredAt: start}
		seq := log.appendEvents(gateway.Batch{Inputs: []gateway.Input{{Event: e}}})
		log.appendStep(gateway.Step{Applied: []gateway.Applied{{Seq: seq, Inputs: 1, At: start}}, Outcomes: make([]gateway.Outcome, 1)})
		return gateway.Position{Seq: seq}
	}
	gone := add("gone")
	last := add("there")
	log.trimmed = map[int][2]uint64{0: {gone.Seq, 5}}
	log.events[0], log.steps[0] = log.events[0][1:], log.steps[0][1:]
	store := openSQLite(t, filepath.Join(t.TempDir(), "history.db"))
	f := follow(t, ctx, log, store)
	await(t, ctx, f, last)
	checkHistory(t, ctx, store, map[string]gateway.CustomerID{"there": 0})
	closeAll(t, ctx, f, store)
}

func TestFollowerOptions(t *testing.T) {
	log, store := newMemLog(), &brokenStore{}
	for want, o := range map[string]history.FollowerOptions{
		"history.log":        {Store: store, Partitions: 1},
		"history.store":      {Log: log, Partitions: 1},
		"history.partitions": {Log: log, Store: store},
		"history.batch":      {Log: log, Store: store, Partitions: 1, BatchWait: -1},
	} {
		if _, err := history.Follow(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// brokenStore fails as it is told to.
type brokenStore struct {
	history.Store
	mu   sync.Mutex
	fail func(op string) error
	seen map[string]int
}

func (s *brokenStore) set(fail func(op string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *brokenStore) calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[op]
}

func (s *brokenStore) do(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	s.seen[op]++
	if s.fail == nil {
		return nil
	}
	return s.fail(op)
}

func (s *brokenStore) Append(ctx context.Context, b *history.Batch) error {
	if err := s.do("append"); err != nil {
		return err
	}
	return s.Store.Append(ctx, b)
}

func (s *brokenStore) Positions(ctx context.Context) ([]history.Position, error) {
	if err := s.do("positions"); err != nil {
		return nil, err
	}
	return s.Store.Positions(ctx)
}

func (s *brokenStore) DeleteCustomer(ctx context.Context, c gateway.CustomerID) error {
	if err := s.do("delete"); err != nil {
		return err
	}
	return s.Store.DeleteCustomer(ctx, c)
}

func (s *brokenStore) Health() error { return s.do("health") }
