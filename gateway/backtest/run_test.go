package backtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/backtest"
	"touchpoint/gateway/journey/story"
)

// tell runs a story, after a change to its commands, and returns what was recorded.
func tell(t testing.TB, file string, change func(string) string) (*recording, *story.File) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		text = []byte(change(string(text)))
	}
	f, err := story.Parse(filepath.Base(file), text)
	if err != nil {
		t.Fatal(err)
	}
	rec := newRecording()
	_, err = f.Run(story.Options{OnStep: rec.add, Open: func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join("../../deploy/journeys", name))
	}})
	if err != nil {
		t.Fatal(err)
	}
	return rec, f
}

func at(t testing.TB, text string) gateway.Instant {
	t.Helper()
	when, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return gateway.InstantOf(when)
}

// TestReproduce runs journeys as they were published, over all of the history and
// over a part of it: counts and ledger are those of the run.
func TestReproduce(t *testing.T) {
	for _, name := range []string{"demo-descaling", "cap-rolling", "version-pin", "quiet-hours-hold", "resale"} {
		rec, _ := tell(t, "../journey/testdata/"+name+".txtar", nil)
		store := openSQLite(t)
		rec.fill(t, store)
		times := rec.times()
		middle := times[len(times)/2]
		for _, journey := range rec.journeys {
			for _, from := range []gateway.Instant{0, middle} {
				var got ledger
				report, err := backtest.Run(t.Context(), backtest.FromHistory(store), backtest.Options{
					Journey: journey, From: from, Samples: 3, Step: got.add,
				})
				if err != nil {
					t.Fatal(err)
				}
				if d := rec.ledger.diff(got, from); d != "" {
					t.Errorf("%s from %v:\n%s", name, from, d)
				}
				want := rec.messages(journey, from)
				if !report.Exact || report.Draft || report.Messages+report.HeldOut != int64(want) {
					t.Errorf("%s, %s from %v: %d messages, want %d; %+v", name, journey, from, report.Messages, want, report.Notes)
				}
			}
		}
	}
}

func TestDraft(t *testing.T) {
	rec, f := tell(t, "testdata/pressure.txtar", nil)
	store := openSQLite(t)
	rec.fill(t, store)
	draft := f.Definitions()["tip.yaml"]
	run := func(o backtest.Options) *backtest.Report {
		t.Helper()
		o.Draft = draft
		r, err := backtest.Run(t.Context(), backtest.FromHistory(store), o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := run(backtest.Options{Samples: 5})
	if got := summary(r); got != "entered 2, messages 2, capped 0; ping -1 +0; no_receipts reactions_as_recorded" {
		t.Error("from the beginning:", got)
	}
	if len(r.Samples) != 2 || len(r.Days) != 10 || r.Days[0].Date != "2026-05-03" || r.Days[9].Date != "2026-05-12" {
		t.Errorf("samples %+v, days %+v", r.Samples, r.Days)
	}
	// Two of Anna's three were before: the counter is warm. It expires after a day,
	// so that her message of the next day is sent as it was.
	r = run(backtest.Options{From: at(t, "2026-05-03 00:00"), Assume: backtest.AssumeNever})
	if got := summary(r); got != "entered 2, messages 2, capped 0; ; no_receipts reactions_as_recorded" {
		t.Error("never displayed:", got)
	}
	r = run(backtest.Options{From: at(t, "2026-05-03 00:00"), To: at(t, "2026-05-12 08:30")})
	if got := summary(r); got != "entered 1, messages 1, capped 0; ping -1 +0; no_receipts reactions_as_recorded" {
		t.Error("cut:", got)
	}
	// What really comes of the draft is what was said before.
	real, _ := tell(t, "testdata/pressure.txtar", func(s string) string {
		s = strings.Replace(s, "publish ping.yaml\n", "publish ping.yaml\npublish tip.yaml\n", 1)
		s = strings.Replace(s, "at 2026-05-04 10:00\n", "at 2026-05-03 09:00\nreceipt displayed message=m1\nat 2026-05-04 10:00\n", 1)
		return s
	})
	if n := real.messages("tip", 0); n != 2 {
		t.Errorf("in truth there were %d", n)
	}
}

// TestDraftThatRan is a draft equal to what was published: it is reproduced.
func TestDraftThatRan(t *testing.T) {
	rec, f := tell(t, "testdata/pressure.txtar", nil)
	store := openSQLite(t)
	rec.fill(t, store)
	r, err := backtest.Run(t.Context(), backtest.FromHistory(store), backtest.Options{
		Draft: f.Definitions()["ping.yaml"], From: at(t, "2026-05-02 00:00"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Draft || !r.Exact || r.Version != 1 || r.Messages != int64(rec.messages("ping", 0)) {
		t.Errorf("%+v", r)
	}
	// Without a begin, too.
	r, err = backtest.Run(t.Context(), backtest.FromHistory(store), backtest.Options{Draft: f.Definitions()["ping.yaml"]})
	if err != nil || r.Draft || !r.Exact || r.Messages != int64(rec.messages("ping", 0)) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestBadOptions(t *testing.T) {
	store := openSQLite(t)
	for _, o := range []backtest.Options{
		{}, {Draft: []byte("name: x")}, {Journey: "x", From: 5, To: 5}, {Journey: "x", Assume: "perhaps"},
		{Journey: "x", Draft: []byte("name: y\npurpose: service\ntrigger: {event: e}\nsteps: [{id: a, wait: {for: 1h}}]\n")},
	} {
		if _, err := backtest.Run(t.Context(), backtest.FromHistory(store), o); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
	r, err := backtest.Run(t.Context(), backtest.FromHistory(store), backtest.Options{Journey: "x"})
	if err != nil || r.Exact || len(r.Notes) != 1 || r.Notes[0].Code != backtest.NoteHistoryEmpty {
		t.Errorf("an empty history: %+v, %v", r, err)
	}
}

func summary(r *backtest.Report) string {
	var codes, others []string
	for _, n := range r.Notes {
		codes = append(codes, string(n.Code))
	}
	for _, o := range r.Others {
		others = append(others, fmt.Sprintf("%s -%d +%d", o.Journey, o.Lost, o.Gained))
	}
	return fmt.Sprintf("entered %d, messages %d, capped %d; %s; %s", r.Entered, r.Messages, r.Capped,
		strings.Join(others, ", "), strings.Join(codes, " "))
}

// times are those of all decisions, in order.
func (r *recording) times() (list []gateway.Instant) {
	for _, entries := range r.ledger {
		for _, e := range entries {
			list = append(list, e.at)
		}
	}
	slices.Sort(list)
	return list
}
