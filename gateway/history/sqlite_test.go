package history_test

import (
	"path/filepath"
	"testing"

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
