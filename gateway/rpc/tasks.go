package rpc

import (
	"cmp"
	"context"
	"fmt"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

type taskService struct {
	pb.UnimplementedTaskServiceServer
	*base
}

// maxOutcome bounds what came of a task, in bytes.
const maxOutcome = 64

// Tasks reads what journeys ask of the staff.
type Tasks interface {
	// Tasks are the latest opened first.
	Tasks(ctx context.Context, q TaskQuery) (Page[gateway.Task], error)
	// TaskText fills in the text of a task in a language.
	TaskText(ctx context.Context, t *gateway.Task, locale string) (title, body string, err error)
}

// TaskQuery chooses tasks; zero fields choose all.
type TaskQuery struct {
	Task     gateway.TaskID
	Customer gateway.CustomerID
	Journey  string
	Assignee string
	States   []gateway.TaskState
	Limit    int
	Cursor   string
}

var taskStates = map[pb.TaskState]gateway.TaskState{
	pb.TaskState_TASK_STATE_OPEN:      gateway.TaskOpen,
	pb.TaskState_TASK_STATE_DONE:      gateway.TaskDone,
	pb.TaskState_TASK_STATE_WITHDRAWN: gateway.TaskWithdrawn,
}

// ListTasks reads a page of tasks.
func (s *taskService) ListTasks(ctx context.Context, req *pb.ListTasksRequest) (*pb.ListTasksResponse, error) {
	var c checker
	q := TaskQuery{Journey: req.Journey, Assignee: req.Assignee, Limit: c.pageSize(req.PageSize)}
	c.text("assignee", req.Assignee, maxRole)
	c.text("locale", req.Locale, maxRole)
	c.customer("customer", req.Customer, false)
	if req.Journey != "" {
		c.journey("journey", req.Journey)
	}
	for i, st := range req.States {
		if taskStates[st] == "" {
			c.fail(fmt.Sprintf("states[%d]", i), "is no state of a task")
		}
		q.States = append(q.States, taskStates[st])
	}
	if q.States == nil {
		q.States = []gateway.TaskState{gateway.TaskOpen}
	}
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	var err error
	if q.Cursor, err = s.cursor(req, req.PageToken); err != nil {
		return nil, err
	}
	if q.Customer, err = s.findCustomer(ctx, "customer", req.Customer); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	page, err := s.Tasks.Tasks(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListTasksResponse{NextPageToken: s.token(req, page.Next)}
	for i := range page.Items {
		resp.Tasks = append(resp.Tasks, s.task(ctx, &page.Items[i], req.Locale))
	}
	return resp, nil
}

func (s *taskService) task(ctx context.Context, t *gateway.Task, locale string) *pb.Task {
	out := &pb.Task{Id: t.ID.String(), Journey: t.Journey, Version: t.Version, Step: t.Step, EnrollmentId: t.Enrollment.String(),
		CustomerId: t.Customer.String(), Device: s.deviceRef(ctx, t.Device), Assignee: t.Assignee, OpenedAt: stamp(t.OpenedAt),
		DueAt: stamp(t.DueAt), ClosedAt: stamp(t.ClosedAt), Outcome: t.Outcome}
	for code, state := range taskStates {
		if state == t.State {
			out.State = code
		}
	}
	if name, err := s.Vault.CustomerName(ctx, t.Customer); err == nil {
		out.ExternalId = name.Reveal()
	}
	var err error
	if out.Title, out.Body, err = s.Tasks.TaskText(ctx, t, cmp.Or(locale, t.Locale)); err != nil {
		s.Logger.Warn("the text of a task cannot be filled in", "journey", t.Journey, "version", t.Version, "step", t.Step, "error", err)
	}
	return out
}

// CompleteTask records that a task is done. The event's id is the task's, so
// that two calls at once are one.
func (s *taskService) CompleteTask(ctx context.Context, req *pb.CompleteTaskRequest) (*pb.CompleteTaskResponse, error) {
	var c checker
	id, err := gateway.ParseTaskID(req.TaskId)
	if err != nil {
		c.fail("task_id", `must be "t_" and 26 characters`)
	}
	c.text("outcome", req.Outcome, maxOutcome)
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	page, err := s.Tasks.Tasks(ctx, TaskQuery{Task: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(page.Items) == 0 {
		return nil, notFound("task_id", "there is no such task")
	}
	t := &page.Items[0]
	switch t.State {
	case gateway.TaskDone:
		return &pb.CompleteTaskResponse{}, nil
	case gateway.TaskWithdrawn:
		return nil, gateway.Errorf(gateway.Conflict, "the task was withdrawn (%s)", t.Outcome)
	}
	now := s.Clock.Now()
	ev := gateway.Event{ID: "done:" + t.ID.String(), Type: gateway.EventTaskDone, Customer: t.Customer, OccurredAt: now, ReceivedAt: now,
		Source: gateway.SourceGRPC, Properties: gateway.Properties{
			{Key: "journey", Value: gateway.String(t.Journey)}, {Key: "outcome", Value: gateway.String(cmp.Or(req.Outcome, "done"))},
			{Key: "step", Value: gateway.String(t.Step)}, {Key: "task", Value: gateway.String(t.ID.String())}}}
	positions, errs := s.Intake.Record(ctx, []gateway.Event{ev})
	if errs != nil && errs[0] != nil {
		return nil, errs[0]
	}
	return &pb.CompleteTaskResponse{Position: position(positions[0])}, nil
}
