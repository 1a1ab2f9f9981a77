package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"touchpoint/gateway"
	"touchpoint/gateway/app"
	"touchpoint/gateway/backtest"
	pb "touchpoint/proto/touchpoint/v1"
)

// journeyBacktest is `touchpoint journey backtest`.
func journeyBacktest(c *client) *cobra.Command {
	b := &backtestCall{c: c, req: &pb.BacktestRequest{}}
	cmd := &cobra.Command{
		Use: "backtest [FILE]", Short: "Try a journey on what was recorded, before it sends anything", Args: cobra.MaximumNArgs(1),
		Long: "Runs a draft over the recorded history: who would have got what and when, what it would have cost\n" +
			"other journeys, per step and reason. Everything before --from runs, too, so that counters, caps and\n" +
			"runs are as they were. A file that is what was published, or --journey NAME, reproduces what happened.\n" +
			"With --input it runs over a file of touchpoint history export, without a gateway.",
		Example: "  touchpoint journey backtest tip.yaml --from 2026-04-01 --to 2026-05-01 --samples 5\n" +
			"  touchpoint journey backtest --journey welcome --from 7d\n" +
			"  touchpoint journey backtest tip.yaml --input april.recording --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && b.req.Journey == "" || len(args) > 0 && b.req.Journey != "" {
				return usageError{cmd, "give the FILE of a draft, or --journey NAME of one that was published"}
			}
			if len(args) > 0 {
				def, err := c.definitionFile(args[0])
				if err != nil {
					return err
				}
				b.req.Definition = def
			}
			return b.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&b.req.Journey, "journey", "", "reproduce the published journey of this name")
	f.StringVar(&b.from, "from", "", "begin of the report: 2026-04-01, or how long ago (7d); absent: the begin of the history")
	f.StringVar(&b.to, "to", "", "end of the report; absent: the end of the history")
	f.Int32Var(&b.req.Samples, "samples", 3, "customers to follow, at most 100")
	f.StringVar(&b.req.Assume, "assume", "displayed", "what becomes of messages that were never sent: displayed (at once) or never")
	f.StringVar(&b.existing, "existing", "", "who meets the entry already: ignore or enroll; empty as the definition says")
	f.StringVar(&b.running, "running", "pin", "who runs on the version before: pin, migrate or restart")
	f.StringVar(&b.input, "input", "", "run over this recording instead of a gateway's history")
	return cmd
}

// backtestCall is one call with its flags.
type backtestCall struct {
	c                 *client
	req               *pb.BacktestRequest
	from, to          string
	existing, running string
	input             string
}

func (b *backtestCall) run(cmd *cobra.Command) error {
	var ok bool
	if b.req.Existing, ok = enum[pb.ExistingPolicy](pb.ExistingPolicy_value, "EXISTING_POLICY_", b.existing); !ok && b.existing != "" {
		return usageError{cmd, fmt.Sprintf("--existing %q: ignore or enroll", b.existing)}
	}
	if b.req.Running, ok = enum[pb.RunningPolicy](pb.RunningPolicy_value, "RUNNING_POLICY_", b.running); !ok {
		return usageError{cmd, fmt.Sprintf("--running %q: pin, migrate or restart", b.running)}
	}
	ctx := cmd.Context()
	var err error
	if b.req.From, err = b.c.instant(ctx, b.from); err == nil {
		b.req.To, err = b.c.instant(ctx, b.to)
	}
	if err != nil {
		return err
	}
	bar := newProgressBar(cmd.ErrOrStderr(), b.c.asJSON)
	report, err := b.report(ctx, bar)
	bar.close()
	return show(b.c, report, err, func(r *pb.BacktestReport) {
		colours = isTerminal(b.c.out) && os.Getenv("NO_COLOR") == ""
		fmt.Fprint(b.c.out, backtestText(r))
	})
}

