package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// journeyPreview is `touchpoint journey preview`; `publish --preview` shows the
// same.
func journeyPreview(c *client) *cobra.Command {
	var running string
	cmd := &cobra.Command{
		Use: "preview NAME", Short: "Whom publishing the draft would reach, and what becomes of who is inside", Args: exactArgs(1),
		Example: "  touchpoint journey preview welcome --running migrate",
		RunE: func(cmd *cobra.Command, args []string) error {
			policy, ok := enum[pb.RunningPolicy](pb.RunningPolicy_value, "RUNNING_POLICY_", running)
			if !ok {
				return usageError{cmd, fmt.Sprintf("--running %q: pin, migrate or restart", running)}
			}
			return c.preview(cmd, &pb.PreviewPublishRequest{Name: args[0], Running: policy})
		},
	}
	cmd.Flags().StringVar(&running, "running", "pin", "who runs on the version before: pin, migrate or restart")
	return cmd
}

func (c *client) preview(cmd *cobra.Command, req *pb.PreviewPublishRequest) error {
	api, err := c.journeys()
	if err != nil {
		return err
	}
	ctx, cancel := c.within(cmd.Context())
	defer cancel()
	resp, err := api.PreviewPublish(ctx, req)
	return show(c, resp, err, func(r *pb.PreviewPublishResponse) { c.previewed(req.Name, r) })
}

var outcomeWords = map[string]string{
	"stays": "stay on their version", "goes_on": "go on at", "pinned": "stay on their version: the step is gone and names no target",
	"starts_again": "start again at",
}

func (c *client) previewed(name string, r *pb.PreviewPublishResponse) {
	c.say("%d customers meet the entry of %s now", r.Meet, name)
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		c.say("  %d %s", r.Reasons[reason], reason)
	}
	if r.HistoryDetail != "" {
		c.say("without what history knows: %s", r.HistoryDetail)
	}
	if len(r.MissingPartitions) > 0 {
		c.say("without partitions of another process: %s", strings.Trim(fmt.Sprint(r.MissingPartitions), "[]"))
	}
	c.say("")
	t := c.table("nobody is inside", "VERSION", "STEP", "INSIDE", "THEY")
	for _, s := range r.Steps {
		words := outcomeWords[s.Outcome]
		if s.Outcome == "goes_on" || s.Outcome == "starts_again" {
			words += " " + s.Target
		}
		t.row(s.Version, s.Step, s.Count, words)
	}
	t.flush()
}
