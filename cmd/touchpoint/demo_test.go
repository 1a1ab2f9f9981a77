package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"touchpoint/simulator/audit"
)

// The program carries copies of the example journeys, since a package can only
// embed what lies below it.
func TestExampleJourneysAreTheShippedOnes(t *testing.T) {
	for _, name := range exampleNames {
		carried, err := exampleJourneys.ReadFile("journeys/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		shipped, err := os.ReadFile(filepath.Join("../../deploy/journeys", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(shipped), string(carried)); diff != "" {
			t.Errorf("copy deploy/journeys/%s.yaml to cmd/touchpoint/journeys: %s", name, diff)
		}
		if explained[name] == "" {
			t.Errorf("the demo does not explain %s", name)
		}
	}
}

// The keys of the result are an interface: others read them.
func TestResultKeys(t *testing.T) {
	text, err := json.Marshal(newResults(&audit.Report{
		Journeys: []audit.Journey{{Name: "welcome", Displayed: 3}}, HandoverP50: 17 * time.Millisecond, Days: 61.237,
	}))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := []string{"event_to_handover_ms", "events_duplicated", "events_lost", "events_published", "events_stored", "journeys",
		"messages_decided", "messages_delivered", "messages_displayed", "messages_duplicated", "messages_expired", "messages_held_out",
		"messages_lost", "virtual_days"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Error(diff)
	}
	if w := got["journeys"].(map[string]any)["welcome"].(map[string]any)["displayed"]; w != 3.0 {
		t.Errorf("displayed %v", w)
	}
	if p := got["event_to_handover_ms"].(map[string]any)["p50"]; p != 17.0 || got["virtual_days"] != 61.23 {
		t.Errorf("p50 %v, days %v", p, got["virtual_days"])
	}
}

func TestPrintAudit(t *testing.T) {
	r := &audit.Report{EventsPublished: 12345, EventsStored: 12344, EventsLost: 1, Decided: 10, Displayed: 9,
		Journeys: []audit.Journey{{Name: "welcome", Decided: 10, Arrived: 9, Displayed: 9, Waiting: 1}}}
	for range 10 {
		r.Findings = append(r.Findings, audit.Finding{Kind: audit.EventLost, ID: "ev-1", Detail: "acknowledged, but not in the event log"})
	}
	var b bytes.Buffer
	printAudit(&b, r)
	for _, want := range []string{"✗ 12,345 events published, 12,344 stored, 1 lost", "✓ 10 messages decided, 9 displayed",
		"✗ event lost: ev-1: acknowledged", `… and 2 more of the kind "event lost"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if err := auditError(r); err == nil || !strings.Contains(err.Error(), "10 × event lost") {
		t.Errorf("error %v", err)
	}
}

func TestClipKeepsColours(t *testing.T) {
	colours = true
	defer func() { colours = false }()
	line := bold("abc") + "defg" + dim("äöü")
	if got := clip(line, 5); visible(got) != 5 || !strings.HasSuffix(got, "\x1b[0m") {
		t.Errorf("%q has %d visible characters", got, visible(got))
	}
	if got := clip(line, 10); got != line {
		t.Errorf("%q was cut", got)
	}
}

func TestWrap(t *testing.T) {
	got := wrap("one two three four five six", 9, 3)
	if diff := cmp.Diff([]string{"one two", "three", "four five"}, got); diff != "" {
		t.Error(diff)
	}
	if g := grouped(1234567); g != "1,234,567" || grouped(12) != "12" || grouped(-1234) != "-1,234" {
		t.Errorf("grouped: %s", g)
	}
}
