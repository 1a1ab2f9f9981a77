package gateway

// A group is a household or an account: its members share one budget of
// messages, one arm and one arbitration, and live on one partition.

// JoinGroup makes a customer a member of a group from At on. It is recorded in
// the group's partition, which then asks for the customer's state. Who is a
// member of another group leaves that.
type JoinGroup struct {
	Customer CustomerID
	Group    GroupID
	Role     string // free text, such as "payer" or "child"
	At       Instant
}

// LeaveGroup ends a membership at At; the customer's state goes to his own home.
type LeaveGroup struct {
	Customer CustomerID
	Group    GroupID // 0 = whichever he is in
	At       Instant
}

// ReleaseCustomer asks the partition where a customer lives for his state and
// that of his devices; sent by the partition To, which expects it. Forwarded
// along the marks of earlier moves.
type ReleaseCustomer struct {
	Customer CustomerID
	To       int
}

// AdmitCustomer carries a customer's state to the partition where he lives
// from then on. State is the core's own encoding.
type AdmitCustomer struct {
	Customer CustomerID
	State    []byte
}

func (JoinGroup) command()       {}
func (LeaveGroup) command()      {}
func (ReleaseCustomer) command() {}
func (AdmitCustomer) command()   {}

// Membership is the interval [From, To) in which a customer is a member of a
// group; To is 0 while it lasts.
type Membership struct {
	Customer CustomerID
	Group    GroupID
	Role     string
	From     Instant
	To       Instant
}

// ParseGroupID reads the text form of a group id.
func ParseGroupID(s string) (GroupID, error) {
	v, err := parse64("g_", s)
	return GroupID(v), err
}

// HomeOf returns the partition of n in which a customer lives who is a member
// of a group, or of none (0).
func HomeOf(c CustomerID, g GroupID, n int) int {
	if g != 0 {
		return GroupSubject(g).Partition(n)
	}
	return CustomerSubject(c).Partition(n)
}
