package story_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"touchpoint/gateway/journey"
	"touchpoint/gateway/journey/author"
	"touchpoint/gateway/journey/story"
)

const (
	cookbook = "../../../deploy/journeys/cookbook/"
	pictures = "../../../docs/cookbook/"
)

// TestCookbook: every recipe has a story that is told as it is written, texts in
// two languages, a picture, a row in docs/cookbook.md, and nothing for lint.
func TestCookbook(t *testing.T) {
	files, err := filepath.Glob(cookbook + "*.yaml")
	if err != nil || len(files) < 12 {
		t.Fatal("recipes are missing", len(files), err)
	}
	list := read(t, "../../../docs/cookbook.md")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			if !bytes.Contains(list, []byte("cookbook/"+name+".yaml")) {
				t.Error("docs/cookbook.md does not list it")
			}
			tell(t, cookbook+name+".txtar")
			recipe(t, name, read(t, file))
		})
	}
}

func recipe(t *testing.T, name string, text []byte) {
	for _, f := range author.Lint(text, journey.Env{}) {
		t.Error(f)
	}
	o, err := journey.Describe(text, journey.Env{})
	if err != nil {
		t.Fatal(err)
	}
	for step, byLocale := range o.Templates {
		if byLocale["de"].Title == "" || byLocale["en"].Title == "" {
			t.Errorf("step %s lacks German or English", step)
		}
	}
	svg, err := author.Graph(text, journey.Env{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, pictures+name+".svg", svg)
}

func tell(t *testing.T, file string) {
	f, err := story.Parse(file, read(t, file))
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Run(story.Options{Checked: true, Open: func(name string) ([]byte, error) { return os.ReadFile(cookbook + name) }})
	if err != nil {
		t.Fatal(err)
	}
	same(t, file, got)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func same(t *testing.T, file string, got []byte) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := read(t, file); !bytes.Equal(want, got) {
		t.Errorf("run with -update to accept:\n%s", story.Diff(file, want, got))
	}
}
