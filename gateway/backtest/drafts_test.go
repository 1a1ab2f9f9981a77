package backtest_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/backtest"
)

// TestStoriesAsDrafts takes the journey of each story for a draft: the same text
// but for a comment, published at the begin. Where the story publishes it at
// the begin, too, the draft must do what the journey did. A draft is not paused or archived.
func TestStoriesAsDrafts(t *testing.T) {
	files, err := filepath.Glob("../journey/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories found", err)
	}
	compared, differ := 0, 0
	for _, file := range files {
		rec, f := tell(t, file, nil)
		store := openSQLite(t)
		rec.fill(t, store)
		for name, text := range f.Definitions() {
			r, err := backtest.Run(t.Context(), backtest.FromHistory(store), backtest.Options{Draft: append([]byte("# a draft\n"), text...)})
			if gateway.KindOf(err) == gateway.Invalid && err != nil {
				continue // a story about a definition that is refused
			}
			if err != nil {
				t.Fatalf("%s, %s: %v", file, name, err)
			}
			if !r.Draft {
				t.Errorf("%s, %s: taken for what was published", file, name)
			}
			want := rec.messages(r.Journey, 0)
			other := slices.ContainsFunc(r.Notes, func(n backtest.Note) bool {
				return n.Code == backtest.NoteErased || n.Code == backtest.NoteRecordedChange && strings.Contains(n.Text, " it was ")
			})
			if other || rec.published[r.Journey] != 1 || filepath.Base(file) == "publish-effective.txtar" {
				continue
			}
			if compared++; r.Messages+r.HeldOut != int64(want) {
				differ++
				t.Logf("%s, %s: %d messages, the journey sent %d; %+v", filepath.Base(file), name, r.Messages+r.HeldOut, want, r.Notes)
			}
		}
	}
	// A few may: a story can do to a journey what is not done to a draft.
	if compared < 100 || differ*30 > compared {
		t.Errorf("%d of %d differ", differ, compared)
	}
}

// cut is a source whose first records are lost.
type cut struct {
	backtest.Source
	after gateway.Instant
}

func (c cut) Read(ctx context.Context, r backtest.Range, fn func(*backtest.Record) error) error {
	return c.Source.Read(ctx, r, func(rec *backtest.Record) error {
		if rec.Batch.RecordTime < c.after {
			return nil
		}
		return fn(rec)
	})
}

// TestHistoryBeginsLater: a report over half a history says so.
func TestHistoryBeginsLater(t *testing.T) {
	rec, _ := tell(t, "testdata/pressure.txtar", nil)
	store := openSQLite(t)
	rec.fill(t, store)
	src := cut{backtest.FromHistory(store), at(t, "2026-05-04 00:00")}
	r, err := backtest.Run(t.Context(), src, backtest.Options{Journey: "ping"})
	if err != nil || r.Exact || r.Notes[0].Code != backtest.NoteHistoryBegins || !strings.Contains(r.Notes[0].Text, "4 May 2026") {
		t.Errorf("%+v, %v", r, err)
	}
	// The rules are noted daily: they are known all the same.
	for _, n := range r.Notes {
		if n.Code == backtest.NoteRulesUnknown {
			t.Error(n.Text)
		}
	}
}

// TestRecordedOtherwise: a recording that another core made is not called exact.
func TestRecordedOtherwise(t *testing.T) {
	rec, _ := tell(t, "testdata/pressure.txtar", nil)
	store := openSQLite(t)
	rec.fill(t, store)
	src := altered{backtest.FromHistory(store), at(t, "2026-05-12 00:00")}
	r, err := backtest.Run(t.Context(), src, backtest.Options{Journey: "ping"})
	if err != nil || r.Exact || len(r.Notes) != 1 || r.Notes[0].Code != backtest.NoteOtherwise || r.Notes[0].Count == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// altered is a source whose events were credited to others from a time on.
type altered struct {
	backtest.Source
	from gateway.Instant
}

func (a altered) Read(ctx context.Context, r backtest.Range, fn func(*backtest.Record) error) error {
	return a.Source.Read(ctx, r, func(rec *backtest.Record) error {
		if rec.Batch.RecordTime >= a.from {
			rec.Check++
		}
		return fn(rec)
	})
}
