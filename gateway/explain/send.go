package explain

import (
	"strings"

	"touchpoint/gateway"
)

// send tells of messages: the ones there are, and what a send step would decide.
func (t *teller) send(c gateway.ExplainCheck) string {
	switch c.Name {
	case gateway.CheckMessage:
		return t.say("Message of step %s on %s, decided at %s: %s.", "Nachricht von Schritt %s über %s, entschieden am %s: %s.", c.Step, c.Channel, t.when(c.Since), State(c.Rule, t.lang))
	case gateway.CheckCap:
		if c.Rule == "customer" {
			return t.say("Step %s, %s: the customer's own limit: %d of %d used.", "Schritt %s, %s: eigene Grenze des Kunden: %d von %d verbraucht.", c.Step, c.Channel, c.Values.Get("used").AsInt(), c.Values.Get("allowed").AsInt())
		}
		return t.say("Step %s, %s: limit %q: %d of %d used.", "Schritt %s, %s: Grenze %q: %d von %d verbraucht.", c.Step, c.Channel, c.Rule, c.Values.Get("used").AsInt(), c.Values.Get("allowed").AsInt())
	case gateway.CheckChannel:
		if c.Reason == "" {
			return t.say("Step %s, %s: allowed and reachable.", "Schritt %s, %s: erlaubt und erreichbar.", c.Step, c.Channel)
		}
		return t.say("Step %s, %s: %s%s.", "Schritt %s, %s: %s%s.", c.Step, c.Channel, t.reason(c), bracket(t.rule(c.Rule)))
	}
	switch c.Reason {
	case gateway.ReasonSent:
		return t.say("Step %s would send now on %s.", "Schritt %s würde jetzt über %s senden.", c.Step, c.Channel)
	case gateway.ReasonHoldout:
		return t.say("Step %s would decide a message now and, for the control group, not send it.", "Schritt %s würde jetzt eine Nachricht entscheiden und sie wegen der Kontrollgruppe nicht senden.", c.Step)
	case gateway.ReasonHeld:
		return t.say("Step %s would hold its message until %s: %s.", "Schritt %s würde seine Nachricht bis %s zurückhalten: %s.", c.Step, t.when(c.Until), t.held(c))
	}
	return t.say("Step %s would not send now: %s%s.", "Schritt %s würde jetzt nicht senden: %s%s.", c.Step, t.reason(c), bracket(t.rule(c.Rule)))
}

// held tells what a message waits for: its hours, or the device's state.
func (t *teller) held(c gateway.ExplainCheck) string {
	condition, context := strings.CutPrefix(c.Rule, "context ")
	if !context {
		return Reason(gateway.ReasonQuietHours, t.lang)
	}
	return t.say("at the latest, until %s holds; now %s", "längstens, bis %s gilt; jetzt %s", condition, t.values(c.Values))
}

var states = map[string]words{
	"unknown":       {"unknown", "unbekannt"},
	"decided":       {"decided", "entschieden"},
	"attempted":     {"handed over, perhaps", "vielleicht übergeben"},
	"handed_over":   {"handed over", "übergeben"},
	"delivered":     {"delivered", "zugestellt"},
	"displayed":     {"displayed", "angezeigt"},
	"opened":        {"opened", "geöffnet"},
	"clicked":       {"clicked", "angeklickt"},
	"dismissed":     {"dismissed", "weggewischt"},
	"failed":        {"failed", "fehlgeschlagen"},
	"expired":       {"expired", "abgelaufen"},
	"withdrawn":     {"withdrawn", "zurückgezogen"},
	"missed_window": {"not delivered in its allowed time", "nicht in der erlaubten Zeit zugestellt"},
	"held_out":      {"not sent, control group", "nicht gesendet, Kontrollgruppe"},
	"redelivered":   {"handed over again", "noch einmal übergeben"},
}

// State puts a message's state into words.
func State(state, lang string) string {
	if w, ok := states[state]; ok {
		return w.in(lang)
	}
	return state
}
