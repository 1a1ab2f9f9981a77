package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// coreFigures are the figures of the pure core, each a metric of a Go benchmark
// in gateway/journey.
var coreFigures = []struct {
	title, benchmark, unit string
	target                 string // as a sentence
	within                 func(float64) bool
}{
	{"events/s of one core: 20 journeys, 3 listen, five traits, 10 % pass a filter, 1 % end in a message", "BenchmarkCore", "events/s", "at least 1,000,000", atLeast(1e6)},
	{"the same, ns per event", "BenchmarkCore", "ns/event", "", nil},
	{"share of events with a message, %", "BenchmarkCore", "%messages", "", nil},
	{"allocations per event", "BenchmarkCore", "allocs/op", "", nil},
	{"bytes allocated per event", "BenchmarkCore", "B/op", "", nil},
	{"bytes of a step record per event", "BenchmarkCore", "B/event", "", nil},
	{"100 journeys that do not listen against 1", "BenchmarkCoreJourneys", "x-vs-1-not-listening", "at most 1.1", atMost(1.1)},
	{"1,000,000 customers against 1,000: events as above", "BenchmarkCoreCustomers/mixed", "x-vs-1000-customers", "at most 1.3", atMost(1.3)},
	{"1,000,000 customers against 1,000: events that decide nothing", "BenchmarkCoreCustomers/plain", "x-vs-1000-customers", "at most 1.3", atMost(1.3)},
	{"bytes per customer: a device, five traits with 28 events, no duplicate window", "BenchmarkCoreMemory", "B/customer", "", nil},
	{"the same with one enrollment", "BenchmarkCoreMemory", "B/customer+enrollment", "at most 1,024", atMost(1024)},
	{"restore of 1,000,000 customers, s", "BenchmarkCoreRestart", "s-restore-1000000", "at most 8", atMost(8)},
	{"the same, CPU s of the partition's thread", "BenchmarkCoreRestart", "thread-s-restore-1000000", "", nil},
	{"replay, µs per event", "BenchmarkCoreRestart", "µs/replayed-event", "", nil},
	{"100,000 timers of one instant, each with a message, s", "BenchmarkCoreTimers", "s-100000-timers", "at most 2", atMost(2)},
	{"the same, CPU s of the partition's thread", "BenchmarkCoreTimers", "thread-s-100000-timers", "", nil},
}

func atLeast(bound float64) func(float64) bool { return func(v float64) bool { return v >= bound } }
func atMost(bound float64) func(float64) bool  { return func(v float64) bool { return v <= bound } }

// core prints the section about the pure core from the output of its benchmarks.
func core(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("core needs the file with the output of go test -bench")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	metrics, err := readMetrics(f)
	if err != nil {
		return err
	}
	fmt.Println("\n## The pure core\n\n| | measured | target | |\n|---|--:|--:|---|")
	for _, figure := range coreFigures {
		values := metrics[figure.benchmark+" "+figure.unit]
		if len(values) == 0 {
			continue
		}
		verdict := ""
		if figure.within != nil {
			verdict = map[bool]string{true: "met", false: "missed"}[figure.within(median(values))]
		}
		fmt.Printf("| %s | %s | %s | %s |\n", figure.title, coreCell(values), figure.target, verdict)
	}
	return nil
}

// readMetrics collects the metrics by benchmark and unit, over all passes.
func readMetrics(r io.Reader) (map[string][]float64, error) {
	metrics := map[string][]float64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of cores
			name = name[:i]
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			metrics[name+" "+fields[i+1]] = append(metrics[name+" "+fields[i+1]], v)
		}
	}
	return metrics, lines.Err()
}

// coreCell shows the median, and the passes where there are several.
func coreCell(values []float64) string {
	if len(values) == 1 {
		return rounded(values[0])
	}
	sorted := slices.Sorted(slices.Values(values))
	return rounded(median(values)) + " (" + rounded(sorted[0]) + " to " + rounded(sorted[len(sorted)-1]) + ")"
}

func rounded(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
