package main

import (
	"fmt"

	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// deadletterCommand is `touchpoint deadletter`.
func deadletterCommand(c *client) *cobra.Command {
	cmd := group("deadletter", "What could not be taken in")
	cmd.AddCommand(deadletterList(c), deadletterReplay(c))
	return cmd
}

func (c *client) deadletters() (pb.DeadLetterServiceClient, error) {
	conn, err := c.dial()
	return pb.NewDeadLetterServiceClient(conn), err
}

func deadletterList(c *client) *cobra.Command {
	var limit int
	var payload bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show dead letters, newest first", Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.deadletters()
			if err != nil {
				return err
			}
			resp := &pb.ListDeadLettersResponse{}
			var cut bool
			resp.DeadLetters, cut, err = collect(limit, func(size int32, token string) ([]*pb.DeadLetter, string, error) {
				ctx, cancel := c.within(cmd.Context())
				defer cancel()
				r, err := api.ListDeadLetters(ctx, &pb.ListDeadLettersRequest{PageSize: size, PageToken: token, WithPayload: payload})
				return r.GetDeadLetters(), r.GetNextPageToken(), err
			})
			return show(c, resp, err, func(r *pb.ListDeadLettersResponse) {
				t := c.table("no dead letters", "ID", "RECEIVED", "SOURCE", "TOPIC", "REASON", "BYTES", "TRIED", "ERROR")
				for _, d := range r.DeadLetters {
					t.row(d.Id, when(d.ReceivedAt), d.Source, d.Topic, d.Reason, d.PayloadBytes, d.Attempts, d.Error)
					if len(d.Payload) > 0 {
						t.row("", "", "", fmt.Sprintf("%q", d.Payload))
					}
				}
				t.flush()
				c.more(cut, limit)
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this many; 0 for all")
	cmd.Flags().BoolVar(&payload, "payload", false, "with the payloads, which may be personal")
	return cmd
}

func deadletterReplay(c *client) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "replay ID… | replay --all", Short: "Take dead letters in again",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usageError{cmd, "needs either ids or --all"}
			}
			api, err := c.deadletters()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.ReplayDeadLetters(ctx, &pb.ReplayDeadLettersRequest{Ids: args, All: all})
			if err := show(c, resp, err, func(r *pb.ReplayDeadLettersResponse) {
				c.say("taken in: %d", r.Replayed)
				for _, f := range r.Failures {
					c.say("  %s stays: %s", f.Id, f.Error)
				}
			}); err != nil {
				return err
			}
			if len(resp.Failures) > 0 {
				return fmt.Errorf("%d of %d failed again", len(resp.Failures), len(resp.Failures)+int(resp.Replayed))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that are there")
	return cmd
}
