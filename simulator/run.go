package simulator

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"touchpoint/devices"
	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator/fleet"
)

// Run is a fleet at work. Its exported methods may be called while it runs.
type Run struct {
	opts  Options
	fleet *fleet.Fleet
	clock pb.ClockServiceClient
	units []*unit
	named map[string]*unit
	conns []*conn

	registrar *registrar

	// Owned by the goroutine that runs.
	now     gateway.Instant
	day     int
	planned []fleet.Planned
	actions actions
	scratch []byte
	number  uint64 // of the last publish
	virtual bool
	paced   bool // the virtual clock is to be moved steadily

	mu      sync.Mutex
	arrived []arrival
	last    Shown // newest display

	ready  atomic.Bool
	counts counts
}

type arrival struct {
	unit *unit
	down devices.Downlink
}

type counts struct {
	now, events, arrived, displayed, stale, again, lost, waited atomic.Int64
	first                                                       atomic.Int64 // wall time of the first display
}

// Progress is how far a run is, as the fleet itself sees it.
type Progress struct {
	Now       gateway.Instant // virtual time
	Start     gateway.Instant
	Living    bool  // the machines are connected
	Events    int64 // published
	Arrived   int64 // messages that reached a machine, repeats included
	Displayed int64
	Dropped   int64 // came too late and were not shown
	Repeated  int64 // handed over again after a display
	Breaks    int64 // connections that broke and came back
	Waited    int64 // times that a paced clock waited for the gateway
	First     time.Time
	Last      Shown
}

// Shown is a message on a machine's display.
type Shown struct{ Serial, Title, Body string }

// New prepares a run: it reads the gateway's clock and draws the population.
func New(ctx context.Context, o Options) (*Run, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r := &Run{opts: o, clock: pb.NewClockServiceClient(o.API), named: make(map[string]*unit)}
	resp, err := r.clock.GetClock(ctx, &pb.GetClockRequest{})
	if err != nil {
		return nil, err
	}
	r.virtual, r.paced, r.now = resp.Virtual, resp.Paced, gateway.InstantOf(resp.Now.AsTime())
	r.counts.now.Store(int64(r.now))
	if r.fleet, err = fleet.New(o.Fleet, r.now); err != nil {
		return nil, err
	}
	for i, f := range r.fleet.Units {
		u := newUnit(i, r.fleet.Product, f.Serial, r.fleet.Start)
		r.units = append(r.units, u)
		r.named[u.serial] = u
	}
	r.registrar = newRegistrar(r)
	return r, nil
}

// Progress tells how far the run is.
func (r *Run) Progress() Progress {
	c := &r.counts
	p := Progress{Now: gateway.Instant(c.now.Load()), Start: r.fleet.Start, Living: r.ready.Load(), Events: c.events.Load(),
		Arrived: c.arrived.Load(), Displayed: c.displayed.Load(), Dropped: c.stale.Load(), Repeated: c.again.Load(), Breaks: c.lost.Load(), Waited: c.waited.Load()}
	if at := c.first.Load(); at != 0 {
		p.First = time.UnixMicro(at)
	}
	r.mu.Lock()
	p.Last = r.last
	r.mu.Unlock()
	return p
}

// Machines returns how many machines the fleet has.
func (r *Run) Machines() int { return len(r.fleet.Units) }

// Run connects the machines, registers customers as they join and lets the
// fleet live until the days are over or Stop is closed; then it waits until all is quiet. It must be
// called once.
func (r *Run) Run(ctx context.Context) error {
	defer r.hangUp()
	for _, text := range r.opts.Journeys {
		if err := r.publishJourney(ctx, text); err != nil {
			return err
		}
	}
	if err := r.connect(ctx); err != nil {
		return err
	}
	r.ready.Store(true)
	r.opts.Ledger.Time(r.now)
	live := r.liveOnWallClock
	switch {
	case r.paced:
		live = r.liveAtPace
	case r.virtual:
		live = r.liveInSteps
	}
	if err := live(ctx); err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	return r.opts.Ledger.Flush()
}

