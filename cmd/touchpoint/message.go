package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// messageCommand is `touchpoint message`.
func messageCommand(c *client) *cobra.Command {
	cmd := group("message", "Messages and what became of them")
	cmd.AddCommand(messageList(c), messageWatch(c), messageReceipt(c))
	return cmd
}

func (c *client) messages() (pb.MessageServiceClient, error) {
	conn, err := c.dial()
	return pb.NewMessageServiceClient(conn), err
}

func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func messageList(c *client) *cobra.Command {
	req := &pb.ListMessagesRequest{}
	var page pageFlags
	var customer, dev, state, from, to string
	cmd := &cobra.Command{
		Use: "list", Short: "Show messages, newest first", Args: exactArgs(0),
		Example: "  touchpoint message list --customer K-100042\n  touchpoint message list --journey welcome --state displayed,clicked --from 24h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			req.Customer = customerArg(customer)
			if req.Device, err = deviceArg(dev); err != nil {
				return err
			}
			if req.States, err = states(state); err != nil {
				return err
			}
			if req.From, err = c.instant(cmd.Context(), from); err != nil {
				return err
			}
			if req.To, err = c.instant(cmd.Context(), to); err != nil {
				return err
			}
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			resp, cut, err := c.listMessages(cmd.Context(), req, page.limit)
			return show(c, resp, err, func(r *pb.ListMessagesResponse) {
				c.messageTable(r.Messages, req.WithHistory)
				c.more(cut, page.limit)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&customer, "customer", "", "only to this customer")
	fl.StringVar(&dev, "device", "", "only about this device, PRODUCT/SERIAL")
	fl.StringVar(&req.Journey, "journey", "", "only of this journey")
	fl.StringVar(&req.MessageId, "id", "", "only this message")
	fl.StringVar(&state, "state", "", "only in these states, separated by commas")
	fl.StringVar(&from, "from", "", "not decided before this time, or this long ago (24h, 7d)")
	fl.StringVar(&to, "to", "", "decided before this time")
	fl.BoolVar(&req.WithHistory, "history", false, "with every state that each message went through")
	page.add(cmd, 50)
	return cmd
}

func (c *client) listMessages(ctx context.Context, req *pb.ListMessagesRequest, limit int) (*pb.ListMessagesResponse, bool, error) {
	api, err := c.messages()
	if err != nil {
		return nil, false, err
	}
	resp := &pb.ListMessagesResponse{}
	var cut bool
	resp.Messages, cut, err = collect(limit, func(size int32, token string) ([]*pb.Message, string, error) {
		req.PageSize, req.PageToken = size, token
		ctx, cancel := c.within(ctx)
		defer cancel()
		r, err := api.ListMessages(ctx, req)
		return r.GetMessages(), r.GetNextPageToken(), err
	})
	return resp, cut, err
}

func (c *client) messageTable(list []*pb.Message, history bool) {
	t := c.table("no messages", "DECIDED", "MESSAGE", "JOURNEY", "STEP", "CHANNEL", "STATE", "SINCE", "CUSTOMER", "DEVICE", "DETAIL")
	for _, m := range list {
		t.row(when(m.DecidedAt), m.Id, fmt.Sprintf("%s v%d", m.Journey, m.Version), m.Step, m.Channel, messageState(m.State),
			when(m.StateAt), inRole(m.CustomerId, m.Recipient), device(m.Device), m.Detail)
		if history {
			for _, h := range m.History {
				t.row(" ", " ", " ", " ", " ", messageState(h.State), when(h.At), " ", " ", h.Detail+" ")
			}
		}
	}
	t.flush()
}

func messageWatch(c *client) *cobra.Command {
	req := &pb.WatchMessagesRequest{}
	var customer, dev, state string
	var count int
	cmd := &cobra.Command{
		Use: "watch", Short: "Follow messages as they change, until Ctrl-C", Args: exactArgs(0),
		Example: "  touchpoint message watch --journey welcome",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			req.Customer = customerArg(customer)
			if req.Device, err = deviceArg(dev); err != nil {
				return err
			}
			if req.States, err = states(state); err != nil {
				return err
			}
			return c.watch(cmd, req, count)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&customer, "customer", "", "only to this customer")
	fl.StringVar(&dev, "device", "", "only about this device, PRODUCT/SERIAL")
	fl.StringVar(&req.Journey, "journey", "", "only of this journey")
	fl.StringVar(&state, "state", "", "only changes into these states, separated by commas")
	fl.IntVar(&count, "count", 0, "end after so many changes; 0 goes on")
	return cmd
}

func (c *client) watch(cmd *cobra.Command, req *pb.WatchMessagesRequest, count int) error {
	api, err := c.messages()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.authorized(cmd.Context()))
	defer cancel()
	stream, err := api.WatchMessages(ctx, req)
	if err != nil {
		return err
	}
	if _, err := stream.Header(); err != nil { // sent once the watch has begun
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "watching; Ctrl-C ends")
	for n := 0; count == 0 || n < count; n++ {
		change, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.change(change); err != nil {
			return err
		}
	}
	return nil
}

// change prints one change on one line, in columns that keep their place.
func (c *client) change(r *pb.WatchMessagesResponse) error {
	if c.asJSON {
		return c.printLine(r)
	}
	if r.Skipped > 0 {
		c.say("… %d changes left out: this terminal was too slow", r.Skipped)
	}
	m := r.Message
	whom := device(m.Device)
	if whom == "" || m.Recipient != "" {
		whom = inRole(m.CustomerId, m.Recipient)
	}
	line := fmt.Sprintf("%s  %-11s  %-20s  %-8s  %-24s  %s", when(m.StateAt), messageState(m.State),
		m.Journey+"/"+m.Step, m.Channel, whom, m.Id)
	if m.Detail != "" {
		line += "  (" + m.Detail + ")"
	}
	c.say("%s", line)
	return nil
}

func messageReceipt(c *client) *cobra.Command {
	req := &pb.ReportReceiptRequest{}
	var at string
	cmd := &cobra.Command{
		Use: "receipt MESSAGE STATE", Short: "Report what became of a message", Args: exactArgs(2),
		Example: "  touchpoint message receipt m_00k2v8m1q4w3e00k2v8m1q4w3e displayed",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := states(args[1])
			if err != nil {
				return err
			}
			if len(list) != 1 {
				return usageError{cmd, "wants one state"}
			}
			req.MessageId, req.State = args[0], list[0]
			if req.At, err = c.instant(cmd.Context(), at); err != nil {
				return err
			}
			api, err := c.messages()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.ReportReceipt(ctx, req)
			return show(c, resp, err, func(r *pb.ReportReceiptResponse) {
				c.say("stored (position %s)", positionText(r.Position))
			})
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "when it happened, a time or how long ago; now when empty")
	cmd.Flags().StringVar(&req.Channel, "channel", "", "the channel, when it is not the message's")
	cmd.Flags().StringVar(&req.Detail, "detail", "", "words for failed, or the id of the action for clicked")
	return cmd
}
