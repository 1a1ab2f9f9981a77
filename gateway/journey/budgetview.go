package journey

import (
	"slices"

	"touchpoint/gateway"
)

// BudgetView is how much of a cap is used, now.
type BudgetView struct {
	Rule      string // "" = the customer's own
	Used, Max int
	Shared    bool     // with the members of his group
	Per       Duration // of a rolling window
	Calendar  string   // or "day", "week", "month"
}

// Budget returns the caps that messages to a customer use up.
func (p *Partition) Budget(id gateway.CustomerID) (out []BudgetView) {
	c := p.customers[id]
	if c == nil {
		return nil
	}
	for i := range p.cfg.Caps {
		r := &p.cfg.Caps[i]
		out = append(out, BudgetView{Rule: r.Name, Used: p.slotsUsed(c, p.capFrom(c, r), r), Max: r.Max,
			Shared: r.ofGroup() && c.groupOf() != 0, Per: r.Per, Calendar: r.Calendar})
	}
	if c.capCount > 0 {
		out = append(out, BudgetView{Used: p.slotsUsed(c, c.capWindow.before(p.now), nil), Max: c.capCount, Per: c.capWindow})
	}
	return out
}

// Mixed lists the journeys in which members of the customer's group are in
// different arms; who has none yet, and test customers, are in none.
func (p *Partition) Mixed(id gateway.CustomerID) (names []string) {
	c := p.customers[id]
	if c == nil {
		return nil
	}
	for _, j := range p.journeys {
		entered := func(o *customer) bool { return !o.test && o.mark(j).arm != armNone && p.mixed(o, j) }
		if slices.ContainsFunc(p.budget(c), entered) {
			names = append(names, j.name)
		}
	}
	return names
}
