package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator"
	"touchpoint/simulator/audit"
	"touchpoint/simulator/fleet"
)

// view is what the demo shows while it runs. Its counts are of the fleet itself,
// except for decisions, which only the gateway knows; the audit at the end
// trusts none of them.
type view struct {
	sim      *simulator.Run
	config   fleet.Config
	journeys pb.JourneyServiceClient
	addrs    app.Addrs
	begin    time.Time
	stopping bool

	now              simulator.Progress
	at, counted      time.Time
	rate, days       float64 // events per second, virtual days per minute
	before           simulator.Progress
	beforeAt         time.Time
	counts           map[string]*pb.JourneyCounts
	decided, heldOut int64
	delivered        int64
}

func newView(sim *simulator.Run, config fleet.Config, conn grpc.ClientConnInterface, addrs app.Addrs, begin time.Time) *view {
	return &view{sim: sim, config: config, journeys: pb.NewJourneyServiceClient(conn), addrs: addrs, begin: begin,
		counts: make(map[string]*pb.JourneyCounts)}
}

// refresh takes the present numbers.
func (v *view) refresh(ctx context.Context) {
	v.now, v.at = v.sim.Progress(), time.Now()
	if v.beforeAt.IsZero() && v.now.Living {
		v.before, v.beforeAt = v.now, v.at
	}
	if took := v.at.Sub(v.beforeAt).Seconds(); v.now.Living && took >= 1 {
		v.rate = float64(v.now.Events-v.before.Events) / took
		v.days = v.now.Now.Sub(v.before.Now).Hours() / 24 / took * 60
		v.before, v.beforeAt = v.now, v.at
	}
	if v.at.Sub(v.counted) > time.Second {
		v.counted = v.at
		v.count(ctx)
	}
}

func (v *view) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	resp, err := v.journeys.ListJourneys(ctx, &pb.ListJourneysRequest{})
	if err != nil {
		return // the next second brings the next answer
	}
	v.decided, v.heldOut, v.delivered = 0, 0, 0
	for _, j := range resp.Journeys {
		v.counts[j.Name] = j.Counts
		for state, n := range j.GetCounts().GetMessages() {
			v.decided += n
			switch state {
			case "held_out":
				v.heldOut += n
			case "handed_over", "redelivered", "delivered", "displayed", "opened", "clicked", "dismissed":
				v.delivered += n
			}
		}
	}
}

// line is the view in one line, for outputs that are no terminal.
func (v *view) line() string {
	p := v.now
	if !p.Living {
		return fmt.Sprintf("%5.0fs  registering %s customers and their machines", time.Since(v.begin).Seconds(), grouped(int64(v.config.Customers)))
	}
	return fmt.Sprintf("%5.0fs  %s  day %-4d  events %s  decided %s  held out %s  delivered %s  displayed %s", time.Since(v.begin).Seconds(),
		p.Now.Time().Format("2006-01-02"), day(p), grouped(p.Events), grouped(v.decided), grouped(v.heldOut),
		grouped(max(v.delivered, p.Displayed)), grouped(p.Displayed))
}

func day(p simulator.Progress) int { return int(p.Now.Sub(p.Start).Hours() / 24) }

// panel is the view as lines of a terminal.
func (v *view) panel() []string {
	p := v.now
	head := bold("touchpoint demo") + dim(fmt.Sprintf("  %s customers, %s coffee machines, one process",
		grouped(int64(v.config.Customers)), grouped(int64(v.sim.Machines()))))
	lines := []string{"", "  " + head, ""}
	if !p.Living {
		return append(lines, "  registering customers and binding their machines …", "")
	}
	lines = append(lines,
		row("virtual time", fmt.Sprintf("%s   %s", p.Now.Time().Format("Mon 2 Jan 2006 15:04"), bold(fmt.Sprintf("day %d", day(p)))),
			fmt.Sprintf("%.0f days per minute", v.days)),
		row("events in", grouped(p.Events), fmt.Sprintf("%s per second, each on disk before its acknowledgement", grouped(int64(v.rate)))),
		row("decided", grouped(v.decided), fmt.Sprintf("%s held out, to measure what messages change", grouped(v.heldOut))),
		row("delivered", grouped(max(v.delivered, p.Displayed)), ""),
		row("displayed", bold(green(grouped(p.Displayed))), "on the machines' displays"),
		"")
	most := int64(1)
	for _, name := range exampleNames {
		most = max(most, v.shown(name))
	}
	for _, name := range exampleNames {
		lines = append(lines, v.journeyLine(name, most))
	}
	lines = append(lines, "")
	lines = append(lines, v.display()...)
	how := "Ctrl-C ends the fleet's life and audits it"
	if v.stopping {
		how = "finishing what is under way …"
	}
	return append(lines, "", "  "+dim("console  ")+"http://"+v.addrs.HTTP, "  "+dim(how), "")
}

