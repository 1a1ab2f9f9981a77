package explain

import (
	"regexp"
	"strings"
	"time"

	"touchpoint/gateway"
)

// phrase is a rule of the journey core that is more than a name: its text, and
// what it says. $1 and $2 are what stands in its place; D, T and R in front of a
// digit mark a duration, a time and a rule of their own.
type phrase struct {
	pattern *regexp.Regexp
	words
}

func of(pattern, en, de string) phrase {
	return phrase{regexp.MustCompile("^" + pattern + "$"), words{en, de}}
}

const (
	aSpan = `((?:\d+(?:ms|w|d|h|m|s))+)`
	aTime = `(\d{4}-\d\d-\d\dT[\d:.]+Z)`
	aWord = `([\w:.~-]+)`
)

var phrases = []phrase{
	of(`missed window`, "after it missed its window", "nachdem das Zeitfenster verpasst war"),
	of(`missed window, (.+)`, "after it missed its window, R1", "nachdem das Zeitfenster verpasst war, R1"),
	of(`no device`, "no device", "kein Gerät"),
	of(`no channel`, "no channel", "kein Kanal"),
	of(`no address for `+aWord, "no address for $1", "keine Adresse für $1"),
	of(`quiet until `+aTime, "quiet until T1", "Ruhezeit bis T1"),
	of(`discard`, "discarded", "verworfen"),
	of(`context (.+)`, "only while $1", "nur solange $1"),
	of(`case`, "a complaint is open", "eine Beschwerde ist offen"),
	of(`case (.+)`, "complaint $1", "Beschwerde $1"),
	of(`max_event_age `+aSpan, "it may be D1 old", "es darf D1 alt sein"),
	of(`observed through `+aTime, "events are complete up to T1", "Ereignisse sind vollständig bis T1"),
	of(`upload until `+aTime, "the device may still upload until T1", "das Gerät kann noch bis T1 hochladen"),
	of(`(\d+) per calendar day`, "$1 per calendar day", "$1 je Kalendertag"),
	of(`(\d+) per calendar week`, "$1 per calendar week", "$1 je Kalenderwoche"),
	of(`(\d+) per calendar month`, "$1 per calendar month", "$1 je Kalendermonat"),
	of(`(\d+) per `+aSpan, "$1 in D2", "$1 in D2"),
	of(`(\d+) in all`, "$1 in all", "$1 insgesamt"),
	of(`([\d.]+) % may enter`, "$1 % may enter", "$1 % dürfen hinein"),
	of(`no grant within `+aSpan, "no answer within D1", "keine Antwort innerhalb von D1"),
	of(`(\d+) entries wait for a grant already`, "$1 entries wait already", "$1 Eintritte warten schon"),
	of(`once`, "once only", "nur einmal"),
	of(`after_exit_and_gap `+aSpan, "a gap of D1", "ein Abstand von D1"),
	of(`concurrent_per_key`, "one at a time for each key", "je Schlüssel nur einer zur Zeit"),
	of(aWord+` after it had fired`, "$1 came after it had fired", "$1 kam, nachdem ausgelöst worden war"),
	of(`(\d+) messages in `+aSpan+`, forecast (\d+) times ([\d.]+)`, "$1 messages in D2, forecast were $3 times $4", "$1 Nachrichten in D2, vorhergesagt waren $3 mal $4"),
	of(`the brake is released`, "the brake is released", "die Bremse ist gelöst"),
	of(aWord+` after `+aWord+` failed`, "$1 after $2 failed", "$1, nachdem $2 fehlschlug"),
	of(aWord+` after `+aWord+` gave no receipt in `+aSpan, "$1 after $2 gave no receipt in D3", "$1, nachdem $2 in D3 keine Rückmeldung gab"),
	of(`data:(\w+)`, "consent to the use of $1 data", "Einwilligung in die Nutzung von Daten: $1"),
	of(`(service|marketing|safety) on `+aWord, "$1 on $2", "$1 über $2"),
	of(`treated`, "treated", "behandelt"),
	of(`holdout`, "control group", "Kontrollgruppe"),
	of(`draft`, "draft", "Entwurf"),
	of(`published`, "published", "veröffentlicht"),
	of(`paused`, "paused", "angehalten"),
	of(`draining`, "lets the last ones finish", "lässt die letzten zu Ende laufen"),
	of(`finished`, "finished", "beendet"),
	of(`archived`, "archived", "archiviert"),
}

var places = regexp.MustCompile(`[$DTR]\d`)

// rule puts a rule into words; a name, a condition or a channel stays as it is.
func (t *teller) rule(text string) string {
	for i := range phrases {
		m := phrases[i].pattern.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		return places.ReplaceAllStringFunc(phrases[i].in(t.lang), func(place string) string {
			part := m[place[1]-'0']
			switch place[0] {
			case 'D':
				return t.span(part)
			case 'T':
				return t.moment(part)
			case 'R':
				return t.rule(part)
			}
			return part
		})
	}
	return text
}

// Rule puts the rule of a decision into words.
func Rule(text, lang string, zone *time.Location) string {
	t := teller{lang: lang, zone: zone}
	return t.rule(text)
}

// moment shows a time that stands in a text as the sentences show times.
func (t *teller) moment(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return t.when(gateway.InstantOf(at))
}

// keys put the names of a decision's values into words.
var keys = map[string]words{
	"free_at":      {"room again at", "wieder Platz am"},
	"winner":       {"the place went to", "den Platz bekam"},
	"started_at":   {"begun at", "begonnen am"},
	"scheduled":    {"the time", "Termin"},
	"from":         {"from", "aus"},
	"legal_basis":  {"legal basis", "Rechtsgrundlage"},
	"device.state": {"state of the device", "Zustand des Geräts"},
}

// value shows one value of a decision.
func (t *teller) value(p gateway.Property) string {
	text := t.moment(t.known(p.Value.String()))
	if p.Value.Kind() == gateway.KindFloat {
		text = t.number(text)
	}
	if w, ok := keys[p.Key]; ok {
		return w.in(t.lang) + " " + text
	}
	if event, ok := strings.CutPrefix(p.Key, "last_"); ok {
		return t.say("the last %s %s", "zuletzt %s %s", event, text)
	}
	return p.Key + " = " + text
}

func (t *teller) known(text string) string {
	if text == "unknown" {
		return t.say("unknown", "unbekannt")
	}
	return text
}
