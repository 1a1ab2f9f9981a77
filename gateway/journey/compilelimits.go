package journey

import (
	"slices"
	"strconv"
	"strings"
)

// limits reads what bounds a journey over the whole installation.
func (c *compiler) limits(o *object) {
	c.existing(o)
	c.entryCap(o)
	c.ramp(o)
	c.forecast(o)
}

// existing reads ignore, enroll, or enroll N per day.
func (c *compiler) existing(o *object) {
	text := o.text("existing")
	if text == "" || text == "ignore" {
		return
	}
	c.def.existing = true
	if text != "enroll" {
		var problem string
		if c.def.pace, problem = ParsePace(text); problem != "" {
			o.fault("existing", "%s", problem)
		}
	}
}

// ParsePace reads "enroll 500 per day"; fault says what is wrong.
func ParsePace(text string) (perDay int, fault string) {
	words := strings.Fields(text)
	if len(words) == 4 && words[0] == "enroll" && words[2] == "per" && words[3] == "day" {
		perDay, _ = strconv.Atoi(words[1])
	}
	if perDay < 1 || perDay > 1e9 {
		return 0, strconv.Quote(text) + " is not allowed; write ignore, enroll, or enroll 500 per day"
	}
	return perDay, ""
}

func (c *compiler) entryCap(o *object) {
	n := o.get("entry_cap")
	if n == nil {
		return
	}
	e := c.object(n, "entry_cap")
	a := &allowance{per: e.duration("per"), calendar: e.choice("calendar", "", "day", "week", "month")}
	most, ok := e.whole("max", 1, 1e9)
	if a.max = int(most); !ok {
		e.fault("max", "is missing; write how many may enter, such as max: 500")
	}
	if a.per > 0 && a.calendar != "" {
		e.fault("calendar", "excludes per; keep one")
	}
	e.finish()
	c.def.cap = a
}

func (c *compiler) ramp(o *object) {
	n := o.get("ramp")
	if n == nil {
		return
	}
	r := c.object(n, "ramp")
	start, ok := r.share("start")
	if !ok {
		r.fault("start", "is missing; write the share that may enter at first, such as start: 5%%")
	}
	c.def.ramp = []rampStep{{share: start}}
	for i, n := range r.list("then") {
		s := c.object(n, indexed("ramp.then", i))
		after := s.length("after", "write a duration such as 1d")
		share, ok := s.share("share")
		if !ok {
			s.fault("share", "is missing; write the share that may enter from then on, such as share: 25%%")
		}
		last := c.def.ramp[len(c.def.ramp)-1]
		if after <= last.after {
			s.fault("after", "is not later than the step before it, which is after %s", last.after)
		}
		if share < last.share {
			s.fault("share", "is less than the %s %% before it; a ramp only grows", plainFloat(float64(last.share)/100))
		}
		s.finish()
		c.def.ramp = append(c.def.ramp, rampStep{after, share})
	}
	r.finish()
}

func (c *compiler) forecast(o *object) {
	n := o.get("forecast")
	if n == nil {
		return
	}
	f := c.object(n, "forecast")
	perDay, ok := f.whole("messages_per_day", 1, 1e9)
	if !ok {
		f.fault("messages_per_day", "is missing; write how many messages a day are expected, such as 1000")
	}
	factor, ok := f.number("factor", 1, 1000)
	if !ok {
		factor = 3
	}
	f.finish()
	c.def.forecast = &forecast{int(perDay), factor}
}

// targets reads which step takes over from one that is gone.
func (c *compiler) migrateTargets(o *object) {
	n := o.get("migrate")
	if n == nil {
		return
	}
	m := c.object(n, "migrate")
	c.def.migrate = make([]migrateTarget, len(n.keys)) // targets point into it
	for i, k := range n.keys {
		c.def.migrate[i].from = k.name
		if slices.ContainsFunc(c.def.steps, func(s step) bool { return s.id == k.name }) {
			m.fault(k.name, "is still a step; only a removed one names its target")
		}
		c.goTo(m, k.name, &c.def.migrate[i].to)
	}
	m.finish()
}

// migrateTarget is the step that takes over from a removed one.
type migrateTarget struct {
	from string
	to   int
}

// target returns where a removed step's enrollments go on.
func (d *Definition) target(id string) (int, bool) {
	for _, t := range d.migrate {
		if t.from == id {
			return t.to, true
		}
	}
	return 0, false
}
