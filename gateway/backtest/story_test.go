package backtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/backtest"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/story"
)

// TestStoriesReplay runs every story, fills a history from its logs, and runs the
// core over that: it must decide the same, to the letter, and say so. Of whom was
// erased nothing is left, and that is said, too.
func TestStoriesReplay(t *testing.T) {
	files, err := filepath.Glob("../journey/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories found", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { replayStory(t, file) })
	}
}

func replayStory(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
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
	store := openSQLite(t)
	rec.fill(t, store)
	var got ledger
	replay, err := backtest.ReplayCustomer(t.Context(), backtest.FromHistory(store), 1, 0, journey.Config{Partitions: rec.parts},
		func(_ *backtest.Record, s *gateway.Step) { got.add(s) })
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range replay.Notes {
		if !n.Exact() && (n.Code != backtest.NoteErased || len(rec.erased) == 0) {
			t.Error(n.Text)
		}
	}
	if d := rec.ledger.without(rec.erased).diff(got.without(rec.erased), 0); d != "" {
		t.Errorf("the replay decides otherwise:\n%s", d)
	}
}
