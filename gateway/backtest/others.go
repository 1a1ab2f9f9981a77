package backtest

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// others compares the recorded course with the one that has the draft: the
// messages and caps of every journey but the draft's own.
type others struct {
	o *Options
	// apart are the messages that only one course has decided so far; true for the
	// recorded one. Both courses run side by side, so there are few.
	apart    map[gateway.MessageID]apart
	journeys map[string]*Other
	made     map[string]int // forwards of the recorded course in the record at hand
	key      []byte
}

type apart struct {
	recorded bool
	counted  bool // lies in the range
	journey  string
}

func newOthers(o *Options) others {
	return others{o: o, apart: map[gateway.MessageID]apart{}, journeys: map[string]*Other{}, made: map[string]int{}}
}

func (x *others) of(journey string) *Other {
	j := x.journeys[journey]
	if j == nil {
		j = &Other{Journey: journey}
		x.journeys[journey] = j
	}
	return j
}

func (x *others) recorded(s *gateway.Step) {
	x.capped(s, -1)
	for i := range s.Messages {
		m := &s.Messages[i]
		counted := !m.Holdout && x.o.covers(m.DecidedAt)
		if counted {
			x.of(m.Journey).Recorded++
		}
		x.meet(m, true, counted)
	}
	for i := range s.Forwards {
		x.key = forwardKey(x.key[:0], &s.Forwards[i])
		x.made[string(x.key)]++
	}
}

func (x *others) drafted(s *gateway.Step) {
	x.capped(s, 1)
	for i := range s.Messages {
		m := &s.Messages[i]
		x.meet(m, false, !m.Holdout && x.o.covers(m.DecidedAt))
	}
}

// meet notes a message of one course, or crosses it out when the other has it.
func (x *others) meet(m *gateway.Message, recorded, counted bool) {
	if a, ok := x.apart[m.ID]; ok && a.recorded != recorded {
		delete(x.apart, m.ID)
		if a.counted {
			x.count(a, -1)
		}
		return
	}
	a := apart{recorded, counted, m.Journey}
	x.apart[m.ID] = a
	if counted {
		x.count(a, 1)
	}
}

func (x *others) count(a apart, n int64) {
	if a.recorded {
		x.of(a.journey).Lost += n
	} else {
		x.of(a.journey).Gained += n
	}
}

// known reports whether the recorded course decided the message, too: then what
// became of it was recorded.
func (x *others) known(id gateway.MessageID) bool {
	_, apart := x.apart[id]
	return !apart
}

func (x *others) capped(s *gateway.Step, n int64) {
	for i := range s.Decisions {
		if d := &s.Decisions[i]; d.Reason == gateway.ReasonCapped && x.o.covers(d.At) {
			x.of(d.Journey).Capped += n
		}
	}
}

// forwarded reports whether the recorded course made the same forward, and
// crosses it out.
func (x *others) forwarded(f gateway.Forward) bool {
	x.key = forwardKey(x.key[:0], &f)
	if x.made[string(x.key)] == 0 {
		return false
	}
	x.made[string(x.key)]--
	return true
}

// settle ends a record.
func (x *others) settle() {
	if len(x.made) > 0 {
		clear(x.made)
	}
}

// report lists the journeys that the draft made a difference to.
func (x *others) report() (list []Other) {
	for _, j := range x.journeys {
		if j.Journey != x.o.Journey && (j.Lost != 0 || j.Gained != 0 || j.Capped != 0) {
			list = append(list, *j)
		}
	}
	slices.SortFunc(list, func(a, b Other) int {
		return cmp.Or(cmp.Compare(b.Lost, a.Lost), cmp.Compare(a.Journey, b.Journey))
	})
	return list
}
