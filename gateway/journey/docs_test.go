package journey

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs: every reason is documented, every story that the semantics name
// exists, and every story is named.
func TestDocs(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	reasons := read("docs/reasons.md")
	for _, m := range regexp.MustCompile(`Reason = "(\w+)"`).FindAllStringSubmatch(read("gateway/reason.go"), -1) {
		if !strings.Contains(reasons, "| `"+m[1]+"` |") {
			t.Errorf("docs/reasons.md lacks %s", m[1])
		}
	}
	semantics := read("docs/semantics.md")
	built, _, _ := strings.Cut(semantics, "\n## Limits")
	for _, row := range regexp.MustCompile(`(?m)^\|[^|]*\|([^|]*)\|$`).FindAllStringSubmatch(built, -1) {
		for _, m := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(row[1], -1) {
			if _, err := os.Stat("testdata/" + m[1] + ".txtar"); err != nil {
				t.Errorf("docs/semantics.md names %s, which is no story", m[1])
			}
		}
	}
	stories, _ := filepath.Glob("testdata/*.txtar")
	for _, s := range stories {
		if name := strings.TrimSuffix(filepath.Base(s), ".txtar"); !strings.Contains(semantics, "`"+name+"`") {
			t.Errorf("docs/semantics.md does not name the story %s", name)
		}
	}
}
