package journey

import (
	"fmt"
	"slices"
	"time"

	"touchpoint/gateway"
)

// Config is what an operator decides for the whole installation. It is a plain
// struct, so that the application reads it from its own configuration file.
type Config struct {
	// Partition is the number of this partition of Partitions.
	Partition  int `yaml:"-"`
	Partitions int `yaml:"-"`
	// Zone is the time zone of a customer who has none (IANA name).
	Zone string `yaml:"zone"`
	// DedupWindow is how long a device's duplicates are recognised, by
	// occurred_at; at least the longest offline buffer of a model.
	DedupWindow Duration `yaml:"dedup_window"`
	// MaxEventAge is the age from which an event triggers nothing any more; a
	// journey may set its own.
	MaxEventAge Duration `yaml:"max_event_age"`
	// Holdout is the share in percent of customers whom a journey leaves
	// untreated, per purpose; a journey may set its own.
	Holdout map[gateway.Purpose]float64 `yaml:"holdout"`
	// Caps limit messages per customer; all hold, the strictest wins.
	Caps []CapRule `yaml:"caps"`
	// Touchpoints are events that stand for a contact outside the gateway.
	Touchpoints []Touchpoint `yaml:"touchpoints"`
	// QuietHours are the local no-send intervals of the project.
	QuietHours []QuietHours `yaml:"quiet_hours"`
	// DeviceStates are what a device may be doing, such as brewing; journeys name
	// them in their context.
	DeviceStates map[string]DeviceState `yaml:"device_states"`
	// Uploads are the models that send what happened in bulk. The application
	// takes them from the product profiles.
	Uploads map[string]Upload `yaml:"uploads"`
	// Suspension stops marketing while a complaint is open.
	Suspension Suspension `yaml:"suspension"`
	// Channels is the order for customers who state none.
	Channels []string `yaml:"channels"`
	// ExpiresAfter is the life of a message whose step names none.
	ExpiresAfter Duration `yaml:"expires_after"`
	// UnobservedAfter is how long an absence may stay undecided, because intake
	// was incomplete, before a decision "unobserved" says so.
	UnobservedAfter Duration `yaml:"unobserved_after"`
	// Traits, Segments and Stages are rules about customers: what is counted of
	// each (as in a journey), sets that a condition names, and the ordered list of
	// stages of which the first one that holds is his. The last stage has no
	// condition: it takes the rest.
	Traits   map[string]map[string]any `yaml:"traits"`
	Segments []Rule                    `yaml:"segments"`
	Stages   []Rule                    `yaml:"stages"`
	// FillRules says that history fills the traits of new rules before they come
	// into force; somebody has to bring it (Partition.Fillings).
	FillRules bool `yaml:"-"`
	// TimersPerStep bounds the timers that fire in one step.
	TimersPerStep int `yaml:"-"`
}

// CapRule allows at most Max messages per Per to one customer, or to all
// members of his group together.
type CapRule struct {
	Name string `yaml:"name"`
	// Channels, Purposes and Tags restrict the rule; empty means all. A message
	// carries the tags of its journey and of its step; one in common is enough.
	Channels []string          `yaml:"channels"`
	Purposes []gateway.Purpose `yaml:"purposes"`
	Tags     []string          `yaml:"tags"`
	Max      int               `yaml:"max"`
	// Per is the length of a rolling window; Calendar ("day", "week" or "month"
	// in the customer's zone) replaces it.
	Per      Duration `yaml:"per"`
	Calendar string   `yaml:"calendar"`
	// Scope is "group" (the default: the members of a household or account share
	// one budget) or "customer".
	Scope string `yaml:"scope"`
}

// QuietHours is a local interval [From, To) in which nothing is sent; it may
// cross midnight and then belongs to the day on which it starts.
type QuietHours struct {
	From LocalTime `yaml:"from"`
	To   LocalTime `yaml:"to"`
	// Days restricts the days on which the interval starts; empty means all.
	Days []Weekday `yaml:"days"`
	// Channels restricts the rule; empty means all.
	Channels []string `yaml:"channels"`
	// OnHit is "hold" (the default: send at the first allowed instant) or "discard".
	OnHit string `yaml:"on_hit"`
}

