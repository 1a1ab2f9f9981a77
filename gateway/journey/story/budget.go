package story

import (
	"cmp"
	"fmt"
	"strings"

	"touchpoint/gateway"
)

// cmdBudget: budget NAME tells how much of each cap is used, and in which
// journeys members of his group are in different arms.
func (s *Session) cmdBudget(a args) error {
	c := gateway.CustomerID(s.id(a.plain[0]))
	for _, p := range s.world().Partitions() {
		for _, b := range p.Budget(c) {
			window := "calendar " + b.Calendar
			if b.Per > 0 {
				window = b.Per.String()
			}
			shared := ""
			if b.Shared {
				shared = ", shared with his group"
			}
			s.out = append(s.out, fmt.Sprintf("%s: %d of %d per %s%s", cmp.Or(b.Rule, "his own"), b.Used, b.Max, window, shared))
		}
		if names := p.Mixed(c); len(names) > 0 {
			s.out = append(s.out, "mixed in "+strings.Join(names, ", "))
		}
	}
	return nil
}
