package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	"touchpoint/gateway/explain"
	pb "touchpoint/proto/touchpoint/v1"
)

// backtestText is a report for people.
func backtestText(r *pb.BacktestReport) string {
	v := &backtestView{r: r}
	v.head()
	v.totals()
	v.decisions()
	v.days()
	v.pressure()
	v.samples()
	v.notes()
	v.line("")
	v.line("%s", dim(fmt.Sprintf("%s inputs in %s records of %d partitions, %.1f s", grouped(r.Inputs), grouped(r.Records),
		r.Partitions, r.Took.AsDuration().Seconds())))
	return v.b.String()
}

type backtestView struct {
	r *pb.BacktestReport
	b strings.Builder
}

func (v *backtestView) line(format string, args ...any) {
	fmt.Fprintf(&v.b, strings.TrimRight(format, " ")+"\n", args...)
}

func (v *backtestView) title(text string) {
	v.line("")
	v.line("%s", bold(text))
}

func (v *backtestView) head() {
	r := v.r
	what := fmt.Sprintf("version %d, as it was published", r.Version)
	if r.Draft {
		what = "a draft: what it would have done"
	}
	v.line("%s · %s", bold(r.Journey), what)
	from, to := r.From, r.To
	if from == nil || from.AsTime().Before(r.First.AsTime()) {
		from = r.First
	}
	if to == nil || to.AsTime().After(r.Last.AsTime()) {
		to = r.Last
	}
	if from != nil {
		v.line("%s – %s", shortTime(from), shortTime(to))
	}
	if r.Exact {
		v.line("%s", green("exact: nothing was missing"))
	} else {
		v.line("%s", cyan("not exact: see the notes below"))
	}
}

func shortTime(t *timestamppb.Timestamp) string { return t.AsTime().Format("2 Jan 2006 15:04 UTC") }

func (v *backtestView) totals() {
	r := v.r
	v.line("")
	fact := func(name string, n int64, more string) {
		if n != 0 || more == "always" {
			v.line("  %-18s %12s  %s", name, bold(grouped(n)), dim(strings.TrimPrefix(more, "always")))
		}
	}
	var channels []string
	for _, c := range r.Channels {
		channels = append(channels, c.Channel+" "+grouped(c.Messages))
	}
	fact("customers", r.Customers, "always")
	if r.Entered != r.Customers {
		fact("enrollments", r.Entered, "")
	}
	if len(channels) > 0 {
		fact("messages", r.Messages, strings.Join(channels, " · "))
	} else {
		fact("messages", r.Messages, "always")
	}
	fact("held out", r.HeldOut, "control arm: decided, not sent")
	fact("capped", r.Capped, "a frequency cap was used up")
	fact("reached the goal", r.Conversions, v.goalNote())
}

func (v *backtestView) goalNote() string {
	if v.r.Draft {
		return "without having seen the message"
	}
	return ""
}

// decisions shows the counts per step and reason.
func (v *backtestView) decisions() {
	if len(v.r.Steps) == 0 {
		return
	}
	v.title("What was decided")
	var most int64
	for _, c := range v.r.Steps {
		most = max(most, c.Count)
	}
	group := ""
	for _, c := range v.r.Steps {
		name := c.Kind
		if c.Step != "" {
			name = c.Step + dim(" · "+c.Kind)
		}
		if name != group {
			group = name
			v.line("  %s", name)
		}
		v.line("    %-16s %9s  %s  %s", c.Reason, grouped(c.Count), meter(float64(c.Count)/float64(most), 12), dim(clip(detail(c), 84)))
	}
}

// detail says what a reason means, which rule it was, and names a customer.
func detail(c *pb.BacktestCount) string {
	text := explain.Reason(gateway.Reason(c.Reason), "en")
	if c.Rule != "" {
		text += " (" + clip(c.Rule, 30) + ")"
	}
	if example := customerText(c.Example); example != "" {
		text += ", such as " + example
	}
	return text
}

func customerText(c *pb.CustomerRef) string {
	if c.GetExternalId() != "" {
		return c.ExternalId
	}
	return c.GetId()
}

// maxDays is how many days are shown one by one; longer ranges go by weeks.
const maxDays = 35

func (v *backtestView) days() {
	list := v.r.Days
	if len(list) < 2 {
		return
	}
	title := "Day by day"
	if len(list) > maxDays {
		title, list = "Week by week", weeks(list)
	}
	v.title(title)
	var most int64
	capped := false
	for _, d := range list {
		most = max(most, d.Messages+d.HeldOut, 1)
		capped = capped || d.Capped > 0
	}
	for _, d := range list {
		text := fmt.Sprintf("  %s  %s %9s messages %9s entered", d.Date, meter(float64(d.Messages)/float64(most), 20), grouped(d.Messages), grouped(d.Entered))
		if capped {
			text += fmt.Sprintf(" %8s capped", grouped(d.Capped))
		}
		v.line("%s", text)
	}
}

// weeks sums days by sevens, named after their first day.
func weeks(days []*pb.BacktestDay) (list []*pb.BacktestDay) {
	for i, d := range days {
		if i%7 == 0 {
			list = append(list, &pb.BacktestDay{Date: d.Date})
		}
		w := list[len(list)-1]
		w.Entered += d.Entered
		w.Messages += d.Messages
		w.HeldOut += d.HeldOut
		w.Capped += d.Capped
		w.Conversions += d.Conversions
	}
	return list
}

func (v *backtestView) pressure() {
	if !v.r.Draft {
		return
	}
	v.title("What it costs other journeys")
	if len(v.r.Others) == 0 {
		v.line("  nothing: they would have sent what they sent")
		return
	}
	for _, o := range v.r.Others {
		text := fmt.Sprintf("  %-22s %10s of %s messages fewer", o.Journey, grouped(o.Lost), grouped(o.Recorded))
		if o.Gained > 0 {
			text += fmt.Sprintf(", %s others instead", grouped(o.Gained))
		}
		if o.Capped > 0 {
			text += dim(fmt.Sprintf("  (capped %s times more)", grouped(o.Capped)))
		}
		v.line("%s", text)
	}
}

func (v *backtestView) samples() {
	if len(v.r.Samples) == 0 {
		return
	}
	v.title("Customers, chosen by chance")
	for _, s := range v.r.Samples {
		v.line("  %s", customerText(s.Customer))
		for _, l := range s.Lines {
			what := l.Kind
			if l.Step != "" {
				what = l.Step + " · " + l.Kind
			}
			v.line("    %s  %-24s %-18s %s", l.At.AsTime().Format("2006-01-02 15:04:05"), clip(what, 24), l.Reason, dim(clip(l.Rule, 50)))
		}
	}
}

func (v *backtestView) notes() {
	if len(v.r.Notes) == 0 {
		return
	}
	v.title("Notes")
	for _, n := range v.r.Notes {
		mark := "not exact:"
		if n.Exact {
			mark = "note:"
		}
		v.line("  %s %s", mark, n.Text)
	}
}

// meter draws a share between 0 and 1.
func meter(share float64, width int) string {
	eighths := int(share*float64(width)*8 + 0.5)
	eighths = min(max(eighths, 0), width*8)
	if share > 0 && eighths == 0 {
		eighths = 1
	}
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return green(bar) + strings.Repeat(" ", width-visible(bar))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
