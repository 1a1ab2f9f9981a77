package app

import (
	"os"
	"strings"
	"testing"
)

// The example of the documentation must be accepted as it stands, and with the
// external parts that it shows in comments.
func TestDocumentedConfiguration(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("docs/configuration.md shows no example")
	}
	cfg, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); cfg.Partitions != want.Partitions || cfg.MQTT.Listen != want.MQTT.Listen || cfg.Log.MaxBytes != want.Log.MaxBytes {
		t.Errorf("the example does not show the defaults: %+v", cfg)
	}
	if len(cfg.Rules.Caps) < 2 || len(cfg.Rules.QuietHours) != 1 {
		t.Errorf("rules were not read: %+v", cfg.Rules)
	}
}
