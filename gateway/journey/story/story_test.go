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
// there for the commands.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories found", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runStory(t, file) })
	}
}

func runStory(t *testing.T, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(filepath.Base(file), want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Run(Options{Checked: true, Open: func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join("../../../deploy/journeys", name))
	}})
	if err != nil {
		t.Fatal(err)
	}
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
