package audit

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/gateway"
)

func instant(t *timestamppb.Timestamp) gateway.Instant {
	if t == nil {
		return 0
	}
	return gateway.InstantOf(t.AsTime())
}

// checkEvents follows every event of the ledger through log, steps and history.
func (a *audit) checkEvents() {
	r := &a.report
	for i := range a.book.Events {
		e, s := &a.book.Events[i], &a.seen[i]
		r.EventsPublished++
		r.Resent += e.Copies - 1
		r.Refused += int(s.refused)
		if e.AckedAt == 0 && s.raw == 0 {
			r.Unsettled++ // never acknowledged and not there: the machine still has it
			continue
		}
		if s.points > 0 {
			r.EventsStored++
		}
		lost, doubled := true, true
		switch {
		case s.raw == 0:
			a.find(EventLost, e.ID, "acknowledged, but not in the event log")
		case s.accepted == 0:
			a.find(EventUnapplied, e.ID, "in the event log %d times, but no step accepted it", s.raw)
		case s.points == 0:
			a.find(PointLost, e.ID, "accepted, but not in history")
		default:
			lost = false
		}
		switch {
		case s.accepted > 1:
			a.find(EventDuplicated, e.ID, "accepted %d times", s.accepted)
		case s.points > 1:
			a.find(PointDuplicated, e.ID, "%d times in history", s.points)
		case s.points > s.accepted:
			a.find(PointInvented, e.ID, "in history, but never accepted")
		default:
			doubled = false
		}
		r.EventsLost += one(lost)
		r.EventsDuplicated += one(doubled)
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (a *audit) checkReceipts() {
	for _, rc := range a.book.Receipts {
		if !rc.Acked {
			continue
		}
		a.report.Receipts++
		if a.receipts[receiptKey{rc.Message, rc.State}] == 0 {
			a.find(ReceiptLost, rc.Message, "%s was acknowledged, but is not in the event log", rc.State)
		}
	}
}

// checkMessages follows every message from its decision to its display.
func (a *audit) checkMessages() {
	for i := range a.book.Arrivals {
		m := a.message(a.book.Arrivals[i].Message)
		if a.book.Arrivals[i].Withdraw {
			m.withdrawn = true
			continue
		}
		m.arrivals = append(m.arrivals, int32(i))
	}
	for i := range a.book.Displays {
		m := a.message(a.book.Displays[i].Message)
		m.displays = append(m.displays, int32(i))
	}
	for i := range a.book.Stale {
		a.message(a.book.Stale[i].Message).dropped = true
		a.report.Dropped++
	}
	acked := make(map[string]bool)
	for _, rc := range a.book.Receipts {
		if rc.Acked && rc.State == "displayed" {
			acked[rc.Message] = true
		}
	}
	a.order = slices.DeleteFunc(a.order, a.outside)
	for _, m := range a.order {
		a.checkMessage(m, acked[m.id])
	}
}

// outside holds for messages of other fleets, and of a run before this one.
func (a *audit) outside(m *message) bool {
	return len(m.arrivals) == 0 && m.decided > 0 && (m.foreign || m.decidedAt < a.book.From)
}

// arrived holds for the states that say that the message reached the machine's
// broker session or the machine.
func arrived(state string) bool {
	switch state {
	case "handed_over", "redelivered", "delivered", "displayed", "opened", "clicked", "dismissed":
		return true
	}
	return false
}

func (a *audit) checkMessage(m *message, displayAcked bool) {
	if m.decided == 0 {
		if len(m.arrivals) > 0 {
			a.find(MessageInvented, m.id, "arrived, but no step decided it")
		}
		return
	}
	if m.listed != 1 {
		a.find(MessageUnlisted, m.id, "listed %d times", m.listed)
	}
	a.checkOnce(m)
	a.checkInTime(m)
	switch {
	case m.holdout:
		if len(m.arrivals) > 0 {
			a.find(MessageLeaked, m.id, "of the control group of %s", m.journey)
		}
	case arrived(m.state) && len(m.arrivals) == 0:
		a.lose(m, "recorded as %s, but it never arrived", m.state)
	case m.state == "failed":
		a.lose(m, "delivery gave up")
	case m.state == "decided" || m.state == "attempted" || m.state == "missed_window":
		if m.expiresAt != 0 && m.expiresAt < a.book.To && len(m.arrivals) == 0 {
			a.lose(m, "still %s after its end at %v", m.state, m.expiresAt)
		}
	}
	if displayAcked && !m.displayedBySteps {
		a.find(ReceiptUnapplied, m.id, "displayed and acknowledged, but the last state is %s", m.state)
	}
}

func (a *audit) lose(m *message, format string, args ...any) {
	m.lost = true
	a.find(MessageLost, m.id, "%s: "+format, append([]any{m.journey}, args...)...)
}

func (a *audit) checkOnce(m *message) {
	switch {
	case len(m.displays) > 1:
		a.find(MessageDuplicated, m.id, "%s: displayed %d times", m.journey, len(m.displays))
	case m.decided > 1:
		a.find(MessageDuplicated, m.id, "%s: decided %d times", m.journey, m.decided)
	}
}

func (a *audit) checkInTime(m *message) {
	if m.expiresAt == 0 {
		return
	}
	for _, i := range m.displays {
		if at := a.book.Displays[i].At; at >= m.expiresAt {
			a.find(MessageStale, m.id, "%s: displayed at %v, %v after its end", m.journey, at, at.Sub(m.expiresAt))
			return
		}
	}
	for _, i := range m.arrivals {
		if at := a.book.Arrivals[i].At; at >= m.expiresAt {
			a.find(MessageStale, m.id, "%s: handed over at %v, %v after its end", m.journey, at, at.Sub(m.expiresAt))
			return
		}
	}
}

// total fills the counts of the report.
func (a *audit) total() {
	r := &a.report
	journeys := make(map[string]*Journey)
	for _, m := range a.order {
		if m.decided == 0 {
			continue
		}
		j := journeys[m.journey]
		if j == nil {
			j = &Journey{Name: m.journey}
			journeys[m.journey] = j
		}
		j.Decided++
		j.HeldOut += one(m.holdout)
		j.Arrived += one(len(m.arrivals) > 0)
		j.Displayed += one(len(m.displays) > 0)
		j.Expired += one(m.state == "expired")
		j.Withdrawn += one(m.state == "withdrawn")
		j.Lost += one(m.lost)
		j.Waiting += one(!m.lost && !m.holdout && len(m.arrivals) == 0 && m.state != "expired" && m.state != "withdrawn")
	}
	for _, j := range journeys {
		r.Journeys = append(r.Journeys, *j)
		r.Decided += j.Decided
		r.HeldOut += j.HeldOut
		r.Arrived += j.Arrived
		r.Displayed += j.Displayed
		r.Expired += j.Expired
		r.Waiting += j.Waiting
	}
	slices.SortFunc(r.Journeys, func(a, b Journey) int { return cmp.Compare(a.Name, b.Name) })
	r.MessagesLost = r.Count(MessageLost, MessageUnlisted, ReceiptLost, ReceiptUnapplied, ModelMissing)
	r.MessagesDuplicated = r.Count(MessageDuplicated, MessageInvented, MessageLeaked, ModelExtra)
	r.MessagesStale = r.Count(MessageStale)
	r.EventsDuplicated += r.Count(EventInvented, PointInvented)
	r.EventsLost += r.Count(StepHole)
	a.handover()
}

// handover measures from publish to arrival. A message that waited for its
// machine to be there says nothing about the gateway's speed and is left out.
func (a *audit) handover() {
	var took []time.Duration
	for _, m := range a.order {
		i, ok := a.events[m.cause]
		if !ok || len(m.arrivals) == 0 {
			continue
		}
		first := &a.book.Arrivals[m.arrivals[0]]
		if first.At.Sub(m.decidedAt) > time.Second {
			continue
		}
		took = append(took, time.Duration(first.Wall-a.book.Events[i].Sent)*time.Microsecond)
	}
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	a.report.HandoverP50, a.report.HandoverP99 = took[len(took)/2], took[len(took)*99/100]
}
