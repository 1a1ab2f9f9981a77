package reference

import (
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

func sortedCustomers(w *world) []gateway.CustomerID { return slices.Sorted(maps.Keys(w.customers)) }

func sortedLatches(c *customer, journey string) (out []latchKey) {
	for k := range c.latches {
		if k.journey == journey {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b latchKey) int {
		if a.device < b.device {
			return -1
		}
		return 1
	})
	return out
}

// enter makes the checks in their order: state, consent, filter, re-entry,
// holdout.
func (w *world) enter(j *journey, c *customer, e *event, d gateway.DeviceID, since gateway.Instant) *run {
	return w.enterBy(j, c, trigger{e: e, device: d, since: since})
}

// trigger is what led to an entry.
type trigger struct {
	e      *event // nil for a timer
	device gateway.DeviceID
	since  gateway.Instant
	saw    map[string]any
	props  map[string]any // of what started another journey
}

// enterBy enters by whatever it was.
func (w *world) enterBy(j *journey, c *customer, t trigger) *run {
	e, d := t.e, t.device
	dec := decision{kind: "entry", journey: j.def.name, version: j.def.version, customer: c.id, device: d, values: t.saw}
	if e != nil {
		dec.event = e.id
	}
	dec.audit(j.def)
	refuse := func(reason, rule string) *run {
		dec.reason, dec.rule = reason, rule
		w.decide(dec)
		return nil
	}
	switch j.state {
	case "paused":
		return refuse("paused", "")
	case "archived":
		return refuse("not_active", "archived")
	}
	if reason, rule := w.mayEnter(j.def, c); reason != "" {
		return refuse(reason, rule)
	}
	if f := j.def.filter; f != nil {
		missing := w.seeTraits(&dec, f, c, j.def, d)
		switch w.eval(f, view{c: c, def: j.def, e: e, device: d, product: w.productOf(d)}) {
		case isFalse:
			return refuse("filtered", f.cel())
		case unknown:
			if missing {
				return refuse("unknown_trait", f.cel())
			}
			return refuse("condition_unavailable", f.cel())
		}
	}
	key := ""
	switch j.def.keyBy {
	case "":
	case "device":
		key = d.String()
	default:
		if e != nil {
			key = show(e.props[j.def.keyBy[len("event."):]])
		}
	}
	if reason, rule := w.reentry(j, c, key); reason != "" {
		return refuse(reason, rule)
	}
	if rule := w.outside(j, c); rule != "" {
		return refuse("ramp", rule)
	}
	if ok, free := w.place(j, c); !ok {
		if dec.values = maps.Clone(dec.values); free > 0 {
			dec.see("free_at", free.String())
		}
		delete(dec.values, "legal_basis")
		return refuse("entry_cap", j.def.places.String())
	}
	if c.arms[j.def.name] == "" {
		c.arms[j.def.name] = w.arm(j.def, c)
	}
	c.entries[j.def.name]++
	r := &run{c: c, j: j, def: j.def, device: d, key: key, props: t.props, entered: w.now, changed: w.now, since: t.since, arm: c.arms[j.def.name], product: w.productOf(d)}
	if e != nil {
		r.props, r.event = e.props, e.id
		if r.product == "" {
			r.product = e.product
		}
	}
	c.runs = append(c.runs, r)
	w.onEnter(r)
	dec.reason, dec.run = "enrolled", r
	if r.arm == "holdout" {
		dec.rule = "holdout"
	}
	dec.sign(r)
	w.decide(dec)
	w.walk(r, e)
	return r
}

func (w *world) productOf(d gateway.DeviceID) string {
	if w.devices[d] == nil {
		return ""
	}
	return w.devices[d].product
}

// mayEnter: the journey may reach him on at least one of its channels.
func (w *world) mayEnter(d *journeyDef, c *customer) (reason, rule string) {
	var channels []string
	any := false
	for _, s := range d.steps {
		channels = append(channels, s.channels...)
		any = any || s.kind == "send" && len(s.channels) == 0
	}
	if any || len(channels) == 0 {
		channels = w.cfg.order
	}
	for _, ch := range channels {
		if reason = consentFor(c, d.purpose, ch); reason == "" {
			if dataMissing(c, d) {
				return "no_consent", "data:usage"
			}
			return "", ""
		}
	}
	return reason, d.purpose
}

// consentFor: the channel's own entry, else the one for all, else the law.
func consentFor(c *customer, purpose, channel string) string {
	granted := purpose == "service"
	for _, want := range []string{"", channel} {
		for _, k := range c.consents {
			if k.purpose == purpose && k.channel == want {
				granted = k.granted
			}
		}
	}
	switch {
	case granted || purpose == "safety":
		return ""
	case purpose == "service":
		return "objected"
	}
	return "no_consent"
}

func (w *world) reentry(j *journey, c *customer, key string) (reason, rule string) {
	var active, before bool
	var exited gateway.Instant
	for _, r := range c.runs {
		if r.j != j {
			continue
		}
		before = true
		if !r.over {
			active = active || j.def.reentry != "concurrent_per_key" || r.key == key
		}
		exited = max(exited, r.exited)
	}
	mode := j.def.reentry
	if mode == "" && j.def.trigger.kind == "milestone" {
		mode = "once"
	}
	switch {
	case active && mode == "concurrent_per_key":
		return "already_enrolled", mode
	case active:
		return "already_enrolled", ""
	case mode == "once" && before:
		return "reentry_once", mode
	case mode == "after_exit_and_gap" && before && w.now < exited+j.def.gap:
		return "reentry_gap", mode + " " + span(j.def.gap)
	}
	return "", ""
}

func (w *world) arm(d *journeyDef, c *customer) string {
	percent := d.holdout
	if percent < 0 {
		percent = 0
		if d.purpose == "marketing" {
			percent = w.cfg.holdout
		}
	}
	if !c.test && bucket(c, d.name) < percent*100 {
		return "holdout"
	}
	return "treated"
}

// bucket is the one thing that both must share: a customer's place among
// 10,000, for ever.
func bucket(c *customer, salt string) int {
	return int(mix(mix(uint64(c.id))^xxhash.Sum64String(salt)) % 10_000)
}

// mix spreads a number; it also orders the timers of one instant.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// api enrolls by name; the same key gives the same enrollment.
func (w *world) api(j *journey, id gateway.CustomerID, key string, d gateway.DeviceID, props map[string]any) string {
	if j == nil || w.erased[id] {
		dec := decision{kind: "entry", reason: "not_active", customer: id, device: d, event: key}
		if j != nil {
			dec.journey = j.def.name
		}
		w.decide(dec)
		return "refused"
	}
	c := w.customer(id)
	slot := j.def.name + "/" + key
	if r := c.keys[slot]; r != nil && key != "" {
		w.decide(decision{kind: "entry", reason: "replayed", journey: j.def.name, version: j.def.version, customer: id, device: d, event: key, run: r})
		return "duplicate"
	}
	r := w.enter(j, c, &event{id: key, at: w.now, came: w.now, device: d, props: props}, d, w.now)
	if r == nil {
		return "refused"
	}
	if key != "" {
		c.keys[slot] = r
	}
	return "accepted"
}
