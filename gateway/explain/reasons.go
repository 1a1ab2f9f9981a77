package explain

import "touchpoint/gateway"

// words are a sentence in English and in German.
type words struct{ en, de string }

func (w words) in(lang string) string {
	if lang == "de" {
		return w.de
	}
	return w.en
}

// reasons puts every reason code into words.
var reasons = map[gateway.Reason]words{
	gateway.ReasonEnrolled:         {"was enrolled", "wurde aufgenommen"},
	gateway.ReasonReplayed:         {"the same call had come before", "derselbe Aufruf kam schon einmal"},
	gateway.ReasonFiltered:         {"the entry filter did not hold", "der Eintrittsfilter traf nicht zu"},
	gateway.ReasonNoCustomer:       {"the device had no owner at that time", "das Gerät gehörte zu dieser Zeit niemandem"},
	gateway.ReasonNoConsent:        {"the consent is missing", "die Einwilligung fehlt"},
	gateway.ReasonObjected:         {"the customer objected", "der Kunde hat widersprochen"},
	gateway.ReasonAlreadyEnrolled:  {"is inside already", "ist schon darin"},
	gateway.ReasonReentryOnce:      {"was inside before, and one may enter once only", "war schon einmal darin, und man darf nur einmal hinein"},
	gateway.ReasonReentryGap:       {"too little time has passed since the last exit", "seit dem letzten Ende ist zu wenig Zeit vergangen"},
	gateway.ReasonEntryCap:         {"the journey's entry cap is used up", "die Höchstzahl der Eintritte ist erreicht"},
	gateway.ReasonExhausted:        {"a limit of the whole installation is used up", "eine Grenze der gesamten Installation ist erreicht"},
	gateway.ReasonTooLateToAct:     {"the event came too late to act upon", "das Ereignis kam zu spät, um noch darauf zu reagieren"},
	gateway.ReasonTooOldToDedup:    {"the event is too old: it went into the history only", "das Ereignis ist zu alt: es ging nur in die Historie"},
	gateway.ReasonBlockedLate:      {"the event that would have prevented it came afterwards", "das Ereignis, das es verhindert hätte, kam erst danach"},
	gateway.ReasonUnobserved:       {"some events are still missing, so the silence cannot be judged yet", "es fehlen noch Ereignisse, daher lässt sich die Stille noch nicht beurteilen"},
	gateway.ReasonUnknownTrait:     {"a trait has no data yet", "ein Merkmal hat noch keine Daten"},
	gateway.ReasonPaused:           {"the journey is paused", "die Journey ist angehalten"},
	gateway.ReasonNotActive:        {"the journey is not live", "die Journey ist nicht aktiv"},
	gateway.ReasonSuspended:        {"marketing is suspended while a complaint is open", "Werbung ruht, solange eine Beschwerde offen ist"},
	gateway.ReasonSent:             {"a message is sent", "eine Nachricht wird gesendet"},
	gateway.ReasonHoldout:          {"belongs to the control group, which gets no message", "gehört zur Kontrollgruppe, die keine Nachricht bekommt"},
	gateway.ReasonCapped:           {"enough messages were sent already", "es wurden schon genug Nachrichten gesendet"},
	gateway.ReasonQuietHours:       {"quiet hours", "Ruhezeit"},
	gateway.ReasonHeld:             {"waits for the allowed time", "wartet auf die erlaubte Zeit"},
	gateway.ReasonUnreachable:      {"cannot be reached there", "ist dort nicht erreichbar"},
	gateway.ReasonExpired:          {"it would be of no use any more", "sie wäre nicht mehr von Nutzen"},
	gateway.ReasonMissedWindow:     {"the message could not be delivered in its allowed time", "die Nachricht ließ sich nicht in der erlaubten Zeit zustellen"},
	gateway.ReasonNoReceipt:        {"no receipt came in time, so the next channel is taken", "keine Rückmeldung kam rechtzeitig, daher folgt der nächste Kanal"},
	gateway.ReasonExitCriterion:    {"an exit criterion held", "ein Ausstiegskriterium traf zu"},
	gateway.ReasonGoal:             {"the goal was reached", "das Ziel wurde erreicht"},
	gateway.ReasonCompleted:        {"the last step was passed", "der letzte Schritt ist getan"},
	gateway.ReasonErased:           {"the customer was erased", "der Kunde wurde gelöscht"},
	gateway.ReasonUnbound:          {"the device left the customer", "das Gerät gehört dem Kunden nicht mehr"},
	gateway.ReasonWithdrawn:        {"the message was taken back before it was shown", "die Nachricht wurde vor der Anzeige zurückgezogen"},
	gateway.ReasonArrived:          {"the awaited event came", "das erwartete Ereignis kam"},
	gateway.ReasonTimedOut:         {"the awaited event did not come in time", "das erwartete Ereignis kam nicht rechtzeitig"},
	gateway.ReasonElapsed:          {"the wait is over", "die Wartezeit ist vorbei"},
	gateway.ReasonBranch:           {"a branch was taken", "eine Abzweigung wurde genommen"},
	gateway.ReasonPublished:        {"a version was published", "eine Version wurde veröffentlicht"},
	gateway.ReasonInvalid:          {"the definition was refused", "die Definition wurde abgelehnt"},
	gateway.ReasonResumed:          {"the journey goes on", "die Journey läuft weiter"},
	gateway.ReasonConditionFailed:  {"a condition needs a value that is not there", "eine Bedingung braucht einen Wert, der fehlt"},
	gateway.ReasonFailed:           {"delivery gave up", "die Zustellung wurde aufgegeben"},
	gateway.ReasonStarted:          {"another journey was started", "eine andere Journey wurde gestartet"},
	gateway.ReasonStopped:          {"another journey was stopped", "eine andere Journey wurde beendet"},
	gateway.ReasonLoop:             {"the journeys start each other in a circle", "die Journeys starten einander im Kreis"},
	gateway.ReasonDelegated:        {"others were addressed", "andere wurden angesprochen"},
	gateway.ReasonNoRecipient:      {"nobody has the role that is addressed", "niemand hat die Rolle, die angesprochen wird"},
	gateway.ReasonTask:             {"a task for the staff was opened", "eine Aufgabe für das Personal wurde angelegt"},
	gateway.ReasonWaiting:          {"waits for a grant of a limit of the whole installation", "wartet auf eine Freigabe unter einer Grenze der gesamten Installation"},
	gateway.ReasonRamp:             {"lies outside the share that the ramp lets in", "liegt außerhalb des Anteils, den die Rampe einlässt"},
	gateway.ReasonBrake:            {"everything is stopped", "alles ist gestoppt"},
	gateway.ReasonForecast:         {"the journey paused itself because it sent more than forecast", "die Journey hat sich selbst angehalten, weil sie mehr sendete als vorhergesagt"},
	gateway.ReasonFilling:          {"new counters are being filled from the history", "neue Zähler werden aus der Historie gefüllt"},
	gateway.ReasonConversionWindow: {"the goal was counted after the exit", "das Ziel wurde nach dem Ende noch gezählt"},
}

// Reason puts a reason code into words.
func Reason(r gateway.Reason, lang string) string {
	if w, ok := reasons[r]; ok {
		return w.in(lang)
	}
	return string(r)
}
