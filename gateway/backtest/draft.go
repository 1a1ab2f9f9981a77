package backtest

import (
	"container/heap"
	"maps"
	"slices"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// draft runs the course with the draft beside the recorded one.
type draft struct {
	o       *Options
	decided bool // whether it is to be published at all
	from    gateway.Instant
	version uint32
	// published says where.
	published map[int]bool
	// receipts and forwards were made up, or were not made in the recorded course:
	// they are applied when the record at hand is done.
	receipts []synthetic
	forwards []gateway.Forward
	// moving are the customers on their way to another partition, as the course
	// with the draft sent them off: they arrive when the recorded ones do.
	moving   map[gateway.CustomerID]gateway.AdmitCustomer
	expiring expiries
	now      gateway.Instant
	// For the notes.
	sent    int64 // messages without recorded receipts
	ignored map[gateway.Instant]string
	refused string
}

// synthetic is an input that was not recorded.
type synthetic struct {
	partition int
	in        gateway.Input
}

func newDraft(o *Options) *draft {
	return &draft{o: o, ignored: map[gateway.Instant]string{}, published: map[int]bool{},
		moving: map[gateway.CustomerID]gateway.AdmitCustomer{}}
}

// record applies a record in the course with the draft, after the recorded
// course has applied it in lane l.
func (d *draft) record(r *run, rec *Record, l *lane) error {
	b := &rec.Batch
	mine := r.drafted[b.Partition]
	if mine == nil {
		mine = newLane(b.Partition, l.cfg)
		mine.print = l.print
		r.drafted[b.Partition] = mine
		if err := mine.core.Warm(d.o.Draft); err != nil {
			return err
		}
	} else if rec.Rules != nil {
		if _, err := mine.setRules(rec.Rules); err != nil {
			return err
		}
	}
	if d.decided && !d.published[b.Partition] {
		d.wait(r, mine, d.from, b.RecordTime-b.Observed)
		d.publish(r, mine, b.Partition)
	}
	d.wait(r, mine, b.RecordTime, b.RecordTime-b.Observed)
	d.now = b.RecordTime
	changed := d.arrive(d.filter(b))
	d.apply(r, mine, changed)
	d.carry(r)
	return nil
}

// publish publishes the draft in one partition, as of From.
func (d *draft) publish(r *run, l *lane, partition int) {
	d.published[partition] = true
	in := gateway.Input{Command: gateway.PublishJourney{Journey: d.o.Journey, Version: d.version, Effective: d.from,
		Definition: d.o.Draft, Existing: d.o.Existing, Running: d.o.Running}}
	l.inject(d.from, l.observed, func(s *gateway.Step) {
		for i := range s.Decisions {
			if x := &s.Decisions[i]; x.Kind == gateway.DecisionJourney && x.Journey == d.o.Journey && x.Reason == gateway.ReasonInvalid {
				d.refused = x.Rule
			}
		}
		d.saw(r, l, s)
	}, in)
	d.carry(r)
}

// filter leaves out what the record says about the draft's own journey from From
// on: another version, a pause.
func (d *draft) filter(b *gateway.Batch) *gateway.Batch {
	if !d.decided {
		return b
	}
	for i := range b.Inputs {
		if d.ignores(&b.Inputs[i]) {
			out := *b
			out.Inputs = nil
			for k := range b.Inputs {
				if !d.ignores(&b.Inputs[k]) {
					out.Inputs = append(out.Inputs, b.Inputs[k])
				}
			}
			return &out
		}
	}
	return b
}

// arrive lets customers arrive with the state that they have in the course with
// the draft.
func (d *draft) arrive(b *gateway.Batch) *gateway.Batch {
	is := func(in gateway.Input) bool { _, is := in.Command.(gateway.AdmitCustomer); return is }
	if !slices.ContainsFunc(b.Inputs, is) {
		return b
	}
	out := *b
	out.Inputs = slices.Clone(b.Inputs)
	for i := range out.Inputs {
		if recorded, is := out.Inputs[i].Command.(gateway.AdmitCustomer); is {
			if mine, sent := d.moving[recorded.Customer]; sent {
				out.Inputs[i].Command = mine
				delete(d.moving, recorded.Customer)
			}
		}
	}
	return &out
}

func (d *draft) ignores(in *gateway.Input) bool {
	switch c := in.Command.(type) {
	case gateway.PublishJourney:
		if c.Journey == d.o.Journey {
			d.ignored[c.Effective] = "a version was published"
			return true
		}
	case gateway.SetJourneyState:
		if c.Journey == d.o.Journey {
			d.ignored[c.Effective] = "it was " + string(c.State)
			return true
		}
	}
	return false
}

func (d *draft) apply(r *run, l *lane, b *gateway.Batch) {
	l.apply(b, func(s *gateway.Step) { d.saw(r, l, s) })
}

// saw takes a step of the course with the draft: what it counts, which receipts
// its messages get, what it forwards beyond the recorded course.
func (d *draft) saw(r *run, l *lane, s *gateway.Step) {
	r.saw(s)
	r.others.drafted(s)
	for i := range s.Messages {
		if m := &s.Messages[i]; !r.others.known(m.ID) {
			d.assume(l.cfg.Partition, m)
		}
	}
	for _, f := range s.Forwards {
		if c, is := f.Input.Command.(gateway.AdmitCustomer); is {
			d.moving[c.Customer] = c
			continue
		}
		if !r.others.forwarded(f) { // else it was recorded where it came in
			d.forwards = append(d.forwards, f)
		}
	}
}

// assume makes up what becomes of a message that was never sent.
func (d *draft) assume(partition int, m *gateway.Message) {
	receipt := gateway.Receipt{Message: m.ID, Customer: m.Customer, Device: m.Device, Channel: m.Channel, At: m.DecidedAt}
	switch {
	case m.Holdout:
		receipt.State = gateway.MessageHeldOut
	case d.o.Assume == AssumeNever:
		receipt.State, receipt.At = gateway.MessageExpired, m.ExpiresAt
		heap.Push(&d.expiring, expiry{m.ExpiresAt, synthetic{partition, gateway.Input{Command: receipt}}})
		d.sent++
		return
	default:
		receipt.State = gateway.MessageDisplayed
		d.sent++
	}
	d.receipts = append(d.receipts, synthetic{partition, gateway.Input{Command: receipt}})
}

// carry applies what was made up, and whatever that leads to.
func (d *draft) carry(r *run) {
	for len(d.receipts) > 0 || len(d.forwards) > 0 {
		list := d.receipts
		d.receipts = nil
		for _, f := range d.forwards {
			list = append(list, synthetic{f.To, f.Input})
		}
		d.forwards = nil
		for _, s := range list {
			if l := r.drafted[s.partition]; l != nil {
				l.inject(d.now, l.observed, func(st *gateway.Step) { d.saw(r, l, st) }, s.in)
			}
		}
	}
}

// explain says what had to be assumed.
func (d *draft) explain(n *notes) {
	if d.refused != "" {
		n.add(NoteRefused, 0, d.from, "the draft could not be published: %s", d.refused)
	}
	if d.sent > 0 {
		what := "displayed at once"
		if d.o.Assume == AssumeNever {
			what = "never displayed"
		}
		n.add(NoteNoReceipts, d.sent, 0, "%s never sent, so nobody knows what would have become of them; assumed: %s",
			count(int(d.sent), "message was", "messages were"), what)
		n.add(NoteReaction, 0, 0, "customers act as they did without these messages: conversions are those that came anyway")
	}
	for _, at := range slices.Sorted(maps.Keys(d.ignored)) {
		n.add(NoteRecordedChange, 0, at, "on %s %s; the draft runs on", clockText(at), d.ignored[at])
	}
}

// forwardKey tells forwards apart.
func forwardKey(buf []byte, f *gateway.Forward) []byte {
	in := f.Input
	in.From = gateway.Forwarded{}
	return wire.AppendInput(append(buf, byte(f.To), byte(f.To>>8)), &in)
}
