package e2e

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

const callHim = `name: call-him
purpose: service
trigger: {event: scale_found}
exit: [{event: descaling_finished}]
steps:
  - id: call
    task: {assignee: support, due: 2d, texts: {en: {title: 'Call {{ customer.full_name | default: "the customer" }}'}}}
  - {id: answer, wait: {until_event: task_done, where: event.outcome == "reached", timeout: 5d}}
  - {id: visit, task: {assignee: field, texts: {en: {title: Visit}}}}
`

// TestTask: a journey asks the staff for a call, hears that it is done, and
// goes on.
func TestTask(t *testing.T) {
	origin := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	g := start(t, func(c *app.Config) { lockstep(origin)(c) })
	g.publish(callHim)
	g.customer("K-1")
	resp := must[*pb.RecordEventsResponse](t)(g.events.RecordEvents(g.ctx, &pb.RecordEventsRequest{Events: []*pb.EventInput{
		{Id: "e-1", Type: "scale_found", Customer: customerRef("K-1"), OccurredAt: timestamppb.New(origin)}}}))
	api := pb.NewTaskServiceClient(g.conn)
	open := func(at []*pb.Position) []*pb.Task {
		t.Helper()
		return must[*pb.ListTasksResponse](t)(api.ListTasks(g.ctx, &pb.ListTasksRequest{Locale: "en", AtLeast: at})).Tasks
	}
	list := open(resp.Positions)
	if len(list) != 1 || list[0].Assignee != "support" || list[0].ExternalId != "K-1" || list[0].Title == "" || !list[0].DueAt.AsTime().Equal(origin.Add(48*time.Hour)) {
		t.Fatal(list)
	}
	done := must[*pb.CompleteTaskResponse](t)(api.CompleteTask(g.ctx, &pb.CompleteTaskRequest{TaskId: list[0].Id, Outcome: "reached"}))
	if next := open([]*pb.Position{done.Position}); len(next) != 1 || next[0].Title != "Visit" || next[0].DueAt != nil {
		t.Fatal(next)
	}
	again := must[*pb.CompleteTaskResponse](t)(api.CompleteTask(g.ctx, &pb.CompleteTaskRequest{TaskId: list[0].Id}))
	if again.Position != nil {
		t.Error("a task was done twice")
	}
	if _, err := api.CompleteTask(g.ctx, &pb.CompleteTaskRequest{TaskId: "t_00000000000000000000000000"}); status.Code(err) == codes.OK {
		t.Error("a task that is none was done")
	}
}
