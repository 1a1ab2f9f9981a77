package author

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// Severity of a finding.
const (
	SeverityError   = "error"   // cannot be published
	SeverityWarning = "warning" // can, but is probably not meant so
)

// Finding is one thing that is wrong or weak in a definition.
type Finding struct {
	Severity string `json:"severity"`
	// Code names the kind of finding, such as unused_trait.
	Code  string `json:"code"`
	Line  int    `json:"line,omitempty"`
	Step  string `json:"step,omitempty"`
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
	// Suggestion says what to write instead, where that is known.
	Suggestion string `json:"suggestion,omitempty"`
}

// String tells a finding on one line, behind "file:".
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: %s: ", f.Line, f.Severity)
	if f.Step != "" {
		fmt.Fprintf(&b, "step %q: ", f.Step)
	}
	if f.Field != "" {
		b.WriteString(f.Field + " ")
	}
	b.WriteString(f.Text)
	if f.Suggestion != "" {
		b.WriteString("; " + f.Suggestion)
	}
	return b.String() + " [" + f.Code + "]"
}

// Lint returns what is wrong with a definition, by line. Warnings are looked
// for only when it compiles. Event types and properties that env does not
// declare are warnings: services may send others than the products do.
func Lint(yaml []byte, env journey.Env) []Finding {
	declared := env
	env.Events = nil
	o, err := journey.Describe(yaml, env)
	if err != nil {
		return faults(err)
	}
	l := linter{o: o}
	if declared.Events != nil {
		if _, err := journey.Describe(yaml, declared); err != nil {
			for _, f := range faults(err) {
				f.Code = "undeclared"
				l.warn(f)
			}
		}
	}
	l.flow()
	l.traits()
	l.purpose()
	l.waits()
	l.texts()
	slices.SortStableFunc(l.found, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return l.found
}

// faults turns the compiler's error into findings.
func faults(err error) []Finding {
	var e *gateway.Error
	if !errors.As(err, &e) || len(e.Violations) == 0 {
		return []Finding{{Severity: SeverityError, Code: "invalid", Text: err.Error()}}
	}
	var out []Finding
	for _, v := range e.Violations {
		text, suggestion, _ := strings.Cut(v.Text, "; ")
		out = append(out, Finding{Severity: SeverityError, Code: "invalid", Line: v.Line, Step: v.Step, Field: v.Field,
			Text: text, Suggestion: suggestion})
	}
	return out
}

type linter struct {
	o     *journey.Outline
	found []Finding
}

func (l *linter) warn(f Finding) {
	f.Severity = SeverityWarning
	if f.Line == 0 {
		f.Line = 1
	}
	l.found = append(l.found, f)
}

// line is where a top-level key stands.
func (l *linter) line(key string) int {
	if t := l.o.Tree.Get(key); t != nil {
		return t.Line
	}
	return 1
}

// flow finds steps that nobody reaches and branches that change nothing.
func (l *linter) flow() {
	for _, s := range l.o.Steps {
		if !s.Reached {
			l.warn(Finding{Code: "unreached_step", Line: s.Line, Step: s.ID, Text: "is never reached",
				Suggestion: "lead a branch, a split or a next here, or remove it"})
		}
		same := len(s.Edges) > 1
		for _, e := range s.Edges {
			same = same && e.To == s.Edges[0].To
		}
		if same && s.Kind == "branch" {
			l.warn(Finding{Code: "branch_without_effect", Line: s.Line, Step: s.ID, Text: "has arms that all lead to the same step",
				Suggestion: "remove the branch, or lead its arms to different steps"})
		}
	}
}

var traitPattern = regexp.MustCompile(`\btrait\.(\w+)`)

// traits finds those that are declared and never read.
func (l *linter) traits() {
	used := map[string]bool{}
	l.o.Tree.Walk(func(t *journey.Tree) {
		for _, m := range traitPattern.FindAllStringSubmatch(t.Text, -1) {
			used[m[1]] = true
		}
		if t.Key == "trait" { // a trigger that names one
			used[t.Text] = true
		}
	})
	for _, name := range l.o.Traits {
		if !used[name] {
			l.warn(Finding{Code: "unused_trait", Line: l.o.Tree.Get("traits", name).Line, Field: "traits." + name,
				Text: "is counted for every customer and never used", Suggestion: "remove it, or read it as trait." + name})
		}
	}
}

// purpose looks at goal, exit and holdout.
func (l *linter) purpose() {
	o := l.o
	marketing := o.Purpose == gateway.PurposeMarketing
	switch {
	case marketing && !o.HasGoal:
		l.warn(Finding{Code: "no_goal", Line: l.line("purpose"), Text: "marketing without a goal: its effect cannot be measured",
			Suggestion: "say what success is, such as goal: {event: descaling_finished, within: 14d}"})
	case !o.HasGoal && !o.HasExit && l.sendsAfterWait():
		l.warn(Finding{Code: "no_exit", Line: l.line("steps"), Text: "a message follows a wait, and nothing ends the journey when the customer has acted meanwhile",
			Suggestion: "add exit: [{event: …}], or a goal"})
	}
	if marketing && o.Holdout == 0 && o.Tree.Value("holdout_reason") == "" {
		l.warn(Finding{Code: "holdout_off", Line: l.line("holdout"), Field: "holdout", Text: "is switched off without a reason: the effect cannot be measured",
			Suggestion: "remove it, or say why with holdout_reason: …"})
	}
}

func (l *linter) sendsAfterWait() bool {
	waited := false
	for _, s := range l.o.Steps {
		waited = waited || s.Kind == "wait"
		if waited && s.Kind == "send" && s.Reached {
			return true
		}
	}
	return false
}

const longestWait = "366d"

// waits finds waits and circles that nobody leaves in a reasonable time.
func (l *linter) waits() {
	limit, _ := journey.ParseDuration(longestWait)
	for i, s := range l.o.Steps {
		if s.Kind == "wait" {
			for _, key := range []string{"for", "timeout"} {
				if d, err := journey.ParseDuration(s.Tree.Value("wait", key)); err == nil && d > limit {
					l.warn(Finding{Code: "endless_wait", Line: s.Line, Step: s.ID, Field: "wait." + key,
						Text: "is longer than a year", Suggestion: "shorten it, or start a journey of its own later"})
				}
			}
		}
		if s.Reached && !l.o.HasExit && !l.leadsOut(i, map[int]bool{}) {
			l.warn(Finding{Code: "endless_circle", Line: s.Line, Step: s.ID, Text: "lies in a circle that no step and no exit leaves",
				Suggestion: "add exit: …, or a branch that leads to end"})
		}
	}
}

// leadsOut reports whether a way from step i reaches the end.
func (l *linter) leadsOut(i int, seen map[int]bool) bool {
	if i == journey.OutlineEnd {
		return true
	}
	if seen[i] {
		return false
	}
	seen[i] = true
	return slices.ContainsFunc(l.o.Steps[i].Edges, func(e journey.OutlineEdge) bool { return l.leadsOut(e.To, seen) })
}
