package language

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"touchpoint/gateway/journey"
)

var update = flag.Bool("update", false, "write deploy/journeys/journey.schema.json and the reference of docs/journeys.md")

const (
	root       = "../../../"
	schemaFile = root + "deploy/journeys/journey.schema.json"
	docsFile   = root + "docs/journeys.md"
)

// definitions are all journeys of the repository: files, and those of stories.
func definitions(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, pattern := range []string{"deploy/journeys/*.yaml", "deploy/journeys/*/*.yaml", "cmd/touchpoint/journeys/*.yaml"} {
		files, _ := filepath.Glob(root + pattern)
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out[f] = text
		}
	}
	for _, pattern := range []string{"gateway/journey/testdata/*.txtar", "deploy/journeys/*/*.txtar"} {
		stories, _ := filepath.Glob(root + pattern)
		for _, f := range stories {
			ar, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, section := range ar.Files {
				if section.Name != "story" && section.Name != "settings.yaml" {
					out[f+":"+section.Name] = section.Data
				}
			}
		}
	}
	if len(out) < 20 {
		t.Fatal("journeys are missing")
	}
	return out
}

var indexPattern = regexp.MustCompile(`\[\d*\]`)

func segments(path string) []string {
	path = indexPattern.ReplaceAllString(path, "")
	if path == "" {
		return nil
	}
	return strings.Split(path, ".")
}

// TestKeys: the description knows the keys that the compiler knows, and no
// others.
func TestKeys(t *testing.T) {
	described := map[string]bool{} // by path and key; false until the compiler asked for it
	for name, text := range definitions(t) {
		_, _ = journey.Compile(text, journey.Env{Trace: func(path string, keys []string) {
			known := Find(Journey, segments(path)...)
			for _, k := range known {
				if at := whereDescribed(path) + k.Name; !described[at] {
					described[at] = false
				}
			}
			for _, key := range keys {
				at := whereDescribed(path) + cmp.Or(called(known, key), key)
				if !described[at] && called(known, key) == "" {
					t.Errorf("%s: the compiler reads %q, which gateway/journey/language does not describe; add it there and run go test ./gateway/journey/language -update", name, at)
				}
				described[at] = true
			}
		}})
	}
	for at, asked := range described {
		if !asked {
			t.Errorf("%s is described, but no journey of the repository made the compiler ask for it", at)
		}
	}
}

// whereDescribed is the path with the names of the description.
func whereDescribed(path string) string {
	out, keys := "", Journey
	for _, name := range segments(path) {
		below := Find(keys, name)
		for i := range keys {
			if keys[i].Is(name) {
				name = keys[i].Name
			}
		}
		out, keys = out+name+".", below
	}
	return out
}

// called is the name under which a key is described, "" when it is not.
func called(keys []Key, name string) string {
	for i := range keys {
		if keys[i].Is(name) {
			return keys[i].Name
		}
	}
	return ""
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// TestSchemaAccepts: what compiles is valid.
func TestSchemaAccepts(t *testing.T) {
	s := compileSchema(t)
	for name, text := range definitions(t) {
		if _, err := journey.Compile(text, journey.Env{}); err != nil {
			continue // a story about a broken one
		}
		if err := validate(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const good = `name: care
purpose: service
trigger: {event: brew_finished}
goal: {event: descaling_finished, within: 7d}
steps:
  - {id: ask, send: {channels: [product], texts: {en: {title: Hello}}}}
  - {id: rest, wait: {for: 3d}}
  - {id: choose, branch: [{when: customer.vip == true, go: end}]}
`

// TestSchemaRejects: the faults that a schema can find.
func TestSchemaRejects(t *testing.T) {
	s := compileSchema(t)
	if err := validate(t, s, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for old, new := range map[string]string{
		"purpose: service":                        "purpose: marketting",
		"name: care":                              "name: Care Now",
		"purpose: service\n":                      "",
		"trigger:":                                "triger:",
		"{event: brew_finished}":                  "{event: brew_finished, api: {}}",
		"trigger: {event: brew_finished}":         "trigger: {}",
		", within: 7d":                            "",
		"within: 7d":                              "within: 7 days",
		"for: 3d":                                 "for: 3d, until_event: x",
		"wait: {for: 3d}":                         "wait: {}",
		"id: rest, ":                              "",
		"{id: rest, wait: {for: 3d}}":             "{id: rest}",
		"{id: rest, wait: {for: 3":                "{id: rest, end: {}, wait: {for: 3",
		"title: Hello":                            "body: Hello",
		"texts: {en: {title: Hello}}":             "texts: {}",
		"when: customer.vip == true, go":          "when: customer.vip == true, to",
		"goal: {event: descaling_finished, ":      "holdout: 110\ngoal: {event: descaling_finished, ",
		"goal: {event: descaling_finished, with":  "quiet_hours: [{from: 8 o'clock, to: \"07:00\"}]\ngoal: {event: descaling_finished, with",
		"goal: {event: descaling_finished, withi": "reentry: after_exit_and_gap\ngoal: {event: descaling_finished, withi",
	} {
		text := strings.Replace(good, old, new, 1)
		if text == good {
			t.Fatalf("%q is not in the good definition", old)
		}
		if err := validate(t, s, []byte(text)); err == nil {
			t.Errorf("%s passes", new)
		}
		if _, err := journey.Compile([]byte(text), journey.Env{}); err == nil {
			t.Errorf("%s compiles", new)
		}
	}
}

// TestFiles: the schema and the reference in the repository are of this code.
func TestFiles(t *testing.T) {
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	same(t, schemaFile, schema)
	docs, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	const start, end = "<!-- keys: written by go test ./gateway/journey/language -update -->\n", "<!-- end of keys -->"
	before, rest, ok := strings.Cut(string(docs), start)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the lines around the keys", docsFile)
	}
	same(t, docsFile, []byte(before+start+"\n"+Reference()+end+after))
}

func same(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: go test ./gateway/journey/language -update (%v)", file, err)
	}
}
