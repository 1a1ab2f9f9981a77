package story

import (
	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// cmdJoin: join NAME GROUP [role=] [at=TIME]
func (s *Session) cmdJoin(a args) error {
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	c, g := gateway.CustomerID(s.id(a.plain[0])), gateway.GroupID(s.id(a.plain[1]))
	return s.sendCommand(gateway.HomeOf(c, g, s.partitions), gateway.JoinGroup{Customer: c, Group: g, Role: a.named["role"], At: at})
}

// cmdLeave: leave NAME [at=TIME]
func (s *Session) cmdLeave(a args) error {
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	c := gateway.CustomerID(s.id(a.plain[0]))
	return s.sendCommand(s.customerPart(c), gateway.LeaveGroup{Customer: c, At: at})
}

// view finds a customer wherever he lives.
func (s *Session) view(c gateway.CustomerID) (journey.View, bool) {
	for _, p := range s.world().Partitions() {
		if v, ok := p.View(c); ok {
			return v, true
		}
	}
	return journey.View{}, false
}

// reportMemberships says who is in which group.
func (s *Session) reportMemberships(st *gateway.Step, say func(string, ...any)) {
	for _, m := range st.Memberships {
		to, role := "…", ""
		if m.To != 0 {
			to = showTime(m.To)
		}
		if m.Role != "" {
			role = " as " + m.Role
		}
		say("%s is in %s%s from %s to %s", s.name(uint64(m.Customer)), s.name(uint64(m.Group)), role, showTime(m.From), to)
	}
	for i := range st.MovedIn {
		say("message %s goes on here", s.messageName(st.MovedIn[i].ID))
	}
}

// held says what an input waits for.
func held(in *gateway.Input) string {
	switch in.Command.(type) {
	case nil:
		if in.Event.Device == 0 {
			return "held until the customer's state is here"
		}
	case gateway.BindDevice, gateway.UnbindDevice, gateway.ReleaseDevice, gateway.Receipt:
	case gateway.AdmitCustomer:
		return "held until the definitions are here"
	default:
		return "held until the customer's state is here"
	}
	return "held until the device's state is here"
}
