package journey

import "slices"

// pressure is what a journey says about competing for its customers' attention.
type pressure struct {
	priority int      // the higher wins a slot
	window   Duration // so long a send waits for competitors
	tags     []string // that cap rules may name
}

// pressure reads the keys priority, decision_window and tags.
func (c *compiler) pressure(o *object) {
	d := c.def
	if v, ok := o.number("priority", -1000, 1000); ok {
		if d.priority = int(v); float64(d.priority) != v {
			o.fault("priority", "%v is no whole number", v)
		}
	}
	d.window = o.duration("decision_window")
	if d.window > 7*dayMillis {
		o.fault("decision_window", "is longer than 7d: a message would come too late to be of use")
	}
	d.tags = c.tags(o)
}

// tags reads words that cap rules may name.
func (c *compiler) tags(o *object) (out []string) {
	for _, w := range o.words("tags") {
		if !wordPattern.MatchString(w) {
			o.fault("tags", "%q may hold a-z, 0-9, - and _ only and starts with a letter", w)
		}
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
