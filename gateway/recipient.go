package gateway

// Recipients
//
// A send step may address others than the customer whose run it is. Each of them
// gets a run of his own for that one step, where he lives: his consent, caps,
// quiet hours, channels and locale decide. What goes there and what takes it back
// travels as Forwards between partitions, each exactly once.

// AddressRecipient opens a recipient's run of one send step.
type AddressRecipient struct {
	Customer CustomerID // the recipient
	Journey  string
	Version  uint32
	Step     string
	// Origin is the run that addresses him, Visit its visit of the step: the
	// recipient's run has the same id however often it is asked for.
	Origin EnrollmentID
	Visit  uint32
	// Role is "user", "member", "dealer" or "staff".
	Role    string
	Device  DeviceID
	Product string
	Holdout bool
	// Values are those of the origin that the texts use, without its customer's.
	Values Properties
	// The event that led here, as in Message.
	Cause           string
	CauseReceivedAt Instant
	CauseAt         Instant // when it occurred
	At              Instant // the message expires counted from here
}

// RecallRecipient ends what a run opened for a recipient and takes back what he
// was not shown yet.
type RecallRecipient struct {
	Customer CustomerID
	Origin   EnrollmentID
	Reason   Reason
}

func (AddressRecipient) command() {}
func (RecallRecipient) command()  {}
