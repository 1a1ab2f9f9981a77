package journey

import (
	"cmp"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"

	"touchpoint/gateway"
	"touchpoint/gateway/journey/language"
)

var (
	update    = flag.Bool("update", false, "rewrite testdata/faults.sum and testdata/records.txt")
	faultsDir = flag.String("faults", "", "write what each damage gives into this directory, to compare two commits")
)

const faultsSum = "testdata/faults.sum"

// sums are the lines of testdata/faults.sum by definition: more than one where
// two branches were merged (.gitattributes), until -update.
type sums map[string][]string

// source is a definition to be damaged.
type source struct {
	name string
	text []byte
	env  Env
	part uint32 // one of so many damages is tried; 1 = all
}

// outcomes collects what came of the damages of one definition.
type outcomes struct {
	t                *testing.T
	name             string
	damages, refused int
	faults, compiled uint64
	out              strings.Builder
	lines            int
	settings         bool // which have no lines
}

// try compiles what is damaged and notes what came of it.
func (l *outcomes) try(name string, compile func() (*Definition, error)) {
	defer func() {
		if r := recover(); r != nil {
			l.t.Errorf("%s: %s: panic: %v", l.name, name, r)
		}
	}()
	l.damages++
	def, err := compile()
	var text string
	if err != nil {
		l.refused++
		text = l.told(name, err)
		l.faults = l.faults*1099511628211 + sumOf(name+"\n"+text)
	} else {
		if def != nil {
			text = dump(def) + "\n"
		}
		l.compiled = l.compiled*1099511628211 + sumOf(name+"\n"+text)
	}
	if *faultsDir != "" {
		fmt.Fprintf(&l.out, "== %s\n%s", name, text)
	}
}

// told writes the faults one below the other. Each says where, and no two say
// the same.
func (l *outcomes) told(name string, err error) string {
	e, ok := err.(*gateway.Error)
	if !ok && l.settings && err.Error() != "" {
		return err.Error() + "\n"
	}
	if !ok || e.Kind != gateway.Invalid || len(e.Violations) == 0 {
		l.t.Errorf("%s: %s: is not told as faults: %v", l.name, name, err)
		return err.Error() + "\n"
	}
	var b strings.Builder
	for i, v := range e.Violations {
		b.WriteString(v.String() + "\n")
		if v.Line < 1 && v.Field != "" && !l.settings || v.Line > l.lines || v.Text == "" || strings.Contains(v.Text, "%!") {
			l.t.Errorf("%s: %s: has no place: %v", l.name, name, v)
		}
		if slices.ContainsFunc(e.Violations[:i], func(o gateway.Violation) bool { return o.Step == v.Step && o.Field == v.Field && o.Line == v.Line }) &&
			!strings.Contains(v.Text, "and the journey joins") {
			l.t.Errorf("%s: %s: two faults of one place: %v", l.name, name, err)
		}
	}
	return b.String()
}

func sumOf(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}

