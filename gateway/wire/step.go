package wire

import (
	"encoding/binary"

	"touchpoint/gateway"
)

// AppendStep appends the record of s to dst. prevSeq is the sequence of the
// partition's step before it (0 for the first): with the step's number it
// chains the steps, so that a reader sees a hole.
func AppendStep(dst []byte, s *gateway.Step, prevSeq uint64) []byte {
	start := len(dst)
	dst = putUint(dst, 1, s.Number)
	dst = putUint(dst, 2, prevSeq)
	dst = putUint(dst, 3, s.Owner)
	dst = putTime(dst, 4, s.Now)
	dst = putTime(dst, 5, s.Observed)
	dst = putBool(dst, 6, s.More)
	dst = putEach(dst, 7, s.Applied, appendApplied)
	dst = putOutcomes(dst, s.Outcomes)
	dst = putBytes(dst, 10, s.Changes)
	dst = putEach(dst, 11, s.Messages, appendMessage)
	dst = putEach(dst, 12, s.Updates, appendUpdate)
	dst = putEach(dst, 13, s.Decisions, appendDecision)
	dst = putEach(dst, 14, s.Entered, appendEnrollment)
	dst = putInt(dst, 16, s.Partition)
	dst = putEach(dst, 17, s.Late, appendLate)
	dst = putEach(dst, 18, s.Profiles, appendProfile)
	dst = putEach(dst, 19, s.Ownerships, appendOwnership)
	dst = putEach(dst, 20, s.Forwards, appendForward)
	dst = putEach(dst, 21, s.Routes, appendRoute)
	if len(s.Erased) > 0 {
		dst = appendVarint(appendTag(dst, 22, typeBytes), uint64(len(s.Erased)*8))
		for _, c := range s.Erased {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(c))
		}
	}
	dst = putEach(dst, 23, s.Journeys, appendJourney)
	dst = putEach(dst, 24, s.Classes, appendClass)
	dst = putEach(dst, 25, s.Filtered, appendFiltered)
	dst = putEach(dst, 26, s.Tasks, appendTask)
	dst = putEach(dst, 27, s.TaskUpdates, appendTaskUpdate)
	dst = putEach(dst, 50, s.Memberships, appendMembership)
	dst = putEach(dst, 51, s.MovedIn, appendMessage)
	dst = putBytes(dst, 70, s.Rules)
	dst = putUint(dst, 60, uint64(s.Brake))
	return appendCRC(dst, start)
}

// DecodeStep reads a record of AppendStep into s and returns the sequence of
// the step before it. Slices of s are reused; Seq is left alone. Texts and
// byte slices are new with every call.
func DecodeStep(data []byte, s *gateway.Step) (prevSeq uint64, err error) {
	data, err = checkCRC(data)
	if err != nil {
		return 0, err
	}
	d := stepDecoder{batchDecoder{reader: newReader(string(data))}}
	reset(s)
	prevSeq = d.decode(s)
	if d.err != nil {
		return 0, d.err
	}
	if d.bad || len(s.Outcomes) > MaxInputs {
		return 0, gateway.Errorf(gateway.Internal, "step of %d bytes is no record of this format", len(data))
	}
	return prevSeq, nil
}

// reset empties s but keeps what its slices have reserved.
func reset(s *gateway.Step) {
	*s = gateway.Step{
		Seq: s.Seq, Applied: s.Applied[:0], Outcomes: s.Outcomes[:0], Late: s.Late[:0],
		Messages: s.Messages[:0], Updates: s.Updates[:0], Decisions: s.Decisions[:0],
		Entered: s.Entered[:0], Profiles: s.Profiles[:0], Ownerships: s.Ownerships[:0],
		Forwards: s.Forwards[:0], Routes: s.Routes[:0], Erased: s.Erased[:0], Journeys: s.Journeys[:0],
		Classes: s.Classes[:0], Filtered: s.Filtered[:0], Tasks: s.Tasks[:0], TaskUpdates: s.TaskUpdates[:0],
		Memberships: s.Memberships[:0], MovedIn: s.MovedIn[:0],
	}
}

// putEach appends one nested message per element.
func putEach[T any](b []byte, field int, list []T, appendOne func([]byte, *T) []byte) []byte {
	for i := range list {
		var at int
		b, at = open(b, field)
		b = shut(appendOne(b, &list[i]), at)
	}
	return b
}

// putOutcomes writes the outcomes as two columns; the second is left out when
// nobody was credited.
func putOutcomes(b []byte, list []gateway.Outcome) []byte {
	if len(list) == 0 {
		return b
	}
	b = appendVarint(appendTag(b, 8, typeBytes), uint64(len(list)))
	credited := false
	for i := range list {
		b = append(b, byte(list[i].Disposition)+1)
		credited = credited || list[i].Customer != 0
	}
	if !credited {
		return b
	}
	b = appendVarint(appendTag(b, 9, typeBytes), uint64(len(list)*8))
	for i := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(list[i].Customer))
	}
	return b
}

type stepDecoder struct{ batchDecoder }

