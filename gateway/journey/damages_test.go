package journey

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"touchpoint/gateway/journey/language"
)

// damage is one small thing that an author gets wrong.
type damage struct {
	name string
	line int          // on which it stands
	do   func() *node // a damaged copy of the definition
}

// damager lists what can go wrong with a definition: with its keys, with the
// order of its lists, with its values.
type damager struct {
	root *node
	list []damage
	ids  []string // of the steps
	// guess says that nothing describes the keys.
	guess bool
}

func damagesOf(root *node) []damage {
	d := &damager{root: root}
	for _, s := range (&object{r: &reader{}, n: root}).list("steps") {
		if id := (&object{r: &reader{}, n: s}).get("id"); id != nil {
			d.ids = append(d.ids, id.text)
		}
	}
	d.keys(root, language.Journey, "", nil)
	return d.list
}

// at adds a damage of the value that a way of indexes leads to.
func (d *damager) at(way []int, line int, name string, do func(n *node)) {
	d.list = append(d.list, damage{name, line, func() *node {
		root := copyNode(d.root)
		n := root
		for _, i := range way {
			n = n.values[i]
		}
		do(n)
		return root
	}})
}

func copyNode(n *node) *node {
	c := *n
	c.keys = slices.Clone(n.keys)
	c.values = make([]*node, len(n.values))
	for i, v := range n.values {
		c.values[i] = copyNode(v)
	}
	return &c
}

