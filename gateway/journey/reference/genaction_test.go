package reference

import (
	"fmt"

	"touchpoint/gateway"
)

func (g gen) action(s *scenario) action {
	a := action{customer: gateway.CustomerID(1 + g.IntN(lastCustomer)), device: gateway.DeviceID(1 + g.IntN(lastDevice)),
		journey: g.IntN(len(s.defs)), pick: g.IntN(1000), route: g.IntN(s.partitions)}
	switch g.IntN(10) {
	case 0: // at the same instant
	case 1, 2:
		a.edge = 1 + g.IntN(3)
	case 3:
		a.gap = g.duration()
	case 4, 5, 6:
		a.gap = gateway.Instant(g.IntN(int(10 * minute)))
	default:
		a.gap = gateway.Instant(g.IntN(int(3 * hour)))
	}
	if g.chance(50) { // most happens to one of them
		a.customer, a.device = 1, 1
	}
	if n := len(s.actions); n < 6 { // somebody has something, and may be reached
		a.customer, a.edge, a.gap = gateway.CustomerID(1+n%3), 0, min(a.gap, hour)
		switch {
		case n < 3:
			a.kind, a.text, a.device = "bind", "owner", gateway.DeviceID(1+n)
		case g.chance(75):
			a.kind, a.text, a.flag = "consent", "marketing", true
			if g.chance(25) {
				a.text = "data:usage"
			}
		case g.chance(60):
			a.kind, a.text, a.list = "customer", "reachable", channels
		default:
			g.event(s, &a)
		}
		return a
	}
	switch k := g.IntN(100); {
	case k < 44:
		g.event(s, &a)
	case k < 48:
		a.kind = "again"
	case k < 60:
		a.kind, a.text = "receipt", pick(g, []string{"attempted", "handed_over", "redelivered", "delivered", "displayed", "displayed",
			"opened", "clicked", "dismissed", "failed", "failed", "expired", "missed_window", "missed_window", "held_out"})
		a.age = gateway.Instant(g.IntN(3)) * gateway.Instant(g.IntN(int(2*hour)))
		a.flag = g.chance(20) // without a time
	case k < 64:
		a.kind, a.text, a.age = "bind", "owner", g.lateness()
		if g.chance(25) {
			a.channel = pick(g, zones)
		}
	case k < 66:
		a.kind, a.age = "unbind", g.lateness()
		if g.chance(60) {
			a.kind, a.text, a.age = "done", pick(g, []string{"yes", "no"}), 0
		}
	case k < 74:
		a.kind, a.text, a.flag, a.age = "consent", pick(g, []string{"marketing", "marketing", "service", "safety"}), g.chance(65), g.lateness()
		a.channel = pick(g, append([]string{"", ""}, channels...))
		if g.chance(15) {
			a.text, a.channel, a.flag = "data:usage", "", g.chance(70)
		}
	case k < 82:
		a.kind, a.text, a.number, a.flag = "customer", pick(g, []string{"vip", "level", "zone", "channels", "reachable", "test", "cap", "forget", "quiet", "country", "locale"}), g.IntN(4), g.chance(50)
		a.list = some(g, channels)
		if a.text == "quiet" {
			a.quiet = g.quiet(70)
			for i := range a.quiet {
				a.quiet[i].discard = false
			}
		}
		switch a.channel = pick(g, zones); a.text {
		case "country":
			a.channel = pick(g, []string{"", "DE", "JP", "US"})
		case "locale":
			a.channel = pick(g, []string{"", "de", "en"})
		}
		a.age = g.duration()
	case k < 87:
		a.kind, a.text = "api", pick(g, []string{"k1", "k2", "k3", ""})
		if g.chance(60) {
			a.props = map[string]any{"x": int64(g.IntN(6)), "s": pick(g, []string{"p", "q"})}
		}
	case k < 93:
		a.kind, a.text = "journey", pick(g, []string{"paused", "paused", "paused", "published", "published", "published", "archived"})
	case k < 96:
		a.kind = "publish"
	case k < 97:
		if a.kind = "erase"; g.chance(70) {
			g.event(s, &a)
		}
	case k < 98:
		a.kind = "restart"
	default:
		a.kind = pick(g, []string{"stop", "follow", "advance"})
	}
	return a
}

func (g gen) lateness() gateway.Instant {
	switch k := g.IntN(100); {
	case k < 60:
		return 0
	case k < 80:
		return gateway.Instant(g.IntN(int(2 * hour)))
	}
	return gateway.Instant(g.IntN(int(30 * hour)))
}

func (g gen) event(s *scenario, a *action) {
	a.kind, a.event, a.age = "event", pick(g, eventTypes), g.lateness()
	if len(s.heard) > 0 && g.chance(75) {
		a.event = pick(g, s.heard)
	}
	if list := s.blocking(); len(list) > 0 && g.chance(25) { // late, for what was completed
		a.event, a.age = pick(g, list).event, gateway.Instant(g.IntN(int(hour)))
	}
	if len(s.cfg.states) > 0 && g.chance(35) {
		a.event = pick(g, []string{"on", "off", "b"})
	}
	if g.chance(3) {
		a.age = 8*day - hour + gateway.Instant(g.IntN(int(2*hour)))
	}
	a.props = map[string]any{}
	if g.chance(85) {
		a.props["x"] = int64(g.IntN(6))
	} else if g.chance(50) {
		a.props["x"] = "text"
	}
	if g.chance(50) {
		a.props["s"] = pick(g, []string{"p", "q"})
	}
	if g.cases() && g.chance(20) {
		a.event, a.props = pick(g, []string{caseOpened, caseOpened, caseClosed}), map[string]any{}
		if g.chance(60) {
			a.props["case_id"] = pick(g, []string{"c1", "c2"})
		}
		if g.chance(60) {
			a.props["channel"] = pick(g, []string{"product", "email", "webhook", "pigeon"})
		}
	}
	n := len(s.actions)
	if g.chance(60) {
		a.id = fmt.Sprint("e", n)
	} else {
		a.seq = uint64(n) + 1
	}
	if g.chance(10) {
		a.device = 0 // a touchpoint without a device
	}
}
