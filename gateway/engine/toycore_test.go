package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// toyCore is a small core with the rules of the real one: timers before
// records, absence by the watermark, exactly-once forwards, steps that stop in
// the midst of a record. Its changes are the records themselves.
//
// An event "wait" starts a timer of Seq milliseconds, "absent" one that stands
// for absence, "forward" sends itself as "count" to partition Seq; every event
// is counted per device.
type toyCore struct {
	Counts        map[gateway.DeviceID]int
	Timers        []toyTimer
	From          map[int]gateway.Forwarded
	Fired         []string
	Now, Observed gateway.Instant
	Sent          []gateway.MessageID // unfinished

	perStep int // timers per step
}

type toyTimer struct {
	Due     gateway.Instant
	Absence bool
	Device  gateway.DeviceID
}

func newToyCore() *toyCore {
	return &toyCore{Counts: map[gateway.DeviceID]int{}, From: map[int]gateway.Forwarded{}, perStep: 100}
}

// toyChange is enough to apply the same again.
type toyChange struct {
	RecordTime, Observed gateway.Instant
	Seq                  uint64
	Inputs               []toyInput
	Tick                 bool
}

type toyInput struct {
	Device gateway.DeviceID
	Type   string
	Arg    uint64
	From   gateway.Forwarded
}

func (c *toyCore) Apply(b *gateway.Batch, out *gateway.Step) {
	change := toyChange{RecordTime: b.RecordTime, Observed: b.Observed, Seq: b.Seq}
	for i := range b.Inputs {
		in := &b.Inputs[i]
		if in.Command == nil {
			change.Inputs = append(change.Inputs, toyInput{in.Event.Device, in.Event.Type, in.Event.Seq, in.From})
		} else {
			change.Tick = true
		}
	}
	c.apply(change, len(b.Inputs), out)
	line, err := json.Marshal(change)
	if err != nil {
		panic(err)
	}
	out.Changes = append(append(out.Changes, line...), '\n')
}

func (c *toyCore) apply(b toyChange, inputs int, out *gateway.Step) {
	at, observed := max(c.Now, b.RecordTime), max(c.Observed, b.Observed)
	bound := at
	if b.Tick {
		bound++
	}
	for fired := 0; ; fired++ {
		i := slices.IndexFunc(c.Timers, func(t toyTimer) bool {
			return !t.Absence && t.Due < bound || t.Absence && t.Due < observed
		})
		if i < 0 {
			break
		}
		if fired == c.perStep {
			out.More = true
			return
		}
		c.fire(i, out)
	}
	c.Now, c.Observed = at, observed
	out.Now, out.Observed = at, observed
	for _, in := range b.Inputs {
		out.Outcomes = append(out.Outcomes, gateway.Outcome{Disposition: c.input(in, out)})
	}
	for range inputs - len(b.Inputs) { // ticks
		out.Outcomes = append(out.Outcomes, gateway.Outcome{})
	}
	out.Applied = append(out.Applied, gateway.Applied{Seq: b.Seq, Inputs: inputs, At: at})
}

func (c *toyCore) fire(i int, out *gateway.Step) {
	t := c.Timers[i]
	c.Timers = slices.Delete(c.Timers, i, i+1)
	c.Now = max(c.Now, t.Due)
	out.Now, out.Observed = c.Now, c.Observed
	name := fmt.Sprintf("%d@%d", t.Device, t.Due)
	c.Fired = append(c.Fired, name)
	m := gateway.NewMessageID(gateway.EnrollmentID{1}, name, 0)
	c.Sent = append(c.Sent, m)
	out.Messages = append(out.Messages, gateway.Message{ID: m, Device: t.Device, Step: name})
}

func (c *toyCore) input(in toyInput, out *gateway.Step) gateway.Disposition {
	if in.From.Step > 0 {
		last := c.From[in.From.Partition]
		if in.From.Step < last.Step || in.From.Step == last.Step && in.From.Index <= last.Index && last.Step > 0 {
			return gateway.Duplicate
		}
		c.From[in.From.Partition] = in.From
	}
	switch in.Type {
	case "panic":
		panic("a defect")
	case "wait", "absent":
		c.Timers = append(c.Timers, toyTimer{c.Now + gateway.Instant(in.Arg), in.Type == "absent", in.Device})
		slices.SortStableFunc(c.Timers, func(a, b toyTimer) int { return cmp.Compare(a.Due, b.Due) })
	case "forward":
		out.Forwards = append(out.Forwards, gateway.Forward{To: int(in.Arg), Input: event(in.Device, "count", 0)})
		return gateway.Passed
	}
	c.Counts[in.Device]++
	return gateway.Accepted
}

func (c *toyCore) Replay(s *gateway.Step) error {
	for line := range slices.Values(splitLines(s.Changes)) {
		var change toyChange
		if err := json.Unmarshal(line, &change); err != nil {
			return err
		}
		var out gateway.Step
		c.apply(change, len(change.Inputs), &out)
	}
	return nil
}

func splitLines(b []byte) (lines [][]byte) {
	start := 0
	for i, ch := range b {
		if ch == '\n' {
			lines = append(lines, b[start:i])
			start = i + 1
		}
	}
	return lines
}

func (c *toyCore) NextTimers() (pure, absence gateway.Instant) {
	for _, t := range c.Timers {
		if t.Absence && absence == 0 {
			absence = t.Due
		} else if !t.Absence && pure == 0 {
			pure = t.Due
		}
	}
	return pure, absence
}

func (c *toyCore) AppendSnapshot(dst []byte) []byte {
	data, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return append(dst, data...)
}

func (c *toyCore) Restore(data []byte) error { return json.Unmarshal(data, c) }

func (c *toyCore) Unfinished(yield func(gateway.Message)) {
	for _, id := range c.Sent {
		yield(gateway.Message{ID: id})
	}
}

func event(d gateway.DeviceID, typ string, arg uint64) gateway.Input {
	return gateway.Input{Event: gateway.Event{Device: d, Type: typ, Seq: arg, HasSeq: true}}
}
