package render

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"touchpoint/gateway"
)

// PersonalPrefix is the namespace of the customer's fields. Those that the
// message does not carry as open values come from the vault.
const PersonalPrefix = "customer."

// Known is what a template may name.
type Known struct {
	// Names are full names, such as "event.water_ml" or "customer.name".
	Names []string
	// Open are namespaces whose fields nobody declared, such as "event": any
	// name inside is accepted.
	Open []string
}

func (k Known) has(name string) bool {
	return slices.Contains(k.Names, name) || slices.Contains(k.Open, root(name)) && name != root(name)
}

// PersonalNames are the fields of a customer that the vault may hold.
var PersonalNames = []string{
	"customer.full_name", "customer.given_name", "customer.family_name", "customer.salutation",
	"customer.email", "customer.phone", "customer.address",
}

// CheckSource is Check for the source of one part alone.
func CheckSource(source string, known Known) error {
	if vs := checkPart(part{"", source}, known); len(vs) > 0 {
		return &gateway.Error{Kind: gateway.Invalid, Violations: vs}
	}
	return nil
}

// Check reads a template as a journey is published. The violations name the
// part ("title", "body", "actions.order.label"), the line in it and what is
// wrong; none means that a message can be rendered when its values are there.
func Check(t Text, known Known) []gateway.Violation {
	var vs []gateway.Violation
	if strings.TrimSpace(t.Title) == "" && strings.TrimSpace(t.Body) == "" {
		vs = append(vs, gateway.Violation{Field: "body", Text: "a template needs a title or a body"})
	}
	for _, p := range t.parts() {
		vs = append(vs, checkPart(p, known)...)
	}
	return vs
}

func checkPart(p part, known Known) []gateway.Violation {
	if _, bad := parse(p); len(bad) > 0 {
		return bad
	}
	var vs []gateway.Violation
	for _, u := range scanSource(p.source).variables {
		if !known.has(u.name) {
			vs = append(vs, gateway.Violation{Field: p.field, Line: u.line,
				Text: fmt.Sprintf("the variable %q is not known here%s", u.name, suggest(u.name, known.Names))})
		}
	}
	return vs
}

// Variables lists the names that a template uses in any branch, sorted. A
// publisher uses it to refuse personal ones on a shared display and to check
// the consent that a field needs.
func Variables(t Text) []string {
	names := map[string]bool{}
	for _, p := range t.parts() {
		for _, u := range scanSource(p.source).variables {
			names[u.name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// PersonalVariables lists those names that are read from the vault, given the
// open names that the message carries.
func PersonalVariables(t Text, open ...string) []string {
	var out []string
	for _, n := range Variables(t) {
		if strings.HasPrefix(n, PersonalPrefix) && !slices.Contains(open, n) {
			out = append(out, n)
		}
	}
	return out
}

func (s *scan) violations(field string) []gateway.Violation {
	var vs []gateway.Violation
	for _, p := range s.problems {
		vs = append(vs, gateway.Violation{Field: field, Line: p.line, Text: p.name})
	}
	for _, f := range s.filters {
		if !allowedFilters[f.name] {
			vs = append(vs, gateway.Violation{Field: field, Line: f.line,
				Text: fmt.Sprintf("the filter %q is not available%s", f.name, suggest(f.name, slices.Collect(maps.Keys(allowedFilters))))})
		}
	}
	return vs
}

// suggest names the nearest known name, or all when there are few.
func suggest(name string, known []string) string {
	known = slices.Clone(known)
	sort.Strings(known)
	best, distance := "", len(name)/3+2
	for _, k := range known {
		if d := edits(name, k); d < distance {
			best, distance = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(known) > 0 && len(known) <= 12:
		return "; known are " + strings.Join(known, ", ")
	}
	return ""
}

// edits is the number of letters to change to get from a to b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
