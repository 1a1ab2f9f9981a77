package explain

import (
	"strings"
	"time"

	"touchpoint/gateway"
)

// Decision tells a recorded decision in one sentence: what it was about, the
// reason, the rule and the values.
func Decision(d gateway.Decision, lang string, zone *time.Location) string {
	t := teller{lang: lang, zone: zone}
	text := t.about(d) + t.asRecipient(d.Recipient) + ": " + t.outcome(d)
	var because []string
	if rule := t.rule(d.Rule); rule != "" && rule != t.outcome(d) {
		because = append(because, rule)
	}
	for _, v := range d.Values {
		because = append(because, t.value(v))
	}
	if d.Split != "" && d.Split != d.Rule {
		because = append(because, t.say("arm %s", "Arm %s", d.Split))
	}
	if d.Arm == "holdout" && d.Rule != d.Arm {
		because = append(because, t.say("control group", "Kontrollgruppe"))
	}
	if d.Mixed {
		because = append(because, t.say("members of the group are in different arms", "Mitglieder der Gruppe sind in verschiedenen Armen"))
	}
	if len(because) > 0 {
		text += " (" + strings.Join(because, "; ") + ")"
	}
	return text
}

// about names the journey, its version and the step.
func (t *teller) about(d gateway.Decision) string {
	name := d.Journey
	if name == "" {
		return t.say("everything", "alles")
	}
	if d.Version > 0 {
		name = t.say("%s v%d", "%s v%d", name, d.Version)
	}
	if d.Step != "" {
		name += t.say(", step %s", ", Schritt %s", d.Step)
	}
	return name
}

// outcome is the reason in the words of what was decided upon.
func (t *teller) outcome(d gateway.Decision) string {
	why := Reason(d.Reason, t.lang)
	switch d.Kind {
	case gateway.DecisionEntry:
		switch d.Reason {
		case gateway.ReasonEnrolled, gateway.ReasonReplayed, gateway.ReasonWaiting, gateway.ReasonBlockedLate:
			return why
		}
		return t.say("not let in: %s", "nicht aufgenommen: %s", why)
	case gateway.DecisionSend:
		switch d.Reason {
		case gateway.ReasonSent, gateway.ReasonHeld, gateway.ReasonNoReceipt, gateway.ReasonDelegated:
			return why
		case gateway.ReasonFailed:
			if d.Message != (gateway.MessageID{}) { // the next channel is taken
				return why
			}
		}
		return t.say("not sent: %s", "nicht gesendet: %s", why)
	case gateway.DecisionExit:
		return t.say("left: %s", "ausgeschieden: %s", why)
	case gateway.DecisionJourney:
		switch d.Reason {
		case gateway.ReasonNotActive:
			return t.say("lets nobody in any more", "nimmt niemanden mehr auf")
		case gateway.ReasonPaused:
			return t.say("was paused", "wurde angehalten")
		}
	}
	return why
}
