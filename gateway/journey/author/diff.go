package author

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"touchpoint/gateway/journey"
)

// Change is one difference between two versions of a journey.
type Change struct {
	// Kind is "added", "removed", "changed" or "moved".
	Kind string `json:"kind"`
	// Step is the step's id, "" for a key of the journey.
	Step  string `json:"step,omitempty"`
	Field string `json:"field,omitempty"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
	// Meets says what it means for those who are inside.
	Meets string `json:"meets,omitempty"`
}

// String tells a change on one line.
func (c Change) String() string {
	what := c.Field
	if c.Step != "" {
		what = strings.TrimSuffix("step "+c.Step+": "+c.Field, ": ")
	}
	text := c.Kind + " " + what
	switch {
	case c.Old != "" && c.New != "":
		text += fmt.Sprintf(": %s → %s", c.Old, c.New)
	case c.Old+c.New != "":
		text += ": " + c.Old + c.New
	}
	if c.Meets != "" {
		text += " (" + c.Meets + ")"
	}
	return text
}

// Diff compares two versions: keys of the journey first, then the steps by
// their ids, in the order of the new version.
func Diff(from, to []byte) ([]Change, error) {
	a, err := journey.Describe(from, journey.Env{})
	if err != nil {
		return nil, fmt.Errorf("the first version: %w", err)
	}
	b, err := journey.Describe(to, journey.Env{})
	if err != nil {
		return nil, fmt.Errorf("the second version: %w", err)
	}
	out := fields("", leaves(a.Tree, "steps"), leaves(b.Tree, "steps"))
	for i := range out {
		out[i].Meets = meetsKey[strings.FieldsFunc(out[i].Field, func(r rune) bool { return r == '.' || r == '[' })[0]]
	}
	return append(out, steps(a, b)...), nil
}

// meetsKey says what a change of a key of the journey means for who is inside.
var meetsKey = map[string]string{
	"trigger": "later entries only", "filter": "later entries only", "reentry": "later entries only", "existing": "later entries only",
	"holdout": "who has an arm keeps it", "goal": "never applied backwards: whoever is inside with pin keeps the old goal",
	"exit": "with migrate, looked at anew at once", "quiet_hours": "with migrate, from the next message on",
	"caps": "with migrate, from the next message on", "priority": "with migrate, from the next message on",
	"traits": "new counters are filled before the version becomes active",
}

func steps(a, b *journey.Outline) (out []Change) {
	old := map[string]int{}
	for i, s := range a.Steps {
		old[s.ID] = i
	}
	for _, s := range a.Steps {
		if !slices.ContainsFunc(b.Steps, func(o journey.OutlineStep) bool { return o.ID == s.ID }) {
			out = append(out, Change{Kind: "removed", Step: s.ID, Old: s.Kind, Meets: "who stands here: finishes on the old version with pin; migrate needs another step for him"})
		}
	}
	last := -1
	for _, s := range b.Steps {
		i, had := old[s.ID]
		if !had {
			out = append(out, Change{Kind: "added", Step: s.ID, New: s.Kind, Meets: "with migrate, who stands before it comes here"})
			continue
		}
		if i < last {
			out = append(out, Change{Kind: "moved", Step: s.ID, Meets: "with migrate, who stands here goes on from its new place; done steps never run again"})
		}
		last = max(last, i)
		was := a.Steps[i]
		if was.Kind != s.Kind {
			out = append(out, Change{Kind: "changed", Step: s.ID, Field: "kind", Old: was.Kind, New: s.Kind, Meets: "migrate is refused: give it another id"})
			continue
		}
		for _, c := range fields(s.ID, leaves(was.Tree, "id"), leaves(s.Tree, "id")) {
			c.Meets = meetsStep(c)
			out = append(out, c)
		}
	}
	return out
}

// meetsStep says what a change inside a step means for who stands there.
func meetsStep(c Change) string {
	old, err1 := journey.ParseDuration(c.Old)
	now, err2 := journey.ParseDuration(c.New)
	switch {
	case (c.Field == "wait.for" || c.Field == "wait.timeout") && err1 == nil && err2 == nil && now < old:
		return "shorter: with migrate re-evaluated, it may be over at once"
	case (c.Field == "wait.for" || c.Field == "wait.timeout") && err1 == nil && err2 == nil:
		return "longer: with migrate extended"
	case strings.HasPrefix(c.Field, "wait."):
		return "with migrate, who waits here waits by the new rule"
	case strings.HasPrefix(c.Field, "task."):
		return "open tasks keep their old version's text and date"
	case c.Field == "send.recipient":
		return "who is addressed already keeps his message; who comes here later addresses the others"
	case strings.HasPrefix(c.Field, "send."):
		return "messages decided before keep their old version's text"
	}
	return ""
}

// fields compares two maps of leaves.
func fields(step string, a, b map[string]string) (out []Change) {
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		old, had := a[k]
		now, has := b[k]
		switch {
		case !had:
			out = append(out, Change{Kind: "added", Step: step, Field: k, New: now})
		case !has:
			out = append(out, Change{Kind: "removed", Step: step, Field: k, Old: old})
		case old != now:
			out = append(out, Change{Kind: "changed", Step: step, Field: k, Old: old, New: now})
		}
	}
	return out
}

// leaves maps the path of every value to its text, but for one key.
func leaves(t *journey.Tree, without string) map[string]string {
	out := map[string]string{}
	var add func(path string, t *journey.Tree)
	add = func(path string, t *journey.Tree) {
		for i, c := range t.Children {
			below := strings.TrimPrefix(path+"."+c.Key, ".")
			if t.Kind == "list" {
				below = fmt.Sprintf("%s[%d]", path, i)
			}
			if below != without {
				add(below, c)
			}
		}
		if len(t.Children) == 0 {
			out[path] = t.Text
		}
	}
	add("", t)
	return out
}
