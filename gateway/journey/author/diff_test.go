package author

import (
	"fmt"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	base := strings.ReplaceAll(clean, "&", texts)
	tests := []struct{ old, new, want string }{
		{"for: 3d", "for: 5d", "[changed step rest: wait.for: 3d → 5d (longer: with migrate extended)]"},
		{"for: 3d", "for: 1d", "[changed step rest: wait.for: 3d → 1d (shorter: with migrate re-evaluated, it may be over at once)]"},
		{"within: 7d}\nsteps", "within: 9d}\nsteps", "[changed goal.within: 7d → 9d (never applied backwards: whoever is inside with pin keeps the old goal)]"},
		{"wait: {for: 3d}", "end: {}", "[changed step rest: kind: wait → end (migrate is refused: give it another id)]"},
		{"id: rest", "id: pause", "[removed step rest: wait (who stands here: finishes on the old version with pin; migrate needs another step for him) added step pause: wait (with migrate, who stands before it comes here)]"},
		{"title: Hallo", "title: Servus", "[changed step ask: send.texts.de.title: Hallo → Servus (messages decided before keep their old version's text)]"},
		{"wait: {for: 3d}", "task: {assignee: support, texts: {en: {title: Call}}}", "[changed step rest: kind: wait → task (migrate is refused: give it another id)]"},
		{"", "", "[]"},
	}
	for _, tt := range tests {
		got, err := Diff([]byte(base), []byte(strings.Replace(base, tt.old, tt.new, 1)))
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%s:\ngot  %v %v\nwant %s", tt.new, got, err, tt.want)
		}
	}
}
