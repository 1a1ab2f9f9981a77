// Package explain says in plain words, English or German, why a customer got,
// or did not get, a message.
package explain

import (
	"fmt"
	"strings"
	"time"

	"touchpoint/gateway"
)

// Languages are those that there are words in.
var Languages = []string{"en", "de"}

// Line is one sentence. Mark is ✓ (nothing against it), ✗ (against it),
// ? (open) or · (where things stand).
type Line struct {
	Mark string `json:"mark"`
	Text string `json:"text"`
}

// String shows a line.
func (l Line) String() string { return l.Mark + " " + l.Text }

// Tell puts an explanation into words; the first line is the answer. Times are
// shown in a zone.
func Tell(x gateway.Explanation, lang string, zone *time.Location) []Line {
	t := teller{x: x, lang: lang, zone: zone}
	lines := []Line{t.headline()}
	for _, c := range x.Checks {
		if text := t.check(c); text != "" {
			lines = append(lines, Line{marks[c.Result], text})
		}
	}
	return lines
}

var marks = map[gateway.CheckResult]string{gateway.CheckHolds: "✓", gateway.CheckFails: "✗", gateway.CheckUnknown: "?", gateway.CheckInfo: "·"}

type teller struct {
	x    gateway.Explanation
	lang string
	zone *time.Location
}

// say picks the language of a format.
func (t *teller) say(en, de string, args ...any) string {
	if t.lang == "de" {
		en = de
	}
	return fmt.Sprintf(en, args...)
}

func (t *teller) when(at gateway.Instant) string {
	local := at.Time().In(t.zone)
	if t.lang == "de" {
		return local.Format("02.01.2006 15:04")
	}
	return local.Format("2006-01-02 15:04")
}

func (t *teller) reason(c gateway.ExplainCheck) string { return Reason(c.Reason, t.lang) }

// headline answers the question in one sentence.
func (t *teller) headline() Line {
	for _, c := range t.x.Checks {
		if c.Name == gateway.CheckEnrollment && c.Reason == "" {
			return Line{"→", t.say("%s: inside, %s.", "%s: läuft, %s.", t.x.Journey, t.stands(c))}
		}
	}
	for _, c := range t.x.Checks {
		if c.Name == gateway.CheckRecipient && c.Result == gateway.CheckInfo {
			return Line{"→", t.say("%s: addressed as %s, by somebody else's run.", "%s: angesprochen als %s, im Durchlauf eines anderen.", t.x.Journey, t.role(c.Rule))}
		}
	}
	if t.x.Verdict == gateway.ReasonEnrolled {
		for _, c := range t.x.Checks {
			if c.Name == gateway.CheckTrigger && c.Result != gateway.CheckHolds {
				return Line{"→", t.say("%s: not inside; nothing is against it, but what starts it has not come.", "%s: nicht darin; nichts spricht dagegen, aber der Auslöser kam nicht.", t.x.Journey)}
			}
		}
		return Line{"→", t.say("%s: not inside; nothing is against the next entry.", "%s: nicht darin; gegen den nächsten Eintritt spricht nichts.", t.x.Journey)}
	}
	if t.x.Verdict == "" {
		for _, c := range t.x.Checks {
			if c.Reason != "" {
				return Line{"→", t.say("%s: not inside: %s.", "%s: nicht darin: %s.", t.x.Journey, t.reason(c))}
			}
		}
	}
	return Line{"→", t.say("%s: not inside, and would not be let in now: %s.", "%s: nicht darin und käme jetzt auch nicht hinein: %s.", t.x.Journey, Reason(t.x.Verdict, t.lang))}
}

func (t *teller) check(c gateway.ExplainCheck) string {
	switch c.Name {
	case gateway.CheckCustomer:
		if c.Reason == gateway.ReasonErased {
			return t.say("The customer was erased.", "Der Kunde wurde gelöscht.")
		}
		return t.say("Nothing is stored about this customer yet.", "Über diesen Kunden ist noch nichts gespeichert.")
	case gateway.CheckJourney:
		return t.journey(c)
	case gateway.CheckTrigger:
		return t.trigger(c)
	case gateway.CheckConsent:
		return t.consent(c)
	case gateway.CheckFilter:
		return t.filter(c)
	case gateway.CheckReentry:
		return t.reentry(c)
	case gateway.CheckBrake, gateway.CheckDryRun, gateway.CheckForecast, gateway.CheckRamp, gateway.CheckEntryCap, gateway.CheckExisting:
		return t.limit(c)
	case gateway.CheckArm:
		return t.arm(c)
	case gateway.CheckEnrollment:
		return t.enrollment(c)
	case gateway.CheckRecipient:
		return t.recipient(c)
	case gateway.CheckSend, gateway.CheckChannel, gateway.CheckCap, gateway.CheckMessage:
		return t.send(c)
	}
	return t.say("Entry: %s%s.", "Eintritt: %s%s.", t.reason(c), bracket(t.rule(c.Rule)))
}