// finish compares the sums with those of testdata/faults.sum.
func (l *outcomes) finish(s sums) {
	line := fmt.Sprintf("%s %d damages, %d refused: %016x %016x", l.name, l.damages, l.refused, l.faults, l.compiled)
	if !slices.Contains(s[l.name], line) && !*update {
		l.t.Errorf("what came of the damages is not as it was:\ngot  %s\nwant %s\n(go test ./gateway/journey -run TestDamaged -faults DIR writes it out, -update accepts it)",
			line, strings.Join(s[l.name], "\n     "))
	}
	s[l.name] = []string{line}
	if *faultsDir != "" {
		file := filepath.Join(*faultsDir, strings.ReplaceAll(l.name, "/", "_"))
		if err := os.WriteFile(file, []byte(l.out.String()), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
}

func readSums(t *testing.T) sums {
	s := sums{}
	data, err := os.ReadFile(faultsSum)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, _, _ := strings.Cut(line, " ")
		if !strings.Contains(name, "/") {
			continue // the mark of a conflict
		}
		s[name] = append(s[name], strings.TrimSuffix(line, "\n"))
	}
	return s
}

// write writes the sums, without those of a group that are gone.
func (s sums) write(t *testing.T, group string, names []string) {
	if !*update {
		return
	}
	var b strings.Builder
	for _, name := range sortedKeys(s) {
		if strings.HasPrefix(name, group+"/") && !slices.Contains(names, name) {
			continue
		}
		b.WriteString(strings.Join(s[name], "\n") + "\n")
	}
	if err := os.WriteFile(faultsSum, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// damageAll tries the damages of definitions, each perhaps in part.
func damageAll(t *testing.T, group string, sources []source) {
	s := readSums(t)
	var names []string
	for _, src := range sources {
		names = append(names, src.name)
		l := &outcomes{t: t, name: src.name, lines: 1 + strings.Count(string(src.text), "\n")}
		root, err := parseYAML(src.text)
		if err != nil {
			t.Fatalf("%s: %v", src.name, err)
		}
		l.try("nothing", func() (*Definition, error) { return compileTree(root, src.env) })
		for _, d := range damagesOf(root) {
			if sumOf(src.name+d.name)>>7%uint64(src.part) == 0 {
				l.try(d.name, func() (*Definition, error) { return compileTree(d.do(), src.env) })
			}
		}
		l.finish(s)
	}
	s.write(t, group, names)
}

var damageEnv = Env{
	Events: map[string]EventType{
		"brew_finished": {Properties: map[string]string{"water_ml": "int", "temperature_c": "float", "kind": "string", "grind": "int", "order": "string"}},
		"brew_failed":   {Properties: map[string]string{"code": "int"}},
		"machine_on":    {}, "descaling_finished": {Properties: map[string]string{"ok": "bool"}},
		"machine_reset": {Properties: map[string]string{"by": "string"}},
	},
	Channels: []string{"product", "email", "webhook"},
	Segments: []string{"heavy", "members"}, Stages: []string{"new", "active", "habitual", "dormant"},
	Traits:        map[string]map[string]any{"cups": {"count": "brew_finished", "within": "7d"}},
	Categories:    map[string]string{"brew_finished": "usage"},
	Displays:      []Display{{Product: "brewer", Characters: 120, Buttons: 2, Languages: []string{"en", "de"}}},
	CheckTemplate: testEnv.CheckTemplate,
}

func damagedSources(t *testing.T) (list []source) {
	files, _ := filepath.Glob("testdata/damaged/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, source{"damaged/" + filepath.Base(file), text, damageEnv, 1})
	}
	return list
}

// TestDamagedDefinitions damages definitions that have every key of the language;
// the tests behind it share the work.
func TestDamagedDefinitions(t *testing.T)  { damageDefinitions(t, "damaged1", "a", "entered") }
func TestDamagedDefinitions2(t *testing.T) { damageDefinitions(t, "damaged2", "entered", "send") }
func TestDamagedDefinitions3(t *testing.T) { damageDefinitions(t, "damaged3", "send", "z") }

// damageDefinitions damages those whose names lie between two words.
func damageDefinitions(t *testing.T, group, from, to string) {
	var list []source
	for _, src := range damagedSources(t) {
		if name := filepath.Base(src.name); name >= from && name < to {
			src.name = group + "/" + name
			list = append(list, src)
		}
	}
	damageAll(t, group, list)
}

// TestDamagedLines damages the text of these definitions.
func TestDamagedLines(t *testing.T) {
	s := readSums(t)
	var names []string
	for _, src := range damagedSources(t) {
		l := &outcomes{t: t, name: "lines/" + filepath.Base(src.name), lines: 2 + strings.Count(string(src.text), "\n")}
		names = append(names, l.name)
		damagedLines(string(src.text), func(name, text string) {
			l.try(name, func() (*Definition, error) { return Compile([]byte(text), src.env) })
		})
		l.finish(s)
	}
	s.write(t, "lines", names)
}

// TestDamagedCookbook damages the journeys of the cookbook.
func TestDamagedCookbook(t *testing.T) {
	var list []source
	for _, pattern := range []string{"*.yaml", "cookbook/*.yaml"} {
		files, _ := filepath.Glob("../../deploy/journeys/" + pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, source{"cookbook/" + filepath.Base(file), text, environment(t, file, text, Config{}), 3})
		}
	}
	damageAll(t, "cookbook", list)
}

// TestDamagedStories damages the journeys of the stories, each in part.
func TestDamagedStories1(t *testing.T) { damageStories(t, 0) }
func TestDamagedStories2(t *testing.T) { damageStories(t, 1) }

func damageStories(t *testing.T, half int) {
	stories, _ := filepath.Glob("testdata/*.txtar")
	var list []source
	for _, file := range stories {
		if int(sumOf(file)>>9)%2 != half {
			continue
		}
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cfg Config
		for _, f := range ar.Files {
			if f.Name == "settings.yaml" {
				if err := yaml.UnmarshalWithOptions(f.Data, &cfg, yaml.Strict()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, f := range ar.Files {
			if strings.HasSuffix(f.Name, ".yaml") && strings.Contains(string(f.Data), "\nsteps:") {
				name := strings.TrimSuffix(filepath.Base(file), ".txtar") + "/" + f.Name
				list = append(list, source{fmt.Sprintf("stories%d/%s", half+1, name), f.Data, environment(t, name, f.Data, cfg), 20})
			}
		}
	}
	damageAll(t, fmt.Sprintf("stories%d", half+1), list)
}

var eventField = regexp.MustCompile(`\b(?:event|trigger)\.([a-z][a-z0-9_.]*)`)

// environment declares what a definition refers to, so that what is misspelt is
// a fault.
func environment(t *testing.T, name string, text []byte, cfg Config) Env {
	env := Env{Traits: cfg.Traits, Channels: []string{"product", "webhook", "stream", "email"}}
	if len(cfg.Segments)+len(cfg.Stages) > 0 {
		env.Segments, env.Stages = cfg.RuleNames()
	}
	def, err := Compile(text, Env{Traits: cfg.Traits})
	if err != nil {
		return env // a story about a faulty one
	}
	props := map[string]string{}
	for _, m := range eventField.FindAllStringSubmatch(string(text), -1) {
		props[m[1]] = ""
	}
	env.Events = map[string]EventType{}
	add := func(event string) {
		if event != "" && event != gateway.AnyEvent {
			env.Events[event] = EventType{Properties: props}
		}
	}
	add(def.trigger.event)
	for _, l := range def.exits {
		add(l.event)
	}
	if def.goal != nil {
		add(def.goal.event)
	}
	for _, tr := range def.traits {
		add(tr.event)
		if tr.property != "" {
			props[tr.property] = cmp.Or(props[tr.property], "float")
		}
	}
	if q := def.trigger.sequence; q != nil {
		for _, e := range q.types() {
			add(e)
		}
	}
	for _, s := range def.steps {
		add(s.wait.until.event)
		env.Channels = append(env.Channels, s.send.channels...)
	}
	if def.keyBy != "" && def.keyBy != "device" {
		props[def.keyBy] = ""
	}
	if _, err := Compile(text, env); err != nil { // what a property is may depend on the event
		for p := range props {
			props[p] = ""
		}
	}
	if _, err := Compile(text, env); err != nil { // the settings of the story change
		env.Segments, env.Stages = nil, nil
	}
	if _, err := Compile(text, env); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return env
}

// TestDamagedHaveEveryKey: the definitions that are damaged in every way have
// every key of the language.
func TestDamagedHaveEveryKey(t *testing.T) {
	there := map[string]bool{}
	var visit func(n *node, keys []language.Key, path string)
	visit = func(n *node, keys []language.Key, path string) {
		for i, v := range n.values {
			if n.kind == nodeList {
				visit(v, keys, path)
				continue
			}
			for _, k := range keys {
				if k.Is(n.keys[i].name) {
					there[joined(path, k.Name)] = true
					visit(v, k.Keys, joined(path, k.Name))
					break
				}
			}
		}
	}
	for _, src := range damagedSources(t) {
		root, err := parseYAML(src.text)
		if err != nil {
			t.Fatal(err)
		}
		visit(root, language.Journey, "")
	}
	var missing func(keys []language.Key, path string)
	missing = func(keys []language.Key, path string) {
		for _, k := range keys {
			if at := joined(path, k.Name); !there[at] && k.Kind == "" { // one of a kind is added to each of the others
				t.Errorf("no definition of testdata/damaged has %s: add it to one", at)
			} else {
				missing(k.Keys, at)
			}
		}
	}
	missing(language.Journey, "")
}