var explained = map[string]string{
	"welcome":     "after the first brew",
	"descaling":   "after 200 brews in 30 days without descaling",
	"we-miss-you": "after 14 days without a brew",
}

// shown counts the messages of a journey that were displayed.
func (v *view) shown(name string) int64 {
	n := v.counts[name].GetMessages()
	return n["displayed"] + n["opened"] + n["clicked"] + n["dismissed"]
}

func (v *view) journeyLine(name string, most int64) string {
	const width = 20
	shown := v.shown(name)
	bar := strings.Repeat("█", int((shown*width+most-1)/most))
	bar += strings.Repeat(" ", width-len([]rune(bar)))
	return fmt.Sprintf("  %-13s%11s   %s  %s", name, grouped(shown), cyan(bar), dim(explained[name]))
}

// display draws the newest message as its machine shows it.
func (v *view) display() []string {
	const width = 58
	last := v.now.Last
	if last.Serial == "" {
		last = simulator.Shown{Serial: "no message yet"}
	}
	body := wrap(last.Body, width, 2)
	lines := []string{"  " + dim("╭─ ") + dim(last.Serial) + dim(" "+strings.Repeat("─", max(0, width-len([]rune(last.Serial))-1))+"╮")}
	for i, text := range append([]string{last.Title}, body...) {
		text = fmt.Sprintf("%-*s", width, cut(text, width))
		if i == 0 {
			text = bold(text)
		}
		lines = append(lines, "  "+dim("│ ")+text+dim(" │"))
	}
	return append(lines, "  "+dim("╰"+strings.Repeat("─", width+2)+"╯"))
}

func row(name, number, remark string) string {
	pad := strings.Repeat(" ", max(0, 11-visible(number)))
	if remark != "" {
		remark = "   " + dim(remark)
	}
	return fmt.Sprintf("  %-13s %s%s%s", name, pad, number, remark)
}

// wrap breaks a text into exactly n lines.
func wrap(text string, width, n int) []string {
	lines := make([]string, n)
	i := 0
	for _, word := range strings.Fields(text) {
		if lines[i] != "" && len([]rune(lines[i]))+1+len([]rune(word)) > width {
			if i++; i == n {
				return lines
			}
		}
		if lines[i] != "" {
			lines[i] += " "
		}
		lines[i] += word
	}
	return lines
}

func cut(text string, width int) string {
	if r := []rune(text); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text
}

// printSummary prints what a demo came to.
func printSummary(out io.Writer, r *audit.Report, took time.Duration) {
	fmt.Fprintf(out, "\n%.0f virtual days in %.0f s. A message was on its machine %.0f ms (p50) and %.0f ms (p99) after the\n"+
		"event that led to it was published.\n\n", r.Days, took.Seconds(), milliseconds(r.HandoverP50), milliseconds(r.HandoverP99))
	printAudit(out, r)
	fmt.Fprintf(out, "\nHeld out: the control group. Expired: nobody looked in time. Taken back: the customer brewed again first.\n"+
		"Waiting: its machine is not there yet. Arrived and in no further column: on a machine at which nobody has looked yet.\nThe audit compared the machines' own ledger with every row of the gateway's log, steps, history and messages;\n"+
		"it took %.1f s.\n", r.Took.Seconds())
}

// printNext says how to go on.
func printNext(out io.Writer, addrs app.Addrs, data string, stay bool) {
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if stay {
		fmt.Fprintf(w, "  console\thttp://%s\topen until Ctrl-C\n", addrs.HTTP)
		fmt.Fprintf(w, "  ask it\ttouchpoint --addr %s customer explain K-000001\t\n", addrs.GRPC)
	} else {
		fmt.Fprintf(w, "  console\twas at http://%s; `touchpoint demo --stay` keeps it open\n", addrs.HTTP)
	}
	if data == "" {
		fmt.Fprintln(w, "  keep the data\ttouchpoint demo --data demo-data")
	} else {
		fmt.Fprintf(w, "  data\t%s\n", data)
	}
	fmt.Fprintln(w, "  your own devices\ttouchpoint serve, then see the README")
	w.Flush()
}
