package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// decisionCommand is `touchpoint decision`.
func decisionCommand(c *client) *cobra.Command {
	cmd := group("decision", "What was decided, and why")
	var f decisionFlags
	list := &cobra.Command{
		Use: "list", Short: "Show decisions, newest first", Args: exactArgs(0),
		Example: "  touchpoint decision list --journey welcome --reason capped,no_consent --from 24h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.listDecisions(cmd.Context(), &f, c.decisions)
		},
	}
	list.Flags().StringVar(&f.customer, "customer", "", "only this customer")
	f.add(list)
	cmd.AddCommand(list)
	return cmd
}

type decisionFlags struct {
	page                                           pageFlags
	customer, journey, reasons, kinds, from, until string
	lang, zone                                     string // of sentences
}

func (f *decisionFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.journey, "journey", "", "only this journey")
	fl.StringVar(&f.reasons, "reason", "", "only these reason codes, separated by commas")
	fl.StringVar(&f.kinds, "kind", "", "only these kinds: entry, send, exit, conversion, step, journey")
	fl.StringVar(&f.from, "from", "", "not before this time, or this long ago (24h, 7d)")
	fl.StringVar(&f.until, "to", "", "before this time")
	f.page.add(cmd, 50)
}

func (f *decisionFlags) request(ctx context.Context, c *client) (*pb.ListDecisionsRequest, error) {
	req := &pb.ListDecisionsRequest{Customer: customerArg(f.customer), Journey: f.journey, Language: f.lang, TimeZone: f.zone}
	if f.reasons != "" {
		req.Reasons = strings.Split(f.reasons, ",")
	}
	for name := range strings.SplitSeq(f.kinds, ",") {
		if name == "" {
			continue
		}
		kind, ok := enum[pb.DecisionKind](pb.DecisionKind_value, "DECISION_KIND_", name)
		if !ok {
			return nil, fmt.Errorf("--kind %q: entry, send, exit, conversion, step or journey", name)
		}
		req.Kinds = append(req.Kinds, kind)
	}
	var err error
	if req.From, err = c.instant(ctx, f.from); err != nil {
		return nil, err
	}
	if req.To, err = c.instant(ctx, f.until); err != nil {
		return nil, err
	}
	req.AtLeast, err = f.page.positions()
	return req, err
}

func (c *client) listDecisions(ctx context.Context, f *decisionFlags, human func([]*pb.Decision)) error {
	req, err := f.request(ctx, c)
	if err != nil {
		return err
	}
	api, err := c.customers()
	if err != nil {
		return err
	}
	resp := &pb.ListDecisionsResponse{}
	var cut bool
	resp.Decisions, cut, err = collect(f.page.limit, func(size int32, token string) ([]*pb.Decision, string, error) {
		req.PageSize, req.PageToken = size, token
		ctx, cancel := c.within(ctx)
		defer cancel()
		r, err := api.ListDecisions(ctx, req)
		return r.GetDecisions(), r.GetNextPageToken(), err
	})
	return show(c, resp, err, func(r *pb.ListDecisionsResponse) {
		human(r.Decisions)
		c.more(cut, f.page.limit)
	})
}

func (c *client) decisions(list []*pb.Decision) {
	t := c.table("no decisions", "AT", "JOURNEY", "KIND", "STEP", "REASON", "RULE", "VALUES", "ARM", "CUSTOMER", "GROUP", "EVENT")
	for _, d := range list {
		t.row(when(d.At), fmt.Sprintf("%s v%d", d.Journey, d.Version), word(d.Kind, "DECISION_KIND_"), d.Step, d.Reason, d.Rule,
			properties(d.Values), armText(d), inRole(d.CustomerId, d.Recipient), d.GroupId, d.EventId)
	}
	t.flush()
}

// armText names the arm of an enrollment, that of its latest split, and says
// whether members of the group are in different ones.
func armText(d *pb.Decision) string {
	text := d.Arm
	if d.Split != "" {
		text += "/" + d.Split
	}
	if d.Mixed {
		text += " (mixed group)"
	}
	return text
}

// inRole adds the role in which somebody is addressed about another's run.
func inRole(text, recipient string) string {
	if recipient == "" {
		return text
	}
	return text + " as " + recipient
}