// each decodes one nested message and appends it to list.
func each[T any](d *stepDecoder, list []T, one func(*reader) T) []T {
	m := d.nested()
	list = append(list, one(&m))
	d.bad = d.bad || m.bad
	return list
}

func (d *stepDecoder) decode(s *gateway.Step) (prevSeq uint64) {
	for {
		f, t, ok := d.next()
		if !ok {
			return prevSeq
		}
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			s.Number = d.varint()
		case 2<<3 | typeVarint:
			prevSeq = d.varint()
		case 3<<3 | typeVarint:
			s.Owner = d.varint()
		case 4<<3 | typeVarint:
			s.Now = d.time()
		case 5<<3 | typeVarint:
			s.Observed = d.time()
		case 6<<3 | typeVarint:
			s.More = d.bool()
		case 8<<3 | typeBytes:
			d.dispositions(s, d.text())
		case 9<<3 | typeBytes:
			d.credited(s, d.text())
		case 10<<3 | typeBytes:
			s.Changes = d.bytes()
		case 16<<3 | typeVarint:
			s.Partition = d.int()
		case 70<<3 | typeBytes:
			s.Rules = d.bytes()
		case 60<<3 | typeVarint:
			s.Brake = gateway.Brake(d.code())
		case 22<<3 | typeBytes:
			m := d.nested()
			for m.left() > 0 {
				s.Erased = append(s.Erased, gateway.CustomerID(m.fixed64()))
			}
			d.bad = d.bad || m.bad
		default:
			if t == typeBytes {
				d.list(s, f)
			} else {
				d.skip(t)
			}
		}
		if d.err != nil {
			return 0
		}
	}
}

// list decodes one element of one of the step's lists.
func (d *stepDecoder) list(s *gateway.Step, field int) {
	switch field {
	case 7:
		s.Applied = each(d, s.Applied, (*reader).applied)
	case 11:
		s.Messages = each(d, s.Messages, (*reader).message)
	case 12:
		s.Updates = each(d, s.Updates, (*reader).messageUpdate)
	case 13:
		s.Decisions = each(d, s.Decisions, (*reader).decision)
	case 14:
		s.Entered = each(d, s.Entered, (*reader).enrollment)
	case 17:
		s.Late = each(d, s.Late, d.late)
	case 18:
		s.Profiles = each(d, s.Profiles, (*reader).profile)
	case 19:
		s.Ownerships = each(d, s.Ownerships, (*reader).ownership)
	case 20:
		s.Forwards = each(d, s.Forwards, d.forward)
	case 21:
		s.Routes = each(d, s.Routes, (*reader).route)
	case 23:
		s.Journeys = each(d, s.Journeys, (*reader).journeyStatus)
	case 24:
		s.Classes = each(d, s.Classes, (*reader).class)
	case 25:
		s.Filtered = each(d, s.Filtered, (*reader).filtered)
	case 26:
		s.Tasks = each(d, s.Tasks, (*reader).task)
	case 27:
		s.TaskUpdates = each(d, s.TaskUpdates, (*reader).taskUpdate)
	case 50:
		s.Memberships = each(d, s.Memberships, (*reader).membership)
	case 51:
		s.MovedIn = each(d, s.MovedIn, (*reader).message)
	default:
		d.skip(typeBytes)
	}
}

func (d *stepDecoder) dispositions(s *gateway.Step, col string) {
	if len(col) > MaxInputs {
		d.fail()
		return
	}
	for i := range len(col) {
		if col[i] == 0 {
			d.fail()
			return
		}
		s.Outcomes = append(s.Outcomes, gateway.Outcome{Disposition: gateway.Disposition(col[i] - 1)})
	}
}

func (d *stepDecoder) credited(s *gateway.Step, col string) {
	if len(col) != 8*len(s.Outcomes) {
		d.fail()
		return
	}
	m := newReader(col)
	for i := range s.Outcomes {
		s.Outcomes[i].Customer = gateway.CustomerID(m.fixed64())
	}
}

func (d *stepDecoder) late(m *reader) (l gateway.LateEvent) {
	for {
		f, t, ok := m.next()
		if !ok {
			return l
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			n := m.nested()
			d.event(&n, &l.Event)
			m.bad = m.bad || n.bad
		case 2<<3 | typeVarint:
			l.Outcome.Disposition = gateway.Disposition(m.code() - 1)
		case 3<<3 | typeFixed64:
			l.Outcome.Customer = gateway.CustomerID(m.fixed64())
		case 4<<3 | typeVarint:
			l.AppliedAt = m.time()
		default:
			m.skip(t)
		}
	}
}

func (d *stepDecoder) forward(m *reader) (fw gateway.Forward) {
	for {
		f, t, ok := m.next()
		if !ok {
			return fw
		}
		switch f<<3 | t {
		case 1<<3 | typeVarint:
			fw.To = m.int()
		case 2<<3 | typeBytes:
			d.input(m.nested(), &fw.Input)
		default:
			m.skip(t)
		}
	}
}