func (b *backtestCall) report(ctx context.Context, bar *progressBar) (*pb.BacktestReport, error) {
	if b.input != "" {
		return b.local(ctx, bar)
	}
	conn, err := b.c.dial()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(b.c.authorized(ctx))
	defer cancel()
	stream, err := pb.NewBacktestServiceClient(conn).Backtest(ctx, b.req)
	if err != nil {
		return nil, err
	}
	for {
		part, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		if r := part.GetReport(); r != nil {
			return r, nil
		}
		bar.show(part.GetProgress())
	}
}

// local runs over a recording.
func (b *backtestCall) local(ctx context.Context, bar *progressBar) (*pb.BacktestReport, error) {
	o := backtest.Options{
		Journey: b.req.Journey, Assume: backtest.Assume(b.req.Assume), Samples: int(min(b.req.Samples, 100)),
		Existing: b.existing, Running: b.running,
		Progress: func(p backtest.Progress) { bar.show(app.BacktestProgress(p)) },
	}
	if b.req.Definition != nil {
		o.Draft = []byte(b.req.Definition.GetYaml())
	}
	if b.req.From != nil {
		o.From = gateway.InstantOf(b.req.From.AsTime())
	}
	if b.req.To != nil {
		o.To = gateway.InstantOf(b.req.To.AsTime())
	}
	report, err := backtest.Run(ctx, backtest.OpenFile(b.input), o)
	if err != nil {
		return nil, err
	}
	return app.BacktestReport(report), nil
}

// historyCommand is `touchpoint history`.
func historyCommand(c *client) *cobra.Command {
	cmd := group("history", "The recorded history")
	cmd.AddCommand(&cobra.Command{
		Use: "export FILE", Short: "Write the recorded history to a file, for backtests elsewhere", Args: exactArgs(1),
		Long: "Writes every input of the gateway with its place and time to a compressed file; touchpoint journey\n" +
			"backtest --input runs over it. It holds internal ids and telemetry, no name and no address.\n" +
			"It needs the role operator.",
		Example: "  touchpoint history export april.recording",
		RunE: func(cmd *cobra.Command, args []string) error {
			size, err := c.exportRecording(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			c.say("%s: %s", args[0], bytesText(size))
			return nil
		},
	})
	return cmd
}

// exportRecording writes beside the file first, so that a broken stream leaves
// none.
func (c *client) exportRecording(ctx context.Context, name string) (size int64, err error) {
	conn, err := c.dial()
	if err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".recording-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	w := bufio.NewWriter(f)
	size, err = c.receiveRecording(ctx, pb.NewBacktestServiceClient(conn), w)
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		return 0, err
	}
	return size, os.Rename(f.Name(), name)
}

func (c *client) receiveRecording(ctx context.Context, api pb.BacktestServiceClient, w io.Writer) (size int64, err error) {
	stream, err := api.ExportRecording(c.authorized(ctx), &pb.ExportRecordingRequest{})
	for err == nil {
		var part *pb.ExportRecordingResponse
		if part, err = stream.Recv(); err == nil {
			size += int64(len(part.Data))
			_, err = w.Write(part.Data)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return size, err
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d kB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// progressBar shows how far a backtest is, on a terminal.
type progressBar struct {
	out   io.Writer
	on    bool
	begin time.Time
}

func newProgressBar(out io.Writer, quiet bool) *progressBar {
	b := &progressBar{out: out, on: !quiet && isTerminal(out) && os.Getenv("TERM") != "dumb", begin: time.Now()}
	if b.on {
		fmt.Fprint(out, "  reading the history …")
	}
	return b
}

const barWidth = 32

func (b *progressBar) show(p *pb.BacktestProgress) {
	if !b.on || p == nil {
		return
	}
	left := ""
	if took := time.Since(b.begin); p.Share > 0.05 && took > time.Second {
		left = fmt.Sprintf(", %s left", time.Duration(float64(took)*(1-p.Share)/p.Share).Round(time.Second))
	}
	fmt.Fprintf(b.out, "\r\x1b[K  %s %3.0f %%  %s  %s inputs%s", meter(p.Share, barWidth), 100*p.Share,
		p.At.AsTime().Format("2 Jan 2006 15:04"), grouped(p.Inputs), left)
}

func (b *progressBar) close() {
	if b.on {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
