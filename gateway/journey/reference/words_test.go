package reference

import (
	"fmt"
	"strings"

	"touchpoint/gateway"
)

// story tells the scenario in words.
func (s *scenario) story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %d partitions, settings %+v\n", s.seed, s.partitions, s.cfg)
	for i := range s.cfg.traits {
		fmt.Fprintf(&b, "trait %s: %v\n", s.cfg.traits[i].name, s.cfg.traits[i].yaml())
	}
	for i, d := range s.defs {
		fmt.Fprintf(&b, "journey %s\nlater (%s) %s\n", d.yaml(), s.running[i], s.later[i].yaml())
	}
	for i, a := range s.actions {
		fmt.Fprintf(&b, "%3d %s\n", i, a.String())
	}
	return b.String()
}

func (a action) String() string {
	out := fmt.Sprintf("+%s", a.gap.Time().Sub(gateway.Instant(0).Time()))
	if a.edge > 0 {
		out = []string{"", "just before what is due", "when something is due", "just after what is due"}[a.edge]
	}
	out += ": " + a.kind
	switch a.kind {
	case "event":
		return out + fmt.Sprintf(" %s id=%s seq=%d device=%d customer=%d late=%dms %v", a.event, a.id, a.seq, a.device, a.customer, a.age, a.props)
	case "again":
		return out + fmt.Sprintf(" event %d", a.pick)
	case "receipt":
		return out + fmt.Sprintf(" %s of message %d late=%dms", a.text, a.pick, a.age)
	case "bind", "unbind":
		return out + fmt.Sprintf(" device=%d customer=%d late=%dms", a.device, a.customer, a.age)
	case "consent":
		return out + fmt.Sprintf(" customer=%d %s on %q: %v late=%dms", a.customer, a.text, a.channel, a.flag, a.age)
	case "customer":
		return out + fmt.Sprintf(" %d %s=%d %v %s", a.customer, a.text, a.number, a.list, a.channel)
	case "api":
		return out + fmt.Sprintf(" j%d customer=%d device=%d key=%s", a.journey, a.customer, a.device, a.text)
	case "journey", "publish":
		return out + fmt.Sprintf(" j%d %s", a.journey, a.text)
	case "erase":
		return out + fmt.Sprintf(" customer=%d", a.customer)
	}
	return out
}
