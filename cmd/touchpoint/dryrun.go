package main

import (
	"context"

	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// dryRun is `touchpoint journey publish --dry-run`.
func (c *client) dryRun(ctx context.Context, req *pb.DryRunJourneyRequest) error {
	api, err := c.journeys()
	if err != nil {
		return err
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	resp, err := api.DryRunJourney(ctx, req)
	return show(c, resp, err, func(r *pb.DryRunJourneyResponse) {
		c.say("draft %d of %s runs since %s; nothing is sent", r.DryRun.Revision, req.Name, when(r.DryRun.Since))
		c.say("see what it decides: touchpoint decision list --journey %s", r.DryRun.Name)
		c.say("end it:              touchpoint journey stop-dry-run %s", req.Name)
	})
}

// journeyStopDryRun is `touchpoint journey stop-dry-run`.
func journeyStopDryRun(c *client) *cobra.Command {
	return &cobra.Command{
		Use: "stop-dry-run NAME", Short: "End the dry run of a journey", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.StopDryRun(ctx, &pb.StopDryRunRequest{Name: args[0]})
			return show(c, resp, err, func(*pb.StopDryRunResponse) { c.say("the dry run of %s has ended", args[0]) })
		},
	}
}
