package story

import (
	"fmt"
	"strconv"

	"touchpoint/gateway"
)

// cmdVia says where what follows arrives: intake's router may be behind the times.
func (s *Session) cmdVia(a args) error {
	s.world()
	if a.plain[0] == "home" {
		s.via = nil
		return nil
	}
	n, err := strconv.Atoi(a.plain[0])
	if err != nil || n < 0 || n >= s.partitions {
		return fmt.Errorf("via is the number of a partition, 0 to %d, or home", s.partitions-1)
	}
	s.via = &n
	return nil
}

// submit brings an input to a partition, or to the one that via names.
func (s *Session) submit(part int, in gateway.Input) error {
	if s.via != nil {
		part = *s.via
	}
	return s.world().Submit(part, in)
}
