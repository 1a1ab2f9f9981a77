package explain

import (
	"strings"

	"touchpoint/gateway"
)

// trigger tells how far the trigger is.
func (t *teller) trigger(c gateway.ExplainCheck) string {
	kind, fired := strings.CutSuffix(c.Rule, " fired")
	kind, pending := strings.CutSuffix(kind, " pending")
	get := func(key string) string {
		if v := c.Values.Get(key); v.Kind() != gateway.KindNull {
			return v.String()
		}
		return ""
	}
	text := ""
	switch kind {
	case "threshold":
		text = t.threshold(c, get)
	case "milestone":
		text = t.say("%s: %s so far, wanted is number %s.", "%s: bisher %s, verlangt ist Nummer %s.", get("event"), get("value"), get("at_least"))
	case "absence", "silence":
		return t.absence(c, get, fired)
	case "event":
		text = t.say("Starts with %s%s.", "Beginnt mit %s%s.", get("event"), bracket(get("where")))
	case "sequence":
		text = t.sequence(c, get)
	case "schedule":
		text = t.schedule(c, get)
	case "stage":
		text = t.stage(c, get)
	case "segment":
		text = t.segment(c, get)
	case "api":
		text = t.calls(c, get)
	default:
		text = t.say("Starts by %s%s.", "Beginnt durch %s%s.", kind, bracket(get("event")))
	}
	if d := get("device"); d != "" {
		text = t.say("Device %s: ", "Gerät %s: ", d) + text
	}
	if pending {
		text += t.say(" It fired while the journey let nobody in, or not this customer, and is made good when it does.", " Er löste aus, während die Journey niemanden oder diesen Kunden nicht einließ; das wird nachgeholt.")
	}
	if fired {
		text += t.say(" It has fired, and fires again only after the value left the range.", " Der Auslöser hat ausgelöst und löst erst wieder aus, wenn der Wert den Bereich verlassen hat.")
		if kind == "milestone" {
			text = strings.Split(text, t.say(" It has", " Der Auslöser"))[0] + t.say(" It has fired; that happens once.", " Er hat ausgelöst; das geschieht nur einmal.")
		}
	}
	return text
}

var bounds = map[string]words{
	"at_least": {"at least %s are wanted", "verlangt sind mindestens %s"},
	"every":    {"it fires at every %s", "ausgelöst wird bei je %s"},
	"at_most":  {"at most %s is wanted", "verlangt sind höchstens %s"},
	"above":    {"more than %s is wanted", "verlangt ist mehr als %s"},
	"below":    {"less than %s is wanted", "verlangt ist weniger als %s"},
}

func (t *teller) threshold(c gateway.ExplainCheck, get func(string) string) string {
	what := get("event")
	if name := get("trait"); name != "" && name != "count" {
		what = t.say("%s of %s", "%s von %s", name, what)
	}
	within := ""
	if w := get("within"); w != "" {
		within = t.say(" in %s", " in %s", t.span(w))
	}
	if c.Reason == gateway.ReasonUnknownTrait {
		return t.say("%s%s has no value yet.", "%s%s hat noch keinen Wert.", what, within)
	}
	wanted := ""
	for _, key := range []string{"at_least", "every", "at_most", "above", "below"} {
		if v := get(key); v != "" {
			wanted = strings.Replace(bounds[key].in(t.lang), "%s", t.number(v), 1)
		}
	}
	text := t.say("%s%s: now %s, %s.", "%s%s: jetzt %s, %s.", what, within, t.number(get("value")), wanted)
	if n := get("at_least"); n != "" && get("trait") == "count" {
		text = t.say("%s of %s %s%s.", "%s von %s %s%s.", get("value"), n, what, within)
	}
	if u := get("unless"); u != "" {
		text += t.say(" %s came meanwhile, which prevents it.", " %s kam inzwischen, das verhindert es.", u)
	}
	return text
}

func (t *teller) absence(c gateway.ExplainCheck, get func(string) string, fired bool) string {
	event, long := get("event"), t.span(get("for"))
	if event == "" { // a silence of whatever the devices send
		event = t.say("event of any kind", "Ereignis irgendeiner Art")
	}
	switch {
	case c.Since == 0:
		return t.say("%s never came, so that its absence for %s does not count.", "%s kam noch nie, daher zählt ein Ausbleiben von %s nicht.", event, long)
	case fired:
		return t.say("The last %s came at %s; the silence of %s was answered.", "Das letzte %s kam am %s; auf die Stille von %s wurde reagiert.", event, t.when(c.Since), long)
	case c.Reason == gateway.ReasonUnobserved && get("device") != "":
		return t.say("The last %s came at %s; whether a silence of %s passed is known when device %s has uploaded, at the latest at %s.",
			"Das letzte %s kam am %s; ob eine Stille von %s vergangen ist, zeigt sich, wenn Gerät %s übertragen hat, spätestens am %s.", event, t.when(c.Since), long, get("device"), t.when(c.Until))
	case c.Reason == gateway.ReasonUnobserved:
		return t.say("The last %s came at %s; whether a silence of %s passed cannot be judged yet, since events are missing after %s.",
			"Das letzte %s kam am %s; ob eine Stille von %s vergangen ist, ist noch nicht zu beurteilen, da Ereignisse nach %s fehlen.", event, t.when(c.Since), long, t.when(t.x.Observed))
	}
	return t.say("The last %s came at %s; a silence of %s is complete at %s.", "Das letzte %s kam am %s; eine Stille von %s ist am %s erreicht.", event, t.when(c.Since), long, t.when(c.Until))
}
