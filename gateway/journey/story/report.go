package story

import (
	"cmp"
	"fmt"
	"strings"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// report writes what came of a step.
func (s *Session) report(b *gateway.Batch, st *gateway.Step) {
	at := ""
	if s.partitions > 1 {
		at = fmt.Sprintf(" @%d", st.Partition)
	}
	say := func(format string, args ...any) { s.out = append(s.out, fmt.Sprintf(format, args...)+at) }
	for i, o := range st.Outcomes {
		switch o.Disposition {
		case gateway.Duplicate:
			say("duplicate")
		case gateway.TooOld:
			say("too old: history only")
		case gateway.Held:
			say("%s", held(&b.Inputs[i]))
		case gateway.Passed:
			say("passed on")
		case gateway.Refused:
			say("refused")
		}
	}
	for _, l := range st.Late {
		say("held %s applied for %s", l.Event.Type, s.name(uint64(l.Outcome.Customer)))
	}
	for _, j := range st.Journeys {
		if j.Definition == nil {
			say("%s v%d is %s", j.Journey, j.Version, j.State)
		}
	}
	for _, o := range st.Ownerships {
		to := "…"
		if o.To != 0 {
			to = showTime(o.To)
		}
		say("%s has %s as %s from %s to %s", s.name(uint64(o.Customer)), s.name(uint64(o.Device)), o.Role, showTime(o.From), to)
	}
	s.reportMemberships(st, say)
	for i := range st.Classes {
		s.reportClass(&st.Classes[i], say)
	}
	s.reportDecisions(st, say)
	for _, f := range st.Filtered {
		if f.Unowned > 0 {
			say("%s: %d of nobody, counted", f.Journey, f.Unowned)
		}
	}
	for _, u := range st.Updates {
		detail := u.Detail
		if detail != "" {
			detail = ": " + detail
		}
		say("message %s is %s%s", s.messageName(u.Message), u.State, detail)
	}
	for _, u := range st.TaskUpdates {
		say("task %s is %s: %s", s.taskName(u.Task), u.State, u.Outcome)
	}
	for _, c := range st.Erased {
		say("%s is erased", s.name(uint64(c)))
	}
}

func (s *Session) reportDecisions(st *gateway.Step, say func(string, ...any)) {
	s.sent = append(s.sent, st.Messages...)
	s.tasks = append(s.tasks, st.Tasks...)
	s.keepDecisions(st.Decisions)
	for _, d := range st.Decisions {
		where := d.Journey
		if d.Step != "" {
			where += "/" + d.Step
		}
		if d.Customer != 0 {
			where += " for " + s.name(uint64(d.Customer))
		}
		if d.Recipient != "" {
			where += " as " + d.Recipient
		}
		text := string(d.Reason)
		if d.Rule != "" {
			text += " (" + d.Rule + ")"
		}
		for _, v := range d.Values {
			text += fmt.Sprintf(" %s=%s", v.Key, v.Value)
		}
		if d.Mixed && (d.Kind == gateway.DecisionEntry || d.Kind == gateway.DecisionConversion) {
			text += ", mixed household"
		}
		if d.Kind == gateway.DecisionConversion && d.Message != (gateway.MessageID{}) {
			text += ", credited to " + s.messageName(d.Message)
		}
		if d.At != s.w.Clock() {
			text += " at " + showTime(d.At)
		}
		say("%s %s: %s", d.Kind, where, text)
		for _, m := range st.Messages {
			if m.ID == d.Message && d.Kind == gateway.DecisionSend {
				s.reportMessage(&m, say)
			}
		}
		for i := range st.Tasks {
			if t := &st.Tasks[i]; d.Reason == gateway.ReasonTask && d.Enrollment == t.Enrollment && d.Step == t.Step && d.At == t.OpenedAt {
				s.reportTask(t, say)
			}
		}
	}
}

func (s *Session) reportMessage(m *gateway.Message, say func(string, ...any)) {
	to := s.name(uint64(m.Customer))
	if m.Channel == journey.ProductChannel {
		to += "'s " + s.name(uint64(m.Device))
	}
	var values []string
	for _, v := range m.Values {
		values = append(values, v.Key+"="+v.Value.String())
	}
	holdout := ""
	if m.Holdout {
		holdout = " (holdout: not handed over)"
	}
	until := showTime(m.ExpiresAt)
	from := ""
	if m.NotBefore > m.DecidedAt {
		from = "from " + showTime(m.NotBefore) + " "
	}
	if m.NotAfter != m.ExpiresAt {
		until = showTime(m.NotAfter) + ", expires " + until
	}
	say("→ message %s %q to %s, %suntil %s%s {%s}", s.messageName(m.ID), m.Template, to, from, until, holdout, strings.Join(values, ", "))
}

func (s *Session) messageName(id gateway.MessageID) string {
	for i, m := range s.sent {
		if m.ID == id {
			return fmt.Sprint("m", i+1)
		}
	}
	return "m?"
}

func (s *Session) cmdShow(a args) error {
	c := gateway.CustomerID(s.id(a.plain[0]))
	v, ok := s.view(c)
	say := func(format string, args ...any) { s.out = append(s.out, fmt.Sprintf(format, args...)) }
	if !ok {
		say("unknown")
		return nil
	}
	var devices []string
	for _, d := range v.Devices {
		devices = append(devices, s.name(uint64(d)))
	}
	if len(devices) > 0 {
		say("has %s", strings.Join(devices, ", "))
	}
	for _, v := range v.Attributes {
		say("attribute %s = %s", v.Key, v.Value)
	}
	for _, t := range v.Traits {
		if t.Known {
			say("%s trait.%s = %s", t.Journey, t.Name, t.Value)
		} else {
			say("%s trait.%s is unknown", t.Journey, t.Name)
		}
	}
	for _, visit := range v.Stages {
		say("stage %s since %s", cmp.Or(visit.Stage, "none"), showTime(visit.At))
	}
	if len(v.Segments) > 0 {
		say("segments %s", strings.Join(v.Segments, ", "))
	}
	for _, e := range v.Enrollments {
		if e.Recipient != "" {
			e.Journey += " as " + e.Recipient
		}
		switch {
		case e.EndedAt != 0:
			say("%s v%d ended: %s", e.Journey, e.Version, e.EndReason)
		case e.WaitsUntil != 0:
			say("%s v%d at %s until %s", e.Journey, e.Version, e.Step, showTime(e.WaitsUntil))
		default:
			say("%s v%d at %s", e.Journey, e.Version, e.Step)
		}
	}
	for _, m := range v.Messages {
		say("message %s is %s", s.messageName(m.ID), m.State)
	}
	return nil
}

// reportClass says where a customer stands by the rules.
func (s *Session) reportClass(c *gateway.CustomerClass, say func(string, ...any)) {
	var parts []string
	if n := len(c.Stages); n > 1 {
		parts = append(parts, "stage "+cmp.Or(c.Stages[n-1].Stage, "none")+" after "+c.Stages[n-2].Stage)
	} else if n == 1 {
		parts = append(parts, "stage "+c.Stages[0].Stage)
	}
	parts = append(parts, "segments {"+strings.Join(c.Segments, ", ")+"}")
	if c.At != s.w.Clock() {
		parts = append(parts, "at "+showTime(c.At))
	}
	say("%s is in %s", s.name(uint64(c.Customer)), strings.Join(parts, ", "))
}

func (s *Session) cmdHome(a args) error {
	for _, n := range a.plain {
		id := s.id(n)
		s.out = append(s.out, fmt.Sprintf("%s: as a customer %d, as a device %d, as a group %d", n,
			gateway.CustomerSubject(gateway.CustomerID(id)).Partition(s.partitions), gateway.DeviceSubject(gateway.DeviceID(id)).Partition(s.partitions),
			gateway.GroupSubject(gateway.GroupID(id)).Partition(s.partitions)))
	}
	return nil
}

func (s *Session) cmdUnfinished(args) error {
	for _, p := range s.world().Partitions() {
		p.Unfinished(func(m gateway.Message) {
			s.out = append(s.out, fmt.Sprintf("message %s is %s", s.messageName(m.ID), m.State))
		})
	}
	return nil
}

func (s *Session) cmdTimers(args) error {
	for _, p := range s.world().Partitions() {
		pure, absence := p.NextTimers()
		show := func(t gateway.Instant) string {
			if t == 0 {
				return "none"
			}
			return showTime(t)
		}
		s.out = append(s.out, fmt.Sprintf("next %s, absence %s", show(pure), show(absence)))
	}
	return nil
}
