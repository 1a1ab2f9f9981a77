package main

import (
	"github.com/spf13/cobra"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// groupCommand is `touchpoint group`.
func groupCommand(c *client) *cobra.Command {
	cmd := group("group", "Households and accounts: members share one budget of messages")
	cmd.AddCommand(groupJoin(c), groupLeave(c), groupGet(c))
	return cmd
}

func (c *client) groups() (pb.GroupServiceClient, error) {
	conn, err := c.dial()
	return pb.NewGroupServiceClient(conn), err
}

// groupArg reads a group: its internal id (g_…), else the caller's number.
func groupArg(text string) *pb.GroupRef {
	if text == "" {
		return nil
	}
	if _, err := gateway.ParseGroupID(text); err == nil {
		return &pb.GroupRef{Id: text}
	}
	return &pb.GroupRef{ExternalId: text}
}

func groupJoin(c *client) *cobra.Command {
	req := &pb.JoinGroupRequest{}
	var at string
	cmd := &cobra.Command{
		Use: "join CUSTOMER GROUP", Short: "Make a customer a member", Args: exactArgs(2),
		Example: "  touchpoint group join K-100042 H-7 --role payer",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			req.Customer, req.Group = customerArg(args[0]), groupArg(args[1])
			if req.At, err = c.instant(cmd.Context(), at); err != nil {
				return err
			}
			api, err := c.groups()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.JoinGroup(ctx, req)
			return show(c, resp, err, func(r *pb.JoinGroupResponse) {
				c.say("%s joins %s (position %s)", r.CustomerId, r.GroupId, positionText(r.Position))
			})
		},
	}
	cmd.Flags().StringVar(&req.Role, "role", "", "what the customer is there, such as payer")
	cmd.Flags().StringVar(&at, "at", "", "since when, a time or how long ago; now when empty")
	return cmd
}

func groupLeave(c *client) *cobra.Command {
	req := &pb.LeaveGroupRequest{}
	var at, from string
	cmd := &cobra.Command{
		Use: "leave CUSTOMER", Short: "End a customer's membership", Args: exactArgs(1),
		Example: "  touchpoint group leave K-100042",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			req.Customer = customerArg(args[0])
			req.Group = groupArg(from)
			if req.At, err = c.instant(cmd.Context(), at); err != nil {
				return err
			}
			api, err := c.groups()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.LeaveGroup(ctx, req)
			return show(c, resp, err, func(r *pb.LeaveGroupResponse) { c.say("leaves (position %s)", positionText(r.Position)) })
		},
	}
	cmd.Flags().StringVar(&from, "group", "", "only if the customer is in this group")
	cmd.Flags().StringVar(&at, "at", "", "since when, a time or how long ago; now when empty")
	return cmd
}

func groupGet(c *client) *cobra.Command {
	req := &pb.GetGroupRequest{}
	var page pageFlags
	var byCustomer bool
	cmd := &cobra.Command{
		Use: "get GROUP", Short: "Show a group with its members", Args: exactArgs(1),
		Example: "  touchpoint group get H-7\n  touchpoint group get --customer K-100042",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if byCustomer {
				req.Customer = customerArg(args[0])
			} else {
				req.Group = groupArg(args[0])
			}
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			api, err := c.groups()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.GetGroup(ctx, req)
			return show(c, resp, err, func(r *pb.GetGroupResponse) { c.printGroup(r) })
		},
	}
	page.addAtLeast(cmd)
	cmd.Flags().BoolVar(&byCustomer, "customer", false, "the group of the customer who is named instead")
	cmd.Flags().BoolVar(&req.WithFormer, "former", false, "with members who left")
	return cmd
}

func (c *client) printGroup(r *pb.GetGroupResponse) {
	c.facts("id", r.GroupId, "number", r.ExternalId)
	t := c.table("nobody is in it", "customer", "number", "role", "from", "to")
	for _, m := range r.Members {
		t.row(m.CustomerId, m.ExternalId, m.Role, when(m.From), when(m.To))
	}
	t.flush()
}