// WithDefaults returns c with every unset value filled.
func (c Config) WithDefaults() Config {
	if c.Partitions == 0 {
		c.Partitions = 1
	}
	if c.Zone == "" {
		c.Zone = "UTC"
	}
	setDuration(&c.DedupWindow, 8*24*time.Hour)
	setDuration(&c.MaxEventAge, 4*time.Hour)
	setDuration(&c.ExpiresAfter, 3*24*time.Hour)
	setDuration(&c.UnobservedAfter, 15*time.Minute)
	if c.Holdout == nil {
		c.Holdout = map[gateway.Purpose]float64{gateway.PurposeMarketing: 10}
	}
	if len(c.Channels) == 0 {
		c.Channels = []string{"product", "stream", "webhook", "email"}
	}
	c.Touchpoints = slices.Clone(c.Touchpoints)
	for i := range c.Touchpoints {
		if t := &c.Touchpoints[i]; t.Purpose == "" {
			t.Purpose = gateway.PurposeMarketing
		}
	}
	c.Suspension.defaults()
	if c.TimersPerStep == 0 {
		c.TimersPerStep = 4096
	}
	return c
}

func setDuration(d *Duration, v time.Duration) {
	if *d == 0 {
		*d = Duration(v.Milliseconds())
	}
}

// Validate names the first key with a wrong value.
func (c Config) Validate() error {
	if c.Partitions < 0 {
		return gateway.InvalidField("partitions", "%d is negative", c.Partitions)
	}
	if n := max(c.Partitions, 1); c.Partition < 0 || c.Partition >= n {
		return gateway.InvalidField("partition", "%d is not in 0…%d", c.Partition, n-1)
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		return gateway.InvalidField("zone", "%q is no time zone; write a name such as Europe/Berlin", c.Zone)
	}
	for purpose, percent := range c.Holdout {
		if !(percent >= 0 && percent <= 100) {
			return gateway.InvalidField("holdout."+string(purpose), "%v is not in 0…100", percent)
		}
	}
	for _, model := range sortedKeys(c.Uploads) {
		if c.Uploads[model].Interval <= 0 {
			return gateway.InvalidField("uploads."+model+".interval", "is missing; write a duration such as 24h")
		}
	}
	for i, r := range c.Caps {
		if err := r.validate(fmt.Sprintf("caps[%d]", i)); err != nil {
			return err
		}
	}
	for i, t := range c.Touchpoints {
		if err := t.validate(fmt.Sprintf("touchpoints[%d]", i)); err != nil {
			return err
		}
	}
	if err := c.validateStates(); err != nil {
		return err
	}
	for i, q := range c.QuietHours {
		if err := q.validate(fmt.Sprintf("quiet_hours[%d]", i)); err != nil {
			return err
		}
	}
	_, err := compileRules(c.ruleTextWhole())
	return err
}

// validateStates names the first wrong key of device_states and suspension.
func (c Config) validateStates() error {
	for _, name := range sortedKeys(c.DeviceStates) {
		s, at := c.DeviceStates[name], "device_states."+name
		switch {
		case name == idle || name == "unknown" || !wordPattern.MatchString(name):
			return gateway.InvalidField(at, "is no name for a state; %s and unknown are taken, a name holds a-z, 0-9, - and _", idle)
		case len(s.From) == 0 || len(s.To) == 0:
			return gateway.InvalidField(at, "needs from and to: the event types that begin and end it")
		case s.Max < 0:
			return gateway.InvalidField(at+".max", "is negative")
		}
		for _, other := range sortedKeys(c.DeviceStates) {
			if other != name && slices.ContainsFunc(s.From, func(e string) bool { return slices.Contains(c.DeviceStates[other].From, e) }) {
				return gateway.InvalidField(at+".from", "names an event type that begins %s, too", other)
			}
		}
	}
	if h := c.Suspension.OnHit; h != "" && h != "hold" && h != "discard" {
		return gateway.InvalidField("suspension.on_hit", "%q is not hold or discard", h)
	}
	return nil
}

func (r CapRule) validate(at string) error {
	switch {
	case r.Name == "":
		return gateway.InvalidField(at+".name", "is missing; decisions name the rule")
	case r.Max < 1:
		return gateway.InvalidField(at+".max", "%d is not at least 1", r.Max)
	case r.Calendar == "" && r.Per <= 0:
		return gateway.InvalidField(at+".per", "is missing; write a duration such as 7d, or calendar: day")
	case r.Calendar != "" && r.Per != 0:
		return gateway.InvalidField(at+".calendar", "excludes per; keep one")
	case r.Calendar != "" && r.Calendar != "day" && r.Calendar != "week" && r.Calendar != "month":
		return gateway.InvalidField(at+".calendar", "%q is not day, week or month", r.Calendar)
	}
	return validateCapScope(at, r.Scope)
}

func (q QuietHours) validate(at string) error {
	if q.From == q.To {
		return gateway.InvalidField(at+".to", "equals from; the interval is empty")
	}
	if q.OnHit != "" && q.OnHit != "hold" && q.OnHit != "discard" {
		return gateway.InvalidField(at+".on_hit", "%q is not hold or discard", q.OnHit)
	}
	return nil
}
