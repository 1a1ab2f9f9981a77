package deliver

import (
	"context"
	"sync"

	"touchpoint/gateway"
)

// Delivery is the outbox and the workers around it. It is the engine's sink
// for committed steps.
type Delivery struct {
	opts   Options
	stages []stage
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	box      outbox
	consents consents
	recent   recent
	schedule schedule
	kick     context.CancelFunc // wakes the scheduler; nil while it looks
	lanes    map[string]*lane
	nowhere  *lane // for channels that nobody configured
	records  map[int]*records
	busy     int           // queued, running, or not yet recorded
	draining bool          // nothing new begins
	braked   bool          // nothing is handed over; see brake.go
	closed   bool          // no goroutine starts any more
	changed  chan struct{} // closed and replaced when busy falls to 0
	stats    Stats
}

// New starts a delivery; Drain ends it.
func New(o Options) (*Delivery, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	d := &Delivery{opts: o, box: newOutbox(), consents: newConsents(), lanes: map[string]*lane{},
		records: map[int]*records{}, changed: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.stages = d.pipeline()
	d.nowhere = newLane(Route{Channel: noChannel{}, Workers: 4})
	for _, r := range o.Routes {
		d.lanes[r.Name] = newLane(r)
		if p, ok := r.Channel.(PresenceChannel); ok {
			p.Attach(d)
		}
	}
	d.wg.Go(d.runSchedule)
	return d, nil
}

// noChannel refuses messages for a channel that is not configured.
type noChannel struct{}

// HandOver implements Channel.
func (noChannel) HandOver(_ context.Context, out *Outgoing) error {
	return gateway.Errorf(gateway.NotFound, "no channel %q is configured", out.Channel)
}

func (d *Delivery) lane(name string) *lane {
	if l := d.lanes[name]; l != nil {
		return l
	}
	return d.nowhere
}

// Committed takes the messages of a committed step. It does not block and
// keeps nothing of the step.
func (d *Delivery) Committed(partition int, s *gateway.Step) {
	if s.Brake != gateway.BrakeUnchanged {
		d.brakeBy(s.Brake == gateway.BrakeOn)
	}
	if len(s.Profiles)+len(s.Messages)+len(s.Updates)+len(s.Erased)+len(s.MovedIn) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.draining {
		return
	}
	for i := range s.Profiles {
		d.consents.profile(&s.Profiles[i])
	}
	for i := range s.Messages {
		d.accept(partition, &s.Messages[i])
	}
	for i := range s.MovedIn {
		d.moveIn(partition, &s.MovedIn[i])
	}
	for i := range s.Updates {
		d.update(partition, &s.Updates[i])
	}
	for _, c := range s.Erased {
		d.erase(c)
	}
}

// moveIn goes on with a message whose customer moved to another partition: what
// becomes of it is recorded there.
func (d *Delivery) moveIn(partition int, m *gateway.Message) {
	if it := d.box.items[m.ID]; it != nil {
		it.at.Store(int32(partition))
		return
	}
	d.accept(partition, m)
}

// Resume replaces what delivery holds of a partition by its unfinished
// messages, after a restart or a change of owner.
func (d *Delivery) Resume(partition int, unfinished []gateway.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(partition)
	for i := range unfinished {
		d.accept(partition, &unfinished[i])
	}
}

// Lost drops what delivery holds of a partition: another owner hands it over.
func (d *Delivery) Lost(partition int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(partition)
}

func (d *Delivery) drop(partition int) {
	for _, it := range d.box.items {
		if it.partition() == partition {
			d.remove(it)
		}
	}
}

// accept puts a message into the outbox unless it is there or done with.
func (d *Delivery) accept(partition int, m *gateway.Message) {
	if d.draining || m.State.Terminal() || m.State == gateway.MessageMissedWindow {
		return
	}
	if _, known := d.box.items[m.ID]; known {
		return
	}
	_, presence := d.lane(m.Channel).route.Channel.(PresenceChannel)
	handed := m.State == gateway.MessageHandedOver || m.State == gateway.MessageRedelivered || m.State == gateway.MessageDelivered
	if handed && !presence {
		return // the receiver has it and answers by itself
	}
	it := &item{m: d.box.copyMessage(m), handed: handed, unknown: m.State == gateway.MessageAttempted}
	it.at.Store(int32(partition))
	d.box.add(it)
	switch {
	case handed:
		d.at(it, d.deadline(it))
	case it.m.NotBefore > d.opts.Clock.Now():
		d.at(it, it.m.NotBefore)
	default:
		d.enqueue(it)
	}
}

// update follows what the core says about a message.
func (d *Delivery) update(partition int, u *gateway.MessageUpdate) {
	it := d.box.items[u.Message]
	switch {
	case u.State == gateway.MessageWithdrawn && it != nil:
		d.takeBack(it, string(gateway.ReasonWithdrawn), false)
	case u.State == gateway.MessageWithdrawn:
		d.takeBackUnknown(partition, u)
	case it != nil && (u.State.Terminal() || u.State == gateway.MessageMissedWindow):
		d.remove(it)
	}
}

// remove takes an item out of the outbox. An attempt that runs is stopped; it
// finds the item gone.
func (d *Delivery) remove(it *item) {
	it.gone = true
	if it.running {
		it.cancel()
	}
	d.schedule.drop(it)
	d.box.remove(it)
}

// Present implements Presence.
func (d *Delivery) Present(device gateway.DeviceID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, it := range d.box.byDevice[device] {
		if it.running {
			it.woken = true
		} else if it.parked {
			it.fresh = true
			d.enqueue(it)
		}
	}
}

// Hello implements Presence.
func (d *Delivery) Hello(device gateway.DeviceID, shown []gateway.MessageID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.draining {
		return
	}
	list := d.box.byDevice[device]
	for i := len(list) - 1; i >= 0; i-- { // backwards: the list may shrink
		d.hello(list[i], shown)
	}
}

func (d *Delivery) hello(it *item, shown []gateway.MessageID) {
	if _, ok := d.lane(it.m.Channel).route.Channel.(PresenceChannel); !ok {
		return
	}
	if it.recall != "" {
		it.woken = true
		if it.parked {
			d.enqueue(it)
		}
		return
	}
	for _, id := range shown {
		if id == it.m.ID {
			// The receipt is lost or still on its way; the device is the one to know.
			d.record(it, gateway.MessageDisplayed, "reported by hello")
			d.remove(it)
			return
		}
	}
	switch {
	case it.running:
		it.woken, it.greeted = true, !it.fresh
	case it.queued:
		it.again = it.handed
	case it.handed:
		it.again = true
		d.enqueue(it)
	case it.parked || it.attempts > 0:
		d.enqueue(it)
	}
}

// Idle waits until nothing that is due now is in progress and every record is
// durable: lock-step time may go on.
func (d *Delivery) Idle(ctx context.Context) error {
	for {
		d.mu.Lock()
		idle := d.busy == 0 && (len(d.schedule) == 0 || d.schedule[0].due > d.opts.Clock.Now())
		changed := d.changed
		d.mu.Unlock()
		if idle {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-d.ctx.Done():
			return gateway.Errorf(gateway.Unavailable, "delivery is closed")
		}
	}
}

// Drain begins no further hand-over, lets those on their way end, waits until
// their records are durable and stops. What is left stays in the partitions'
// state. When ctx ends first, it stops at once and returns ctx's error.
func (d *Delivery) Drain(ctx context.Context) error {
	d.mu.Lock()
	d.draining = true
	for _, l := range d.lanes {
		d.empty(l)
	}
	d.empty(d.nowhere)
	d.mu.Unlock()
	err := d.settled(ctx)
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.wg.Wait()
	return err
}

func (d *Delivery) settled(ctx context.Context) error {
	for {
		d.mu.Lock()
		done, changed := d.busy == 0, d.changed
		d.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// spawn starts a goroutine that Drain waits for; the caller holds mu.
func (d *Delivery) spawn(f func()) {
	if !d.closed {
		d.wg.Go(f)
	}
}

// begun and ended count what Idle waits for.
func (d *Delivery) begun() { d.busy++ }

func (d *Delivery) ended() {
	d.busy--
	if d.busy == 0 {
		d.signal()
	}
}

func (d *Delivery) signal() {
	close(d.changed)
	d.changed = make(chan struct{})
}
