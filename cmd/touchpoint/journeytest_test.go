package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const smallStory = `Says hello.

-- hello.yaml --
name: hello
purpose: service
trigger: {event: brew_finished}
steps: [{id: say, send: {channels: [product], texts: {en: {title: Hello}}}}]
-- story --
at 2026-05-01 08:00
publish hello.yaml
`

// offline runs a command line that needs no gateway.
func offline(t *testing.T, in string, args ...string) (code int, shown string) {
	t.Helper()
	var out bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(in), &out, &out)
	return code, out.String()
}

// TestJourneyTest: a story that says nothing yet fails, is written, and passes.
func TestJourneyTest(t *testing.T) {
	name := filepath.Join(t.TempDir(), "hello.txtar")
	if err := os.WriteFile(name, []byte(smallStory), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out := offline(t, "", "journey", "test", name)
	if code != 1 || !strings.Contains(out, "+   journey hello: published") || !strings.Contains(out, name+":11:") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, out = offline(t, "", "journey", "test", "--update", name); code != 0 {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, out = offline(t, "", "journey", "test", "--check-core", "--json", name); code != 0 || !strings.Contains(out, `"passed": true`) {
		t.Errorf("exit %d\n%s", code, out)
	}
	if err := os.WriteFile(name, []byte(smallStory+"evnt brew_finished\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out = offline(t, "", "journey", "test", name); code != 1 || !strings.Contains(out, `:11: evnt brew_finished: "evnt" is no command; did you mean "event"?`) {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// TestJourneyWalk: a script steps a customer through; a fault does not end it.
func TestJourneyWalk(t *testing.T) {
	script := "bind d1 anna product=barista\nevent brew_finished device=d1\nevnt x\nexplain anna welcome lang=de\nquit\nadvance 1d\n"
	code, out := offline(t, script, "journey", "walk", "../../deploy/journeys/welcome.yaml", "--at", "2026-05-01 08:00")
	for _, want := range []string{"send welcome/hello for anna: sent (product)", "· anna: message m1 is decided", `! "evnt" is no command; did you mean "event"?`,
		"→ welcome: nicht darin", "· it is 2026-05-01 08:00"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, %q is missing in\n%s", code, want, out)
		}
	}
	if strings.Contains(out, "it is 2026-05-02") {
		t.Error("it went on after quit")
	}
}

// TestJourneyDiff compares files.
func TestJourneyDiff(t *testing.T) {
	text, err := os.ReadFile("../../deploy/journeys/descaling.yaml")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "next.yaml")
	if err := os.WriteFile(name, bytes.Replace(text, []byte("timeout: 7d"), []byte("timeout: 5d"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out := offline(t, "", "journey", "diff", "../../deploy/journeys/descaling.yaml", name)
	if want := "changed step done: wait.timeout: 7d → 5d (shorter: with migrate re-evaluated, it may be over at once)\n"; code != 0 || out != want {
		t.Errorf("exit %d\n%s", code, out)
	}
}
