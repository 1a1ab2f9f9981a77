package rpc_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchpoint/gateway"
	"touchpoint/gateway/rpc"
	pb "touchpoint/proto/touchpoint/v1"
)

func (w *world) Tasks(_ context.Context, q rpc.TaskQuery) (rpc.Page[gateway.Task], error) {
	var list []gateway.Task
	for _, t := range w.tasks {
		if (q.Task == gateway.TaskID{} || q.Task == t.ID) && (q.States == nil || slices.Contains(q.States, t.State)) {
			list = append(list, t)
		}
	}
	return page(list, q.Cursor, q.Limit), nil
}

func (w *world) TaskText(_ context.Context, t *gateway.Task, locale string) (string, string, error) {
	if t.Journey == "gone" {
		return "", "", gateway.Errorf(gateway.NotFound, "no such journey")
	}
	return "title in " + locale, "body", nil
}

// TestTasks lists tasks with their texts and records that one is done; a second
// word of it is none.
func TestTasks(t *testing.T) {
	w := newWorld()
	conn, _ := w.serve(t, nil)
	api, ctx := pb.NewTaskServiceClient(conn), testContext(t)
	id, _, err := w.Customer(ctx, "K-1")
	if err != nil {
		t.Fatal(err)
	}
	w.tasks = []gateway.Task{
		{ID: gateway.TaskID{1}, Journey: "care", Version: 2, Step: "call", Customer: id, Assignee: "support", Locale: "de", OpenedAt: start, DueAt: start + 5, State: gateway.TaskOpen},
		{ID: gateway.TaskID{2}, Journey: "gone", Customer: id, State: gateway.TaskDone, ClosedAt: start, Outcome: "reached"},
		{ID: gateway.TaskID{3}, Customer: id, State: gateway.TaskWithdrawn, Outcome: "goal"},
	}
	list, err := api.ListTasks(ctx, &pb.ListTasksRequest{Customer: customerRef("K-1"), Assignee: "support"})
	if err != nil || len(list.Tasks) != 1 {
		t.Fatal(list, err)
	}
	if k := list.Tasks[0]; k.Title != "title in de" || k.ExternalId != "K-1" || k.State != pb.TaskState_TASK_STATE_OPEN || k.DueAt.AsTime().UnixMilli() != int64(start+5) {
		t.Error(k)
	}
	other, err := api.ListTasks(ctx, &pb.ListTasksRequest{States: []pb.TaskState{pb.TaskState_TASK_STATE_DONE}, Locale: "en"})
	if err != nil || len(other.Tasks) != 1 || other.Tasks[0].Title != "" || other.Tasks[0].Outcome != "reached" {
		t.Error(other, err)
	}
	done, err := api.CompleteTask(ctx, &pb.CompleteTaskRequest{TaskId: list.Tasks[0].Id, Outcome: "reached"})
	if err != nil || done.Position == nil {
		t.Fatal(done, err)
	}
	ev := w.inputs[len(w.inputs)-1].input.Event
	if ev.Type != gateway.EventTaskDone || ev.Customer != id || ev.Properties.Get("task").String() != list.Tasks[0].Id ||
		ev.Properties.Get("outcome").String() != "reached" || ev.Properties.Get("step").String() != "call" {
		t.Errorf("%+v", ev)
	}
	if again, err := api.CompleteTask(ctx, &pb.CompleteTaskRequest{TaskId: w.tasks[1].ID.String()}); err != nil || again.Position != nil {
		t.Error(again, err)
	}
	for task, want := range map[string]codes.Code{
		"": codes.InvalidArgument, "t_1": codes.InvalidArgument,
		w.tasks[2].ID.String(): codes.FailedPrecondition, gateway.TaskID{7}.String(): codes.NotFound,
	} {
		if _, err := api.CompleteTask(ctx, &pb.CompleteTaskRequest{TaskId: task}); status.Code(err) != want {
			t.Errorf("%q: %v, want %v", task, err, want)
		}
	}
	if _, err := api.ListTasks(ctx, &pb.ListTasksRequest{States: []pb.TaskState{0}}); status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
}
