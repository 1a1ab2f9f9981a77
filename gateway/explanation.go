package gateway

// Explanation tells why a journey did, or did not, do something for a customer:
// each check of the journey core with what it sees at one time.
type Explanation struct {
	Customer CustomerID
	Journey  string
	Version  uint32
	At       Instant // the partition's time
	Observed Instant // intake is complete up to here
	// Known is false when nothing is stored about the customer here.
	Known bool
	// Verdict is what an entry would end with now, were its trigger met.
	Verdict Reason
	Checks  []ExplainCheck
}

// ExplainCheck is one check. Name is one of the Check… words.
type ExplainCheck struct {
	Name   string
	Result CheckResult
	Reason Reason // the code that a decision would carry, "" where none would
	Rule   string // what decides: a condition's text, a cap rule, a kind of trigger
	Step   string
	// Channel is set for checks of a send.
	Channel string
	Values  Properties // what the check sees
	Since   Instant
	Until   Instant
}

// The names of checks, in the order in which they are told.
const (
	CheckCustomer   = "customer"   // whether he is known
	CheckJourney    = "journey"    // whether a version is live
	CheckTrigger    = "trigger"    // how far the trigger is
	CheckConsent    = "consent"    // purpose and channels
	CheckFilter     = "filter"     // the entry filter
	CheckReentry    = "reentry"    // the re-entry rule
	CheckEntry      = "entry"      // another check at the entry
	CheckArm        = "arm"        // holdout
	CheckEnrollment = "enrollment" // a run, and where it stands
	CheckSend       = "send"       // what a send step would decide now
	CheckChannel    = "channel"    // one channel of a send step
	CheckCap        = "cap"        // a frequency cap: used and allowed
	CheckMessage    = "message"    // a message and its state
)

// CheckResult is what a check says.
type CheckResult uint8

// The results of checks. Values are part of the API.
const (
	CheckHolds   CheckResult = iota + 1 // nothing against it
	CheckFails                          // it is against it
	CheckUnknown                        // it depends on what is not there yet
	CheckInfo                           // it says where things stand
)

var checkResults = [...]string{"", "holds", "fails", "unknown", "info"}

// String returns the name of the result.
func (r CheckResult) String() string {
	if int(r) < len(checkResults) {
		return checkResults[r]
	}
	return ""
}
