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
