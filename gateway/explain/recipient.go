package explain

import "touchpoint/gateway"

// roles name what somebody is to the device or the customer whom a message is
// about.
var roles = map[string]words{
	"user":   {"a user of the device", "Nutzer des Geräts"},
	"member": {"a member of the household or account", "Mitglied des Haushalts oder der Firma"},
	"dealer": {"dealer of the device", "Händler des Geräts"},
	"staff":  {"staff for the device", "Betreuer des Geräts"},
}

// audiences name whom a send step addresses.
var audiences = map[string]words{
	"users":  {"all users of the device", "alle Nutzer des Geräts"},
	"group":  {"all members of the household or account", "alle Mitglieder des Haushalts oder der Firma"},
	"dealer": {"the dealer of the device", "den Händler des Geräts"},
	"staff":  {"the staff for the device", "die Betreuer des Geräts"},
}

// asRecipient says in which role somebody is addressed about another's run.
func (t *teller) asRecipient(role string) string {
	if role == "" {
		return ""
	}
	return t.say(", as %s", ", als %s", t.role(role))
}

func (t *teller) role(role string) string {
	if w, ok := roles[role]; ok {
		return t.say(w.en, w.de)
	}
	return role
}

func (t *teller) audience(name string) string {
	if w, ok := audiences[name]; ok {
		return t.say(w.en, w.de)
	}
	return name
}

// recipient tells whom a step addresses, or of a run that another one opened for
// this customer.
func (t *teller) recipient(c gateway.ExplainCheck) string {
	if c.Result != gateway.CheckInfo {
		if c.Reason == gateway.ReasonNoRecipient {
			return t.say("Step %s addresses %s: nobody is known.", "Schritt %s spricht %s an: niemand ist bekannt.", c.Step, t.audience(c.Rule))
		}
		if c.Reason == gateway.ReasonNoConsent {
			return t.say("Step %s would address %s now, but the customer's consent to the use of his data is missing (%s).",
				"Schritt %s würde jetzt %s ansprechen, doch die Einwilligung des Kunden zur Nutzung seiner Daten fehlt (%s).", c.Step, t.audience(c.Rule), c.Values.Get("consent"))
		}
		return t.say("Step %s addresses %s: %s beside him.", "Schritt %s spricht %s an: %s außer ihm.", c.Step, t.audience(c.Rule), c.Values.Get("recipients"))
	}
	text := t.say("Was addressed at %s by step %s of somebody else's run, as %s", "Wurde am %s von Schritt %s im Durchlauf eines anderen angesprochen, als %s",
		t.when(c.Since), c.Step, t.role(c.Rule))
	switch {
	case c.Reason == "" && c.Until != 0:
		text += t.say("; what it tells waits until %s", "; die Nachricht wartet bis %s", t.when(c.Until))
	case c.Reason != "" && c.Reason != gateway.ReasonCompleted:
		text += t.say("; ended: %s", "; beendet: %s", t.reason(c))
	}
	return text + "."
}
