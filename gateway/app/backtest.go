package app

import (
	"context"
	"io"
	"os"
	"runtime"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
	"touchpoint/gateway/backtest"
	"touchpoint/gateway/journey"
	"touchpoint/gateway/rpc"
	pb "touchpoint/proto/touchpoint/v1"
)

// backtests runs journeys over the history, one at a time: it holds the state of
// every partition once more, and must leave the live road its time.
type backtests struct {
	g    *Gateway
	turn chan struct{}
}

func newBacktests(g *Gateway) *backtests {
	return &backtests{g: g, turn: make(chan struct{}, 1)}
}

// Backtest implements rpc.Backtests.
func (b *backtests) Backtest(ctx context.Context, q rpc.BacktestQuery, progress func(*pb.BacktestProgress) error) (*pb.BacktestReport, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o := backtest.Options{
		Draft: journey.Standalone(q.Definition, b.g.cfg.Rules.Traits), Journey: q.Journey, From: q.From, To: q.To, Existing: q.Existing, Running: q.Running,
		Assume: backtest.Assume(q.Assume), Samples: q.Samples, Rules: b.g.cfg.Rules,
		Progress: func(p backtest.Progress) {
			if err := progress(BacktestProgress(p)); err != nil {
				cancel(err)
			}
		},
	}
	o.Rules.Partitions, o.Now = b.g.cfg.Partitions, b.g.clock.Now()
	var report *backtest.Report
	err := b.alone(func() (err error) {
		report, err = backtest.Run(ctx, gentle{backtest.FromHistory(b.g.history)}, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return BacktestReport(report), nil
}

// WriteRecording implements rpc.Backtests.
func (b *backtests) WriteRecording(ctx context.Context, w io.Writer) error {
	return b.alone(func() error {
		_, err := backtest.Write(ctx, w, backtest.FromHistory(b.g.history))
		return err
	})
}

// alone runs fn when nothing of its kind runs, on a thread that gives way to
// others.
func (b *backtests) alone(fn func() error) error {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	default:
		return gateway.Errorf(gateway.Exhausted, "a backtest is running: wait for its end, or run over a recording (touchpoint history export)")
	}
	// One place more to run in: a thread of low priority that waits for its turn
	// occupies one, and it shall not be one of the live road's.
	places := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(places + 1)
	defer func() {
		if os.Getenv("GOMAXPROCS") != "" {
			runtime.GOMAXPROCS(places)
			return
		}
		runtime.SetDefaultGOMAXPROCS()
	}()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its priority
		giveWay()
		done <- fn()
	}()
	return <-done
}

// gentle is a source that rests as long as it works: a backtest has time, and
// takes at most half a core from the live road.
type gentle struct{ backtest.Source }

// Read implements backtest.Source.
func (g gentle) Read(ctx context.Context, r backtest.Range, fn func(*backtest.Record) error) error {
	began := time.Now()
	return g.Source.Read(ctx, r, func(rec *backtest.Record) error {
		if worked := time.Since(began); worked > 2*time.Millisecond {
			time.Sleep(min(worked, 10*time.Millisecond))
			began = time.Now()
		}
		return fn(rec)
	})
}

// BacktestProgress shows progress as the API does.
func BacktestProgress(p backtest.Progress) *pb.BacktestProgress {
	return &pb.BacktestProgress{At: stamp(p.At), Share: p.Share, Records: p.Records, Inputs: p.Inputs}
}

// BacktestReport shows a report as the API does.
func BacktestReport(r *backtest.Report) *pb.BacktestReport {
	out := &pb.BacktestReport{
		Journey: r.Journey, Version: r.Version, Draft: r.Draft, From: stamp(r.From), To: stamp(r.To), Exact: r.Exact,
		Customers: r.Customers, Entered: r.Entered, Messages: r.Messages, HeldOut: r.HeldOut, Capped: r.Capped, Conversions: r.Conversions,
		Records: r.Work.Records, Inputs: r.Work.Inputs, Partitions: int32(r.Work.Partitions),
		First: stamp(r.Work.First), Last: stamp(r.Work.Last), Took: durationpb.New(r.Work.Took),
	}
	for _, n := range r.Notes {
		out.Notes = append(out.Notes, &pb.BacktestNote{Code: string(n.Code), Text: n.Text, Count: n.Count, At: stamp(n.At), Exact: n.Exact()})
	}
	for _, c := range r.Channels {
		out.Channels = append(out.Channels, &pb.BacktestChannel{Channel: c.Channel, Messages: c.Messages})
	}
	for _, c := range r.Steps {
		out.Steps = append(out.Steps, &pb.BacktestCount{Step: c.Step, Kind: c.Kind.String(), Reason: string(c.Reason), Rule: c.Rule,
			Count: c.Count, Example: customerRef(c.Example)})
	}
	for _, d := range r.Days {
		out.Days = append(out.Days, &pb.BacktestDay{Date: d.Date, Entered: d.Entered, Messages: d.Messages, HeldOut: d.HeldOut,
			Capped: d.Capped, Conversions: d.Conversions})
	}
	for _, o := range r.Others {
		out.Others = append(out.Others, &pb.BacktestPressure{Journey: o.Journey, Recorded: o.Recorded, Lost: o.Lost, Gained: o.Gained, Capped: o.Capped})
	}
	for i := range r.Samples {
		out.Samples = append(out.Samples, backtestSample(&r.Samples[i]))
	}
	return out
}

func backtestSample(s *backtest.Sample) *pb.BacktestSample {
	out := &pb.BacktestSample{Customer: customerRef(s.Customer)}
	for _, l := range s.Lines {
		line := &pb.BacktestLine{At: stamp(l.At), Kind: l.Kind.String(), Step: l.Step, Reason: string(l.Reason), Rule: l.Rule}
		if !l.Message.IsZero() {
			line.MessageId = l.Message.String()
		}
		out.Lines = append(out.Lines, line)
	}
	return out
}

func customerRef(c gateway.CustomerID) *pb.CustomerRef {
	if c == 0 {
		return nil
	}
	return &pb.CustomerRef{Id: c.String()}
}

func stamp(at gateway.Instant) *timestamppb.Timestamp {
	if at == 0 {
		return nil
	}
	return timestamppb.New(at.Time())
}
