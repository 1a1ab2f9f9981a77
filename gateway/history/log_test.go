package history_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"sync"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/gateway/wire"
)

// memLog is the two logs in memory, in the record formats of the real ones.
type memLog struct {
	mu        sync.Mutex
	events    map[int][]logged
	steps     map[int][]logged
	added     chan struct{}
	followers map[int][2]uint64
	trimmed   map[int][2]uint64 // records and steps up to here are gone
}

type logged struct {
	seq  uint64
	data []byte
}

func newMemLog() *memLog {
	return &memLog{events: map[int][]logged{}, steps: map[int][]logged{}, added: make(chan struct{}), followers: map[int][2]uint64{}}
}

func (l *memLog) appendEvents(b gateway.Batch) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Streams are shared, so the sequences of a partition have gaps.
	seq := uint64(len(l.events[b.Partition]))*7 + 3
	l.events[b.Partition] = append(l.events[b.Partition], logged{seq, wire.AppendBatch(nil, &b)})
	return seq
}

func (l *memLog) appendStep(s gateway.Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := uint64(len(l.steps[s.Partition]) + 1)
	s.Number = n
	l.steps[s.Partition] = append(l.steps[s.Partition], logged{n * 5, wire.AppendStep(nil, &s, (n-1)*5)})
	close(l.added)
	l.added = make(chan struct{})
}

func (l *memLog) ReadSteps(_ context.Context, partition int, after uint64) (history.StepReader, error) {
	return &memReader[gateway.Step]{l, l.steps, partition, after, func(data []byte, seq uint64, s *gateway.Step) error {
		_, err := wire.DecodeStep(data, s)
		s.Seq = seq
		return err
	}}, nil
}

func (l *memLog) ReadEvents(_ context.Context, partition int, after uint64) (history.EventReader, error) {
	return &memReader[gateway.Batch]{l, l.events, partition, after, func(data []byte, seq uint64, b *gateway.Batch) error {
		err := wire.DecodeBatch(data, b)
		b.Seq = seq
		return err
	}}, nil
}

func (l *memLog) Trimmed(_ context.Context, partition int) (eventSeq, stepSeq uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trimmed[partition][0], l.trimmed[partition][1], nil
}

func (l *memLog) SetFollower(_ context.Context, _ string, partition int, eventSeq, stepSeq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followers[partition] = [2]uint64{eventSeq, stepSeq}
	return nil
}

type memReader[T any] struct {
	l         *memLog
	records   map[int][]logged
	partition int
	after     uint64
	decode    func([]byte, uint64, *T) error
}

