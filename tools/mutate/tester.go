package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// test is one test function, or one story of the function that runs them.
type test struct {
	suite   int
	pattern string
	story   bool
	took    time.Duration // CPU time
	reaches []bool        // by mutant
	count   int
}

// result is what became of a mutant.
type result struct {
	Print  string `json:"print"`
	Key    string `json:"key"`
	Killed string `json:"killed"`        // by which tests; "" = survived
	Tests  int    `json:"tests"`         // how many reach it
	Sum    bool   `json:"sum,omitempty"` // what noticed it first was the sum of a ledger alone
}

type tester struct {
	o       options
	print   string
	bins    []string
	dirs    []string
	flags   [][]string
	tests   []test
	results map[string]result
	mu      sync.Mutex
	log     *os.File
}

// newTester compiles the tests with all mutants built in, runs each without a
// mutant and notes which mutants it passes by.
func newTester(o options, overlay string, mutants []mutant) (*tester, error) {
	t := &tester{o: o, results: map[string]result{}}
	if err := t.load(); err != nil {
		return nil, err
	}
	start, seeds := time.Now(), "800"
	if o.quick {
		seeds = "400"
	}
	for _, s := range suites {
		if matches, _ := filepath.Glob(filepath.Join(s, "*_test.go")); len(matches) == 0 {
			continue
		}
		bin := filepath.Join(o.out, strings.ReplaceAll(s, "/", "-")+".test")
		cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", bin, "./"+s)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("compile the tests of %s: %w", s, err)
		}
		dir, _ := filepath.Abs(s)
		t.bins, t.dirs = append(t.bins, bin), append(t.dirs, dir)
		help, _ := exec.Command(bin, "-help").CombinedOutput()
		var flags []string
		for _, f := range [][2]string{{"rapid.seed", "1"}, {"rapid.shrinktime", "0s"}, {"rapid.nofailfile", "true"}, {"seeds", seeds}} {
			if strings.Contains(string(help), "-"+f[0]) {
				flags = append(flags, "-"+f[0]+"="+f[1])
			}
		}
		t.flags = append(t.flags, flags)
	}
	if err := t.discover(len(mutants)); err != nil {
		return nil, err
	}
	fmt.Printf("%d tests looked at in %s\n", len(t.tests), time.Since(start).Round(time.Second))
	return t, nil
}

// load reads what an earlier run found out about the same sources.
func (t *tester) load() (err error) {
	if t.print, err = fingerprint([]string{target}); err != nil {
		return err
	}
	if t.o.quick {
		t.print += " quick" // what survives some tests may yet fail the others
	}
	name := filepath.Join(t.o.out, "results.jsonl")
	mode := os.O_CREATE | os.O_RDWR | os.O_APPEND
	if t.o.fresh {
		mode |= os.O_TRUNC
	}
	if t.log, err = os.OpenFile(name, mode, 0o644); err != nil {
		return err
	}
	for s := bufio.NewScanner(t.log); s.Scan(); {
		var r result
		if json.Unmarshal(s.Bytes(), &r) == nil && r.Print == t.print {
			t.results[r.Key] = r
		}
	}
	return nil
}

// discover lists the tests and learns what each reaches.
func (t *tester) discover(mutants int) error {
	stories := regexp.MustCompile(`(?m)^    --- PASS: (Test\w*(?:Scripts|Stories))/(\S+) `)
	for i, bin := range t.bins {
		cmd := exec.Command(bin, "-test.list", ".")
		cmd.Dir = t.dirs[i]
		data, err := cmd.Output()
		if err != nil {
			return err
		}
		for name := range strings.FieldsSeq(string(data)) {
			if strings.HasPrefix(name, "Benchmark") || strings.HasPrefix(name, "Example") || t.slow(name) {
				continue
			}
			if strings.HasSuffix(name, "Scripts") || strings.HasSuffix(name, "Stories") {
				cmd := exec.Command(bin, "-test.run", "^"+name+"$", "-test.v")
				cmd.Dir = t.dirs[i]
				out, err := cmd.CombinedOutput()
				if err != nil {
					return fmt.Errorf("%s fails without a mutant:\n%s", name, out)
				}
				for _, m := range stories.FindAllStringSubmatch(string(out), -1) {
					t.tests = append(t.tests, test{suite: i, pattern: "^" + m[1] + "$/^" + regexp.QuoteMeta(m[2]) + "$", story: true})
				}
				continue
			}
			t.tests = append(t.tests, test{suite: i, pattern: "^" + name + "$"})
		}
	}
	for i := range t.tests {
		if err := t.reach(&t.tests[i], mutants); err != nil {
			return err
		}
	}
	slices.SortStableFunc(t.tests, func(a, b test) int {
		if a.story != b.story {
			if a.story {
				return -1
			}
			return 1
		}
		if a.story {
			return a.count - b.count // the narrowest first
		}
		return int(a.took - b.took)
	})
	return nil
}

