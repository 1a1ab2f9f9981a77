package story

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the outputs of the stories")

// TestStories runs the stories of gateway/journey/testdata; see the README.md
// there for the commands. Beside what a story shows, the sums of its ledger must
// be as they were (ledger_test.go).
func TestStories(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories found", err)
	}
	sums := readSums(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) { runStory(t, file, name, sums) })
	}
	sums.write(t)
}

func runStory(t *testing.T, file, name string, sums *sums) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(filepath.Base(file), want)
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger(t, name)
	got, err := f.Run(Options{Checked: true, OnStep: l.step, onCommand: l.command, Open: func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join("../../../deploy/journeys", name))
	}})
	if err != nil {
		t.Fatal(err)
	}
	sums.check(t, name, l.sum())
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := Diff(file, want, got); d != "" {
		t.Errorf("run with -update to accept:\n%s", d)
	}
}
