package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// report prints the survivors that docs/mutation.md does not explain and the share of mutants
// that failed a test; under 90 % is an error.
func report(o options, t *tester, chosen []mutant, results []result) error {
	reasons := explained(o.doc)
	tested, killed, unreached, bySum := 0, 0, 0, 0
	byOperator := map[string]*[2]int{} // tested, killed
	var open, known []string
	for i, m := range chosen {
		r := results[i]
		if r.Key == "" {
			continue // stopped before
		}
		tested++
		op := byOperator[m.operator()]
		if op == nil {
			op = new([2]int)
			byOperator[m.operator()] = op
		}
		op[0]++
		if r.Killed != "" {
			killed++
			bySum += btoi(r.Sum)
			op[1]++
			continue
		}
		note := ""
		if r.Tests == 0 {
			unreached++
			note = " (no test comes by)"
		}
		line := fmt.Sprintf("%-52s %s:%d %s%s", m.Key, m.File, m.Line, m.What, note)
		if _, ok := reasons[m.Key]; ok {
			known = append(known, line)
		} else {
			open = append(open, line)
		}
	}
	slices.Sort(open)
	slices.Sort(known)
	fmt.Printf("\nsurvivors with a reason in %s: %d\nsurvivors without: %d\n", o.doc, len(known), len(open))
	for _, line := range open {
		fmt.Println(" ", line)
	}
	if tested == 0 {
		return errors.New("nothing was tested")
	}
	fmt.Println()
	for _, name := range slices.Sorted(maps.Keys(byOperator)) {
		n := byOperator[name]
		fmt.Printf("%-9s %5d mutants, %5.1f %%\n", name, n[0], 100*float64(n[1])/float64(n[0]))
	}
	share := float64(killed) / float64(tested)
	fmt.Printf("\n%d mutants tested, %d failed a test: %.1f %%; %d survived, %d of them by no test's way\n",
		tested, killed, 100*share, tested-killed, unreached)
	fmt.Printf("%d of those that failed were first noticed by the sum of a story's ledger, not by its text\n", bySum)
	if share < 0.9 {
		return fmt.Errorf("only %.1f %% of the mutants fail a test; at least 90 %% must", 100*share)
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// operator is the kind of change: negate, drop, bound, …
func (m mutant) operator() string { return strings.Fields(m.Key)[2] }

// explained reads the keys of docs/mutation.md: table rows whose first cell is
// a key in backquotes.
func explained(doc string) map[string]string {
	out := map[string]string{}
	data, err := os.ReadFile(doc)
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 4 {
			continue
		}
		for _, key := range strings.Split(cells[1], "<br>") {
			if key = strings.Trim(strings.TrimSpace(key), "`"); strings.Contains(key, ".go ") {
				out[key] = strings.TrimSpace(cells[len(cells)-2])
			}
		}
	}
	return out
}
