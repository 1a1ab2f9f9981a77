package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// run executes one command line and returns the exit code: 0, 1 for an error,
// 2 for a wrong command line.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	c := &client{in: in, out: out}
	root := rootCommand(c)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	c.close()
	return report(errOut, c, err)
}

// rootCommand is the command tree: the one place that knows all subcommands.
func rootCommand(c *client) *cobra.Command {
	root := &cobra.Command{
		Use:   "touchpoint",
		Short: "What connected products and their customers have to say to each other",
		Long: "touchpoint takes in events of connected products over MQTT, decides by journeys what to say\n" +
			"to whom, and delivers it. Without a subcommand for the server, it talks to a gateway that runs.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{cmd, err.Error()} })
	f := root.PersistentFlags()
	f.StringVar(&c.addr, "addr", envOr("TOUCHPOINT_ADDR", "127.0.0.1:7070"), "address of the gateway's API (TOUCHPOINT_ADDR)")
	f.StringVar(&c.token, "token", "", "bearer token (TOUCHPOINT_TOKEN, which does not show in process lists)")
	f.BoolVar(&c.tls, "tls", false, "talk TLS")
	f.StringVar(&c.ca, "ca", "", "PEM file of the authority that signed the gateway's certificate; implies --tls")
	f.BoolVar(&c.asJSON, "json", false, "print JSON for machines")
	f.DurationVar(&c.timeout, "timeout", 15*time.Second, "how long a call may take")

	root.AddCommand(
		demoCommand(),
		serveCommand(),
		simulateCommand(c),
		auditCommand(c),
		journeyCommand(c),
		historyCommand(c),
		customerCommand(c),
		groupCommand(c), taskCommand(c),
		deviceCommand(c),
		eventCommand(c),
		messageCommand(c),
		decisionCommand(c),
		deadletterCommand(c),
		clockCommand(c),
		statusCommand(c),
		brakeCommand(c),
	)
	return root
}

func envOr(key, def string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return def
}
