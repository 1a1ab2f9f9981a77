package backtest_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/backtest"
	"touchpoint/gateway/wire"
)

// TestStoriesAsDrafts takes the journey of each story for a draft: the same text
// but for a comment, published at the begin. Where the story publishes it at the
// begin, too, once, and neither pauses it nor erases anybody, the draft must decide
// what the journey decided, to the letter.
func TestStoriesAsDrafts(t *testing.T) {
	storiesAsDrafts(t, func(_ *recording, src backtest.Source) backtest.Source { return src }, map[string]string{
		"schedule-outage.txtar daily.yaml":        outage,
		"schedule-edges.txtar weekly.yaml":        outage,
		"move-held.txtar ping.yaml":               onTheWay,
		"stages-precedence.txtar later.yaml":      notYet,
		"segments-same-instant.txtar second.yaml": first,
	})
}

// later are the stories whose journey begins later than the draft.
var later = []string{"publish-effective.txtar", "api-trigger-later.txtar", "traits-known-before.txtar", "start-journey-missing.txtar"}

// Where a draft is not what the journey was, and why.
const (
	outage     = "the story's gateway was down, but says that it saw everything: the draft's timers fire in that time"
	unobserved = "unobserved is said when a tick finds it out, for the draft by the next record"
	watermark  = "a tick, which is left out, was the first record after intake had fallen behind"
	onTheWay   = "all happens at one instant: what waited for a customer on her way is not in the same order for a draft"
	rules      = "a tick, which is left out, was the first record under new rules"
	notYet     = "the journey becomes active after the story"
	first      = "a draft hears of a move before the journeys that were published then, here before one whose step takes the customer back"
)

// storiesAsDrafts compares over a source made from a story's history.
func storiesAsDrafts(t *testing.T, from func(*recording, backtest.Source) backtest.Source, otherwise map[string]string) {
	files, err := filepath.Glob("../journey/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories found", err)
	}
	compared, lines := 0, 0
	for _, file := range files {
		rec, f := tell(t, file, nil)
		store := openSQLite(t)
		rec.fill(t, store)
		for name, text := range f.Definitions() {
			var got ledger
			r, err := backtest.Run(t.Context(), from(rec, backtest.FromHistory(store)), backtest.Options{Draft: append([]byte("# a draft\n"), text...),
				To: rec.end + 1, Step: func(s *gateway.Step) { got.add(s) }})
			if gateway.KindOf(err) == gateway.Invalid && err != nil {
				continue // a story about a definition that is refused
			}
			if err != nil {
				t.Fatalf("%s, %s: %v", file, name, err)
			}
			if !r.Draft {
				t.Errorf("%s, %s: taken for what was published", file, name)
			}
			if rec.changed(r) || slices.Contains(later, filepath.Base(file)) {
				continue
			}
			compared++
			for _, list := range got.of(r.Journey) {
				lines += len(list)
			}
			if d := rec.ledger.of(r.Journey).diff(got.of(r.Journey), 0); (d != "") != (otherwise[filepath.Base(file)+" "+name] != "") {
				t.Errorf("%s, %s: %s\n%+v", filepath.Base(file), name, d, r.Notes)
			}
		}
	}
	t.Logf("%d journeys with %d decisions, messages and changes of enrollments are the same", compared, lines)
	if compared < 100 || lines < 1000 {
		t.Errorf("only %d journeys with %d lines were compared", compared, lines)
	}
}

// changed tells whether something was done to a journey in the recorded course
// that is not done to a draft.
func (r *recording) changed(report *backtest.Report) bool {
	return r.published[report.Journey] != 1 || slices.ContainsFunc(report.Notes, func(n backtest.Note) bool {
		return n.Code == backtest.NoteErased || n.Code == backtest.NoteRecordedChange && strings.Contains(n.Text, " it was ")
	})
}

// TestStoriesAsDraftsWithoutTicks does the same over histories without the ticks
// that somebody's timers asked for, as are those of a draft's own timers. Left is
// the last one of each partition, and those at an instant at which something else
// was recorded, too: in a story time stands still, and much is told in one instant.
func TestStoriesAsDraftsWithoutTicks(t *testing.T) {
	storiesAsDrafts(t, func(r *recording, src backtest.Source) backtest.Source { return tickless{src, r.instants(t)} }, map[string]string{
		"schedule-outage.txtar daily.yaml":          outage,
		"schedule-edges.txtar weekly.yaml":          outage,
		"move-held.txtar ping.yaml":                 onTheWay,
		"stages-precedence.txtar later.yaml":        notYet,
		"segments-same-instant.txtar second.yaml":   first,
		"absence-unobserved.txtar ping.yaml":        unobserved,
		"absence-unobserved-some.txtar ping.yaml":   unobserved,
		"silence.txtar sure.yaml":                   unobserved,
		"absence-unobserved-upload.txtar ping.yaml": unobserved,
		"upload-heard.txtar quiet.yaml":             watermark,
		"stages-gone.txtar asks.yaml":               rules,
		"stages-gone.txtar keen.yaml":               rules,
	})
}

// isTick tells whether a record holds ticks alone.
func isTick(b *gateway.Batch) bool {
	return !slices.ContainsFunc(b.Inputs, func(in gateway.Input) bool { _, tick := in.Command.(gateway.Tick); return !tick })
}

type instant struct {
	partition int
	at        gateway.Instant
}

// instants are those at which more than a tick was recorded, and the last ones.
func (r *recording) instants(t *testing.T) map[instant]bool {
	out := map[instant]bool{}
	for p, list := range r.events {
		var last gateway.Instant
		for _, rec := range list {
			var b gateway.Batch
			if err := wire.DecodeBatch(rec.data, &b); err != nil {
				t.Fatal(err)
			}
			if last = b.RecordTime; !isTick(&b) {
				out[instant{p, last}] = true
			}
		}
		out[instant{p, last}] = true
	}
	return out
}

// tickless is a source without ticks but for those at some instants.
type tickless struct {
	backtest.Source
	but map[instant]bool
}

func (s tickless) Read(ctx context.Context, r backtest.Range, fn func(*backtest.Record) error) error {
	return s.Source.Read(ctx, r, func(rec *backtest.Record) error {
		if b := &rec.Batch; len(b.Inputs) > 0 && isTick(b) && !s.but[instant{b.Partition, b.RecordTime}] {
			return nil
		}
		return fn(rec)
	})
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
