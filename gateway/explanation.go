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
	// Unsettled says that another partition, Coordinator, keeps the accounts of the
	// journey's limits; Settle takes in what it says.
	Unsettled   bool
	Coordinator int
}

// Settle puts checks of the coordinator in the place of those that were open.
func (x *Explanation) Settle(checks []ExplainCheck) {
	x.Unsettled = false
	for _, c := range checks {
		for i := range x.Checks {
			if old := &x.Checks[i]; old.Name == c.Name {
				if old.Result == CheckFails { // it was told that nothing is free, and does not ask
					c.Result, c.Reason, c.Until = old.Result, old.Reason, old.Until
				}
				*old = c
			}
		}
		if x.Verdict == ReasonWaiting && c.Name == CheckEntryCap {
			x.Verdict = c.Reason
			if c.Reason == "" {
				x.Verdict = ReasonEnrolled
			}
		}
	}
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
	CheckBrake      = "brake"      // whether everything is stopped
	CheckDryRun     = "dry_run"    // a dry run, of the journey or beside it
	CheckForecast   = "forecast"   // messages sent and expected
	CheckTrigger    = "trigger"    // how far the trigger is
	CheckConsent    = "consent"    // purpose and channels
	CheckFilter     = "filter"     // the entry filter
	CheckReentry    = "reentry"    // the re-entry rule
	CheckRamp       = "ramp"       // the share that is let in, and his place
	CheckEntryCap   = "entry_cap"  // entries used and allowed
	CheckExisting   = "existing"   // the turn of those who were there at publish
	CheckEntry      = "entry"      // another check at the entry
	CheckArm        = "arm"        // holdout
	CheckEnrollment = "enrollment" // a run, and where it stands
	CheckSend       = "send"       // what a send step would decide now
	CheckChannel    = "channel"    // one channel of a send step
	CheckCap        = "cap"        // a frequency cap: used and allowed
	CheckMessage    = "message"    // a message and its state
	CheckRecipient  = "recipient"  // whom a send step addresses, or a run that another one opened for him
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
