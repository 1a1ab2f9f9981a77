package effect

import "slices"

// HoldoutArm is the arm that is left untreated, TreatedArm the other one.
const HoldoutArm, TreatedArm = "holdout", "treated"

// ArmCount says what became of the units of one arm; units in which several
// arms meet are mixed.
type ArmCount struct {
	Arm       string
	Mixed     bool
	Enrolled  int64 // with a split: came to it
	Exposed   int64 // sent to, or would have been
	Converted int64
}

// Arm is an arm with its rate.
type Arm struct {
	ArmCount
	Rate float64
}

// Comparison is an arm measured by its base.
type Comparison struct {
	Arm, Base string
	Result
}

// Report is what can be said of all arms.
type Report struct {
	Arms        []Arm
	Comparisons []Comparison
	Mixed       int64 // units that are in no arm
}

// Enrolled returns how many are in an arm.
func (r *Report) Enrolled(arm string) int64 {
	i := slices.IndexFunc(r.Arms, func(a Arm) bool { return a.Arm == arm })
	if i < 0 {
		return 0
	}
	return r.Arms[i].Enrolled
}

// CompareArms measures each arm by the base: the holdout, or the first arm of a
// split. Alpha is shared among the comparisons.
func CompareArms(counts []ArmCount, split bool) (r Report) {
	var names []string
	arms := map[string]ArmCount{}
	if !split {
		names = []string{HoldoutArm, TreatedArm} // also when nobody is there
	}
	for _, n := range counts {
		if n.Mixed {
			r.Mixed += n.Enrolled
			continue
		}
		arms[n.Arm] = n
		if !slices.Contains(names, n.Arm) {
			names = append(names, n.Arm)
		}
	}
	slices.Sort(names)
	measured := func(name string) Count {
		n := arms[name]
		if split { // an arm may send nothing
			return Count{Units: n.Enrolled, Converted: n.Converted}
		}
		return Count{Units: n.Exposed, Converted: n.Converted}
	}
	for i, name := range names {
		n := arms[name]
		n.Arm = name
		r.Arms = append(r.Arms, Arm{n, measured(name).Rate()})
		if i > 0 {
			r.Comparisons = append(r.Comparisons, Comparison{name, names[0], Compare(measured(name), measured(names[0]), Alpha/float64(len(names)-1))})
		}
	}
	return r
}
