package journey

import (
	"slices"

	"touchpoint/gateway"
)

// taskSpec is a step that asks something of the staff.
type taskSpec struct {
	assignee string
	due      Duration // 0 = without a date
}

// task is one that is open. Once the run that opened it is over and forgotten,
// the task stays until it is done.
type task struct {
	id         gateway.TaskID
	enrollment gateway.EnrollmentID
}

// maxOpenTasks bounds what is asked of the staff for one customer: beyond it
// the oldest task is withdrawn.
const maxOpenTasks = 100

// openTask visits a task step. Staff do not reach the customer by it: no
// consent and no cap is asked.
func (p *Partition) openTask(e *enrollment, s *step) {
	if e.arm == armHoldout {
		p.stepDecisionAt(e, s, gateway.ReasonHoldout, "", s.task.assignee)
		return
	}
	e.visits++
	device := p.deviceOf(e)
	t := gateway.Task{ID: gateway.NewTaskID(e.id, s.id, e.visits), Enrollment: e.id, Journey: e.v.journey.name, Version: e.v.number,
		Step: s.id, Customer: e.c.id, Device: device, Product: p.productOf(device), Assignee: s.task.assignee, Locale: e.c.locale,
		Values: p.messageValues(e, device), OpenedAt: p.now, State: gateway.TaskOpen}
	if s.task.due != 0 {
		t.DueAt = s.task.due.after(p.now)
	}
	if e.c.more != nil && len(e.c.more.tasks) >= maxOpenTasks {
		p.closeTask(e.c, e.c.more.tasks[0].id, gateway.TaskWithdrawn, "too many open tasks")
	}
	do(p, taskChange{e.c.id, task{t.ID, e.id}})
	p.out.Tasks = append(p.out.Tasks, t)
	p.stepDecisionAt(e, s, gateway.ReasonTask, "", s.task.assignee)
}

// taskDone closes the task that an event speaks of. One that is not open is
// left as it is: the event is like any other.
func (p *Partition) taskDone(c *customer, ev *gateway.Event) {
	id, _ := gateway.ParseTaskID(ev.Properties.Get("task").String()) // that of no task, if it is none
	if c.more == nil || !slices.ContainsFunc(c.more.tasks, func(t task) bool { return t.id == id }) {
		return
	}
	outcome := ""
	if v := ev.Properties.Get("outcome"); v.Kind() == gateway.KindString {
		outcome = clone(v.String())
	}
	p.closeTask(c, id, gateway.TaskDone, outcome)
}

// withdrawTasks takes back the open tasks for which match holds.
func (p *Partition) withdrawTasks(c *customer, reason gateway.Reason, match func(*task) bool) {
	if c.more == nil {
		return
	}
	for _, t := range slices.Clone(c.more.tasks) {
		if match(&t) {
			p.closeTask(c, t.id, gateway.TaskWithdrawn, string(reason))
		}
	}
}

func (p *Partition) closeTask(c *customer, id gateway.TaskID, state gateway.TaskState, outcome string) {
	do(p, taskClosedChange{c.id, id})
	p.out.TaskUpdates = append(p.out.TaskUpdates, gateway.TaskUpdate{Task: id, Customer: c.id, State: state, At: p.now, Outcome: outcome})
}

// taskChange opens a task.
type taskChange struct {
	customer gateway.CustomerID
	task     task
}

func (c taskChange) encode(e *encoder) {
	e.byte(opTask)
	e.fixed(uint64(c.customer))
	e.task(c.task)
}

func (c taskChange) apply(p *Partition) {
	m := p.customer(c.customer).grow()
	m.tasks = append(m.tasks, c.task)
}

// taskClosedChange forgets one: it is done or withdrawn.
type taskClosedChange struct {
	customer gateway.CustomerID
	id       gateway.TaskID
}

func (c taskClosedChange) encode(e *encoder) {
	e.byte(opTaskClosed)
	e.fixed(uint64(c.customer))
	e.raw(c.id[:])
}

func (c taskClosedChange) apply(p *Partition) {
	if cust := p.customers[c.customer]; cust != nil && cust.more != nil {
		cust.more.tasks = slices.DeleteFunc(cust.more.tasks, func(t task) bool { return t.id == c.id })
	}
}

func (e *encoder) task(t task) {
	e.raw(t.id[:])
	e.raw(t.enrollment[:])
}

func (d *decoder) task() task { return task{d.id16(), d.id16()} }

// task reads a step that asks something of the staff.
func (c *compiler) task(s *step, o *object) {
	s.task.assignee = o.required("assignee", "name who does it: a role or a team, such as support")
	if s.task.assignee != "" && !wordPattern.MatchString(s.task.assignee) {
		o.fault("assignee", "%q is no name of a role or a team: a-z, 0-9, - and _, starting with a letter", s.task.assignee)
	}
	s.task.due = o.duration("due")
	if n := o.get("texts"); n == nil {
		o.fault("texts", "is missing; write title and body per locale, such as texts: {en: {title: …, body: …}}")
	} else {
		c.templates(s, c.object(n, o.field("texts")))
	}
	o.finish()
}

// actions reads the buttons of a message; a task has none.
func (s *step) actions(texts *object) []*node {
	if s.kind != stepSend {
		return nil
	}
	return texts.list("actions")
}
