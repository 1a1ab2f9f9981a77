package backtest_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/backtest"
)

// TestRecording exports a history to a file: a backtest over it is the same.
func TestRecording(t *testing.T) {
	rec, f := tell(t, "testdata/pressure.txtar", nil)
	store := openSQLite(t)
	rec.fill(t, store)
	var text bytes.Buffer
	n, err := backtest.Write(t.Context(), &text, backtest.FromHistory(store))
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	path := filepath.Join(t.TempDir(), "june.recording")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	o := backtest.Options{Draft: f.Definitions()["tip.yaml"], Samples: 2}
	want, err := backtest.Run(t.Context(), backtest.FromHistory(store), o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := backtest.Run(t.Context(), backtest.OpenFile(path), o)
	if err != nil {
		t.Fatal(err)
	}
	if summary(got) != summary(want) || got.Work.Records != want.Work.Records || got.Work.Inputs != want.Work.Inputs {
		t.Errorf("got  %s\nwant %s", summary(got), summary(want))
	}
	replay, err := backtest.ReplayPartition(t.Context(), backtest.OpenFile(path), 0, 0, o.Rules, nil)
	if err != nil || len(replay.Notes) != 0 {
		t.Error(replay, err)
	}
	for cut := range 40 { // a file that was not written to its end is noticed
		if err := os.WriteFile(path, text.Bytes()[:text.Len()*cut/40], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := backtest.Run(t.Context(), backtest.OpenFile(path), o); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("cut to %d of 40: %v", cut, err)
		}
	}
	if _, err := backtest.Run(t.Context(), backtest.OpenFile(path+"x"), o); gateway.KindOf(err) != gateway.NotFound || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
