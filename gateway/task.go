package gateway

import (
	"crypto/sha256"
	"fmt"
)

// Task is something that a journey asks of the staff. Its texts are those of
// the journey's step, filled in where the task is shown.
type Task struct {
	ID         TaskID
	Enrollment EnrollmentID
	Journey    string
	Version    uint32
	Step       string
	Customer   CustomerID
	Device     DeviceID
	Product    string
	Assignee   string // a role or a team
	Locale     string // of the customer
	Values     Properties
	OpenedAt   Instant
	DueAt      Instant // 0 = without a date
	// As it stands now: State since ClosedAt (0 while open), Outcome in the words
	// of who did it, or why it was withdrawn.
	State    TaskState
	ClosedAt Instant
	Outcome  string
}

// TaskUpdate closes a task.
type TaskUpdate struct {
	Task     TaskID
	Customer CustomerID
	State    TaskState
	At       Instant
	Outcome  string
}

// TaskState is where a task is in its life.
type TaskState string

// The states of a task.
const (
	TaskOpen      TaskState = "open"
	TaskDone      TaskState = "done"
	TaskWithdrawn TaskState = "withdrawn"
)

// EventTaskDone is the event that says that a task was done. Its properties
// are task (the id), outcome, journey and step.
const EventTaskDone = "task_done"

// NewTaskID names one visit of a task step.
func NewTaskID(e EnrollmentID, step string, visit uint32) TaskID {
	h := sha256.New()
	h.Write(e[:])
	fmt.Fprintf(h, "task|%s|%d", step, visit)
	var id TaskID
	copy(id[:], h.Sum(nil))
	return id
}

// String returns the text form, "t_" and 26 characters; "" for none.
func (t TaskID) String() string { return text128("t_", t) }

// ParseTaskID reads the text form of a task id.
func ParseTaskID(s string) (TaskID, error) {
	v, err := parse128("t_", s)
	return TaskID(v), err
}