func joined(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// keys damages the keys of a map, and what they hold.
func (d *damager) keys(n *node, keys []language.Key, path string, way []int) {
	for i, k := range n.keys {
		at, line := joined(path, k.name), k.line
		d.at(way, line, at+" left out", func(n *node) {
			n.keys, n.values = slices.Delete(n.keys, i, i+1), slices.Delete(n.values, i, i+1)
		})
		d.at(way, line, at+" misspelt", func(n *node) { n.keys[i].name = misspell(k.name) })
		var key *language.Key
		for j := range keys {
			if key == nil && keys[j].Is(k.name) {
				key = &keys[j]
			}
		}
		if d.guess {
			key = guessed(n.values[i])
		}
		if key != nil {
			d.value(n.values[i], key, at, append(slices.Clone(way), i), line)
		}
	}
	d.at(way, n.line, joined(path, "colour")+" added", func(n *node) {
		n.keys, n.values = append(n.keys, nodeKey{"colour", n.line}), append(n.values, &node{line: n.line, kind: nodeScalar, text: "red"})
	})
	for _, k := range keys {
		if k.Kind != "" && k.Name != "*" && !slices.ContainsFunc(n.keys, func(has nodeKey) bool { return has.name == k.Name }) {
			d.at(way, n.line, joined(path, k.Name)+" added", func(n *node) {
				n.keys, n.values = append(n.keys, nodeKey{k.Name, n.line}), append(n.values, exampleOf(&k, n.line))
			})
		}
	}
}

// exampleOf is a value that a key may have.
func exampleOf(k *language.Key, line int) *node {
	if k.Type == language.Object || k.Type == language.Nothing {
		n := &node{line: line, kind: nodeMap}
		for i := range k.Keys {
			if k.Keys[i].Required && k.Keys[i].Name != "*" {
				n.keys, n.values = append(n.keys, nodeKey{k.Keys[i].Name, line}), append(n.values, exampleOf(&k.Keys[i], line))
			}
		}
		return n
	}
	return &node{line: line, kind: nodeScalar, text: strings.Trim(k.Example, `"`)}
}

// value damages a value: its kind, its items, its text.
func (d *damager) value(n *node, key *language.Key, path string, way []int, line int) {
	become := func(name string, with node) {
		with.line = n.line
		for _, v := range with.values {
			v.line = n.line
		}
		d.at(way, line, path+" "+name, func(n *node) { *n = with })
	}
	if n.kind != nodeNull {
		become("becomes nothing", node{})
	}
	switch n.kind {
	case nodeScalar:
		become("becomes a list", node{kind: nodeList, values: []*node{{kind: nodeScalar, text: n.text}, {kind: nodeScalar, text: n.text}}})
		become("becomes a map", node{kind: nodeMap, keys: []nodeKey{{"en", n.line}}, values: []*node{{kind: nodeScalar, text: n.text}}})
		for _, text := range d.texts(n.text, key, path) {
			become("= "+strconv.Quote(text), node{kind: nodeScalar, text: text})
		}
	case nodeMap:
		become("becomes a text", node{kind: nodeScalar, text: "none"})
		become("becomes empty", node{kind: nodeMap})
		become("becomes a list", node{kind: nodeList, values: []*node{copyNode(n)}})
		d.keys(n, key.Keys, path, way)
	case nodeList:
		become("becomes a text", node{kind: nodeScalar, text: "none"})
		become("becomes empty", node{kind: nodeList})
		d.items(n, key, path, way)
	}
}

// items damages the order and the number of a list's items, and each of them.
func (d *damager) items(n *node, key *language.Key, path string, way []int) {
	for i, item := range n.values {
		at := indexed(path, i)
		d.at(way, item.line, at+" left out", func(n *node) { n.values = slices.Delete(n.values, i, i+1) })
		d.at(way, item.line, at+" twice", func(n *node) { n.values = slices.Insert(n.values, i, copyNode(n.values[i])) })
		if i > 0 {
			d.at(way, item.line, at+" before the one before", func(n *node) { n.values[i-1], n.values[i] = n.values[i], n.values[i-1] })
		}
		below := *key
		if d.guess {
			below = *guessed(item)
		}
		if item.kind == nodeScalar && key.Or != "" {
			below.Type, below.Keys = key.Or, nil
		}
		d.value(item, &below, at, append(slices.Clone(way), i), item.line)
	}
	if d.guess {
		return // long ones take the YAML reader of the settings too long
	}
	d.at(way, n.line, path+" 101 times as long", func(n *node) {
		for range 100 {
			for i := range n.values[:len(n.values):len(n.values)] {
				n.values = append(n.values, n.values[i])
			}
			if len(n.values) > 1001 {
				break
			}
		}
	})
}

// texts are what may stand in place of a text.
func (d *damager) texts(text string, key *language.Key, path string) (out []string) {
	switch key.Type {
	case language.Number, language.Integer:
		out = []string{"0", "1", "-1", "1.5", "nan", "many", "5%", "1e999", number(key.Low), number(key.Low - 1), number(key.High), number(key.High + 1)}
		if f, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64); err == nil {
			out = append(out, number(f+1))
		}
	case language.Duration:
		out = []string{"0s", "1ms", "-1d", "36600d", "36601d", "soon", "5 days", text + "w", strings.ToUpper(text), strings.TrimRight(text, "wdhms"), "5 d"}
	case language.Event, language.Property:
		event, property, found := strings.Cut(text, ".")
		out = []string{"", misspell(event) + text[len(event):], "unheard_of", event + ".", strings.ToUpper(text), "descaling_finished"}
		if found {
			out = append(out, event+"."+misspell(property), event, event+".unheard_of")
		} else {
			out = append(out, event+".water_ml")
		}
	case language.Step:
		out = append([]string{"", misspell(text), "nowhere", "end", "End"}, d.ids...)
	case language.Name:
		out = []string{"", misspell(text), "Big Name", "ünlü", "end", "9lives", strings.Repeat("a", 63), strings.Repeat("a", 64)}
	case language.Bool:
		out = []string{"", "yes", "True", "true", "false", "0"}
	case language.LocalTime:
		out = []string{"", "24:00", "23:59", "0:00", "7", "12:60", "12:5", "8 o'clock", "-1:30"}
	case language.Value:
		out = []string{"", "true", "1", "2.50", "1e999", "nan"}
	case language.Condition:
		out = damagedCondition(text)
	case language.Template:
		out = damagedTemplate(text)
	default:
		out = append([]string{"", misspell(text), "nothing like it", strings.ToUpper(text)}, key.Choices...)
		out = append(out, key.Short...)
		out = append(out, damagedWords[path]...)
	}
	out = slices.DeleteFunc(out, func(s string) bool { return s == text })
	slices.Sort(out)
	return slices.Compact(out)
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// damagedWords are texts with a form of their own.
var damagedWords = map[string][]string{
	"key":      {"device", "devise", "event.", "event.unheard_of", "event.water_ml", "water_ml"},
	"existing": {"enroll", "enroll 0 per day", "enroll 1 per day", "enroll 1000000000 per day", "enroll 1000000001 per day", "enroll many per day", "enrol 5 per day", "enroll 5 a day", "enroll 5 per week", "enroll 5 per day please"},
	"reentry":  {"after_exit_and_gap"},
	"trigger.schedule.rrule": {"FREQ=DAILY", "FREQ=HOURLY;BYMINUTE=0,10,20,30,40", "FREQ=MINUTELY", "FREQ=WEEKLY;BYMONTHDAY=1", "BYDAY=MO", "FREQ=WEEKLY;BYDAY=XX",
		"RRULE:FREQ=WEEKLY", "DTSTART:20260504T090000Z\nRRULE:FREQ=DAILY", "FREQ=DAILY;BYSECOND=5", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=-1", "FREQ=DAILY;INTERVAL=1000",
		"FREQ=DAILY;INTERVAL=1001", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=HOURLY;INTERVAL=2;BYHOUR=3", "FREQ=DAILY;UNTIL=20200101T000000Z", "every Monday"},
	"trigger.schedule.start": {"2026-05-04", "09:00", "2026-13-04 09:00", "2026-05-04 9:00", "2000-01-01 00:00", "1999-12-31 23:59", "2200-12-31 23:59", "2201-01-01 00:00", "tomorrow"},
}

// damagedCondition are texts that an author may have meant as the condition.
func damagedCondition(text string) []string {
	out := []string{"", "true", "1", "event", "customer.city", "event.unheard_of == 1", "event.water_ml > 0", "trait.unheard_of > 1", "trigger.unheard_of == 1",
		`customer.stage == "actve"`, `"hevy" in customer.segments`, "device.battery > 1", "customer[customer.field] == 1", text + " &&", text + " && 1", "!" + text, text[:len(text)-1]}
	for _, root := range roots {
		if i := strings.Index(text, root+"."); i >= 0 {
			from := i + len(root) + 1
			to := from
			for to < len(text) && (text[to] == '_' || text[to] == '.' || text[to] >= 'a' && text[to] <= 'z') {
				to++
			}
			field := text[from:to]
			out = append(out, text[:from]+misspell(field)+text[to:], text[:i]+misspell(root)+text[i+len(root):], text[:i]+root+text[to:],
				root+"."+field, root+"."+field+` == "three"`, root+"."+field+" == 3", root+"."+field+" = 3", root+"."+field+" > true", "has("+root+"."+field+")")
		}
	}
	return append(out, strings.ReplaceAll(text, "==", "="), strings.ReplaceAll(text, "&&", "and"), strings.ReplaceAll(text, `"`, ""), strings.ReplaceAll(text, `"`, "'"))
}

// damagedTemplate are texts that an author may have meant to show.
func damagedTemplate(text string) []string {
	out := []string{"", "{{ }}", "{{ event.unheard_of }}", "{{ trait.unheard_of }}", "{{ customer.first_name }}", "{{ trigger.water_ml", "{ event.unheard_of }", strings.Repeat("long ", 30)}
	for _, root := range roots {
		if i := strings.Index(text, root+"."); i >= 0 {
			out = append(out, text[:i+len(root)+1]+"x"+text[i+len(root)+1:])
		}
	}
	return append(out, strings.ReplaceAll(text, "}}", "}"), strings.ReplaceAll(text, "{{", "{"), strings.ReplaceAll(text, "%}", "}"))
}

// misspell swaps the first two neighbours that differ, behind the first letter.
func misspell(word string) string {
	b := []byte(word)
	for i := 1; i+1 < len(b); i++ {
		if b[i] != b[i+1] && b[i] < 128 && b[i+1] < 128 {
			b[i], b[i+1] = b[i+1], b[i]
			return string(b)
		}
	}
	return word + "x"
}

// damagedLines are texts of a definition in which a line is not as it was.
func damagedLines(text string, yield func(name, text string)) {
	lines := strings.SplitAfter(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		with := func(name string, put ...string) {
			yield(fmt.Sprintf("line %d %s", i+1, name), strings.Join(slices.Concat(lines[:i], put, lines[i+1:]), ""))
		}
		with("left out")
		with("twice", strings.TrimRight(line, "\n")+"\n", line)
		with("one space in", " "+line)
		with("behind a tab", "\t"+line)
		with("without its colon", strings.Replace(line, ":", "", 1))
		with("without its last character", strings.TrimRight(line, "\n")[:max(len(strings.TrimRight(line, "\n"))-1, 0)]+"\n")
		with("without its first quote", strings.Replace(line, `"`, "", 1))
		with("is the last one", line[:len(line)/2])
		if i > 0 {
			yield(fmt.Sprintf("line %d before the one before", i+1), strings.Join(slices.Concat(lines[:i-1], []string{strings.TrimRight(line, "\n") + "\n", lines[i-1]}, lines[i+1:]), ""))
		}
	}
}
