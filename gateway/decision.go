package gateway

// Decision is the reason of one decision, above all of one not to send.
type Decision struct {
	At         Instant
	Kind       DecisionKind
	Reason     Reason
	Journey    string
	Version    uint32
	Step       string // "" for an entry decision
	Customer   CustomerID
	Device     DeviceID
	Enrollment EnrollmentID
	Message    MessageID // set when a message was decided
	EventID    string    // the trigger, "" for a timer
	// Rule names what decided (a cap rule, a filter's text, an arm); Values are
	// what it saw.
	Rule   string
	Values Properties
	// Arm ("treated" or "holdout"; "" for test customers) and Split (the arm of
	// the latest split) are those of the enrollment, Group is the customer's. Mixed
	// says that members of the group are in different arms of the journey.
	Arm   string
	Split string
	Group GroupID
	Mixed bool
	// Recipient is the role in which a send addresses the customer ("user",
	// "member", "dealer", "staff"), and Origin the run that does; both are empty
	// for a run of his own.
	Recipient string
	Origin    EnrollmentID
}

// DecisionKind says what was decided upon.
type DecisionKind uint8

// The kinds of decision. Values are part of the record format: append only.
const (
	DecisionEntry      DecisionKind = iota + 1 // enroll or not
	DecisionSend                               // a visit of a send step
	DecisionExit                               // an enrollment ended
	DecisionConversion                         // the goal was reached
	DecisionStep                               // a wait, branch or split was passed
	DecisionJourney                            // a definition was stored, paused, resumed
)

var decisionKinds = [...]string{"", "entry", "send", "exit", "conversion", "step", "journey"}

// String returns the name of the kind.
func (k DecisionKind) String() string {
	if int(k) < len(decisionKinds) {
		return decisionKinds[k]
	}
	return ""
}

// Reason is a code of the closed list in reason.go, documented in
// docs/reasons.md.
type Reason string