func bracket(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func (t *teller) journey(c gateway.ExplainCheck) string {
	switch {
	case c.Result == gateway.CheckHolds:
		return t.say("Version %d is live.", "Version %d ist aktiv.", t.x.Version)
	case c.Rule == "unknown":
		text := t.say("There is no journey %q that was published.", "Es gibt keine veröffentlichte Journey %q.", t.x.Journey)
		if near := c.Values.Get("near"); near.Kind() == gateway.KindString {
			text += t.say(" Did you mean %q?", " Ist %q gemeint?", near)
		}
		return text
	case c.Reason == gateway.ReasonFilling:
		return t.say("Its first version is published and waits until its new counters are filled from the history.",
			"Die erste Version ist veröffentlicht und wartet, bis ihre neuen Zähler aus der Historie gefüllt sind.")
	case c.Rule == "coming":
		return t.say("Its first version is published and becomes live at %s.", "Die erste Version ist veröffentlicht und wird am %s aktiv.", t.when(c.Until))
	case c.Reason == gateway.ReasonPaused:
		return t.paused(c)
	}
	return t.say("The journey lets nobody in any more (%s).", "Die Journey nimmt niemanden mehr auf (%s).", t.rule(c.Rule))
}

func (t *teller) consent(c gateway.ExplainCheck) string {
	switch c.Reason {
	case "":
		if c.Rule == string(gateway.PurposeSafety) {
			return t.say("Safety messages need no consent.", "Sicherheitshinweise brauchen keine Einwilligung.")
		}
		return t.say("Purpose %s: allowed on at least one of its channels.", "Zweck %s: auf mindestens einem der Kanäle erlaubt.", c.Rule)
	case gateway.ReasonObjected:
		return t.say("Purpose %s: the customer objected.", "Zweck %s: der Kunde hat widersprochen.", c.Rule)
	}
	return t.say("Purpose %s: the customer has not consented on any of its channels.", "Zweck %s: der Kunde hat auf keinem der Kanäle eingewilligt.", c.Rule)
}

func (t *teller) filter(c gateway.ExplainCheck) string {
	seen := t.values(c.Values)
	if seen != "" {
		seen = t.say("; now %s", "; jetzt %s", seen)
	}
	switch c.Result {
	case gateway.CheckHolds:
		return t.say("The entry filter holds: %s%s.", "Der Eintrittsfilter trifft zu: %s%s.", c.Rule, seen)
	case gateway.CheckFails:
		return t.say("The entry filter does not hold: %s%s.", "Der Eintrittsfilter trifft nicht zu: %s%s.", c.Rule, seen)
	}
	return t.say("The entry filter cannot be judged, a value is missing or comes with the event: %s%s.",
		"Der Eintrittsfilter ist nicht zu beurteilen, ein Wert fehlt oder kommt mit dem Ereignis: %s%s.", c.Rule, seen)
}

func (t *teller) values(list gateway.Properties) string {
	var parts []string
	for _, v := range list {
		value := v.Value.String()
		if value == "unknown" {
			value = t.say("unknown", "unbekannt")
		}
		parts = append(parts, v.Key+" = "+value)
	}
	return strings.Join(parts, ", ")
}

func (t *teller) reentry(c gateway.ExplainCheck) string {
	switch c.Reason {
	case "":
		switch c.Values.Get("entries").AsInt() {
		case 0:
			return t.say("The customer was never inside.", "Der Kunde war noch nie darin.")
		case 1:
			return t.say("The customer was inside once and may enter again.", "Der Kunde war einmal darin und darf wieder hinein.")
		}
		return t.say("The customer was inside %d times and may enter again.", "Der Kunde war %d-mal darin und darf wieder hinein.", c.Values.Get("entries").AsInt())
	case gateway.ReasonAlreadyEnrolled:
		return t.say("The customer is inside already: no second entry now.", "Der Kunde ist schon darin: jetzt kein zweiter Eintritt.")
	case gateway.ReasonReentryGap:
		return t.say("The last run ended at %s; the next may begin at %s.", "Der letzte Lauf endete am %s; der nächste darf ab %s beginnen.", t.when(c.Since), t.when(c.Until))
	}
	return t.say("The customer was inside before, and one may enter once only.", "Der Kunde war schon einmal darin, und man darf nur einmal hinein.")
}

func (t *teller) arm(c gateway.ExplainCheck) string {
	switch {
	case c.Result == gateway.CheckHolds:
		return t.say("Not in the control group.", "Nicht in der Kontrollgruppe.")
	case c.Rule == "foreseen":
		return t.say("Would be in the control group: messages are decided and not sent.", "Käme in die Kontrollgruppe: Nachrichten werden entschieden, aber nicht gesendet.")
	}
	return t.say("In the control group: messages are decided and not sent.", "In der Kontrollgruppe: Nachrichten werden entschieden, aber nicht gesendet.")
}

func (t *teller) enrollment(c gateway.ExplainCheck) string {
	if c.Reason != "" {
		return t.say("Was inside from %s to %s: %s.", "War darin von %s bis %s: %s.", t.when(c.Since), t.when(c.Until), t.reason(c))
	}
	return t.say("Inside since %s (version %d): %s.", "Darin seit %s (Version %d): %s.", t.when(c.Since), c.Values.Get("version").AsInt(), t.stands(c))
}

// stands tells where a run is.
func (t *teller) stands(c gateway.ExplainCheck) string {
	switch {
	case c.Rule == "send" && c.Until != 0:
		return t.say("the message of step %s is held until %s", "die Nachricht von Schritt %s ist bis %s zurückgehalten", c.Step, t.when(c.Until))
	case c.Until == 0:
		return t.say("at step %s", "bei Schritt %s", c.Step)
	case c.Rule != "" && c.Rule != "send":
		return t.say("at step %s, waits for %s until %s", "bei Schritt %s, wartet auf %s bis %s", c.Step, c.Rule, t.when(c.Until))
	}
	return t.say("at step %s, waits until %s", "bei Schritt %s, wartet bis %s", c.Step, t.when(c.Until))
}
