package story

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// State tells where everybody who was named stands, and what is due next: a
// line each. It changes nothing.
func (s *Session) State() (lines []string) {
	if s.w == nil {
		return nil
	}
	names := make([]string, len(s.names))
	for name, n := range s.names {
		names[n-1] = name
	}
	for _, name := range names {
		for _, p := range s.w.Partitions() {
			v, ok := p.View(gateway.CustomerID(s.names[name]))
			if !ok || len(v.Devices)+len(v.Enrollments)+len(v.Messages) == 0 {
				continue
			}
			before := s.out
			s.out = nil
			if err := s.cmdShow(args{plain: []string{name}}); err == nil {
				for _, line := range s.out {
					lines = append(lines, name+": "+line)
				}
			}
			s.out = before
			break
		}
	}
	var due []gateway.Instant
	for _, p := range s.w.Partitions() {
		pure, absence := p.NextTimers()
		due = append(due, pure, absence)
	}
	due = slices.DeleteFunc(due, func(t gateway.Instant) bool { return t == 0 })
	if len(due) > 0 {
		lines = append(lines, "next timer at "+showTime(slices.Min(due)))
	}
	return append(lines, fmt.Sprintf("it is %s", showTime(s.w.Clock())))
}
