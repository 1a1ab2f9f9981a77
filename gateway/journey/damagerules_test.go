package journey

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"touchpoint/gateway"
	"touchpoint/gateway/journey/language"
)

// TestDamagedRules damages the settings of an installation: what is wrong is a
// fault that names the key, or what YAML says.
func TestDamagedRules(t *testing.T) {
	text, err := os.ReadFile("testdata/damagedrules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := parseYAML(text)
	if err != nil {
		t.Fatal(err)
	}
	s := readSums(t)
	l := &outcomes{t: t, name: "rules/settings.yaml", lines: 1, settings: true}
	try := func(name string, root *node) {
		l.try(name, func() (*Definition, error) { return nil, readRules(block(root)) })
	}
	try("nothing", root)
	if l.refused > 0 {
		t.Errorf("the settings are faulty: %v", readRules(block(root)))
	}
	d := &damager{root: root, guess: true}
	d.keys(root, nil, "", nil)
	for _, damage := range d.list {
		if sumOf(damage.name)>>7%2 == 0 { // half of them: to read settings takes its time
			try(damage.name, damage.do())
		}
	}
	l.finish(s)
	s.write(t, "rules", []string{l.name})
}

// readRules reads settings as the gateway does.
func readRules(text string) error {
	var cfg Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()); err != nil {
		e := new(gateway.Error)
		if errors.As(err, &e) {
			return e
		}
		return errors.New(firstLine(yaml.FormatError(err, false, false)))
	}
	return cfg.WithDefaults().Validate()
}

// block writes a map with each key on its line.
func block(n *node) string {
	var b strings.Builder
	for i, k := range n.keys {
		b.WriteString(k.name + ": " + flow(n.values[i]) + "\n")
	}
	return b.String()
}

// flow writes a tree in one line.
func flow(n *node) string {
	var parts []string
	switch n.kind {
	case nodeNull:
		return "null"
	case nodeScalar:
		if _, err := strconv.ParseFloat(n.text, 64); err == nil || n.text == "true" || n.text == "false" {
			return n.text
		}
		return strconv.Quote(n.text)
	case nodeMap:
		for i, k := range n.keys {
			parts = append(parts, k.name+": "+flow(n.values[i]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	for _, v := range n.values {
		parts = append(parts, flow(v))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// guessed is the key that a value of the settings looks like.
func guessed(n *node) *language.Key {
	if n.kind != nodeScalar {
		return &language.Key{}
	}
	k := &language.Key{Type: language.Name, Low: 0, High: 100}
	if _, err := strconv.ParseFloat(n.text, 64); err == nil {
		k.Type = language.Number
	} else if _, err := ParseDuration(n.text); err == nil {
		k.Type = language.Duration
	} else if _, err := ParseLocalTime(n.text); err == nil {
		k.Type = language.LocalTime
	} else if strings.ContainsAny(n.text, "=<>") {
		k.Type = language.Condition
	}
	return k
}
