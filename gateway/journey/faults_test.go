package journey

import (
	"flag"
	"os"
	"strings"
	"testing"

	"touchpoint/gateway"
)

var updateFaults = flag.Bool("update-faults", false, "rewrite testdata/faults.txt")

// faultsEnv declares what the definitions of testdata/faults.txt may refer to.
var faultsEnv = Env{Events: map[string]EventType{
	"brew":  {Properties: map[string]string{"ml": "int", "kind": "string"}},
	"clean": {Properties: map[string]string{"ok": "bool"}},
}, Channels: []string{"product", "email"}, Stages: []string{"new", "active"}, Segments: []string{"heavy"}}

// TestFaults shows what an author is told about faulty parts of a definition.
// testdata/faults.txt holds one after the other: lines that replace or add keys
// of a good definition, and below "=>" what comes of them.
func TestFaults(t *testing.T) {
	const file = "testdata/faults.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, block := range strings.Split(string(data), "\n---\n") {
		part, want, _ := strings.Cut(strings.TrimSpace(block), "\n=>")
		if i > 0 {
			out.WriteString("\n---\n")
		}
		got := faultsOf(part)
		out.WriteString(part + "\n=>" + got)
		if strings.TrimSpace(want) != strings.TrimSpace(got) && !*updateFaults {
			t.Errorf("%s\ngot %s\nwant %s", part, got, want)
		}
	}
	if *updateFaults {
		if err := os.WriteFile(file, []byte(out.String()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// faultsOf compiles a good definition with the keys of part in place of its own.
func faultsOf(part string) string {
	good := map[string]string{"name": "name: good", "purpose": "purpose: service", "trigger": "trigger: {event: brew}",
		"steps": "steps: [{id: say, send: {channels: [product], texts: {en: {title: Hello}}}}]"}
	text := part + "\n"
	for _, key := range []string{"name", "purpose", "trigger", "steps"} {
		if !strings.HasPrefix(part, key+":") && !strings.Contains(part, "\n"+key+":") {
			text += good[key] + "\n"
		}
	}
	_, err := Compile([]byte(text), faultsEnv)
	if err == nil {
		return " good"
	}
	e, ok := err.(*gateway.Error)
	if !ok || len(e.Violations) == 0 {
		return " " + err.Error()
	}
	out := ""
	for _, v := range e.Violations {
		out += "\n" + strings.TrimSpace(v.String())
	}
	return out
}
