package history

import (
	"context"
	"slices"

	"touchpoint/gateway"
)

// chunk is what one step adds to the history.
type chunk struct {
	partition int
	points    []Point
	position  Position
	erased    []gateway.CustomerID
	data      []byte // what the points' Data lie in
	// done are records that no later chunk refers to.
	done []*gateway.Batch
}

// pairing joins the steps of a partition with the records that they applied.
type pairing struct {
	events EventReader
	pos    Position
	record *gateway.Batch // EventSeq, as long as it may be open
	fresh  func() *gateway.Batch
}

// pair makes the chunk of a step. On an error the pairing is of no use any more.
func (p *pairing) pair(ctx context.Context, s *gateway.Step, c *chunk) error {
	outcomes := s.Outcomes
	p.rules(s, c)
	var admitted map[gateway.DeviceID]Place
	for _, a := range s.Applied {
		if err := p.seek(ctx, a.Seq, c); err != nil {
			return err
		}
		if a.Inputs > len(p.record.Inputs)-p.pos.Inputs || a.Inputs > len(outcomes) {
			return gateway.Errorf(gateway.Internal, "step %d of partition %d applies %d inputs of record %d, which has %d",
				s.Number, s.Partition, a.Inputs, a.Seq, len(p.record.Inputs)-p.pos.Inputs)
		}
		before := len(c.points)
		for range a.Inputs {
			in, out := &p.record.Inputs[p.pos.Inputs], outcomes[0]
			place := Place{Partition: s.Partition, Seq: a.Seq, Index: uint32(p.pos.Inputs)}
			outcomes = outcomes[1:]
			p.pos.Inputs++
			p.pos.Late = 0
			c.input(in, out, a.At, p.record.Observed, place)
			if command, ok := in.Command.(gateway.AdmitDevice); ok {
				if admitted == nil {
					admitted = map[gateway.DeviceID]Place{}
				}
				admitted[command.Device] = place
			}
		}
		if len(c.points) == before { // duplicates alone: still, time went on
			place := Place{Partition: s.Partition, Seq: a.Seq, Index: uint32(max(p.pos.Inputs, 1) - 1)}
			c.points = append(c.points, other(KindRecord, a.At, p.record.Observed, place))
		}
	}
	p.late(s, admitted, c)
	c.erased = append(c.erased, s.Erased...)
	p.pos.StepSeq, p.pos.Open = s.Seq, s.More
	c.position = p.pos
	return nil
}

// seek makes the record with the sequence the present one.
func (p *pairing) seek(ctx context.Context, seq uint64, c *chunk) error {
	if p.record != nil && p.pos.EventSeq == seq {
		return nil
	}
	resumed := p.record == nil && p.pos.Open && p.pos.EventSeq == seq
	if p.record != nil {
		c.done = append(c.done, p.record)
	}
	p.record = p.fresh()
	for {
		if err := p.events.Next(ctx, p.record); err != nil {
			return err
		}
		if p.record.Seq == seq {
			break
		}
		if p.record.Seq > seq {
			return gateway.Errorf(gateway.Internal, "record %d of partition %d is not in EVENTS any more: its history is lost; next is %d",
				seq, p.pos.Partition, p.record.Seq)
		}
	}
	p.pos.EventSeq = seq
	if !resumed {
		p.pos.Inputs, p.pos.Late = 0, 0
	}
	return nil
}

// late adds the events that had been held until their device's state arrived.
// They stand behind the input that brought it; behind the last input so far when
// that one was applied by an earlier step.
func (p *pairing) late(s *gateway.Step, admitted map[gateway.DeviceID]Place, c *chunk) {
	if len(s.Late) == 0 {
		return
	}
	last := Place{Partition: s.Partition, Seq: p.pos.EventSeq, Index: uint32(max(p.pos.Inputs-1, 0))}
	numbers := map[Place]uint32{last: p.pos.Late}
	for _, l := range s.Late {
		place, ok := admitted[l.Event.Device]
		if !ok {
			place = last
		}
		numbers[place]++
		at := place
		at.Late = numbers[place]
		if l.Outcome.Disposition != gateway.Accepted && l.Outcome.Disposition != gateway.TooOld {
			continue
		}
		c.points = append(c.points, Point{
			Event: l.Event, Customer: l.Outcome.Customer, AppliedAt: l.AppliedAt,
			TooOld: l.Outcome.Disposition == gateway.TooOld, Place: at, Observed: s.Observed,
		})
	}
	p.pos.Late = numbers[last]
	slices.SortStableFunc(c.points, func(a, b Point) int {
		switch {
		case a.Place.Before(b.Place):
			return -1
		case b.Place.Before(a.Place):
			return 1
		}
		return 0
	})
}