func (r *Run) stopped() bool {
	select {
	case <-r.opts.Stop:
		return true
	default:
		return r.opts.Days > 0 && r.now >= r.end()
	}
}

// end is when the days are over.
func (r *Run) end() gateway.Instant {
	return r.fleet.Start.Add(time.Duration(r.opts.Days) * 24 * time.Hour)
}

// connect spreads the units over the connections.
func (r *Run) connect(ctx context.Context) error {
	n := r.opts.Fleet.Connections
	if n == 0 || n > len(r.units) {
		n = len(r.units)
	}
	filters := make([][]string, n)
	for i, u := range r.units {
		filters[i%n] = append(filters[i%n], devices.MessagesTopic(u.product, u.serial))
	}
	r.conns = make([]*conn, n)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for i := range r.conns {
		group.Go(func() (err error) {
			r.conns[i], err = dial(gctx, r.opts.MQTT, i, filters[i], r)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, u := range r.units {
		u.conn = r.conns[i%n]
	}
	return nil
}

func (r *Run) hangUp() {
	for _, c := range r.conns {
		if c != nil {
			c.close()
		}
	}
}

// message implements handler: it takes a downlink down.
func (r *Run) message(topic, payload []byte) {
	m, err := devices.DecodeDownlink(payload)
	u := r.unitOf(topic)
	if err != nil || u == nil {
		r.opts.Logger.Warn("a message that no machine understands", "bytes", len(payload), "error", err)
		return
	}
	at := m.Now
	if at == 0 {
		at = gateway.Instant(r.counts.now.Load())
	}
	r.opts.Ledger.Arrival(u.number, ledgerMessage(&m), at)
	r.counts.arrived.Add(1)
	r.mu.Lock()
	r.arrived = append(r.arrived, arrival{u, m})
	r.mu.Unlock()
}

// unitOf finds the machine of a messages topic.
func (r *Run) unitOf(topic []byte) *unit {
	t := string(topic)
	t = strings.TrimSuffix(t, "/messages")
	return r.named[t[strings.LastIndexByte(t, '/')+1:]]
}

// acked implements handler.
func (r *Run) acked(publish uint64) { r.opts.Ledger.Acked(publish) }

// returned implements handler: whoever comes back says hello.
func (r *Run) returned(c *conn) {
	r.counts.lost.Add(1)
	r.opts.Logger.Info("connected again", "connection", c.id)
	for _, u := range r.units {
		if u.conn == c {
			// Without what was shown: that list belongs to the running goroutine.
			if c.publish(context.Background(), 0, devices.HelloTopic(u.product, u.serial), nil) != nil {
				return
			}
		}
	}
	c.flush()
}

// settle waits until everything published is acknowledged.
func (r *Run) settle(ctx context.Context) error {
	for _, c := range r.conns {
		c.flush()
	}
	for _, c := range r.conns {
		if err := c.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sweep waits until every message that was handed over before has arrived.
func (r *Run) sweep(ctx context.Context) error {
	marks := make([]uint64, len(r.conns))
	for i, c := range r.conns {
		marks[i] = c.sendMark()
	}
	for i, c := range r.conns {
		if err := c.awaitMark(ctx, marks[i]); err != nil {
			return err
		}
	}
	return nil
}

// drain waits until nothing is under way: everything is acknowledged, decided,
// handed over and answered.
func (r *Run) drain(ctx context.Context) error {
	for range 50 {
		if err := r.settle(ctx); err != nil {
			return err
		}
		if r.virtual {
			if err := r.decided(ctx); err != nil {
				return err
			}
		}
		if err := r.sweep(ctx); err != nil {
			return err
		}
		n, err := r.receive(ctx)
		if err != nil {
			return err
		}
		if n == 0 && r.quiet(ctx) {
			return r.settle(ctx)
		}
	}
	return errors.New("the gateway keeps sending messages: it does not get quiet")
}

// quiet tells whether nothing comes for a while; in lock-step, nothing can.
func (r *Run) quiet(ctx context.Context) bool {
	if r.virtual {
		return true
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.arrived) == 0
}
