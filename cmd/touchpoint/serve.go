package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"touchpoint/gateway/app"
)

// drainTimeout bounds an orderly stop; what is left then is in the logs.
const drainTimeout = 30 * time.Second

// serveCommand is `touchpoint serve`.
func serveCommand() *cobra.Command {
	var file, data, level, debug string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the gateway", Args: exactArgs(0),
		Long: "Runs the gateway until it is told to stop (Ctrl-C, SIGTERM). Without --config everything that\n" +
			"it needs runs inside it: broker, log, history.",
		Example: "  touchpoint serve\n  touchpoint serve --config touchpoint.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := app.Default()
			if file != "" {
				var err error
				if cfg, err = app.Load(file); err != nil {
					return err
				}
			}
			if data != "" {
				cfg.Data = data
			}
			logger, err := newLogger(cmd.ErrOrStderr(), level)
			if err != nil {
				return err
			}
			if debug != "" {
				stop, err := debugServer(debug)
				if err != nil {
					return err
				}
				defer stop()
			}
			return serve(cmd.Context(), cfg, logger, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (see docs/configuration.md)")
	cmd.Flags().StringVar(&data, "data", "", "data directory; overrides the configuration")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(&debug, "debug-listen", "", "serve profiles of this process on a loopback address")
	_ = cmd.Flags().MarkHidden("debug-listen") // exists: it was just defined
	return cmd
}

func newLogger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %q: allowed are debug, info, warn and error", level)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})), nil
}

// serve runs a gateway until ctx ends or a part of it fails, then drains it.
func serve(ctx context.Context, cfg app.Config, logger *slog.Logger, out io.Writer) error {
	g, err := app.New(ctx, cfg, logger)
	if err != nil {
		return err
	}
	printStart(out, g)
	var failed error
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "stopping: finishing what was accepted")
	case failed = <-g.Failed():
	}
	draining, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := g.Close(draining); err != nil {
		logger.Warn("stopped before everything was drained; the rest is in the log", "error", err)
	}
	return failed
}

func printStart(out io.Writer, g *app.Gateway) {
	a := g.Addrs()
	state := "is ready"
	if why := g.NotReady(); len(why) > 0 {
		state = "runs, but is not ready: " + strings.Join(why, "; ")
	}
	fmt.Fprintf(out, "touchpoint %s\n  MQTT     %s\n  API      %s\n  console  http://%s\n", state, a.MQTT, a.GRPC, a.HTTP)
	for _, line := range g.Guarantees() {
		fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(line, "\n", "\n  "))
	}
}