func (r *memReader[T]) Next(ctx context.Context, into *T) error {
	for {
		r.l.mu.Lock()
		added := r.l.added
		var next *logged
		list := r.records[r.partition]
		i := sort.Search(len(list), func(i int) bool { return list[i].seq > r.after })
		if i < len(list) {
			next = &list[i]
		}
		r.l.mu.Unlock()
		if next != nil {
			r.after = next.seq
			return r.decode(next.data, next.seq, into)
		}
		select {
		case <-added:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (*memReader[T]) Close() {}

// traffic writes random records and steps, and knows what the history must
// hold afterwards.
type traffic struct {
	log   *memLog
	rand  *rand.Rand
	want  map[string]gateway.CustomerID // event id → credited to
	last  map[int]gateway.Position
	count int
	at    gateway.Instant
}

func newTraffic(log *memLog, seed uint64) *traffic {
	return &traffic{log: log, rand: rand.New(rand.NewPCG(seed, 1)), want: map[string]gateway.CustomerID{},
		last: map[int]gateway.Position{}, at: start}
}

const start = gateway.Instant(1_777_600_000_000)

func (tr *traffic) event() gateway.Event {
	tr.count++
	device := gateway.DeviceID(tr.rand.Uint64N(40) + 1)
	return gateway.Event{
		ID: fmt.Sprintf("e%d", tr.count), Type: "brew_finished", Product: "kaffa-2", Device: device,
		OccurredAt: tr.at - gateway.Instant(tr.rand.Uint64N(5000)), ReceivedAt: tr.at, Source: gateway.SourceMQTT,
		Properties: gateway.Properties{{Key: "water_ml", Value: gateway.Int(int64(tr.count % 90))}},
	}
}

// step appends some records of a partition and one or more steps over them.
func (tr *traffic) step(partition int) {
	var records []gateway.Batch
	for range 1 + tr.rand.IntN(3) {
		b := gateway.Batch{Partition: partition, RecordTime: tr.at}
		for range 1 + tr.rand.IntN(20) {
			in := gateway.Input{Event: tr.event()}
			switch tr.rand.IntN(12) {
			case 0:
				in = gateway.Input{Command: gateway.Tick{}}
			case 1:
				in = gateway.Input{Command: gateway.AdmitDevice{Device: gateway.DeviceID(100 + tr.rand.IntN(3))}}
			}
			b.Inputs = append(b.Inputs, in)
		}
		b.Seq = tr.log.appendEvents(b)
		records = append(records, b)
	}
	s := gateway.Step{Partition: partition, Now: tr.at}
	for r, b := range records {
		a := gateway.Applied{Seq: b.Seq, At: tr.at}
		for i, in := range b.Inputs {
			s.Outcomes = append(s.Outcomes, tr.outcome(in, &s))
			a.Inputs++
			if tr.rand.IntN(15) == 0 && i < len(b.Inputs)-1 { // stops in the midst
				s.Applied = append(s.Applied, a)
				s.More = true
				tr.log.appendStep(s)
				s, a.Inputs = gateway.Step{Partition: partition, Now: tr.at}, 0
				tr.late(&s, gateway.DeviceID(500)) // set free by an input of an earlier step
			}
		}
		s.Applied = append(s.Applied, a)
		if r == len(records)-1 || tr.rand.IntN(2) == 0 {
			tr.log.appendStep(s)
			s = gateway.Step{Partition: partition, Now: tr.at}
		}
	}
	tr.last[partition] = gateway.Position{Partition: partition, Seq: records[len(records)-1].Seq}
	tr.at += 50
}

func (tr *traffic) outcome(in gateway.Input, s *gateway.Step) gateway.Outcome {
	if admit, ok := in.Command.(gateway.AdmitDevice); ok {
		for range tr.rand.IntN(3) {
			tr.late(s, admit.Device)
		}
		return gateway.Outcome{}
	}
	if in.Command != nil {
		return gateway.Outcome{}
	}
	o := gateway.Outcome{Disposition: gateway.Disposition(tr.rand.IntN(8))}
	if o.Disposition > gateway.Passed {
		o.Disposition = gateway.Accepted
	}
	if o.Disposition == gateway.Accepted || o.Disposition == gateway.TooOld {
		o.Customer = tr.customer(s.Partition)
		tr.want[in.Event.ID] = o.Customer
	}
	return o
}

func (tr *traffic) late(s *gateway.Step, d gateway.DeviceID) {
	e := tr.event()
	e.Device = d
	o := gateway.Outcome{Customer: tr.customer(s.Partition)}
	tr.want[e.ID] = o.Customer
	s.Late = append(s.Late, gateway.LateEvent{Event: e, Outcome: o, AppliedAt: tr.at})
}

// customer draws nobody or one of four customers of the partition: whatever is
// credited to a customer is applied on one partition, which is what orders it
// before his erasure.
func (tr *traffic) customer(partition int) gateway.CustomerID {
	n := tr.rand.IntN(5)
	if n == 0 {
		return 0
	}
	return gateway.CustomerID(partition + 1 + (n-1)*partitions)
}

func (tr *traffic) positions() (list []gateway.Position) {
	for _, p := range tr.last {
		list = append(list, p)
	}
	return list
}
