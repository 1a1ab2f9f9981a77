package main

import (
	"fmt"
	"strings"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// reasonWords says in words what a reason code means.
var reasonWords = map[gateway.Reason]string{
	gateway.ReasonEnrolled:         "enrolled: every check passed",
	gateway.ReasonReplayed:         "the same key came again: nothing new",
	gateway.ReasonFiltered:         "not enrolled: the entry filter did not hold",
	gateway.ReasonNoCustomer:       "not enrolled: the device belonged to nobody at that time",
	gateway.ReasonNoConsent:        "no consent for this purpose and channel",
	gateway.ReasonObjected:         "the customer objected to such messages",
	gateway.ReasonAlreadyEnrolled:  "not enrolled: is in this journey already",
	gateway.ReasonReentryOnce:      "not enrolled: was in this journey before, and it allows one run",
	gateway.ReasonReentryGap:       "not enrolled: the last run is too recent",
	gateway.ReasonEntryCap:         "not enrolled: the journey's entry cap is used up",
	gateway.ReasonExhausted:        "an installation-wide limit is used up",
	gateway.ReasonTooLateToAct:     "the event came too late to act upon",
	gateway.ReasonTooOldToDedup:    "the event is older than the duplicate window: history only",
	gateway.ReasonBlockedLate:      "the sequence had fired when the blocking event came: nothing is undone",
	gateway.ReasonStarted:          "another journey is started",
	gateway.ReasonStopped:          "left the journey: another one stopped it",
	gateway.ReasonLoop:             "not enrolled: journeys start each other in a circle",
	gateway.ReasonTask:             "a task for the staff was opened",
	gateway.ReasonUnobserved:       "not decided: intake was incomplete, so absence proves nothing",
	gateway.ReasonUnknownTrait:     "not decided: a trait has no data yet",
	gateway.ReasonPaused:           "the journey is paused",
	gateway.ReasonNotActive:        "the journey is not live",
	gateway.ReasonSuspended:        "an open complaint suspends marketing",
	gateway.ReasonSent:             "a message was decided",
	gateway.ReasonHoldout:          "control group: decided and recorded, not sent",
	gateway.ReasonCapped:           "not sent: a frequency cap is used up",
	gateway.ReasonQuietHours:       "not sent now: quiet hours",
	gateway.ReasonHeld:             "held until its allowed time, or until the device is free",
	gateway.ReasonUnreachable:      "not sent: no channel reaches the customer",
	gateway.ReasonExpired:          "not sent: no longer of use",
	gateway.ReasonMissedWindow:     "delivery missed the allowed time: decided anew",
	gateway.ReasonNoReceipt:        "no receipt in time: the next channel is tried",
	gateway.ReasonExitCriterion:    "left the journey: its exit criterion held",
	gateway.ReasonGoal:             "reached the goal",
	gateway.ReasonCompleted:        "passed the last step",
	gateway.ReasonErased:           "the customer was erased",
	gateway.ReasonUnbound:          "left the journey: the device left the customer",
	gateway.ReasonWithdrawn:        "the message was taken back before it was shown",
	gateway.ReasonArrived:          "went on: the awaited event came",
	gateway.ReasonTimedOut:         "went on: the awaited event did not come in time",
	gateway.ReasonElapsed:          "went on: the wait is over",
	gateway.ReasonBranch:           "took a branch",
	gateway.ReasonPublished:        "a version was stored",
	gateway.ReasonResumed:          "the journey goes on",
	gateway.ReasonConditionFailed:  "a condition met a value that it cannot use",
	gateway.ReasonFailed:           "delivery gave up",
	gateway.ReasonWaiting:          "asks for a place under the journey's entry cap; the answer follows",
	gateway.ReasonRamp:             "not enrolled: outside the share that the ramp lets in so far",
	gateway.ReasonBrake:            "not sent now: everything is stopped by the brake",
	gateway.ReasonForecast:         "the journey paused itself: it sent far more than forecast",
	gateway.ReasonFilling:          "a version waits until its new counters are filled from history",
	gateway.ReasonConversionWindow: "reached the goal after leaving, inside the window",
}

// sentence tells one decision.
func sentence(d *pb.Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", d.Journey)
	if d.Version > 0 {
		fmt.Fprintf(&b, " v%d", d.Version)
	}
	if d.Step != "" {
		fmt.Fprintf(&b, ", step %s", d.Step)
	}
	words, ok := reasonWords[gateway.Reason(d.Reason)]
	if !ok {
		words = d.Reason
	}
	fmt.Fprintf(&b, ": %s", words)
	var because []string
	if d.Rule != "" {
		because = append(because, d.Rule)
	}
	if len(d.Values) > 0 {
		because = append(because, properties(d.Values))
	}
	if len(because) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(because, "; "))
	}
	if d.EventId != "" {
		fmt.Fprintf(&b, " [event %s]", d.EventId)
	}
	return b.String()
}
