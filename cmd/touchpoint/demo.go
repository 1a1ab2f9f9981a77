package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"touchpoint/gateway/app"
	"touchpoint/simulator"
	"touchpoint/simulator/audit"
	"touchpoint/simulator/fleet"
	"touchpoint/simulator/ledger"
)

// The example journeys, the same as in deploy/journeys.
//
//go:embed journeys/*.yaml
var exampleJourneys embed.FS

// exampleNames are in the order in which a customer meets them.
var exampleNames = []string{"welcome", "descaling", "we-miss-you"}

// demoFlags are the flags of `touchpoint demo`.
type demoFlags struct {
	length          time.Duration
	json, data      string
	fleet, logLevel string
	customers, days int
	seed            uint64
	step            time.Duration
	stay            bool
}

// demoCommand is `touchpoint demo`.
func demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use: "demo", Short: "See it work: a gateway and a simulated fleet in one process", Args: exactArgs(0),
		Long: "Starts a gateway with everything inside it, publishes three example journeys and lets a fleet of coffee\n" +
			"machines and their customers live against it, over real MQTT and gRPC, in virtual time as fast as the\n" +
			"machine allows. Ctrl-C, --for or --days end it: what is under way is finished, and an audit compares\n" +
			"every row that the gateway stored with what the machines sent and showed. Exits with 1 if anything was\n" +
			"lost or doubled.",
		Example: "  touchpoint demo\n  touchpoint demo --for 60s --json result.json\n  touchpoint demo --customers 300 --data demo-data",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd)
		},
	}
	fl := cmd.Flags()
	fl.DurationVar(&f.length, "for", 0, "end after so much real time; without it Ctrl-C ends the demo")
	fl.IntVar(&f.days, "days", 0, "end after so many virtual days")
	fl.StringVar(&f.json, "json", "", "file to write the result to, for machines")
	fl.StringVar(&f.data, "data", "", "directory to keep the gateway's data and the fleet's ledger in; a temporary one when none is given")
	fl.StringVar(&f.fleet, "fleet", "", "fleet file instead of the built-in one; see `touchpoint simulate --example`")
	fl.IntVar(&f.customers, "customers", 0, "number of customers: more events per virtual day, fewer days per minute")
	fl.Uint64Var(&f.seed, "seed", 0, "another fleet of the same kind")
	fl.DurationVar(&f.step, "step", 2*time.Hour, "by how much virtual time moves at once")
	fl.BoolVar(&f.stay, "stay", false, "keep gateway and console running after the summary, until Ctrl-C")
	fl.StringVar(&f.logLevel, "log-level", "error", "of the gateway's log on the standard error: debug, info, warn or error")
	return cmd
}

// demo is one run of it.
type demo struct {
	flags   *demoFlags
	out     io.Writer
	screen  *screen
	dir     string
	gateway *app.Gateway
	addrs   app.Addrs
	conn    *grpc.ClientConn
	book    *ledger.Writer
	path    string // of the ledger
	begin   time.Time
}

// run plays the demo. The first Ctrl-C ends the fleet's life in good order, the
// second one gives up.
func (f *demoFlags) run(cmd *cobra.Command) (err error) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, giveUp := context.WithCancel(context.WithoutCancel(cmd.Context()))
	defer giveUp()
	stop, release := stopSignal(cmd.Context(), f.length)
	defer release()
	go func() {
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				if n > 0 {
					giveUp()
				}
			}
		}
	}()
	config, err := loadFleet(f.fleet, f.customers, f.seed)
	if err != nil {
		return err
	}
	d := &demo{flags: f, out: cmd.OutOrStdout(), begin: time.Now()}
	d.screen = newScreen(d.out)
	defer d.screen.close()
	if err := d.start(ctx, cmd.ErrOrStderr()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	report, err := d.live(ctx, config, stop)
	if err != nil {
		return err
	}
	if err := d.conclude(ctx, report); err != nil {
		return err
	}
	return auditError(report)
}

