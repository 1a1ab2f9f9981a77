package backtest_test

import (
	"context"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/gateway/wire"
)

// recording keeps the records and steps of a run in the encoding of the logs, and
// the ledger of what was decided.
type recording struct {
	mu        sync.Mutex
	events    map[int][]logged
	steps     map[int][]logged
	ledger    ledger
	sent      []gateway.Message
	journeys  []string
	published map[string]int // 1: once, before the first event
	begun     bool
	erased    map[gateway.CustomerID]bool
	parts     int
	end       gateway.Instant // of the last step
}

type logged struct {
	seq  uint64
	data []byte
}

func newRecording() *recording {
	return &recording{events: map[int][]logged{}, steps: map[int][]logged{}, erased: map[gateway.CustomerID]bool{}, published: map[string]int{}}
}

// add takes a step and the record that it applied (the same one again when the
// step before was only a part).
func (r *recording) add(b *gateway.Batch, s *gateway.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = max(r.end, s.Now)
	r.parts = max(r.parts, s.Partition+1)
	list := r.events[s.Partition]
	if n := len(list); n == 0 || list[n-1].seq != b.Seq {
		r.events[s.Partition] = append(list, logged{b.Seq, wire.AppendBatch(nil, b)})
	}
	seq := uint64(len(r.steps[s.Partition]) + 1)
	r.steps[s.Partition] = append(r.steps[s.Partition], logged{seq, wire.AppendStep(nil, s, seq-1)})
	r.ledger.add(s)
	for i := range b.Inputs {
		r.begun = r.begun || b.Inputs[i].Command == nil
	}
	r.sent = append(r.sent, s.Messages...)
	for _, j := range s.Journeys {
		if len(j.Definition) > 0 && s.Partition == 0 {
			if r.published[j.Journey]++; r.begun {
				r.published[j.Journey]++ // not at the begin
			}
		}
		if !slices.Contains(r.journeys, j.Journey) {
			r.journeys = append(r.journeys, j.Journey)
		}
	}
	for _, c := range s.Erased {
		r.erased[c] = true
	}
}

// messages counts what a journey sent from a time on.
func (r *recording) messages(journey string, from gateway.Instant) (n int) {
	for i := range r.sent {
		if r.sent[i].Journey == journey && r.sent[i].DecidedAt >= from {
			n++
		}
	}
	return n
}

func (r *recording) ReadSteps(_ context.Context, partition int, after uint64) (history.StepReader, error) {
	return &reader[gateway.Step]{r, r.steps, partition, after, func(data []byte, seq uint64, s *gateway.Step) error {
		_, err := wire.DecodeStep(data, s)
		s.Seq = seq
		return err
	}}, nil
}

func (r *recording) ReadEvents(_ context.Context, partition int, after uint64) (history.EventReader, error) {
	return &reader[gateway.Batch]{r, r.events, partition, after, func(data []byte, seq uint64, b *gateway.Batch) error {
		err := wire.DecodeBatch(data, b)
		b.Seq = seq
		return err
	}}, nil
}

type reader[T any] struct {
	r         *recording
	records   map[int][]logged
	partition int
	after     uint64
	decode    func([]byte, uint64, *T) error
}

func (r *reader[T]) Next(ctx context.Context, into *T) error {
	r.r.mu.Lock()
	list := r.records[r.partition]
	i := sort.Search(len(list), func(i int) bool { return list[i].seq > r.after })
	r.r.mu.Unlock()
	if i == len(list) { // nothing is added while it is followed
		<-ctx.Done()
		return ctx.Err()
	}
	r.after = list[i].seq
	return r.decode(list[i].data, list[i].seq, into)
}

func (*reader[T]) Close() {}

// fill lets a follower write the recording into the store.
func (r *recording) fill(t testing.TB, store history.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f, err := history.Follow(ctx, history.FollowerOptions{Log: r, Store: store, Partitions: max(r.parts, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var ends []gateway.Position
	for p, list := range r.events {
		ends = append(ends, gateway.Position{Partition: p, Seq: list[len(list)-1].seq})
	}
	if err := f.Await(ctx, ends); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func openSQLite(t testing.TB) *history.SQLite {
	t.Helper()
	s, err := history.OpenSQLite(t.Context(), history.SQLiteOptions{Path: filepath.Join(t.TempDir(), "history.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.WithoutCancel(t.Context())) })
	return s
}

// letters fails a test whose store refuses a point.
type letters struct{ t testing.TB }

// Reject implements history.DeadLetters.
func (l letters) Reject(_ context.Context, points []history.Rejected) error {
	l.t.Errorf("refused: %+v", points)
	return nil
}
