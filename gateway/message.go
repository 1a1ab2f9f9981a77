package gateway

// Message is one decided send.
type Message struct {
	ID         MessageID
	Enrollment EnrollmentID
	Journey    string
	Version    uint32
	Step       string
	Visit      uint32
	Customer   CustomerID
	// Device is the product unit that the journey runs on; the product channel
	// delivers to it. 0 when the journey has none.
	Device  DeviceID
	Product string
	Channel string
	// Fallback are the channels to try next, in the customer's order.
	Fallback []string
	Purpose  Purpose
	// Template is the id of the template within the definition; Values are the
	// open values it may use. Delivery adds personal fields when it renders.
	Template string
	Locale   string
	Values   Properties
	// Holdout: rendered and recorded, not handed over.
	Holdout bool
	// DecidedAt is the applied time of the decision; the message may be handed
	// over in [NotBefore, NotAfter) and is of no use after ExpiresAt.
	DecidedAt Instant
	NotBefore Instant
	NotAfter  Instant
	ExpiresAt Instant
	// Cause is the id of the event that led here, "" for a timer.
	Cause string
	// CauseReceivedAt is when that event came in (0 for a timer).
	CauseReceivedAt Instant
	State           MessageState
	// Recipient is the role in which the customer is addressed about somebody
	// else's run, "" in a run of his own.
	Recipient string
}

// MessageState is what became of a message.
type MessageState uint8

// The states of a message. Decided, Accepted (handed over), Delivered and Seen
// ones follow each other; the terminal ones give a reserved cap slot back
// except after a display. Values are part of the record format: append only.
const (
	MessageUnknown      MessageState = iota
	MessageDecided                   // in a step, not yet handed over
	MessageHeldOut                   // holdout: rendered, recorded, not handed over (terminal)
	MessageAttempted                 // a hand-over was begun whose outcome may stay unknown
	MessageHandedOver                // the channel took it (broker, webhook endpoint, stream)
	MessageRedelivered               // handed over again, not displayed before
	MessageDelivered                 // the device or the consumer confirmed to have it
	MessageDisplayed                 // shown to a person
	MessageOpened                    // opened by a person
	MessageClicked                   // acted upon
	MessageDismissed                 // closed by the person
	MessageFailed                    // gave up (terminal)
	MessageExpired                   // too late to be of use (terminal)
	MessageMissedWindow              // outside its allowed interval: to be decided anew
	MessageWithdrawn                 // taken back: consent, erasure, exit (terminal)
)

var messageStates = [...]string{"unknown", "decided", "held_out", "attempted", "handed_over", "redelivered",
	"delivered", "displayed", "opened", "clicked", "dismissed", "failed", "expired", "missed_window", "withdrawn"}

// String returns the snake_case name.
func (s MessageState) String() string {
	if int(s) < len(messageStates) {
		return messageStates[s]
	}
	return "unknown"
}

// ParseMessageState reads the snake_case name; ok is false for others.
func ParseMessageState(s string) (st MessageState, ok bool) {
	for i, n := range messageStates {
		if n == s && i > 0 {
			return MessageState(i), true
		}
	}
	return MessageUnknown, false
}

// Terminal reports whether delivery has nothing left to do.
func (s MessageState) Terminal() bool {
	switch s {
	case MessageHeldOut, MessageDisplayed, MessageOpened, MessageClicked, MessageDismissed,
		MessageFailed, MessageExpired, MessageWithdrawn:
		return true
	}
	return false
}
