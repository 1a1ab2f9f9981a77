package effect

import (
	"math"
	"math/rand/v2"
	"testing"
)

// journey plays customers one after another, drawn into an arm, who convert
// some time after, and calls look after each.
type journey struct {
	control             float64 // share of the base arm
	rateArm, rateBase   float64
	units, longestDelay int
}

func (j journey) play(rnd *rand.Rand, look func(arm, base Count) (goOn bool)) {
	var n [2]Count
	due := make([][2]int64, j.units+j.longestDelay+1)
	for i := range j.units {
		side, rate := 0, j.rateArm
		if rnd.Float64() < j.control {
			side, rate = 1, j.rateBase
		}
		n[side].Units++
		if rnd.Float64() < rate {
			at := i
			if j.longestDelay > 0 {
				at += rnd.IntN(j.longestDelay)
			}
			due[at][side]++
		}
		n[0].Converted += due[i][0]
		n[1].Converted += due[i][1]
		if !look(n[0], n[1]) {
			return
		}
	}
}

// TestNothingIsFoundWhereNothingIs looks at journeys without an effect after
// every single unit: the share in which a difference is ever named stays under
// alpha, and so does the share in which the interval ever misses zero.
func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	const runs = 700
	for seed, j := range []journey{
		{control: 0.5, rateArm: 0.2, units: 3000},
		{control: 0.1, rateArm: 0.2, units: 3000},
		{control: 0.1, rateArm: 0.02, units: 4000},
		{control: 0.1, rateArm: 0.95, units: 3000},
		{control: 0.5, rateArm: 0.01, units: 4000},
		{control: 0.1, rateArm: 0.05, units: 3000, longestDelay: 500},
		{control: 0.5, rateArm: 0.3, units: 3000, longestDelay: 500},
	} {
		j.rateBase = j.rateArm
		rnd := rand.New(rand.NewPCG(uint64(seed), 1))
		named, missed := 0, 0
		for range runs {
			found, out := false, false
			j.play(rnd, func(arm, base Count) bool {
				r := judge(arm, base, Alpha)
				found = found || r.Verdict == Better || r.Verdict == Worse
				out = out || r.Low > 0 || r.High < 0
				return !found
			})
			if found {
				named++
			}
			if out {
				missed++
			}
		}
		t.Logf("%+v: named in %.2f %%, interval off in %.2f %%", j, 100*float64(named)/runs, 100*float64(missed)/runs)
		if float64(named)/runs > Alpha || float64(missed)/runs > Alpha {
			t.Errorf("%+v: of %d looked at all the time, %d were given an effect, %d an interval without zero", j, runs, named, missed)
		}
	}
}

// TestAnOrdinaryTestWouldBeWrong is what the simulation above guards against:
// the same journeys, judged by an interval that holds for a single look.
func TestAnOrdinaryTestWouldBeWrong(t *testing.T) {
	const runs = 200
	rnd, named := rand.New(rand.NewPCG(1, 4)), 0
	for range runs {
		journey{control: 0.5, rateArm: 0.2, rateBase: 0.2, units: 3000}.play(rnd, func(arm, base Count) bool {
			if min(arm.Units, base.Units) < minUnits {
				return true
			}
			p := Count{arm.Units + base.Units, arm.Converted + base.Converted}.Rate()
			if math.Abs(arm.Rate()-base.Rate()) <= 1.96*math.Sqrt(p*(1-p)*(1/float64(arm.Units)+1/float64(base.Units))) {
				return true
			}
			named++
			return false
		})
	}
	t.Logf("named in %.0f %%", 100*float64(named)/runs)
	if float64(named)/runs < 4*Alpha {
		t.Errorf("%d of %d: the simulation does not notice peeking", named, runs)
	}
}

// TestIntervalCoversTheDifference does the same where there is one.
func TestIntervalCoversTheDifference(t *testing.T) {
	const runs = 400
	for seed, j := range []journey{
		{control: 0.1, rateArm: 0.10, rateBase: 0.05, units: 3000},
		{control: 0.5, rateArm: 0.30, rateBase: 0.50, units: 2000},
		{control: 0.1, rateArm: 0.03, rateBase: 0.01, units: 4000},
		{control: 0.1, rateArm: 0.001, rateBase: 0.05, units: 4000},
	} {
		rnd, missed := rand.New(rand.NewPCG(uint64(seed), 2)), 0
		for range runs {
			out := false
			j.play(rnd, func(arm, base Count) bool {
				r := judge(arm, base, Alpha)
				d := j.rateArm - j.rateBase
				out = r.Low > d || r.High < d
				return !out
			})
			if out {
				missed++
			}
		}
		t.Logf("%+v: missed in %.2f %%", j, 100*float64(missed)/runs)
		if float64(missed)/runs > Alpha {
			t.Errorf("%+v: the interval missed the difference in %d of %d", j, missed, runs)
		}
	}
}

