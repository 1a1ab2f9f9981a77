package journey

import (
	"slices"
	"strings"

	"touchpoint/gateway"
)

// pressure is what a journey says about competing for its customers' attention.
type pressure struct {
	priority int      // the higher wins a slot
	window   Duration // so long a send waits for competitors
	tags     []string // that cap rules may name
	context  *gate    // the device's state in which messages may be shown
	// legalBasis is why a safety journey may pass consent, caps and quiet hours.
	legalBasis string
	data       []string // categories of data that it joins
}

// pressure reads the keys priority, decision_window and tags.
func (c *compiler) pressure(o *object) {
	d := c.def
	priority, _ := o.whole("priority", -1000, 1000)
	d.priority = int(priority)
	d.window = o.duration("decision_window")
	if d.window > 7*dayMillis {
		o.fault("decision_window", "is longer than 7d: a message would come too late to be of use")
	}
	d.tags = c.tags(o)
	d.context = c.gate(o)
	c.legalBasis(o)
	c.data(o)
}

// legalBasis is what a safety journey must state: it is in every decision.
func (c *compiler) legalBasis(o *object) {
	c.def.legalBasis = o.text("legal_basis")
	switch safety := c.def.Purpose == gateway.PurposeSafety; {
	case safety && c.def.legalBasis == "":
		o.fault("legal_basis", "is missing; a safety journey passes consent, caps, quiet hours and suspension: write what allows it, such as \"recall under GPSR, art. 35\"")
	case !safety && c.def.legalBasis != "":
		o.fault("legal_basis", "is for purpose safety alone; it lets nothing pass here")
	}
}

// audited adds the legal basis of a safety journey to what a decision saw.
func (d *Definition) audited(decision gateway.Decision) gateway.Properties {
	if d.legalBasis == "" || decision.Kind != gateway.DecisionEntry && decision.Kind != gateway.DecisionSend {
		return decision.Values
	}
	out := append(slices.Clone(decision.Values), gateway.Property{Key: "legal_basis", Value: gateway.String(d.legalBasis)})
	out.Sort()
	return out
}

// gate reads the key context: {when: device.state == "idle", unknown: send}.
func (c *compiler) gate(o *object) *gate {
	n := o.get("context")
	if n == nil {
		return nil
	}
	k := c.object(n, o.field("context"))
	g := &gate{channels: k.words("channels")}
	c.channelNames(k, g.channels)
	if g.when = c.condition(k, "when", eventAtHand{}); g.when == nil {
		k.fault("when", "is missing; write the state in which the message may be shown, such as device.state == \"idle\"")
	}
	unknown := k.choice("unknown", "", "send", "hold")
	if unknown == "" {
		k.fault("unknown", "is missing; write what happens while the device's state is unknown: send or hold")
	}
	g.hold = unknown == "hold"
	k.finish()
	return g
}

// tags reads words that cap rules may name.
func (c *compiler) tags(o *object) (out []string) {
	for _, w := range o.words("tags") {
		o.word("tags", w)
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return out
}

// stepTags are those of the journey and of the step together.
func (c *compiler) stepTags(o *object) []string {
	out := slices.Concat(c.def.tags, c.tags(o))
	slices.Sort(out)
	return slices.Compact(out)
}

// channelNames checks names of channels.
func (c *compiler) channelNames(o *object, names []string) {
	for _, ch := range names {
		if c.env.Channels == nil || slices.Contains(c.env.Channels, ch) || ch == channelOfCase {
			continue
		}
		if near := closest(ch, c.env.Channels); near != "" {
			o.also("channels", "%q is no channel; did you mean %q?", ch, near)
		} else {
			o.also("channels", "%q is no channel; there are %s", ch, strings.Join(c.env.Channels, ", "))
		}
	}
}