// slow reports whether a test is left out: what it shows, another shows too, or
// it measures the machine.
func (t *tester) slow(name string) bool {
	return slices.Contains([]string{"TestYear", "TestRaces", "TestSixteenPartitions", "TestSnapshotAnywhere"}, name)
}

// reach runs one test without a mutant.
func (t *tester) reach(x *test, mutants int) error {
	name := filepath.Join(t.o.out, "reached")
	os.Remove(name)
	out, took, err := t.exec(x.suite, x.pattern, 0, name, 600)
	if err != nil {
		return fmt.Errorf("%s fails without a mutant: %w\n%s", x.pattern, err, out)
	}
	x.took = took
	x.reaches = make([]bool, mutants+2)
	data, _ := os.ReadFile(name)
	for line := range strings.FieldsSeq(string(data)) {
		if n, err := strconv.Atoi(line); err == nil && n < len(x.reaches) && !x.reaches[n] {
			x.reaches[n] = true
			x.count++
		}
	}
	return nil
}

// exec runs tests with a mutant, bounded in CPU time and memory.
func (t *tester) exec(suite int, pattern string, mutant int, reached string, cpu int) ([]byte, time.Duration, error) {
	script := fmt.Sprintf("ulimit -t %d; ulimit -v 8000000; exec \"$@\"", cpu)
	args := append([]string{"-c", script, "sh", t.bins[suite], "-test.run", pattern, "-test.failfast", "-test.timeout", "30m"}, t.flags[suite]...)
	cmd := exec.Command("sh", args...)
	cmd.Dir = t.dirs[suite]
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(mutant), "MUTANT_REACHED="+reached, "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	took := time.Duration(0)
	if cmd.ProcessState != nil {
		took = cmd.ProcessState.UserTime()
	}
	return out, took, err
}

// run tests the mutants.
func (t *tester) run(chosen []mutant, stop <-chan os.Signal) []result {
	results := make([]result, len(chosen))
	next, done := make(chan int), 0
	var wg sync.WaitGroup
	for range t.o.jobs {
		wg.Go(func() {
			for i := range next {
				results[i] = t.one(chosen[i])
				t.mu.Lock()
				if done++; done%100 == 0 {
					fmt.Printf("%s: %d of %d\n", time.Now().Format("15:04:05"), done, len(chosen))
				}
				t.mu.Unlock()
			}
		})
	}
	for i := range chosen {
		select {
		case next <- i:
			continue
		case <-stop:
		}
		break
	}
	close(next)
	wg.Wait()
	return results
}

// one runs what reaches a mutant, the quick tests first, until one fails.
func (t *tester) one(m mutant) result {
	t.mu.Lock()
	r, known := t.results[m.Key]
	t.mu.Unlock()
	if known {
		return r
	}
	r = result{Print: t.print, Key: m.Key}
	for _, g := range t.groups(m.Number) {
		r.Tests += g.tests
		if r.Killed != "" {
			continue
		}
		if out, _, err := t.exec(g.suite, g.pattern, m.Number, "", t.o.cpu+5*int(g.took.Seconds())); err != nil {
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				continue
			}
			r.Killed, r.Sum = g.pattern, bySum(out)
			if len(r.Killed) > 60 {
				r.Killed = "stories"
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.results[r.Key] = r
	line, _ := json.Marshal(r)
	t.log.Write(append(line, '\n'))
	return r
}

// reachedBy counts the tests that come by a mutant.
func (t *tester) reachedBy(mutant int) (n int) {
	for i := range t.tests {
		if t.tests[i].reaches[mutant] {
			n++
		}
	}
	return n
}

// bySum reports whether the sum of a ledger failed and the story's text did not.
func bySum(out []byte) bool {
	return bytes.Contains(out, []byte("the ledger is not what it was")) && !bytes.Contains(out, []byte("run with -update to accept"))
}

type group struct {
	suite   int
	pattern string
	tests   int
	took    time.Duration
}

// groups puts the stories that reach a mutant into runs of a few, then one run
// per other test.
func (t *tester) groups(mutant int) (out []group) {
	var parent string
	var names []string
	suite := 0
	flush := func() {
		if len(names) > 0 {
			out = append(out, group{suite, parent + "/^(" + strings.Join(names, "|") + ")$", len(names), 0})
			names = nil
		}
	}
	limit := 6
	for i := range t.tests {
		x := &t.tests[i]
		if !x.reaches[mutant] || t.o.quick && x.took > time.Second {
			continue
		}
		if !x.story {
			flush()
			out = append(out, group{x.suite, x.pattern, 1, x.took})
			continue
		}
		p, name, _ := strings.Cut(x.pattern, "/")
		if p != parent || x.suite != suite || len(names) == limit {
			if len(names) == limit {
				limit = 1000
			}
			flush()
		}
		parent, suite = p, x.suite
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(name, "^"), "$"))
	}
	flush()
	return out
}
