package main

import (
	"context"

	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// taskCommand is `touchpoint task`.
func taskCommand(c *client) *cobra.Command {
	cmd := group("task", "What journeys ask of the staff")
	cmd.AddCommand(taskList(c), taskDone(c))
	return cmd
}

func (c *client) tasks() (pb.TaskServiceClient, error) {
	conn, err := c.dial()
	return pb.NewTaskServiceClient(conn), err
}

func taskList(c *client) *cobra.Command {
	req := &pb.ListTasksRequest{}
	var page pageFlags
	var customer string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show open tasks, newest first", Args: exactArgs(0),
		Example: "  touchpoint task list --assignee support --lang de\n  touchpoint task list --customer K-100042 --all",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			req.Customer = customerArg(customer)
			if all {
				req.States = []pb.TaskState{pb.TaskState_TASK_STATE_OPEN, pb.TaskState_TASK_STATE_DONE, pb.TaskState_TASK_STATE_WITHDRAWN}
			}
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			resp, cut, err := c.listTasks(cmd.Context(), req, page.limit)
			return show(c, resp, err, func(r *pb.ListTasksResponse) {
				c.taskTable(r.Tasks)
				c.more(cut, page.limit)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&req.Assignee, "assignee", "", "only of this role or team")
	fl.StringVar(&req.Journey, "journey", "", "only of this journey")
	fl.StringVar(&customer, "customer", "", "only about this customer")
	fl.StringVar(&req.Locale, "lang", "", "language of the texts; the customer's when empty")
	fl.BoolVar(&all, "all", false, "also those that are done or withdrawn")
	page.add(cmd, 50)
	return cmd
}

func (c *client) listTasks(ctx context.Context, req *pb.ListTasksRequest, limit int) (*pb.ListTasksResponse, bool, error) {
	api, err := c.tasks()
	if err != nil {
		return nil, false, err
	}
	resp := &pb.ListTasksResponse{}
	var cut bool
	resp.Tasks, cut, err = collect(limit, func(size int32, token string) ([]*pb.Task, string, error) {
		req.PageSize, req.PageToken = size, token
		ctx, cancel := c.within(ctx)
		defer cancel()
		r, err := api.ListTasks(ctx, req)
		return r.GetTasks(), r.GetNextPageToken(), err
	})
	return resp, cut, err
}

func (c *client) taskTable(list []*pb.Task) {
	t := c.table("no tasks", "task", "state", "assignee", "due", "customer", "title", "body", "outcome")
	for _, k := range list {
		who := k.ExternalId
		if who == "" {
			who = k.CustomerId
		}
		t.row(k.Id, word(k.State, "TASK_STATE_"), k.Assignee, when(k.DueAt), who, k.Title, k.Body, k.Outcome)
	}
	t.flush()
}

func taskDone(c *client) *cobra.Command {
	req := &pb.CompleteTaskRequest{}
	var page pageFlags
	cmd := &cobra.Command{
		Use: "done TASK", Short: "Record that a task is done", Args: exactArgs(1),
		Example: "  touchpoint task done t_0123456789abcdefghjkmnpqrs --outcome reached",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			req.TaskId = args[0]
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			api, err := c.tasks()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.CompleteTask(ctx, req)
			return show(c, resp, err, func(r *pb.CompleteTaskResponse) {
				if r.Position == nil {
					c.say("was done before")
					return
				}
				c.say("done (position %s)", positionText(r.Position))
			})
		},
	}
	cmd.Flags().StringVar(&req.Outcome, "outcome", "", "what came of it, a word that journeys can ask for; done when empty")
	page.addAtLeast(cmd)
	return cmd
}
