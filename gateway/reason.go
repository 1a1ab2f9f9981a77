package gateway

// The reason codes: a closed list, part of the API.
const (
	ReasonEnrolled         Reason = "enrolled"              // entry: all checks passed
	ReasonReplayed         Reason = "replayed"              // the same API key came again
	ReasonFiltered         Reason = "filtered"              // the entry filter did not hold
	ReasonNoCustomer       Reason = "no_customer"           // the device has no owner at that time
	ReasonNoConsent        Reason = "no_consent"            // purpose and channel lack consent
	ReasonObjected         Reason = "objected"              // the customer objected to a service message
	ReasonAlreadyEnrolled  Reason = "already_enrolled"      // re-entry rule: still inside
	ReasonReentryOnce      Reason = "reentry_once"          // re-entry rule: was inside before
	ReasonReentryGap       Reason = "reentry_gap"           // re-entry rule: too early
	ReasonEntryCap         Reason = "entry_cap"             // the journey's entry cap is used up
	ReasonExhausted        Reason = "exhausted"             // no grant of an installation-wide limit
	ReasonTooLateToAct     Reason = "too_late_to_act"       // older than max_event_age
	ReasonTooOldToDedup    Reason = "too_old_to_dedup"      // outside the duplicate window: history only
	ReasonBlockedLate      Reason = "blocked_late"          // a sequence had fired when its blocking event came
	ReasonUnobserved       Reason = "unobserved"            // absence not decided: intake was incomplete
	ReasonUnknownTrait     Reason = "unknown_trait"         // a trait has no data yet: missing is not zero
	ReasonPaused           Reason = "paused"                // the journey is paused
	ReasonNotActive        Reason = "not_active"            // unknown, draft, draining or archived
	ReasonSuspended        Reason = "suspended"             // an open complaint suspends marketing
	ReasonSent             Reason = "sent"                  // send: a message was decided
	ReasonHoldout          Reason = "holdout"               // send: control arm, not handed over
	ReasonCapped           Reason = "capped"                // a frequency cap is used up
	ReasonQuietHours       Reason = "quiet_hours"           // held or discarded by quiet hours
	ReasonHeld             Reason = "held"                  // waits for its allowed time
	ReasonUnreachable      Reason = "unreachable"           // no channel with an address or a device
	ReasonExpired          Reason = "expired"               // no longer of use
	ReasonMissedWindow     Reason = "missed_window"         // delivery missed the allowed interval
	ReasonNoReceipt        Reason = "no_receipt"            // fallback: no receipt in time
	ReasonExitCriterion    Reason = "exit_criterion"        // an exit criterion held
	ReasonGoal             Reason = "goal"                  // the goal was reached
	ReasonCompleted        Reason = "completed"             // the last step was passed
	ReasonErased           Reason = "erased"                // the customer was erased
	ReasonUnbound          Reason = "unbound"               // the device left the customer
	ReasonWithdrawn        Reason = "withdrawn"             // taken back before display
	ReasonArrived          Reason = "arrived"               // wait-until: the event came
	ReasonTimedOut         Reason = "timed_out"             // wait-until: it did not
	ReasonElapsed          Reason = "elapsed"               // a wait is over
	ReasonBranch           Reason = "branch"                // a branch was taken (rule names it)
	ReasonPublished        Reason = "published"             // a version is stored
	ReasonInvalid          Reason = "invalid"               // a definition was refused (rule says why)
	ReasonResumed          Reason = "resumed"               // a journey goes on
	ReasonConditionFailed  Reason = "condition_unavailable" // a condition met a value it cannot use
	ReasonFailed           Reason = "failed"                // delivery gave up
	ReasonStarted          Reason = "started"               // a step asked for another journey's start
	ReasonStopped          Reason = "stopped"               // a step stopped another journey's run
	ReasonLoop             Reason = "loop"                  // journeys start each other in a circle
	ReasonTask             Reason = "task"                  // a task for the staff was opened (rule names the assignee)
	ReasonWaiting          Reason = "waiting"               // entry: asks for a grant of an installation-wide limit
	ReasonRamp             Reason = "ramp"                  // entry: outside the share that the ramp lets in
	ReasonBrake            Reason = "brake"                 // send: everything is stopped
	ReasonForecast         Reason = "forecast"              // journey: paused itself, it sent more than forecast
	ReasonFilling          Reason = "filling"               // journey: new counters are filled from history
	ReasonConversionWindow Reason = "conversion"            // goal counted after exit, inside the window
)
