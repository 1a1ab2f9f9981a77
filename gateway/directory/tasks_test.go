package directory_test

import (
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
)

// TestTasks: a task is there until it is done or withdrawn, and goes with an
// erasure.
func TestTasks(t *testing.T) {
	f := open(t)
	one := gateway.Task{ID: gateway.TaskID{1}, Enrollment: gateway.EnrollmentID{9}, Journey: "care", Version: 2, Step: "call", Customer: 7,
		Device: 3, Product: "brewer", Assignee: "support", Locale: "de", Values: gateway.Properties{{Key: "trait.brews", Value: gateway.Int(4)}},
		OpenedAt: start, DueAt: start + 5, State: gateway.TaskOpen}
	two := one
	two.ID, two.Customer, two.Assignee, two.OpenedAt = gateway.TaskID{2}, 8, "sales", start+1
	f.step(gateway.Step{Tasks: []gateway.Task{one, two}})
	f.step(gateway.Step{Tasks: []gateway.Task{one}, TaskUpdates: []gateway.TaskUpdate{
		{Task: two.ID, Customer: 8, State: gateway.TaskDone, At: start + 9, Outcome: "reached"}}})
	two.State, two.ClosedAt, two.Outcome = gateway.TaskDone, start+9, "reached"
	find := func(q directory.TaskQuery) []gateway.Task { return must(f.Tasks(f.ctx, q))(t).Items }
	diff(t, "all", []gateway.Task{two, one}, find(directory.TaskQuery{}))
	diff(t, "open", []gateway.Task{one}, find(directory.TaskQuery{States: []gateway.TaskState{gateway.TaskOpen}}))
	diff(t, "of sales", []gateway.Task{two}, find(directory.TaskQuery{Assignee: "sales", Journey: "care"}))
	diff(t, "by id", []gateway.Task{one}, find(directory.TaskQuery{Task: one.ID}))
	diff(t, "of a customer", []gateway.Task{two}, find(directory.TaskQuery{Customer: 8}))
	f.step(gateway.Step{Erased: []gateway.CustomerID{7}})
	diff(t, "after the erasure", []gateway.Task{two}, find(directory.TaskQuery{}))
}
