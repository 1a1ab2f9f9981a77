package console

import (
	"html/template"
	"strconv"
	"strings"

	"touchpoint/gateway"
)

// words say what a reason means: short in a lane, long in the list of reasons.
type words struct{ short, long, tone string }

var reasonWords = map[gateway.Reason]words{
	gateway.ReasonEnrolled:         {"entered the journey", "Entered the journey", "good"},
	gateway.ReasonReplayed:         {"known already", "The same call came again", "plain"},
	gateway.ReasonFiltered:         {"filtered out", "The journey's filter did not hold", "off"},
	gateway.ReasonNoCustomer:       {"nobody's device", "The device belonged to nobody at that time", "off"},
	gateway.ReasonNoConsent:        {"no consent", "The customer has not agreed to such messages", "off"},
	gateway.ReasonObjected:         {"objected", "The customer objected to such messages", "off"},
	gateway.ReasonAlreadyEnrolled:  {"is inside already", "The customer is in this journey already", "off"},
	gateway.ReasonReentryOnce:      {"was inside before", "The journey runs once per customer, and it did", "off"},
	gateway.ReasonReentryGap:       {"too soon again", "The last run is too recent", "off"},
	gateway.ReasonEntryCap:         {"entries used up", "The journey's limit of entries is used up", "off"},
	gateway.ReasonExhausted:        {"limit used up", "A limit of the whole installation is used up", "off"},
	gateway.ReasonTooLateToAct:     {"too late to act", "The event came too late to act upon", "off"},
	gateway.ReasonTooOldToDedup:    {"too old", "The event is so old that it is kept as history only", "off"},
	gateway.ReasonBlockedLate:      {"blocked too late", "What would have blocked it came after it had fired", "plain"},
	gateway.ReasonStarted:          {"starts a journey", "A step starts another journey", "plain"},
	gateway.ReasonStopped:          {"stopped", "Another journey stopped it", "plain"},
	gateway.ReasonLoop:             {"goes in a circle", "Journeys start each other in a circle: not started again", "off"},
	gateway.ReasonDelegated:        {"told others", "Those whom the step is for were addressed, each where he lives", "plain"},
	gateway.ReasonNoRecipient:      {"nobody to tell", "Nobody has the role that the step addresses", "off"},
	gateway.ReasonTask:             {"task for staff", "A task for the staff was opened", "plain"},
	gateway.ReasonUnobserved:       {"not observed", "Silence proves nothing: devices could not be heard all the time", "wait"},
	gateway.ReasonUnknownTrait:     {"no data yet", "A number that the journey needs is not known yet", "wait"},
	gateway.ReasonPaused:           {"journey is paused", "The journey is paused", "off"},
	gateway.ReasonNotActive:        {"journey not live", "The journey is not live", "off"},
	gateway.ReasonSuspended:        {"open complaint", "An open complaint suspends marketing", "off"},
	gateway.ReasonSent:             {"message decided", "A message was decided", "good"},
	gateway.ReasonHoldout:          {"control group", "Control group: not sent on purpose, to measure the effect", "off"},
	gateway.ReasonCapped:           {"enough messages", "The customer has had enough messages for now", "off"},
	gateway.ReasonQuietHours:       {"quiet hours", "Quiet hours", "wait"},
	gateway.ReasonHeld:             {"waits for its time", "Held until the time, or the state of the device, at which it is allowed", "wait"},
	gateway.ReasonUnreachable:      {"cannot be reached", "No device or address reaches the customer", "off"},
	gateway.ReasonExpired:          {"expired", "It came to be of no use before it could be shown", "off"},
	gateway.ReasonMissedWindow:     {"missed its time", "The allowed time passed: decided anew", "wait"},
	gateway.ReasonNoReceipt:        {"no answer", "No answer in time: the next channel is tried", "wait"},
	gateway.ReasonExitCriterion:    {"exit rule held", "An exit rule of the journey held", "plain"},
	gateway.ReasonGoal:             {"goal reached", "Reached the goal", "good"},
	gateway.ReasonCompleted:        {"passed the last step", "Passed the last step", "good"},
	gateway.ReasonErased:           {"erased", "The customer was erased", "plain"},
	gateway.ReasonUnbound:          {"device left", "The device left the customer", "plain"},
	gateway.ReasonWithdrawn:        {"withdrawn", "Taken back before it was shown", "off"},
	gateway.ReasonArrived:          {"awaited event came", "The awaited event came", "good"},
	gateway.ReasonTimedOut:         {"waited in vain", "The awaited event did not come in time", "plain"},
	gateway.ReasonElapsed:          {"wait is over", "A wait is over", "plain"},
	gateway.ReasonBranch:           {"took a branch", "Took a branch", "plain"},
	gateway.ReasonPublished:        {"published", "A version was published", "good"},
	gateway.ReasonInvalid:          {"refused", "A definition was refused", "bad"},
	gateway.ReasonResumed:          {"resumed", "The journey goes on", "good"},
	gateway.ReasonConditionFailed:  {"condition failed", "A condition met a value that it cannot use", "bad"},
	gateway.ReasonFailed:           {"delivery failed", "Delivery gave up", "bad"},
	gateway.ReasonWaiting:          {"asks for a place", "Waits for a place under the journey's entry cap", "wait"},
	gateway.ReasonRamp:             {"not in the ramp yet", "The journey lets in a part of its customers so far", "wait"},
	gateway.ReasonBrake:            {"everything is stopped", "The brake is on: nothing is sent", "wait"},
	gateway.ReasonForecast:         {"journey paused itself", "The journey sent far more than forecast and paused itself", "bad"},
	gateway.ReasonFilling:          {"being filled", "New numbers are filled from history before the version is live", "wait"},
	gateway.ReasonConversionWindow: {"goal reached later", "Reached the goal after leaving", "good"},
}