// TestAnEffectIsFound: most journeys with one get the verdict, and none the
// opposite one.
func TestAnEffectIsFound(t *testing.T) {
	const runs = 200
	for seed, c := range []struct {
		journey
		want, never Verdict
	}{
		{journey{control: 0.1, rateArm: 0.30, rateBase: 0.20, units: 8000}, Better, Worse},
		{journey{control: 0.5, rateArm: 0.20, rateBase: 0.30, units: 2000}, Worse, Better},
		{journey{control: 0.5, rateArm: 0.30, rateBase: 0.10, units: 500, longestDelay: 50}, Better, Worse},
	} {
		rnd, found, units := rand.New(rand.NewPCG(uint64(seed), 3)), 0, 0
		for range runs {
			c.play(rnd, func(arm, base Count) bool {
				switch judge(arm, base, Alpha).Verdict {
				case c.want:
					found, units = found+1, units+int(arm.Units+base.Units)
					return false
				case c.never:
					t.Errorf("%+v: %v", c.journey, c.never)
				}
				return true
			})
		}
		t.Logf("%+v: found in %.0f %%, after %d units on average", c.journey, 100*float64(found)/runs, units/max(found, 1))
		if found < runs*9/10 {
			t.Errorf("%+v: found in %d of %d", c.journey, found, runs)
		}
	}
}

// TestBoundaries: what little or odd data say.
func TestBoundaries(t *testing.T) {
	for name, c := range map[string]struct {
		arm, base Count
		want      Verdict
	}{
		"nobody":                          {Count{}, Count{}, TooLittleData},
		"no holdout":                      {Count{10000, 3000}, Count{}, TooLittleData},
		"no one treated":                  {Count{}, Count{100, 3}, TooLittleData},
		"few units":                       {Count{40, 40}, Count{40, 0}, TooLittleData},
		"few conversions":                 {Count{1000, 19}, Count{1000, 0}, TooLittleData},
		"no conversions of few":           {Count{60, 0}, Count{60, 0}, TooLittleData},
		"no conversions of many":          {Count{20000, 0}, Count{20000, 0}, NoEffectShown},
		"everybody converts":              {Count{20000, 20000}, Count{20000, 20000}, NoEffectShown},
		"everybody against nobody":        {Count{200, 200}, Count{200, 0}, Better},
		"the same rate of many":           {Count{90000, 9000}, Count{10000, 1000}, NoEffectShown},
		"the same rate of few":            {Count{90, 9}, Count{50, 5}, TooLittleData},
		"better":                          {Count{9000, 1800}, Count{1000, 100}, Better},
		"worse":                           {Count{9000, 900}, Count{1000, 200}, Worse},
		"a difference that could be luck": {Count{900, 99}, Count{100, 9}, TooLittleData},
	} {
		r := Compare(c.arm, c.base, Alpha)
		if r.Verdict != c.want || r.Low > r.Difference || r.High < r.Difference || r.Low < -1 || r.High > 1 || math.IsNaN(r.High) {
			t.Errorf("%s: %+v, want %q", name, r, c.want)
		}
		missing := r.MissingUnits + r.MissingBase + r.MissingConversions
		if (missing > 0) != (c.want == TooLittleData) {
			t.Errorf("%s: %v, and %d are missing", name, r.Verdict, missing)
		}
	}
}

// TestMissingIsWhatIsMissing: with what is said to be missing, at the same
// rates, there is a verdict; with a tenth less there is none.
func TestMissingIsWhatIsMissing(t *testing.T) {
	for _, c := range [][2]Count{{{900, 99}, {100, 9}}, {{300, 6}, {300, 7}}, {{90, 9}, {50, 5}}, {{60, 0}, {60, 0}}} {
		r := Compare(c[0], c[1], Alpha)
		more := func(n Count, units float64) Count {
			total := float64(n.Units) + units
			return Count{int64(math.Ceil(total)), int64(math.Round(total * n.Rate()))}
		}
		after := func(share float64) Verdict {
			return judge(more(c[0], share*float64(r.MissingUnits)), more(c[1], share*float64(r.MissingBase)), Alpha).Verdict
		}
		if after(1.02) == TooLittleData || after(0.9) != TooLittleData {
			t.Errorf("%v: %+v: then %q, with less %q", c, r, after(1.02), after(0.9))
		}
	}
}
