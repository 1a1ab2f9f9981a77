// Command mutate shows whether the tests of the journey core bite: it changes
// the core in a small way (a condition negated, a bound shifted, a call left
// out, …) and runs the tests until one fails. A mutant that none notices
// survives: a test is missing, or the change makes no difference.
//
//	go run ./tools/mutate                  # all mutants; goes on where it stopped
//	go run ./tools/mutate --max 400        # a fair sample of them
//	go run ./tools/mutate --only walk.go   # some files or functions
//
// docs/mutation.md lists the survivors, each with the reason.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// target is the package that is changed; suites are the packages whose tests
// may notice.
const target = "gateway/journey"

var suites = []string{"gateway/journey", "gateway/journey/story", "gateway/journey/author", "gateway/journey/reference", "gateway/journey/language"}

type options struct {
	seed  uint64
	max   int
	jobs  int
	only  string
	out   string
	doc   string
	fresh bool
	list  bool
	dark  bool
	quick bool
	cpu   int
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "order of the mutants, and so the sample that --max takes")
	flag.IntVar(&o.max, "max", 0, "test at most this many (0 = all)")
	flag.IntVar(&o.jobs, "j", runtime.NumCPU(), "mutants tested at once")
	flag.StringVar(&o.only, "only", "", "only mutants of this file, or whose key contains this (several by comma)")
	flag.StringVar(&o.out, "out", "out/mutate", "directory for the binaries and the results")
	flag.StringVar(&o.doc, "doc", "docs/mutation.md", "the list of survivors with their reasons")
	flag.BoolVar(&o.fresh, "fresh", false, "forget the results of an earlier run")
	flag.BoolVar(&o.list, "list", false, "list the mutants and stop")
	flag.BoolVar(&o.dark, "unreached", false, "list the mutants that no test comes by, and stop")
	flag.BoolVar(&o.quick, "quick", false, "only tests of less than a CPU second, the mutants that few tests come by first: for work under way")
	flag.IntVar(&o.cpu, "cpu", 20, "CPU seconds that one run of tests may take: longer is a failure")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	o.out, _ = filepath.Abs(o.out)
	mutants, overlay, err := build(o.out)
	if err != nil {
		return err
	}
	chosen := choose(o, mutants)
	if o.list {
		for _, m := range chosen {
			fmt.Printf("%s:%d\t%s\t%s\n", m.File, m.Line, m.Key, m.What)
		}
		return nil
	}
	fmt.Printf("%d mutants, %d to test\n", len(mutants), len(chosen))
	t, err := newTester(o, overlay, mutants)
	if err != nil {
		return err
	}
	if o.dark {
		for _, m := range chosen {
			if len(t.groups(m.Number)) == 0 {
				fmt.Printf("%s:%d\t%s\t%s\n", m.File, m.Line, m.Key, m.What)
			}
		}
		return nil
	}
	if o.quick {
		slices.SortStableFunc(chosen, func(a, b mutant) int { return t.reachedBy(a.Number) - t.reachedBy(b.Number) })
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	results := t.run(chosen, stop)
	return report(o, t, chosen, results)
}

// named reports whether part is the name of its file, its key, or, without a
// number, a part of its key.
func (m mutant) named(part string) bool {
	switch {
	case strings.HasSuffix(part, ".go"):
		return m.File == part
	case strings.Contains(part, "#"):
		return m.Key == part
	}
	return strings.Contains(m.Key, part)
}

// choose orders the mutants by a hash of seed and key: any first part of the
// list is a fair sample.
func choose(o options, all []mutant) (out []mutant) {
	for _, m := range all {
		if o.only == "" || slices.ContainsFunc(strings.Split(o.only, ","), m.named) {
			out = append(out, m)
		}
	}
	if o.list {
		return out
	}
	slices.SortFunc(out, func(a, b mutant) int {
		x, y := hash(o.seed, a.Key), hash(o.seed, b.Key)
		if x < y {
			return -1
		}
		return 1
	})
	if o.max > 0 && len(out) > o.max {
		out = out[:o.max]
	}
	return out
}
