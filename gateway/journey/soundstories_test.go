package journey_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/story"
)

// TestSoundStates looks at the whole state after every line of every story: what
// is derived follows from the rest, accounts are the sums of their parts, what is
// due is noted, and nothing is kept of who is gone or beyond its time.
func TestSoundStates(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories found", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := story.Parse(strings.TrimSuffix(filepath.Base(file), ".txtar"), text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Run(story.Options{Look: journey.UnsettledWorld, Open: func(name string) ([]byte, error) {
			return os.ReadFile(filepath.Join("../../deploy/journeys", name))
		}})
		if err != nil {
			t.Error(err)
		}
	}
}
