package journey

import "touchpoint/gateway"

// extras is what few enrollments have, or only those that ended. It is never
// altered in place, since copies of an enrollment share it: own makes one to set.
type extras struct {
	key       string          // that correlates
	skip      uint64          // steps of an earlier version that were completed: they do not run again
	split     string          // name of the latest split's arm
	holdFrom  gateway.Instant // a send step waits for the end of quiet hours since
	endedAt   gateway.Instant
	endReason gateway.Reason
	props     gateway.Properties
	stand     *standing  // a send step competes; never altered in place
	origin    *origin    // another one opened this one for a recipient; nil for most
	addressed *addressed // who was addressed by it; nil for most
}

// noExtras are the extras of who has none.
var noExtras = &extras{}

func (x *extras) isEmpty() bool {
	return x.key == "" && x.skip == 0 && x.split == "" && x.holdFrom == 0 && x.endedAt == 0 && x.endReason == "" &&
		x.props == nil && x.stand == nil && x.origin == nil && x.addressed == nil
}

// orNone lets those who have none share one.
func (x *extras) orNone() *extras {
	if x.isEmpty() {
		return noExtras
	}
	return x
}

// own gives an enrollment that is a copy extras of its own, to be set at once.
func (e *enrollment) own() *extras {
	x := *e.extras
	e.extras = &x
	return &x
}

// holdSince notes since when a send step waits, 0 for not.
func (e *enrollment) holdSince(at gateway.Instant) {
	if e.holdFrom != at {
		e.own().holdFrom = at
	}
}

// past is what few marks have. It is never altered in place.
type past struct {
	keys   []apiKey // idempotency keys of TriggerJourney
	splits []splitArm
}

// noPast is the past of a mark that has none.
var noPast = &past{}

func pastOf(keys []apiKey, splits []splitArm) *past {
	if len(keys)+len(splits) == 0 {
		return noPast
	}
	return &past{keys, splits}
}
