package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// journeyEffect is `touchpoint journey effect`.
func journeyEffect(c *client) *cobra.Command {
	req := &pb.GetEffectRequest{}
	var page pageFlags
	cmd := &cobra.Command{
		Use: "effect NAME", Short: "Tell whether its messages bring more customers to the goal", Args: exactArgs(1),
		Long: "Compares who is treated with the holdout, or the arms of a split step. The interval and the verdict\n" +
			"stay valid however often you look: stop when there is one.",
		Example: "  touchpoint journey effect welcome\n  touchpoint journey effect welcome --version 2 --split tone",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			var err error
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			api, err := c.journeys()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.GetEffect(ctx, req)
			return show(c, resp, err, func(r *pb.GetEffectResponse) { c.effect(req, r) })
		},
	}
	cmd.Flags().Uint32Var(&req.Version, "version", 0, "a published version; 0 for all together")
	cmd.Flags().StringVar(&req.Split, "split", "", "compare the arms of this split step, among those who are treated")
	page.addAtLeast(cmd)
	return cmd
}

func (c *client) effect(req *pb.GetEffectRequest, r *pb.GetEffectResponse) {
	entered := "ENROLLED"
	if req.Split != "" {
		entered = "CAME TO IT"
	}
	t := c.table("nobody came to "+req.Split+" yet", "ARM", entered, "SENT OR WOULD BE", "CONVERTED", "RATE")
	for _, a := range r.Arms {
		rate := ""
		if a.Exposed > 0 || req.Split != "" {
			rate = fmt.Sprintf("%.1f %%", 100*a.Rate)
		}
		t.row(a.Arm, a.Enrolled, a.Exposed, a.Converted, rate)
	}
	t.flush()
	for _, x := range r.Comparisons {
		c.say("")
		c.comparison(x, r)
	}
	if r.Mixed > 0 {
		c.say("\n%d mixed households or accounts are in no arm: members had different arms before they formed", r.Mixed)
	}
}

func (c *client) comparison(x *pb.EffectComparison, r *pb.GetEffectResponse) {
	c.say("%s against %s: %s", x.Arm, x.Base, strings.ReplaceAll(word(x.Verdict, "EFFECT_VERDICT_"), "_", " "))
	if counted(r, x.Arm) && counted(r, x.Base) {
		c.say("  difference %s points, between %s and %s (%.0f %% interval, however often you look)", points(x.Difference), points(x.Low), points(x.High), 100*(1-r.Alpha))
	}
	if !counted(r, x.Base) {
		c.say("  nobody is in %s: without one to compare with there is no effect to measure", x.Base)
	}
	switch x.Verdict {
	case pb.EffectVerdict_EFFECT_VERDICT_NO_EFFECT_SHOWN:
		c.say("  there are enough to see a difference of %.1f points", 100*x.Margin)
	case pb.EffectVerdict_EFFECT_VERDICT_TOO_LITTLE_DATA:
		c.say("  missing for a verdict, as things stand: %s", missing(x))
	}
}

// counted reports whether anybody is in the arm.
func counted(r *pb.GetEffectResponse, arm string) bool {
	for _, a := range r.Arms {
		if a.Arm == arm {
			return a.Enrolled > 0
		}
	}
	return false
}

func points(share float64) string { return fmt.Sprintf("%+.1f", 100*share) }

func missing(x *pb.EffectComparison) string {
	var parts []string
	add := func(n int64, of string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d more %s", n, of))
		}
	}
	add(x.MissingUnits, "in "+x.Arm)
	add(x.MissingBaseUnits, "in "+x.Base)
	add(x.MissingConversions, "conversions")
	return strings.Join(parts, ", ")
}
