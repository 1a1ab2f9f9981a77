package story

import (
	"fmt"

	"touchpoint/gateway"
)

// cmdPeople lists who is known of a device beside who has it.
func (s *Session) cmdPeople(a args) error {
	d := gateway.DeviceID(s.id(a.plain[0]))
	found := false
	for _, p := range s.world().Partitions() {
		for _, o := range p.People(d) {
			found = true
			to := "…"
			if o.To != 0 {
				to = showTime(o.To)
			}
			s.out = append(s.out, fmt.Sprintf("%s as %s from %s to %s", s.name(uint64(o.Customer)), o.Role, showTime(o.From), to))
		}
	}
	if !found {
		s.out = append(s.out, "nobody")
	}
	return nil
}
