// Package effect says whether one arm of a journey converts more than another,
// in a way that stays valid however often one looks.
//
// # Method
//
// A normal-mixture confidence sequence for a difference of proportions, the
// interval that belongs to the mixture sequential probability ratio test
// (Robbins 1970; Johari, Pekelis, Walsh 2015, "Always valid inference").
//
// Let D be the difference of the two rates and V its variance. Over the
// information I = 1/V that comes together, D/V behaves like a Brownian motion
// with drift θ, the true difference. The likelihood ratio of every drift against
// θ, mixed with a normal weight N(0, τ²), is a martingale that starts at 1; by
// Ville's inequality it ever exceeds 1/α with a probability of α at most. What
// it does not exceed is the interval
//
//	D ± V · √( (1 + τ²I)/τ² · (2·ln(1/α) + ln(1 + τ²I)) )
//
// It covers the true difference at all times together with a probability of
// 1-α: whoever looks every day and stops at the first "better" is wrong in a
// share of α of the cases at most, not more.
//
// τ is the size of the differences that it is tuned to, five percentage points:
// that moves how fast a difference is found, never the validity.
//
// The normal approximation is poor when few converted. So V is the larger of
// the pooled and the separate estimate, each with some conversions more than
// there were, and a difference is named only when enough have, and have not,
// converted. The tests hold this against simulated journeys without an effect,
// looked at after every single unit.
package effect

import "math"

// Alpha is the probability of ever naming a difference that is none.
const Alpha = 0.05

const (
	tau            = 0.05 // the differences that the interval is tuned to
	pseudo         = 2.0  // conversions, and as many without, added to each arm
	minUnits       = 50   // in each arm, before anything is said
	minConversions = 20   // and as many without, in both arms together, before a difference is named
	leastMargin    = 0.01 // of what counts as an effect worth seeing
	mostMargin     = 0.05
)

// Count is what became of one arm.
type Count struct{ Units, Converted int64 }

// Rate is the share that converted, 0 of none.
func (c Count) Rate() float64 {
	if c.Units == 0 {
		return 0
	}
	return float64(c.Converted) / float64(c.Units)
}

// Verdict is what can be said of an arm against another.
type Verdict int

// The verdicts.
const (
	TooLittleData Verdict = iota
	Better
	Worse
	NoEffectShown
)

var verdicts = [...]string{"too little data", "better", "worse", "no effect shown"}

// String returns the verdict in words.
func (v Verdict) String() string { return verdicts[v] }

// Result is an arm compared with the arm that it is measured by.
type Result struct {
	Difference float64 // of the rates: arm minus base
	Low, High  float64 // covers the true difference at all looks together
	// Margin is the difference that has to be visible before "no effect shown"
	// is said: half of the common rate, between one and five percentage points.
	Margin  float64
	Verdict Verdict
	// What is missing for a verdict, as things stand now: units of each arm (at
	// the present ratio), and conversions in both.
	MissingUnits, MissingBase, MissingConversions int64
}

// Compare compares an arm with its base. alpha is Alpha, divided by the number
// of comparisons that are looked at together.
func Compare(arm, base Count, alpha float64) Result {
	r := judge(arm, base, alpha)
	if r.Verdict == TooLittleData {
		r.missing(arm, base, alpha)
	}
	return r
}

func judge(arm, base Count, alpha float64) Result {
	r := Result{Low: -1, High: 1, Margin: margin(arm, base)}
	if arm.Units == 0 || base.Units == 0 {
		return r
	}
	r.Difference = arm.Rate() - base.Rate()
	half := halfWidth(arm, base, 1, alpha)
	r.Low, r.High = max(r.Difference-half, -1), min(r.Difference+half, 1)
	converted := arm.Converted + base.Converted
	enough := min(converted, arm.Units+base.Units-converted) >= minConversions
	switch {
	case min(arm.Units, base.Units) < minUnits:
	case r.Low > 0 && enough:
		r.Verdict = Better
	case r.High < 0 && enough:
		r.Verdict = Worse
	case half <= r.Margin && r.Low <= 0 && r.High >= 0:
		r.Verdict = NoEffectShown
	}
	return r
}

// margin is the difference that has to be visible before it is said that none
// was seen.
func margin(arm, base Count) float64 {
	units := arm.Units + base.Units
	if units == 0 {
		return leastMargin
	}
	return min(max(float64(arm.Converted+base.Converted)/float64(units)/2, leastMargin), mostMargin)
}

// halfWidth of the interval if each arm had k times its units.
func halfWidth(arm, base Count, k, alpha float64) float64 {
	n1, n0 := k*float64(arm.Units), k*float64(base.Units)
	p1, p0 := arm.Rate(), base.Rate()
	p := (n1*p1 + n0*p0 + 2*pseudo) / (n1 + n0 + 4*pseudo)
	p1, p0 = (n1*p1+pseudo)/(n1+2*pseudo), (n0*p0+pseudo)/(n0+2*pseudo)
	v := max(p*(1-p)*(1/n1+1/n0), p1*(1-p1)/n1+p0*(1-p0)/n0)
	odds := 1 + tau*tau/v
	return v / tau * math.Sqrt(odds*(2*math.Log(1/alpha)+math.Log(odds)))
}

// missing fills in how many more are needed for a verdict if the rates stay
// apart as they are, or less: until the interval is as narrow as the margin.
func (r *Result) missing(arm, base Count, alpha float64) {
	converted := arm.Converted + base.Converted
	if least := min(converted, arm.Units+base.Units-converted); r.Low > 0 || r.High < 0 {
		r.MissingConversions = max(minConversions-least, 0)
	}
	r.MissingUnits, r.MissingBase = max(minUnits-arm.Units, 0), max(minUnits-base.Units, 0)
	if arm.Units == 0 || base.Units == 0 {
		return
	}
	low, high := 1.0, 2.0
	for halfWidth(arm, base, high, alpha) > r.Margin && high < 1<<30 {
		low, high = high, 2*high
	}
	if low == 1 && halfWidth(arm, base, 1, alpha) <= r.Margin {
		return
	}
	for range 40 {
		if mid := (low + high) / 2; halfWidth(arm, base, mid, alpha) > r.Margin {
			low = mid
		} else {
			high = mid
		}
	}
	r.MissingUnits = max(r.MissingUnits, int64(math.Ceil((high-1)*float64(arm.Units))))
	r.MissingBase = max(r.MissingBase, int64(math.Ceil((high-1)*float64(base.Units))))
}
