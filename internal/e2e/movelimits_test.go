package e2e

import (
	"testing"
	"time"

	"touchpoint/gateway/app"
	pb "touchpoint/proto/touchpoint/v1"
)

// join makes customers members of a household and waits until all are.
func (g *inside) join(group string, members ...owner) {
	g.t.Helper()
	groups := pb.NewGroupServiceClient(g.conn)
	for _, o := range members {
		must[*pb.JoinGroupResponse](g.t)(groups.JoinGroup(g.ctx, &pb.JoinGroupRequest{Customer: customerRef(o.external),
			Group: &pb.GroupRef{ExternalId: group}}))
	}
	eventually(g.t, "all are members of "+group, func() bool {
		r, err := groups.GetGroup(g.ctx, &pb.GetGroupRequest{Group: &pb.GroupRef{ExternalId: group}})
		return err == nil && len(r.Members) >= len(members)
	})
}

// TestTaskMoves has customers with open tasks move to the partition of their
// household: the tasks are listed once, can be done there, and the journeys go on.
func TestTaskMoves(t *testing.T) {
	g := start(t, func(c *app.Config) { c.Partitions = 8 })
	g.publish(callHim)
	owners := g.apart(4)
	for _, o := range owners {
		g.record("scale_found", o.external, time.Now())
	}
	tasks := pb.NewTaskServiceClient(g.conn)
	list := func() map[string]*pb.Task {
		t.Helper()
		out := map[string]*pb.Task{}
		for _, task := range must[*pb.ListTasksResponse](t)(tasks.ListTasks(g.ctx, &pb.ListTasksRequest{Locale: "en", AtLeast: g.now()})).Tasks {
			if out[task.ExternalId] != nil {
				t.Errorf("two open tasks of %s", task.ExternalId)
			}
			out[task.ExternalId] = task
		}
		return out
	}
	before := list()
	if len(before) != len(owners) {
		t.Fatalf("%d open tasks of %d customers", len(before), len(owners))
	}
	g.join("H-1", owners...)
	for who, task := range list() {
		if before[who].GetId() != task.Id {
			t.Errorf("%s: the task was %s and is %s", who, before[who].GetId(), task.Id)
		}
		must[*pb.CompleteTaskResponse](t)(tasks.CompleteTask(g.ctx, &pb.CompleteTaskRequest{TaskId: task.Id, Outcome: "reached"}))
	}
	var after map[string]*pb.Task
	eventually(t, "everybody is to be visited", func() bool {
		after = list()
		for _, task := range after {
			if task.Title != "Visit" {
				return false
			}
		}
		return len(after) == len(owners)
	})
	if n := len(after); n != len(owners) {
		t.Errorf("%d visits for %d customers", n, len(owners))
	}
}

const fewMayEnter = `
name: few
purpose: service
trigger: {api: {}}
entry_cap: {max: 3}
steps:
  - id: rest
    wait: {for: 30d}
`

const expected = `
name: expected
purpose: service
trigger: {api: {}}
reentry: after_exit
forecast: {messages_per_day: 4, factor: 1}
steps:
  - id: say
    send: {channels: [stream], expires_after: 1d, texts: {en: {title: Hello}}}
`

// TestLimitsMove has customers move to the partition of their household between
// the entries and messages that limits count: none is forgotten, none counted twice.
func TestLimitsMove(t *testing.T) {
	g := start(t, func(c *app.Config) { c.Partitions = 8 })
	g.publish(fewMayEnter, expected)
	owners := g.apart(6)
	call := func(journey string, o owner, key string) string {
		t.Helper()
		return must[*pb.TriggerJourneyResponse](t)(g.journeys.TriggerJourney(g.ctx, &pb.TriggerJourneyRequest{
			Name: journey, Customer: customerRef(o.external), Key: key})).Reason
	}
	for _, o := range owners[:2] { // two of three places, two of four messages
		if r := call("few", o, "a"); r != "enrolled" {
			t.Fatalf("%s: %s", o.external, r)
		}
		call("expected", o, "a")
	}
	g.join("H-1", owners...)
	reasons := map[string]int{}
	for _, o := range owners[2:] {
		reasons[call("few", o, "b")]++
	}
	if reasons["enrolled"] != 1 || reasons["entry_cap"] != 3 {
		t.Errorf("one place is left for four: %v", reasons)
	}
	if r := call("few", owners[0], "c"); r == "enrolled" {
		t.Errorf("who is inside entered again: %s", r)
	}
	for _, o := range owners[2:5] { // the 3rd to the 5th message
		call("expected", o, "b")
	}
	eventually(t, "the journey paused itself at the fifth message", func() bool {
		j := must[*pb.GetJourneyResponse](t)(g.journeys.GetJourney(g.ctx, &pb.GetJourneyRequest{Name: "expected"})).Journey
		return j.State == pb.JourneyState_JOURNEY_STATE_PAUSED
	})
	if n := len(g.listMessages(&pb.ListMessagesRequest{AtLeast: g.now()})); n != 5 {
		t.Errorf("%d messages were decided, the pause came with the fifth", n)
	}
}
