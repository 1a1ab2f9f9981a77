package reference

import (
	"fmt"
	"slices"
	"strings"

	"touchpoint/gateway"
)

// What both decided, as lines of text that are compared: every field that is written.

func coreDecision(x *gateway.Decision) string {
	if x.Reason == gateway.ReasonEntryCap { // when there is room comes behind what was seen
		x.Values.Sort()
	}
	return fmt.Sprintf("%s %s %s of %s v%d step %q customer %d device %d event %q rule %q values %s arm %s/%s %s %s", x.At, x.Kind, x.Reason, x.Journey, x.Version,
		x.Step, x.Customer, x.Device, x.EventID, x.Rule, coreValues(x.Values), x.Arm, x.Split, x.Enrollment, x.Message)
}

func refDecision(x *decision) string {
	var e gateway.EnrollmentID
	var m gateway.MessageID
	if x.run != nil {
		e = x.run.id
	}
	if x.message != nil {
		m = x.message.id
	}
	return fmt.Sprintf("%s %s %s of %s v%d step %q customer %d device %d event %q rule %q values %s arm %s/%s %s %s", x.at, x.kind, x.reason, x.journey, x.version,
		x.step, x.customer, x.device, x.event, x.rule, refValues(x.values), x.arm, x.split, e, m)
}

func coreMessage(m *gateway.Message) string {
	return fmt.Sprintf("message %s of %s %s v%d %s visit %d customer %d device %d %q %s on %s then %v template %s locale %q holdout %v decided %s from %s until %s expires %s by %q at %s %s %s %s",
		m.ID, m.Enrollment, m.Journey, m.Version, m.Step, m.Visit, m.Customer, m.Device, m.Product, m.Purpose, m.Channel, m.Fallback, m.Template, m.Locale,
		m.Holdout, m.DecidedAt, m.NotBefore, m.NotAfter, m.ExpiresAt, m.Cause, m.CauseReceivedAt, m.State, m.Recipient, coreValues(m.Values))
}

func refMessage(m *message) string {
	return fmt.Sprintf("message %s of %s %s v%d %s visit %d customer %d device %d %q %s on %s then %v template %s locale %q holdout %v decided %s from %s until %s expires %s by %q at %s %s %s %s",
		m.id, m.run.id, m.run.j.def.name, m.def.version, m.step, m.visit, m.run.c.id, m.device, m.product, m.def.purpose, m.channel, m.fallback, m.step, m.locale,
		m.holdout, m.decided, m.notBefore, m.notAfter, m.expires, m.cause.event, m.cause.came, "decided", "", refValues(m.values))
}

func coreUpdate(u *gateway.MessageUpdate) string {
	return fmt.Sprintf("update %s customer %d device %d of %s on %s %s %s %q", u.Message, u.Customer, u.Device, u.Journey, u.Channel, u.State, u.At, u.Detail)
}

func refUpdate(u *update) string {
	m := u.message
	return fmt.Sprintf("update %s customer %d device %d of %s on %s %s %s %q", m.id, m.run.c.id, m.device, m.def.name, m.channel, u.state, u.at, u.detail)
}

func coreTask(t *gateway.Task) string {
	return fmt.Sprintf("task %s of %s %s v%d %s customer %d device %d %q for %s in %q at %s due %s %s %s", t.ID, t.Enrollment, t.Journey, t.Version, t.Step, t.Customer,
		t.Device, t.Product, t.Assignee, t.Locale, t.OpenedAt, t.DueAt, t.State, coreValues(t.Values))
}

func refTask(t *task) string {
	return fmt.Sprintf("task %s of %s %s v%d %s customer %d device %d %q for support in %q at %s due %s %s %s", t.id, t.run.id, t.def.name, t.def.version, t.step, t.run.c.id,
		t.device, t.product, t.locale, t.opened, t.due, "open", refValues(t.values))
}

// coreValues lists values as they are written.
func coreValues(values gateway.Properties) string {
	var b strings.Builder
	for i := range values {
		fmt.Fprintf(&b, "%s=%s;", values[i].Key, number6(values[i].Value.Any()))
	}
	return b.String()
}

// refValues lists them by name.
func refValues(values map[string]any) string {
	if len(values) == 0 {
		return ""
	}
	list := make([]string, 0, len(values))
	for k, v := range values {
		list = append(list, k+"="+number6(v)+";")
	}
	slices.Sort(list)
	return strings.Join(list, "")
}

// number6 writes a number to a millionth, the unit of sums, and all else as it is.
func number6(v any) string {
	if f, ok := number(v); ok {
		return fmt.Sprintf("%.5f", f)
	}
	return show(v)
}
