// Package importmap holds the test of the layout: which package may import
// which other of this module. A change of the map below is a change of the
// architecture and is reviewed as one.
package importmap

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// allowed maps a package to those of ours that its code (not its tests) may
// import. "*" allows all: only where everything is wired.
var allowed = map[string][]string{
	"gateway":                 {},
	"gateway/clock":           {"gateway"},
	"gateway/failpoint":       {},
	"devices":                 {"gateway", "proto/touchpoint/v1"},
	"gateway/mqtt":            {"gateway", "gateway/clock"},
	"gateway/ingest":          {"gateway", "gateway/clock", "gateway/failpoint", "devices"},
	"gateway/wire":            {"gateway", "proto/touchpoint/record/v1"},
	"gateway/eventlog":        {"gateway", "gateway/wire", "gateway/failpoint"},
	"gateway/journey":         {"gateway"},
	"gateway/journey/story":   {"gateway", "gateway/explain", "gateway/journey"},
	"gateway/journey/author":  {"gateway", "gateway/journey"},
	"gateway/engine":          {"gateway", "gateway/clock", "gateway/failpoint", "gateway/eventlog"},
	"gateway/deliver":         {"gateway", "gateway/clock", "gateway/failpoint", "gateway/deliver/render"},
	"gateway/deliver/render":  {"gateway"},
	"gateway/deliver/device":  {"gateway", "gateway/clock", "gateway/deliver", "devices"},
	"gateway/deliver/webhook": {"gateway", "gateway/clock", "gateway/deliver"},
	"gateway/deliver/stream":  {"gateway", "gateway/clock", "gateway/deliver", "gateway/deliver/render"},
	"gateway/history":         {"gateway", "gateway/wire", "internal/sqlite"},
	"gateway/backtest":        {"gateway", "gateway/history", "gateway/journey", "gateway/wire"},
	"gateway/directory":       {"gateway", "internal/sqlite"},
	"internal/sqlite":         {"gateway"},
	"gateway/vault":           {"gateway"},
	"gateway/rpc":             {"gateway", "gateway/effect", "gateway/explain", "proto/touchpoint/v1"},
	"gateway/console":         {"gateway", "gateway/effect", "gateway/explain"},
	"gateway/app":             {"*"},
	"cmd/touchpoint":          {"*"},

	"gateway/journey/language": {},
	"gateway/explain":          {"gateway"},
	"gateway/effect":           {},
}

// pure packages must not reach for the machine: their own code imports none of these.
var pure = map[string][]string{
	"gateway/journey":        {"net", "os", "sync", "math/rand", "math/rand/v2", "net/http", "syscall", "log", "log/slog"},
	"gateway/journey/author": {"net", "os", "sync", "math/rand", "math/rand/v2", "net/http", "syscall", "log", "log/slog"},
	"gateway/journey/story":  {"net", "os", "sync", "math/rand", "math/rand/v2", "net/http", "syscall", "log", "log/slog"},
	"gateway/effect":         {"net", "os", "sync", "math/rand", "math/rand/v2", "time", "net/http", "syscall", "log", "log/slog"},
	"devices":                {"net", "os", "math/rand", "math/rand/v2", "net/http", "syscall"},
}

func TestImportsFollowTheMap(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "touchpoint/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		checkPackage(t, strings.TrimPrefix(p.ImportPath, "touchpoint/"), p.Imports)
	}
}

func checkPackage(t *testing.T, name string, imports []string) {
	rule, ok := allowed[name]
	switch {
	case ok:
	case strings.HasPrefix(name, "proto/"):
		rule = nil
	case path.Dir(name) == "simulator" || name == "simulator":
		rule = simulatorMay
	case testSupport(name):
		return // never imported by the product, checked below
	default:
		t.Errorf("package %s is not in the map of the layout", name)
		return
	}
	for _, imp := range imports {
		ours, isOurs := strings.CutPrefix(imp, "touchpoint/")
		if isOurs && !slices.Contains(rule, ours) && !slices.Contains(rule, "*") {
			t.Errorf("%s imports %s: the map of the layout does not allow it", name, ours)
		}
		if isOurs && testSupport(ours) {
			t.Errorf("%s imports %s, which is for tests", name, ours)
		}
		if slices.Contains(pure[name], imp) {
			t.Errorf("%s must stay pure, but imports %s", name, imp)
		}
		if name == "gateway" && strings.Contains(strings.Split(imp, "/")[0], ".") {
			t.Errorf("the words import the standard library alone, not %s", imp)
		}
	}
}

// testSupport are the packages that only tests and benchmarks use.
func testSupport(name string) bool {
	return name != "internal/sqlite" && strings.HasPrefix(name, "internal/") || strings.HasPrefix(name, "tools/") ||
		name == "gateway/history/historytest" || name == "gateway/journey/reference"
}

// simulatorMay: it meets a running gateway over MQTT and gRPC only.
var simulatorMay = []string{"gateway", "devices", "proto/touchpoint/v1", "simulator", "simulator/ledger", "simulator/audit", "simulator/fleet"}
