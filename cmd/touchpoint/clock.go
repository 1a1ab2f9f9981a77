package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "touchpoint/proto/touchpoint/v1"
)

// clockCommand is `touchpoint clock`.
func clockCommand(c *client) *cobra.Command {
	cmd := group("clock", "The gateway's time, and moving it when it is virtual")
	cmd.AddCommand(clockGet(c), clockAdvance(c))
	return cmd
}

func (c *client) clock() (pb.ClockServiceClient, error) {
	conn, err := c.dial()
	return pb.NewClockServiceClient(conn), err
}

func clockGet(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "get", Short: "Show the gateway's time", Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.clock()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.GetClock(ctx, &pb.GetClockRequest{})
			return show(c, resp, err, func(r *pb.GetClockResponse) {
				kind := "wall clock"
				if r.Virtual {
					kind = "virtual"
				}
				c.say("%s (%s)", when(r.Now), kind)
			})
		},
	}
}

func clockAdvance(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "advance TIME | +DURATION", Short: "Move a virtual clock, and wait until all is decided", Args: exactArgs(1),
		Example: "  touchpoint clock advance +1d",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.clock()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			req := &pb.AdvanceClockRequest{}
			if by, ok := cutPlus(args[0]); ok {
				d, err := span(by)
				if err != nil {
					return err
				}
				now, err := api.GetClock(ctx, &pb.GetClockRequest{})
				if err != nil {
					return err
				}
				req.To = timestamppb.New(now.Now.AsTime().Add(d))
			} else if req.To, err = c.instant(ctx, args[0]); err != nil {
				return err
			}
			resp, err := api.AdvanceClock(ctx, req)
			return show(c, resp, err, func(r *pb.AdvanceClockResponse) { c.say("%s", when(r.Now)) })
		},
	}
}

func cutPlus(text string) (string, bool) {
	if len(text) > 1 && text[0] == '+' {
		return text[1:], true
	}
	return "", false
}

// statusCommand is `touchpoint status`.
func statusCommand(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "How the gateway is", Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.dial()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := pb.NewStatusServiceClient(conn).GetStatus(ctx, &pb.GetStatusRequest{})
			return show(c, resp, err, c.status)
		},
	}
}

func (c *client) status(r *pb.GetStatusResponse) {
	ready := "yes"
	if !r.Ready {
		ready = "no"
	}
	c.facts("installation", r.Installation, "version", r.Version, "ready", ready, "time", when(r.Now))
	for _, text := range r.NotReady {
		c.say("  %s", text)
	}
	for _, text := range r.Alarms {
		c.say("  ALARM %s", text)
	}
	for _, g := range r.Guarantees {
		c.say("  %s", g)
	}
	c.say("")
	t := c.table("no partitions", "PARTITION", "EVENTS", "APPLIED", "STEPS", "TIME", "OBSERVED", "FOLLOWERS")
	for _, p := range r.Partitions {
		followers := make(map[string]int64, len(p.Followers))
		for name, at := range p.Followers {
			followers[name] = int64(at)
		}
		t.row(p.Partition, p.LastEvent, p.AppliedEvent, p.LastStep, when(p.Now), when(p.Observed), counts(followers))
	}
	t.flush()
	if !r.Ready {
		fmt.Fprintln(c.out, "not ready")
	}
}
