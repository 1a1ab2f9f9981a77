package history_test

import (
	"path/filepath"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/gateway/history/historytest"
)

func openSQLite(t testing.TB, path string) *history.SQLite {
	t.Helper()
	s, err := history.OpenSQLite(t.Context(), history.SQLiteOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

// TestSQLiteSegments runs the suite with segments that end every few points.
func TestSQLiteSegments(t *testing.T) {
	historytest.Run(t, historytest.Harness{Open: func(t *testing.T) (history.Store, func() history.Store) {
		path := filepath.Join(t.TempDir(), "history.db")
		open := func() *history.SQLite {
			s := openSQLite(t, path)
			s.ShrinkSegments()
			return s
		}
		s := open()
		return s, func() history.Store {
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			s = open()
			return s
		}
	}})
}

// A year of single points is not a year of tiny blocks.
func TestSQLiteJoinsBlocks(t *testing.T) {
	s := openSQLite(t, filepath.Join(t.TempDir(), "history.db"))
	s.ShrinkSegments()
	const n = 700
	var want []history.Point
	for i := range n {
		p := historytest.Brew(i, gateway.DeviceID(i%5+1), gateway.CustomerID(i%3))
		p.Place = history.Place{Partition: i % 2, Seq: uint64(i + 1)}
		want = append(want, p)
		if err := s.Append(t.Context(), &history.Batch{Points: []history.Point{p}}); err != nil {
			t.Fatal(err)
		}
	}
	segments, blocks, err := s.Segments()
	if err != nil || segments < n/20-1 || blocks > n/3 {
		t.Errorf("%d segments, %d blocks, %v", segments, blocks, err)
	}
	page, err := s.Events(t.Context(), history.Query{OldestFirst: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if d := historytest.Diff(want, page.Points); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for d := range gateway.DeviceID(6) {
		page, err := s.Events(t.Context(), history.Query{Filter: history.Filter{Device: d + 1}, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(page.Points), n/5; got != want && d < 5 || d == 5 && got != 0 {
			t.Errorf("device %d: %d points, want %d", d, got, want)
		}
	}
	if err := s.DeleteCustomer(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	left := 0
	err = s.Scan(t.Context(), history.ScanRange{}, func(p *history.Point) error {
		left++
		if p.Customer == 1 {
			t.Errorf("%s is still there", p.Event.ID)
		}
		return nil
	})
	if want := n - (n+1)/3; err != nil || left != want {
		t.Errorf("%d points left, want %d (%v)", left, want, err)
	}
}

// A scan that is under way when blocks are joined reads each point once.
func TestSQLiteScanWhileJoining(t *testing.T) {
	s := openSQLite(t, filepath.Join(t.TempDir(), "history.db"))
	s.ShrinkSegments()
	add := func(i int) {
		if err := s.Append(t.Context(), &history.Batch{Points: []history.Point{historytest.Brew(i, 1, 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for ; n < 6; n++ {
		add(n)
	}
	var got []uint64
	err := s.Scan(t.Context(), history.ScanRange{}, func(p *history.Point) error {
		if got = append(got, p.Place.Seq); n < 60 {
			add(n)
			n++
		}
		return nil
	})
	if err != nil || len(got) != 60 {
		t.Fatalf("%d points, %v", len(got), err)
	}
	for i, seq := range got {
		if seq != uint64(i+1) {
			t.Errorf("point %d is of record %d", i, seq)
		}
	}
}

// What is older than the retention goes by the segment.
func TestSQLiteRetention(t *testing.T) {
	s, err := history.OpenSQLite(t.Context(), history.SQLiteOptions{Path: filepath.Join(t.TempDir(), "history.db"), Retention: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	const perDay = 24
	for i := range 10 * perDay {
		p := historytest.Brew(i*60, 1, 1)
		p.Place.Seq = uint64(i + 1)
		if err := s.Append(t.Context(), &history.Batch{Points: []history.Point{p}}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.Events(t.Context(), history.Query{Limit: 1000})
	if err != nil || len(page.Points) < 2*perDay || len(page.Points) > 4*perDay {
		t.Errorf("%d points left of 2 days (%v)", len(page.Points), err)
	}
	for _, d := range []time.Duration{-1, time.Hour} {
		if _, err := history.OpenSQLite(t.Context(), history.SQLiteOptions{Path: "x", Retention: d}); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("retention %v: %v", d, err)
		}
	}
}

func TestSQLite(t *testing.T) {
	historytest.Run(t, historytest.Harness{Open: func(t *testing.T) (history.Store, func() history.Store) {
		path := filepath.Join(t.TempDir(), "history.db")
		s := openSQLite(t, path)
		return s, func() history.Store {
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			s = openSQLite(t, path)
			return s
		}
	}})
}