func wordsOf(kind gateway.DecisionKind, r gateway.Reason) words {
	if kind == gateway.DecisionJourney && r == gateway.ReasonPaused {
		return words{"paused", "The journey was paused", "wait"}
	}
	if w, ok := reasonWords[r]; ok {
		return w
	}
	return words{humanize(string(r)), humanize(string(r)), "plain"}
}

func stateWord(s gateway.MessageState) string {
	if s == gateway.MessageAttempted {
		return "handing over"
	}
	return strings.ReplaceAll(s.String(), "_", " ")
}

func stateTone(s gateway.MessageState) string {
	switch s {
	case gateway.MessageDisplayed, gateway.MessageOpened, gateway.MessageClicked, gateway.MessageDismissed:
		return "good"
	case gateway.MessageFailed:
		return "bad"
	case gateway.MessageHeldOut, gateway.MessageExpired, gateway.MessageWithdrawn:
		return "off"
	}
	return "wait"
}

// humanize makes words of a name in snake_case.
func humanize(s string) string { return strings.ReplaceAll(s, "_", " ") }

// number formats n with a comma between thousands.
func number[T int | int64 | uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// share is n of all, in percent from 0 to 100; what is not nothing shows.
func share(n, all int64) int64 {
	switch {
	case n <= 0 || all <= 0:
		return 0
	case n >= all:
		return 100
	}
	return max(1, n*100/all)
}

// templateFuncs are what the templates call.
func (o *Options) templateFuncs() template.FuncMap {
	return template.FuncMap{
		"number": func(n any) string {
			switch n := n.(type) {
			case int:
				return number(n)
			case int64:
				return number(n)
			case uint64:
				return number(n)
			}
			return ""
		},
		"share":    share,
		"humanize": humanize,
		"day":      func(i gateway.Instant) string { return i.Time().In(o.Zone).Format("Mon 2 January 2006") },
		"clock":    func(i gateway.Instant) string { return i.Time().In(o.Zone).Format("15:04:05") },
		"zone":     func(i gateway.Instant) string { return i.Time().In(o.Zone).Format("MST") },
		"when":     func(i gateway.Instant) string { return i.Time().In(o.Zone).Format("2 Jan 15:04:05") },
		"moment":   o.moment,
		"iso":      func(i gateway.Instant) string { return i.String() },
		"short":    short,
		"at":       func(i gateway.Instant) string { return i.Time().In(o.Zone).Format("2 Jan 2006 15:04") },
		"until":    func(i gateway.Instant) string { return until(o.Clock.Now(), i) },
		"plural":   func(n int64, word string) string { return plural(n, word) },
		"add":      func(a, b int) int { return a + b },
	}
}

// moment is the time of a line: virtual days go by quickly, real ones do not.
func (o *Options) moment(i gateway.Instant) string {
	if o.Clock.Virtual() {
		return i.Time().In(o.Zone).Format("2 Jan 15:04")
	}
	return i.Time().In(o.Zone).Format("15:04:05")
}

// short cuts an internal id so that it fits a line and still tells devices apart.
func short(id string) string {
	if len(id) > 9 {
		return id[:9] + "…"
	}
	return id
}
