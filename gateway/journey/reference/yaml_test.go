package reference

import (
	"encoding/json"
	"fmt"
	"strings"

	"touchpoint/gateway"
)

type object = map[string]any

func length(d gateway.Instant) string { return fmt.Sprintf("%dms", int64(d)) }

func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func names(days []int) (out []string) {
	for _, d := range days {
		out = append(out, dayNames[d])
	}
	return out
}

func (o listener) put(to object) {
	if o.event == "" {
		to["when"] = o.where.cel()
		return
	}
	to["event"] = o.event
	putCond(to, "where", o.where)
}

func putCond(to object, key string, c *cond) {
	if c != nil {
		to[key] = c.cel()
	}
}

func quietYAML(list []quietDef) (out []object) {
	for _, q := range list {
		o := object{"from": clock(q.from), "to": clock(q.to)}
		if len(q.days) > 0 {
			o["days"] = names(q.days)
		}
		if len(q.channels) > 0 {
			o["channels"] = q.channels
		}
		if q.discard {
			o["on_hit"] = "discard"
		}
		out = append(out, o)
	}
	return out
}

// yaml renders the definition; JSON is YAML, too.
func (d *journeyDef) yaml() []byte {
	if d.text != nil {
		return d.text
	}
	o := object{"name": d.name, "purpose": d.purpose, "trigger": d.trigger.yaml()}
	if d.purpose == "safety" {
		o["legal_basis"] = legalBasis
	}
	if d.maxAge > 0 {
		o["max_event_age"] = length(d.maxAge)
	}
	if d.holdout >= 0 {
		o["holdout"] = d.holdout
	}
	if d.keyBy != "" {
		o["key"] = d.keyBy
	}
	if len(d.traits) > 0 {
		traits := object{}
		for _, t := range d.traits {
			traits[t.name] = t.yaml()
		}
		o["traits"] = traits
	}
	putCond(o, "filter", d.filter)
	switch d.reentry {
	case "":
	case "after_exit_and_gap":
		o["reentry"] = object{"after_exit_and_gap": length(d.gap)}
	default:
		o["reentry"] = d.reentry
	}
	var exits []object
	for _, x := range d.exits {
		e := object{}
		x.put(e)
		exits = append(exits, e)
	}
	if exits != nil {
		o["exit"] = exits
	}
	if d.goal != nil {
		g := object{"within": length(d.goal.within)}
		d.goal.put(g)
		o["goal"] = g
	}
	if d.priority != 0 {
		o["priority"] = d.priority
	}
	if d.window > 0 {
		o["decision_window"] = length(d.window)
	}
	if len(d.tags) > 0 {
		o["tags"] = d.tags
	}
	d.context.put(o)
	if len(d.data) > 0 {
		o["data"] = d.data
	}
	d.limitsYAML(o)
	o["caps"] = object{"obeys": d.obeys, "counts": d.counts}
	if q := quietYAML(d.quiet); q != nil {
		o["quiet_hours"] = q
	}
	var steps []object
	for i := range d.steps {
		steps = append(steps, d.steps[i].yaml())
	}
	o["steps"] = steps
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return text
}

func (t *traitDef) yaml() object {
	o := object{}
	source := t.event
	if t.prop != "" {
		source += "." + t.prop
	}
	o[t.kind] = source
	if t.within > 0 {
		o["within"] = length(t.within)
	}
	if t.perDevice {
		o["per"] = "device"
	}
	putCond(o, "where", t.where)
	return o
}

func (t *triggerDef) yaml() object {
	in := object{}
	switch t.kind {
	case "event":
		o := object{"event": t.event}
		putCond(o, "where", t.where)
		return o
	case "threshold":
		if t.sum != "" {
			in["sum"] = t.event + "." + t.sum
		} else {
			in["count"] = t.event
		}
		if t.every {
			in["every"] = t.atLeast
		} else {
			in["at_least"] = t.atLeast
		}
		in["within"] = length(t.within)
		if t.unless != "" {
			in["unless"] = t.unless
		}
	case "milestone":
		in["event"], in["nth"] = t.event, t.nth
	case "sequence":
		part := func(l listener) any {
			if l.where == nil {
				return l.event
			}
			o := object{}
			l.put(o)
			return o
		}
		var chain, without []any
		for _, l := range t.chain {
			chain = append(chain, part(l))
		}
		in["events"], in["within"] = chain, length(t.within)
		for _, l := range t.without {
			without = append(without, part(l))
		}
		if without != nil {
			in["without"] = without
		}
	case "segment":
		if in["enter"] = t.segment; t.leave {
			in = object{"leave": t.segment}
		}
	case "stage":
		in["enter"] = t.stage
		if t.from != nil {
			in["from"] = t.from
		}
	case "schedule":
		in["rrule"], in["start"] = t.schedule.text, t.schedule.begin()
	case "absence", "silence":
		if in["for"] = length(t.within); t.event != "" {
			in["event"] = t.event
		}
	}
	if t.perDevice {
		in["per"] = "device"
	}
	putCond(in, "where", t.where)
	return object{t.kind: in}
}

func (s *stepDef) yaml() object {
	o := object{"id": s.id}
	if s.next != "" {
		o["next"] = s.next
	}
	switch s.kind {
	case "send":
		send := object{"texts": object{"en": object{"title": strings.ToUpper(s.id)}}}
		if len(s.channels) > 0 {
			send["channels"] = s.channels
		}
		if s.expires > 0 {
			send["expires_after"] = length(s.expires)
		}
		if q := quietYAML(s.quiet); q != nil {
			send["quiet_hours"] = q
		}
		if len(s.tags) > 0 {
			send["tags"] = s.tags
		}
		s.context.put(send)
		if s.fallback > 0 {
			send["fallback_after"] = length(s.fallback)
		}
		o["send"] = send
	case "wait_for":
		o["wait"] = object{"for": length(s.length)}
	case "wait_event":
		w := object{"until_event": s.until.event, "timeout": length(s.length)}
		putCond(w, "where", s.until.where)
		if s.onTimeout != "" {
			w["on_timeout"] = s.onTimeout
		}
		o["wait"] = w
	case "wait_local":
		w := object{"until_local_time": clock(s.local)}
		if len(s.days) > 0 {
			w["days"] = names(s.days)
		}
		o["wait"] = w
	case "branch":
		var arms []object
		for _, a := range s.arms {
			if a.when == nil {
				arms = append(arms, object{"otherwise": a.to})
			} else {
				arms = append(arms, object{"when": a.when.cel(), "go": a.to})
			}
		}
		o["branch"] = arms
	case "split":
		var arms []object
		for _, a := range s.arms {
			arm := object{"arm": a.name, "percent": a.percent}
			if a.to != "" {
				arm["go"] = a.to
			}
			arms = append(arms, arm)
		}
		o["split"] = arms
	case "set":
		o["set"] = object{s.attr: s.value}
	case "end":
		o["end"] = object{}
	case "start_journey", "stop_journey":
		o[s.kind] = s.other
	case "task":
		task := object{"assignee": "support", "texts": object{"en": object{"title": strings.ToUpper(s.id)}}}
		if s.length > 0 {
			task["due"] = length(s.length)
		}
		o["task"] = task
	}
	return o
}

func (g *gateDef) put(to object) {
	if g == nil {
		return
	}
	o := object{"when": g.when.cel(), "unknown": "send"}
	if g.hold {
		o["unknown"] = "hold"
	}
	if g.channels != nil {
		o["channels"] = g.channels
	}
	to["context"] = o
}
