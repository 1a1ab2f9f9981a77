package main

import (
	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// brakeCommand is `touchpoint brake`.
func brakeCommand(c *client) *cobra.Command {
	cmd := group("brake", "Stop everything that is sent, and let it go on")
	cmd.AddCommand(brakeMove(c, "on", true), brakeMove(c, "off", false), brakeShow(c))
	return cmd
}

func brakeMove(c *client, word string, on bool) *cobra.Command {
	req := &pb.SetBrakeRequest{On: on}
	short := "Release the brake: what it held back is decided anew"
	if on {
		short = "Stop everything: nothing is handed over, what nobody saw yet is taken back"
	}
	cmd := &cobra.Command{
		Use: word, Short: short, Args: exactArgs(0), Example: "  touchpoint brake " + word,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.dial()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := pb.NewBrakeServiceClient(conn).SetBrake(ctx, req)
			return show(c, resp, err, func(r *pb.SetBrakeResponse) {
				if on {
					c.say("everything is stopped since %s", when(r.Since))
					c.say("let it go on with: touchpoint brake off")
					return
				}
				c.say("the brake is released since %s; what it held back is decided anew", when(r.Since))
			})
		},
	}
	if on {
		cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for those who look at it later")
		cmd.Example = `  touchpoint brake on --reason "wrong prices in a text"`
	}
	return cmd
}

func brakeShow(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Whether the brake is on", Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.dial()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := pb.NewBrakeServiceClient(conn).GetBrake(ctx, &pb.GetBrakeRequest{})
			return show(c, resp, err, func(r *pb.GetBrakeResponse) {
				state := "off"
				if r.On {
					state = "on"
				}
				c.facts("brake", state, "reason", r.Reason, "since", when(r.Since), "by", r.By)
			})
		},
	}
}