// start starts the gateway and connects to its API.
func (d *demo) start(ctx context.Context, errOut io.Writer) error {
	d.dir = d.flags.data
	if d.dir == "" {
		dir, err := os.MkdirTemp("", "touchpoint-demo-")
		if err != nil {
			return err
		}
		d.dir = dir
	}
	cfg := app.Default()
	cfg.Data = d.dir
	cfg.Clock.Mode, cfg.Clock.Origin = "lockstep", demoOrigin
	cfg.MQTT.Listen, cfg.GRPC.Listen, cfg.HTTP.Listen = freeAddress(cfg.MQTT.Listen), freeAddress(cfg.GRPC.Listen), freeAddress(cfg.HTTP.Listen)
	cfg.Log.Keep = 365 * 24 * time.Hour // the audit reads all of it
	logger, err := newLogger(errOut, d.flags.logLevel)
	if err != nil {
		return err
	}
	slog.SetDefault(logger)
	d.screen.note("starting the gateway …")
	if d.gateway, err = app.New(ctx, cfg, logger); err != nil {
		return errors.Join(err, d.removeData())
	}
	d.addrs = d.gateway.Addrs()
	d.conn, err = grpc.NewClient("passthrough:///"+d.addrs.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return errors.Join(err, d.close())
	}
	d.path = filepath.Join(d.dir, "ledger-"+time.Now().UTC().Format("20060102T150405")+".tsv")
	if d.book, err = ledger.Create(d.path); err != nil {
		return errors.Join(err, d.close())
	}
	return nil
}

// demoOrigin is when the fleet's story begins: a Monday.
var demoOrigin = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// freeAddress returns the address when nobody listens there, else one with
// another port.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return address // its own error says more
		}
	}
	defer l.Close()
	return l.Addr().String()
}

// live lets the fleet live and audits it.
func (d *demo) live(ctx context.Context, config fleet.Config, stop <-chan struct{}) (*audit.Report, error) {
	var journeys [][]byte
	for _, name := range exampleNames {
		text, err := exampleJourneys.ReadFile("journeys/" + name + ".yaml")
		if err != nil {
			return nil, err
		}
		journeys = append(journeys, text)
	}
	sim, err := simulator.New(ctx, simulator.Options{Fleet: config, API: d.conn, Ledger: d.book, Journeys: journeys,
		MQTT: simulator.ConnOptions{Broker: "tcp://" + d.addrs.MQTT}, Days: d.flags.days, Step: d.flags.step, Stop: stop})
	if err != nil {
		return nil, err
	}
	view := newView(sim, config, d.conn, d.addrs, d.begin)
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	if err := d.show(ctx, view, stop, done); err != nil {
		return nil, err
	}
	d.screen.note("comparing every stored row with what the machines saw …")
	if err := d.book.Flush(); err != nil {
		return nil, err
	}
	book, err := ledger.Read(d.path)
	if err != nil {
		return nil, err
	}
	return audit.Run(ctx, book, audit.API{Conn: d.conn}, audit.Options{Model: d.flags.fleet == ""})
}

// show draws until the fleet's life has ended.
func (d *demo) show(ctx context.Context, v *view, stop <-chan struct{}, done <-chan error) error {
	frames := time.NewTicker(d.screen.every())
	defer frames.Stop()
	for {
		select {
		case err := <-done:
			v.refresh(ctx)
			d.screen.draw(v, true)
			return err
		case err := <-d.gateway.Failed():
			return fmt.Errorf("the gateway stopped: %w", err)
		case <-stop:
			v.stopping = true
			stop = nil
		case <-frames.C:
		}
		v.refresh(ctx)
		d.screen.draw(v, false)
	}
}

// conclude prints the summary and, when asked to, keeps the gateway running.
func (d *demo) conclude(ctx context.Context, r *audit.Report) error {
	if d.flags.json != "" {
		if err := writeReport(d.out, d.flags.json, newResults(r)); err != nil {
			return err
		}
	}
	d.screen.clear()
	printSummary(d.out, r, time.Since(d.begin))
	stay := d.flags.stay || d.flags.length == 0 && d.flags.days == 0 && term.IsTerminal(int(os.Stdin.Fd())) && d.screen.terminal
	printNext(d.out, d.addrs, d.flags.data, stay)
	if !stay {
		return nil
	}
	select {
	case <-ctx.Done():
	case err := <-d.gateway.Failed():
		return err
	}
	return nil
}

func (d *demo) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	var errs []error
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	if d.gateway != nil {
		errs = append(errs, d.gateway.Close(ctx))
	}
	return errors.Join(append(errs, d.book.Close(), d.removeData())...)
}

// removeData removes a temporary directory.
func (d *demo) removeData() error {
	if d.flags.data != "" || d.dir == "" {
		return nil
	}
	return os.RemoveAll(d.dir)
}
