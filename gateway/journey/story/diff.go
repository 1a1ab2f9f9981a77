package story

import (
	"fmt"
	"strings"
)

// diffContext is how many equal lines stand around a difference.
const diffContext = 3

// Diff shows where a story was told differently, as a unified diff with the
// lines of the file; "" when nowhere.
func Diff(name string, want, got []byte) string {
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	ops := compare(w, g)
	var b strings.Builder
	shown := -1 // index of the last op written
	for i, op := range ops {
		if op.kind == ' ' {
			continue
		}
		first := max(shown+1, i-diffContext)
		if first > shown+1 || shown < 0 {
			fmt.Fprintf(&b, "%s:%d:\n", name, op.line)
		}
		for k := first; k < min(len(ops), i+diffContext+1); k++ {
			if k > i && ops[k].kind != ' ' {
				break
			}
			fmt.Fprintf(&b, "%c %s\n", ops[k].kind, ops[k].text)
			shown = k
		}
	}
	return b.String()
}

// lineOp is a line of a diff: ' ' both, '-' only wanted, '+' only got.
type lineOp struct {
	kind byte
	line int // in the wanted text
	text string
}

// compare finds the longest common lines, behind the common start and in front
// of the common end.
func compare(w, g []string) []lineOp {
	var ops []lineOp
	start := 0
	for start < len(w) && start < len(g) && w[start] == g[start] {
		ops = append(ops, lineOp{' ', start + 1, w[start]})
		start++
	}
	end := 0
	for end < len(w)-start && end < len(g)-start && w[len(w)-1-end] == g[len(g)-1-end] {
		end++
	}
	a, b := w[start:len(w)-end], g[start:len(g)-end]
	common := func(i, k int) int { return 0 }
	if len(a)*len(b) < 4_000_000 { // more is not worth the memory
		table := commonLines(a, b)
		common = func(i, k int) int { return table[i][k] }
	}
	i, k := 0, 0
	for i < len(a) || k < len(b) {
		switch {
		case i < len(a) && k < len(b) && a[i] == b[k]:
			ops = append(ops, lineOp{' ', start + i + 1, a[i]})
			i, k = i+1, k+1
		case k >= len(b) || i < len(a) && common(i+1, k) >= common(i, k+1):
			ops = append(ops, lineOp{'-', start + i + 1, a[i]})
			i++
		default:
			ops = append(ops, lineOp{'+', start + i + 1, b[k]})
			k++
		}
	}
	for i := len(w) - end; i < len(w); i++ {
		ops = append(ops, lineOp{' ', i + 1, w[i]})
	}
	return ops
}

// commonLines[i][k] is the length of the longest common subsequence of a[i:] and b[k:].
func commonLines(a, b []string) [][]int {
	n := make([][]int, len(a)+1)
	for i := range n {
		n[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for k := len(b) - 1; k >= 0; k-- {
			if a[i] == b[k] {
				n[i][k] = n[i+1][k+1] + 1
			} else {
				n[i][k] = max(n[i+1][k], n[i][k+1])
			}
		}
	}
	return n
}
