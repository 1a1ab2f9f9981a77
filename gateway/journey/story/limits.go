package story

import (
	"cmp"
	"fmt"
	"slices"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// cmdBrake stops everything, or releases it.
func (s *Session) cmdBrake(a args) error {
	if a.plain[0] != "on" && a.plain[0] != "off" {
		return fmt.Errorf("%q is not on or off", a.plain[0])
	}
	return s.everywhere(gateway.SetBrake{On: a.plain[0] == "on", Reason: a.named["reason"]})
}

// recorded is an accepted event and its place, as a history keeps it.
type recorded struct {
	ev         gateway.CustomerEvent
	partition  int
	seq        uint64
	index      int
	occurredAt gateway.Instant
}

// record keeps what a record's events became, for the commands that fill.
func (s *Session) record(b *gateway.Batch, st *gateway.Step) {
	if len(st.Applied) == 0 {
		return // timers alone
	}
	for i, o := range st.Outcomes {
		if i < len(b.Inputs) && b.Inputs[i].Command == nil && o.Disposition == gateway.Accepted {
			ev := b.Inputs[i].Event
			s.history = append(s.history, recorded{gateway.CustomerEvent{Customer: o.Customer, Event: ev}, st.Partition, b.Seq, i, ev.OccurredAt})
		}
	}
	for _, l := range st.Late {
		if l.Outcome.Disposition == gateway.Accepted {
			s.history = append(s.history, recorded{gateway.CustomerEvent{Customer: l.Outcome.Customer, Event: l.Event}, st.Partition, b.Seq, len(b.Inputs), l.Event.OccurredAt})
		}
	}
}

// cmdFill brings the recorded events to the counters that wait for them, in
// portions, and lets the version become active: what the gateway's filler does.
func (s *Session) cmdFill(a args) error {
	since, err := s.timeArg(a, "since")
	if err != nil {
		return err
	}
	list := slices.Clone(s.history)
	slices.SortStableFunc(list, func(x, y recorded) int { return int(x.occurredAt - y.occurredAt) })
	for part, p := range s.world().Partitions() {
		for _, f := range p.Fillings() {
			if cmp.Or(f.Journey, "rules") != a.plain[0] {
				continue
			}
			last, err := s.fillOne(part, f, list)
			if err != nil {
				return err
			}
			if a.named["stop"] == "" {
				last.Since = since
				if err := s.sendCommand(part, last); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Session) fillOne(part int, f gateway.Filling, list []recorded) (gateway.FinishFill, error) {
	at, n := f.AfterAt, f.AfterN
	cmd := gateway.FillTraits{Journey: f.Journey, Version: f.Version, AfterAt: at, AfterN: n}
	place, same := gateway.Instant(0), uint32(0)
	flush := func() error {
		if len(cmd.Events) == 0 {
			return nil
		}
		err := s.sendCommand(part, cmd)
		cmd = gateway.FillTraits{Journey: f.Journey, Version: f.Version, AfterAt: cmd.LastAt, AfterN: cmd.LastN}
		return err
	}
	for _, r := range list {
		if !s.w.Partitions()[part].Lives(r.ev.Customer) || !journey.FillWants(&f, r.partition, r.seq, uint32(r.index), &r.ev.Event) {
			continue
		}
		if r.occurredAt != place {
			place, same = r.occurredAt, 0
		}
		if same++; place < at || place == at && same <= n {
			continue
		}
		cmd.Events, cmd.LastAt, cmd.LastN = append(cmd.Events, r.ev), place, same
		if len(cmd.Events) == 3 { // small portions, so that stories show the seams
			if err := flush(); err != nil {
				return gateway.FinishFill{}, err
			}
		}
	}
	err := flush()
	return gateway.FinishFill{Journey: f.Journey, Version: f.Version, AfterAt: cmd.AfterAt, AfterN: cmd.AfterN}, err
}
