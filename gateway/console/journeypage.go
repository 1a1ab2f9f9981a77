package console

import (
	"fmt"
	"net/http"
	"strings"

	"touchpoint/gateway/effect"
	"touchpoint/gateway/explain"
)

// journeyPage is what the page of a journey shows.
type journeyPage struct {
	journeyView
	Versions []Version
	Reasons  reasonsView
	Effects  []effectView
}

// effectView is one comparison of arms, ready to be drawn.
type effectView struct {
	Split  string
	Arms   []armView
	Pairs  []pairView
	Mixed  int64
	Counts string // what the first column counts
	None   string // why there is nothing to compare
}

type armView struct {
	Name                string
	Enrolled, Exposed   int64
	Converted           int64
	Rate                string
	Share               int64 // of the bar, in percent
	Tone                string
	Measured, HasExpose bool
}

// pairView is an arm against its base. Low, Zero, At and High are places on the
// bar, of 1000.
type pairView struct {
	Arm, Base            string
	Verdict, Tone, Words string
	Missing              []string
	Drawn                bool
	Low, Width, Zero, At int
	LowText, HighText    string
	Edge                 string
}

func (c *console) serveJourney(w http.ResponseWriter, r *http.Request) error {
	d, err := c.Details.Journey(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	d.PausedBy = explain.Rule(d.PausedBy, "en", c.Zone)
	page := journeyPage{journeyView: viewOf(d.Journey), Versions: d.Versions, Reasons: rankReasons(d.Reasons)}
	for _, e := range d.Effects {
		page.Effects = append(page.Effects, effectOf(&e, d.HasGoal))
	}
	c.show(w, r, http.StatusOK, "page-journey", d.Name, "", page)
	return nil
}

func effectOf(e *Effect, goal bool) effectView {
	v := effectView{Split: e.Split, Mixed: e.Mixed, Counts: "entered"}
	if e.Split != "" {
		v.Counts = "came to it"
	}
	most := 0.0
	for _, a := range e.Arms {
		most = max(most, a.Rate)
	}
	for _, a := range e.Arms {
		arm := armView{Name: a.Arm, Enrolled: a.Enrolled, Exposed: a.Exposed, Converted: a.Converted, Tone: "good", HasExpose: e.Split == "",
			Measured: a.Exposed > 0 || e.Split != "" && a.Enrolled > 0, Rate: fmt.Sprintf("%.1f %%", 100*a.Rate)}
		if a.Arm == effect.HoldoutArm {
			arm.Tone = "left"
		}
		if most > 0 {
			arm.Share = share(int64(a.Rate*1e6), int64(most*1e6))
		}
		v.Arms = append(v.Arms, arm)
	}
	switch {
	case !goal:
		v.None = "This journey has no goal: say what success is (goal:), and its effect is measured."
		return v
	case len(e.Comparisons) == 0:
		v.None = "Nobody came to it yet."
		return v
	case e.Split == "" && e.Enrolled(effect.HoldoutArm) == 0 && e.Enrolled(effect.TreatedArm) > 0:
		v.None = "Nobody is in the control group: without one to compare with there is no effect to measure. Marketing has one unless its holdout is 0; a service journey needs holdout: 10 or so."
		return v
	}
	for i := range e.Comparisons {
		v.Pairs = append(v.Pairs, pairOf(&e.Comparisons[i], e))
	}
	return v
}

var verdictTones = map[effect.Verdict]string{effect.Better: "good", effect.Worse: "bad", effect.NoEffectShown: "off", effect.TooLittleData: "wait"}

func pairOf(x *effect.Comparison, e *Effect) pairView {
	v := pairView{Arm: x.Arm, Base: x.Base, Verdict: x.Verdict.String(), Tone: verdictTones[x.Verdict]}
	of100 := func(share float64) string { return fmt.Sprintf("%.1f", 100*max(share, -share)) }
	arm, base := armWord(x.Arm), armWord(x.Base)
	switch x.Verdict {
	case effect.Better:
		v.Words = fmt.Sprintf("Of 100 customers in %s, about %s more reach the goal than of 100 in %s.", arm, of100(x.Difference), base)
	case effect.Worse:
		v.Words = fmt.Sprintf("Of 100 customers in %s, about %s fewer reach the goal than of 100 in %s.", arm, of100(x.Difference), base)
	case effect.NoEffectShown:
		v.Words = fmt.Sprintf("There are enough customers to see a difference of %s in 100, and none was seen.", of100(x.Margin))
	default:
		v.Words = "Nothing can be said yet, whichever way the numbers lean today. As things stand, this is missing for a verdict:"
		for _, m := range []struct {
			n    int64
			what string
		}{{x.MissingUnits, "more customers in " + arm}, {x.MissingBase, "more customers in " + base}, {x.MissingConversions, "more who reach the goal"}} {
			if m.n > 0 {
				v.Missing = append(v.Missing, number(m.n)+" "+m.what)
			}
		}
	}
	if e.Enrolled(x.Arm) > 0 && e.Enrolled(x.Base) > 0 {
		v.draw(x)
	}
	return v
}

// armWord names an arm in a sentence.
func armWord(name string) string {
	switch name {
	case effect.HoldoutArm:
		return "the control group"
	case effect.TreatedArm:
		return "the treated group"
	}
	return name
}

// draw places the interval on a bar that shows a little more than it, and zero.
func (v *pairView) draw(x *effect.Comparison) {
	edge := max(-x.Low, x.High, 0.01) * 1.15
	edge = min(edge, 1)
	at := func(share float64) int { return int((share + edge) / (2 * edge) * 1000) }
	v.Drawn, v.Low, v.Width, v.Zero, v.At = true, at(x.Low), max(at(x.High)-at(x.Low), 4), 500, at(x.Difference)
	v.LowText, v.HighText = signed(x.Low), signed(x.High)
	v.Edge = fmt.Sprintf("%s of 100 customers, between %s and %s", signed(x.Difference), v.LowText, v.HighText)
}

// signed shows a difference of shares, of 100 customers.
func signed(share float64) string {
	return strings.Replace(fmt.Sprintf("%+.1f", 100*share), "-", "−", 1)
}
