package explain

import (
	"strings"

	"touchpoint/gateway"
)

// limit tells what holds for many customers at once, with its figures.
func (t *teller) limit(c gateway.ExplainCheck) string {
	get := func(key string) string { return t.number(c.Values.Get(key).String()) }
	switch c.Name {
	case gateway.CheckBrake:
		return t.say("Everything is stopped by the brake since %s: nothing is sent%s.", "Die Bremse hält seit %s alles an: nichts wird gesendet%s.", t.when(c.Since), bracket(c.Rule))
	case gateway.CheckDryRun:
		if c.Rule == "self" {
			return t.say("This is a dry run: it decides like the journey, and nothing is sent.", "Dies ist ein Probelauf: er entscheidet wie die Journey, und nichts wird gesendet.")
		}
		return t.say("A dry run of its draft runs beside it; ask about %s.", "Daneben läuft ein Probelauf des Entwurfs; frage nach %s.", c.Rule)
	case gateway.CheckForecast:
		if c.Result == gateway.CheckUnknown {
			return ""
		}
		return t.say("Forecast %s a day; sent in the last 24 hours: %s; above %s the journey pauses itself.",
			"Vorhersage %s am Tag; gesendet in den letzten 24 Stunden: %s; über %s hält sich die Journey selbst an.", get("per_day"), get("sent"), get("limit"))
	case gateway.CheckExisting:
		return t.say("Those who met the entry at publication come in %s a day; the customer's turn has not come, it goes on at %s.",
			"Wer beim Veröffentlichen schon so weit war, kommt mit %s je Tag hinein; dieser Kunde war noch nicht an der Reihe, weiter geht es am %s.", get("per_day"), t.when(c.Until))
	case gateway.CheckRamp:
		return t.ramp(c, get)
	}
	return t.entryCap(c, get)
}

func (t *teller) ramp(c gateway.ExplainCheck, get func(string) string) string {
	text := t.say("The ramp lets in %s %% of the customers; this one's place is %s %%", "Die Rampe lässt %s %% der Kunden ein; der Platz dieses Kunden ist %s %%", get("share"), get("place"))
	switch {
	case c.Result == gateway.CheckHolds:
		return text + t.say(": in.", ": darf hinein.")
	case c.Until != 0:
		return text + t.say(": in from %s.", ": darf ab %s hinein.", t.when(c.Until))
	}
	return text + t.say(", which this ramp does not reach.", ", den diese Rampe nicht erreicht.")
}

func (t *teller) entryCap(c gateway.ExplainCheck, get func(string) string) string {
	if c.Result == gateway.CheckUnknown {
		return t.say("The journey's entry cap is %s; how much of it is used is not known here.", "Die Höchstzahl der Eintritte ist %s; wie viele vergeben sind, ist hier nicht bekannt.", t.rule(c.Rule))
	}
	text := t.say("The journey's entry cap is %s: %s used", "Die Höchstzahl der Eintritte ist %s: %s vergeben", t.rule(c.Rule), get("used"))
	if c.Values.Has("outstanding") {
		text += t.say(", %s promised to other partitions", ", %s anderen Partitionen zugesagt", get("outstanding"))
	}
	switch {
	case c.Result == gateway.CheckHolds:
		return text + "."
	case c.Until != 0:
		return text + t.say("; room again at %s.", "; wieder Platz am %s.", t.when(c.Until))
	case c.Values.Has("for_ever"):
		return text + t.say("; nobody else comes in.", "; niemand kommt mehr hinein.")
	}
	return text + t.say("; room when places come back.", "; Platz gibt es, wenn welche zurückkommen.")
}

// paused tells since when a journey stands still, and why.
func (t *teller) paused(c gateway.ExplainCheck) string {
	since := ""
	if c.Since != 0 {
		since = t.say(" since %s", " seit %s", t.when(c.Since))
	}
	text := t.say("The journey is paused%s", "Die Journey ist%s angehalten", since)
	if by := c.Values.Get("by"); by.Kind() == gateway.KindString {
		text = t.say("The journey paused itself%s (%s)", "Die Journey hat sich%s selbst angehalten (%s)", strings.Replace(since, "since", "at", 1), t.rule(c.Values.Get("because").String()))
	}
	return text + t.say("; what falls due happens when it goes on.", "; Fälliges geschieht, wenn sie weiterläuft.")
}
