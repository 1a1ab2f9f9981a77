package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"touchpoint/simulator"
	"touchpoint/simulator/fleet"
	"touchpoint/simulator/ledger"
)

// simulateFlags are the flags of `touchpoint simulate`.
type simulateFlags struct {
	config, broker, api, ledger string
	username, password          string
	journeys                    []string
	days, rate, customers, pace int
	seed                        uint64
	step, length                time.Duration
	example                     bool
}

// simulateCommand is `touchpoint simulate`.
func simulateCommand(c *client) *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use: "simulate", Short: "Let a fleet of machines and customers live against a gateway", Args: exactArgs(0),
		Long: "Registers the customers and machines of a fleet file, connects the machines over MQTT and lets them\n" +
			"live: they brew, go offline, answer messages. A gateway with a lock-step clock is driven as fast as it\n" +
			"can; one with a paced clock steadily, at --pace; one on the wall clock in real time, or at --rate events\n" +
			"per second. Ctrl-C ends it in good order.",
		Example: "  touchpoint simulate --example > fleet.yaml\n" +
			"  touchpoint simulate --config fleet.yaml --broker tcp://127.0.0.1:1883 --ledger run.ledger --days 30\n" +
			"  touchpoint audit --ledger run.ledger",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.example {
				_, err := cmd.OutOrStdout().Write(fleet.DefaultFile())
				return err
			}
			if f.api != "" {
				c.addr = f.api
			}
			return f.run(cmd, c)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.config, "config", "", "fleet file; the demo's fleet when none is given")
	fl.BoolVar(&f.example, "example", false, "print the demo's fleet file and end")
	fl.StringVar(&f.broker, "broker", "tcp://127.0.0.1:1883", "the MQTT broker")
	fl.StringVar(&f.username, "username", "", "user name at the broker")
	fl.StringVar(&f.password, "password", "", "password at the broker (better: TOUCHPOINT_MQTT_PASSWORD)")
	fl.StringVar(&f.api, "grpc", "", "address of the gateway's API; the same as --addr")
	fl.StringVar(&f.ledger, "ledger", "", "file to write down what was sent and seen, for `touchpoint audit`")
	fl.StringArrayVar(&f.journeys, "journey", nil, "definition to publish first; may be repeated")
	fl.IntVar(&f.days, "days", 0, "end after so many virtual days")
	fl.DurationVar(&f.length, "for", 0, "end after so much real time")
	fl.DurationVar(&f.step, "step", 2*time.Hour, "by how much virtual time moves at once")
	fl.IntVar(&f.rate, "rate", 0, "on a wall clock: events per second instead of the fleet's hours")
	fl.IntVar(&f.pace, "pace", 3600, "on a paced clock: virtual seconds in a second")
	fl.IntVar(&f.customers, "customers", 0, "number of customers; overrides the fleet file")
	fl.Uint64Var(&f.seed, "seed", 0, "seed; overrides the fleet file")
	return cmd
}

func (f *simulateFlags) run(cmd *cobra.Command, c *client) error {
	config, err := loadFleet(f.config, f.customers, f.seed)
	if err != nil {
		return err
	}
	var journeys [][]byte
	for _, name := range f.journeys {
		text, err := c.readFile(name)
		if err != nil {
			return fmt.Errorf("--journey: %w", err)
		}
		journeys = append(journeys, text)
	}
	api, err := c.dialAuthorized()
	if err != nil {
		return err
	}
	book, err := openLedger(f.ledger)
	if err != nil {
		return err
	}
	password := f.password
	if password == "" {
		password = os.Getenv("TOUCHPOINT_MQTT_PASSWORD")
	}
	stop, release := stopSignal(cmd.Context(), f.length)
	defer release()
	sim, err := simulator.New(cmd.Context(), simulator.Options{Fleet: config, API: api, Ledger: book, Journeys: journeys,
		MQTT: simulator.ConnOptions{Broker: f.broker, Username: f.username, Password: password},
		Days: f.days, Step: f.step, Rate: f.rate, Pace: f.pace, Stop: stop})
	if err != nil {
		return err
	}
	err = watch(cmd.OutOrStdout(), sim, func() error { return sim.Run(context.WithoutCancel(cmd.Context())) })
	if cerr := book.Close(); err == nil {
		err = cerr
	}
	return err
}

func loadFleet(path string, customers int, seed uint64) (fleet.Config, error) {
	text := fleet.DefaultFile()
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return fleet.Config{}, fmt.Errorf("--config: %w", err)
		}
	}
	config, err := fleet.Parse(text)
	if customers > 0 {
		config.Customers = customers
	}
	if seed > 0 {
		config.Seed = seed
	}
	return config, err
}

func openLedger(path string) (*ledger.Writer, error) {
	if path == "" {
		return nil, nil
	}
	return ledger.Create(path)
}

// stopSignal closes when ctx ends (Ctrl-C) or the time is over; 0 means no limit.
func stopSignal(ctx context.Context, length time.Duration) (<-chan struct{}, context.CancelFunc) {
	if length == 0 {
		ctx, cancel := context.WithCancel(ctx)
		return ctx.Done(), cancel
	}
	ctx, cancel := context.WithTimeout(ctx, length)
	return ctx.Done(), cancel
}

// watch prints a line every few seconds while the fleet lives.
func watch(out io.Writer, sim *simulator.Run, live func() error) error {
	done := make(chan error, 1)
	go func() { done <- live() }()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			printProgress(out, sim)
			return err
		case <-tick.C:
			printProgress(out, sim)
		}
	}
}

func printProgress(out io.Writer, sim *simulator.Run) {
	p := sim.Progress()
	if !p.Living {
		fmt.Fprintf(out, "registering %d machines\n", sim.Machines())
		return
	}
	fmt.Fprintf(out, "%s  day %-4d events %-9s messages %-7s displayed %s\n", p.Now.Time().Format("2006-01-02 15:04"),
		int(p.Now.Sub(p.Start).Hours()/24), grouped(p.Events), grouped(p.Arrived), grouped(p.Displayed))
}

// grouped writes a number with commas between the thousands.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// dialAuthorized is dial for callers that make their calls with plain contexts:
// the token goes with every call.
func (c *client) dialAuthorized() (grpc.ClientConnInterface, error) {
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	return authorizedConn{conn, c}, nil
}

type authorizedConn struct {
	*grpc.ClientConn
	c *client
}

// Invoke implements grpc.ClientConnInterface.
func (a authorizedConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return a.ClientConn.Invoke(a.c.authorized(ctx), method, args, reply, opts...)
}

// NewStream implements grpc.ClientConnInterface.
func (a authorizedConn) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return a.ClientConn.NewStream(a.c.authorized(ctx), d, method, opts...)
}
