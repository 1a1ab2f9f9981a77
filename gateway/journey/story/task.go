package story

import (
	"cmp"
	"fmt"
	"strings"

	"touchpoint/gateway"
)

// cmdDone: done t1 [outcome=reached]
func (s *Session) cmdDone(a args) error {
	for i := range s.tasks {
		t := &s.tasks[i]
		if s.taskName(t.ID) != a.plain[0] {
			continue
		}
		now := s.w.Clock()
		return s.w.Submit(s.customerPart(t.Customer), gateway.Input{Event: gateway.Event{ID: "done:" + t.ID.String(),
			Type: gateway.EventTaskDone, Customer: t.Customer, OccurredAt: now, ReceivedAt: now, Properties: gateway.Properties{
				{Key: "journey", Value: gateway.String(t.Journey)}, {Key: "outcome", Value: gateway.String(cmp.Or(a.named["outcome"], "done"))},
				{Key: "step", Value: gateway.String(t.Step)}, {Key: "task", Value: gateway.String(t.ID.String())}}}})
	}
	return fmt.Errorf("no such task; %d were opened, named t1, t2 …", len(s.tasks))
}

func (s *Session) reportTask(t *gateway.Task, say func(string, ...any)) {
	var values []string
	for _, v := range t.Values {
		values = append(values, v.Key+"="+v.Value.String())
	}
	due := ""
	if t.DueAt != 0 {
		due = ", due " + showTime(t.DueAt)
	}
	say("→ task %s for %s about %s%s {%s}", s.taskName(t.ID), t.Assignee, s.name(uint64(t.Customer)), due, strings.Join(values, ", "))
}

func (s *Session) taskName(id gateway.TaskID) string {
	for i, t := range s.tasks {
		if t.ID == id {
			return fmt.Sprint("t", i+1)
		}
	}
	return "t?"
}
