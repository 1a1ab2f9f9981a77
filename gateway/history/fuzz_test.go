package history_test

import (
	"path/filepath"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/gateway/history/historytest"
)

// FuzzEvents gives the embedded store page tokens and texts of strangers: they
// are answered or refused as invalid, never anything else.
func FuzzEvents(f *testing.F) {
	s := openSQLite(f, filepath.Join(f.TempDir(), "history.db"))
	if err := s.Append(f.Context(), &history.Batch{Points: []history.Point{historytest.Brew(0, 1, 1), historytest.Brew(1, 1, 1)}}); err != nil {
		f.Fatal(err)
	}
	page, err := s.Events(f.Context(), history.Query{Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(page.Next, "brew_finished", int64(0), int64(0), uint64(1))
	f.Add("AAAA", "' OR 1=1 --", int64(-1), int64(1), uint64(0))
	f.Fuzz(func(t *testing.T, token, text string, from, to int64, id uint64) {
		filter := history.Filter{Types: []string{text}, Product: text, From: gateway.Instant(from), To: gateway.Instant(to),
			Device: gateway.DeviceID(id), Customer: gateway.CustomerID(id)}
		for _, q := range []history.Query{{Page: token}, {Page: token, Filter: filter, OldestFirst: true}} {
			if _, err := s.Events(t.Context(), q); err != nil && gateway.KindOf(err) != gateway.Invalid {
				t.Errorf("events: %v", err)
			}
		}
		_, err := s.Aggregate(t.Context(), history.Aggregation{Filter: filter, Function: history.Sum, Field: text})
		if err != nil && gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("aggregate: %v", err)
		}
	})
}

// FuzzBlock reads blocks that are damaged.
func FuzzBlock(f *testing.F) {
	f.Add(history.EncodeBlock(historytest.Brew(0, 1, 1), historytest.Brew(1, 2, 3)))
	f.Fuzz(func(t *testing.T, data []byte) {
		points, err := history.DecodeBlock(data)
		if err != nil {
			return
		}
		again, err := history.DecodeBlock(history.EncodeBlock(points...))
		if err != nil || len(again) != len(points) {
			t.Errorf("%d points become %d (%v)", len(points), len(again), err)
		}
	})
}
