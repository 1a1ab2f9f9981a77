package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// line turns a result of `go test -bench` on standard input into a line of the
// results: bench line NAME.
func line(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: bench line NAME")
	}
	out := map[string]any{"name": args[0]}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fields := strings.Fields(in.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				out[fields[i+1]] = v
			}
		}
	}
	if len(out) == 1 {
		return fmt.Errorf("%s: no result of a benchmark", args[0])
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// results are the figures of all runs, by part ("w1"), peer ("lp") and figure,
// in the order of the passes.
type results map[string]map[string]map[string][]float64

func readResults(r io.Reader) (results, error) {
	out := results{}
	dec := json.NewDecoder(r)
	for {
		var row map[string]any
		if err := dec.Decode(&row); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		name, _ := row["name"].(string)
		part, peer, ok := strings.Cut(name, " ")
		if !ok {
			return nil, fmt.Errorf("a result is called %q: PART PEER is wanted", name)
		}
		if out[part] == nil {
			out[part] = map[string]map[string][]float64{}
		}
		if out[part][peer] == nil {
			out[part][peer] = map[string][]float64{}
		}
		for key, v := range row {
			if f, ok := v.(float64); ok {
				out[part][peer][key] = append(out[part][peer][key], f)
			}
		}
	}
}

// table is one table of the note.
type table struct {
	part, title string
	figures     []figure
	against     string  // the peer that CPU is compared with
	target      float64 // of that ratio
	also        string  // another peer to compare with, without a target
}

type figure struct{ key, title string }

var tables = []table{
	{
		part: "w1", title: "W1: every event stored, Mosquitto, InfluxDB, full rate", against: "telegraf", target: 0.6, also: "lp",
		figures: []figure{{"events_per_s", "events/s"}, {"peer_cpu_us", "CPU µs/event"}, {"peer_rss_mib", "peak MiB"}, {"lost", "lost"}},
	},
	{
		part: "w2", title: "W2: and a message at every 100th brew of a device, full rate", against: "lp", target: 1.5,
		figures: []figure{{"events_per_s", "events/s"}, {"peer_cpu_us", "CPU µs/event"}, {"lost", "events lost"}, {"messages_missing", "messages missing"}, {"messages_extra", "too many"}},
	},
	{
		part: "w2rate", title: "W2 at 2,000 events/s of 200 devices", against: "lp", target: 1.5,
		figures: []figure{{"peer_cpu_us", "CPU µs/event"}, {"message_ms_p50", "message p50 ms"}, {"message_ms_p99", "p99 ms"}, {"lost", "events lost"}, {"messages_missing", "messages missing"}, {"messages_extra", "too many"}},
	},
	{
		part: "latency", title: "Publish to message handed over: 2,000 events/s of 2,000 devices, 5 % lead to a message, a snapshot of each partition every 5 s, embedded broker",
		figures: []figure{{"message_ms_p50", "p50 ms"}, {"message_ms_p99", "p99 ms"}, {"message_ms_max", "max ms"}, {"peer_cpu_us", "CPU µs/event"}, {"lost", "events lost"}, {"messages_missing", "messages missing"}, {"messages_extra", "too many"}},
	},
	{
		part: "broker", title: "Embedded broker: events stored with fsync, then acknowledged (load generator in the same process)",
		figures: []figure{{"events/s", "events/s"}, {"cpu-µs/event", "CPU µs/event, load included"}, {"events/batch", "events per record"}},
	},
}

// report writes the note.
func report(args []string) error {
	flags := flag.NewFlagSet("report", flag.ExitOnError)
	notes := flags.String("notes", "", "file of what stands before and after the tables, divided by a line of ---")
	passes := flags.Int("passes", 0, "how many passes were made")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f, err := os.Open(flags.Arg(0))
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := readResults(f)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(*notes)
	if err != nil {
		return err
	}
	before, after, _ := strings.Cut(string(text), "\n---\n")
	var b strings.Builder
	b.WriteString(before)
	fmt.Fprintf(&b, "\n\nMeasured on %s: %d passes, %d cores, %s/%s, %s.\n",
		time.Now().UTC().Format(time.DateOnly), *passes, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, t := range tables {
		t.write(&b, r[t.part])
	}
	b.WriteString(after)
	_, err = os.Stdout.WriteString(b.String())
	return err
}

// write writes the table: the median over the passes, and all of them for CPU
// and latency, since they differ.
func (t *table) write(b *strings.Builder, peers map[string]map[string][]float64) {
	if len(peers) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n|", t.title)
	for _, f := range t.figures {
		fmt.Fprintf(b, " | %s", f.title)
	}
	fmt.Fprintf(b, " |\n|---%s|\n", strings.Repeat("|--:", len(t.figures)))
	for _, name := range []string{"touchpoint", "lp", "telegraf"} {
		peer, ok := peers[name]
		if !ok {
			continue
		}
		fmt.Fprintf(b, "| %s", name)
		for _, f := range t.figures {
			fmt.Fprintf(b, " | %s", cell(f.key, peer[f.key]))
		}
		b.WriteString(" |\n")
	}
	t.ratio(b, peers, t.against, t.target)
	t.ratio(b, peers, t.also, 0)
}

// cell shows the median, and where it tells something the passes.
func cell(key string, values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	switch key {
	case "lost", "messages_missing", "messages_extra": // the worst
		return number(slices.Max(values))
	case "peer_cpu_us", "message_ms_p99", "events/s":
		return fmt.Sprintf("%s (%s)", number(median(values)), join(values))
	}
	return number(median(values))
}

// ratio writes CPU per event against another peer, pass by pass.
func (t *table) ratio(b *strings.Builder, peers map[string]map[string][]float64, name string, target float64) {
	ours, theirs := peers["touchpoint"]["peer_cpu_us"], peers[name]["peer_cpu_us"]
	n := min(len(ours), len(theirs))
	if n == 0 {
		return
	}
	var all []float64
	for i := range n {
		all = append(all, ours[i]/theirs[i])
	}
	fmt.Fprintf(b, "\nCPU per event against %s in the same pass: **%.2f** (%s)", name, median(all), ratios(all))
	if target > 0 {
		fmt.Fprintf(b, "; target at most %.1f", target)
	}
	b.WriteString(".\n")
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func number(v float64) string {
	if v >= 100 || v == float64(int(v)) {
		return strconv.Itoa(int(v + .5))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func join(values []float64) string {
	var s []string
	for _, v := range values {
		s = append(s, number(v))
	}
	return strings.Join(s, ", ")
}

func ratios(values []float64) string {
	var s []string
	for _, v := range values {
		s = append(s, strconv.FormatFloat(v, 'f', 2, 64))
	}
	return strings.Join(s, ", ")
}
