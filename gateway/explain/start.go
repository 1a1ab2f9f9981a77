package explain

import (
	"strings"
	"time"

	"touchpoint/gateway"
)

// sequence tells how far a chain has come.
func (t *teller) sequence(c gateway.ExplainCheck, get func(string) string) string {
	events, within := get("events"), t.span(get("within"))
	whole := t.say("%s within %s", "%s innerhalb von %s", events, within)
	if w := get("without"); w != "" {
		whole += t.say(", without %s in between", ", ohne %s dazwischen", w)
	}
	switch {
	case c.Result == gateway.CheckHolds:
		return t.say("%s: was complete at %s.", "%s: war am %s vollständig.", whole, t.when(c.Until))
	case get("reached") != "0":
		return t.say("%s: %s of %s steps; the first was seen at %s, %s is missing and counts until %s.",
			"%s: %s von %s Schritten; der erste kam am %s, %s fehlt und zählt bis %s.",
			whole, get("reached"), get("steps"), t.when(c.Since), get("next"), t.when(c.Until))
	case c.Reason == gateway.ReasonTimedOut:
		return t.say("%s: began at %s and was not complete in time; it begins anew with %s.",
			"%s: begann am %s und wurde nicht rechtzeitig vollständig; von vorn mit %s.", whole, t.when(c.Since), get("next"))
	case c.Reason == gateway.ReasonStopped:
		return t.say("%s: what must not come in between came at %s; it begins anew with %s.",
			"%s: was nicht dazwischen kommen darf, kam am %s; von vorn mit %s.", whole, t.when(c.Since), get("next"))
	}
	return t.say("%s: %s, the first step, has not come.", "%s: %s, der erste Schritt, kam noch nicht.", whole, get("next"))
}

// schedule tells when the next time is.
func (t *teller) schedule(c gateway.ExplainCheck, get func(string) string) string {
	text := t.say("There is no further time.", "Es gibt keinen weiteren Termin.")
	if c.Until != 0 {
		next := t.wall(get("next"))
		text = t.say("The next time is %s on the customer's clock (%s)", "Der nächste Termin ist %s nach der Uhr des Kunden (%s)", next, get("zone"))
		if here := t.when(c.Until); here != next {
			text += t.say(", %s here", ", hier %s", here)
		}
		text += "."
	}
	if c.Since != 0 {
		text += t.say(" The last one was %s.", " Der letzte war %s.", t.when(c.Since))
	}
	where := get("where")
	switch {
	case where == "":
	case c.Reason == gateway.ReasonFiltered:
		text += t.say(" The customer would not be meant, since this does not hold: %s%s.", " Der Kunde wäre nicht gemeint, denn dies trifft nicht zu: %s%s.", where, t.now(c.Values))
	default:
		text += t.say(" The customer would be meant: %s%s.", " Der Kunde wäre gemeint: %s%s.", where, t.now(c.Values))
	}
	return text
}

// now lists what a condition sees: the values whose names have a root.
func (t *teller) now(list gateway.Properties) string {
	var seen gateway.Properties
	for _, v := range list {
		if strings.Contains(v.Key, ".") {
			seen = append(seen, v)
		}
	}
	if len(seen) == 0 {
		return ""
	}
	return t.say("; now %s", "; jetzt %s", t.values(seen))
}

// stage tells in which stage the customer is, and why not in the one that counts.
func (t *teller) stage(c gateway.ExplainCheck, get func(string) string) string {
	name, from := get("name"), ""
	if f := get("from"); f != "" {
		from = t.say(" from %s", " aus %s", f)
	}
	if c.Result == gateway.CheckUnknown {
		return t.say("Starts when the customer comes to stage %s%s; in which one that is, is not known yet.", "Beginnt beim Wechsel in Phase %s%s; welche das ist, ist noch nicht bekannt.", name, from)
	}
	is := t.say("now in stage %s since %s", "jetzt in Phase %s seit %s", get("now"), t.when(c.Since))
	if b := get("before"); b != "" {
		is += t.say(", before that in %s", ", davor in %s", b)
	}
	text := t.say("Starts when the customer comes to stage %s%s: %s.", "Beginnt beim Wechsel in Phase %s%s: %s.", name, from, is)
	if get("now") == name {
		return text
	}
	if e := get("earlier"); get("rule_holds") != "" && e != "" {
		return text + t.say(" Its rule holds, but that of %s comes first.", " Ihre Regel trifft zu, aber die von %s kommt zuerst.", e)
	}
	if when := get("when"); when != "" {
		return text + t.say(" Not in %s, because this does not hold: %s%s.", " Nicht in %s, denn dies trifft nicht zu: %s%s.", name, when, t.now(c.Values))
	}
	return text + t.say(" %s takes who is in no other stage.", " %s nimmt auf, wer in keiner anderen ist.", name)
}

// segment tells whether the customer is in it, and what its rule sees.
func (t *teller) segment(c gateway.ExplainCheck, get func(string) string) string {
	name := get("name")
	text := t.say("Starts when the customer comes into segment %s", "Beginnt beim Eintritt in Segment %s", name)
	if get("leave") != "" {
		text = t.say("Starts when the customer leaves segment %s", "Beginnt beim Verlassen von Segment %s", name)
	}
	if c.Result == gateway.CheckUnknown {
		return text + t.say("; whether that is so is not known yet.", "; ob das so ist, ist noch nicht bekannt.")
	}
	is := t.say("not in it now, because this does not hold", "jetzt nicht darin, denn dies trifft nicht zu")
	if get("rule_holds") != "" {
		is = t.say("in it now, since this holds", "jetzt darin, denn dies trifft zu")
	}
	return text + ": " + is + ": " + get("when") + t.now(c.Values) + "."
}

// calls tells what starts a journey with an API trigger.
func (t *teller) calls(c gateway.ExplainCheck, get func(string) string) string {
	text := t.say("Starts by a call of another system.", "Beginnt mit einem Aufruf eines anderen Systems.")
	if names := get("journeys"); names != "" {
		text = t.say("Starts by a call of another system, or by a step of %s.", "Beginnt mit einem Aufruf eines anderen Systems oder mit einem Schritt von %s.", names)
	}
	if c.Since != 0 {
		text += t.say(" The last call that let the customer in came at %s.", " Der letzte Aufruf, der den Kunden einließ, kam am %s.", t.when(c.Since))
	}
	return text
}

// wall shows a time of the customer's clock, which names no zone.
func (t *teller) wall(text string) string {
	if at, err := time.Parse("2006-01-02 15:04", text); err == nil && t.lang == "de" {
		return at.Format("02.01.2006 15:04")
	}
	return text
}
