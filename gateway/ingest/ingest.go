package ingest

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/semaphore"

	"touchpoint/devices"
	"touchpoint/gateway"
)

// Ingest takes inputs in. Its methods may be called from any goroutine; inputs
// that come through one call after another keep their order per partition.
type Ingest struct {
	Options
	router  *Router
	parts   []*partition
	room    *semaphore.Weighted // bytes that devices may have in flight
	scratch sync.Pool           // of *scratch
	dead    chan deadJob
	mark    watermark
	count   counters

	ctx    context.Context // ends when the goroutines shall stop
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.RWMutex
	draining bool
}

// scratch is what one decoding needs; reused.
type scratch struct {
	dec *devices.Decoder
	up  devices.Uplink
	// inputs of the message, before they are copied into a batch
	inputs []gateway.Input
}

// New starts an Ingest. Close it with Drain.
func New(o Options) (*Ingest, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	i := &Ingest{Options: o, router: newRouter(o.Partitions), room: semaphore.NewWeighted(o.MaxBytes), dead: make(chan deadJob, 64)}
	i.scratch.New = func() any { return &scratch{dec: devices.NewDecoder(o.Registry, o.Limits)} }
	i.mark.source = o.Watermark
	if !o.Clock.LockStep() {
		i.mark.settle = settle
	}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	for n := range o.Partitions {
		p := newPartition(i, n)
		i.parts = append(i.parts, p)
		i.wg.Go(p.run)
	}
	i.wg.Go(i.buryAll)
	return i, nil
}

// Router returns the routing hints, to be fed with the Routes of steps.
func (i *Ingest) Router() *Router { return i.router }

// Home returns the partition where a customer lives as far as is known here.
func (i *Ingest) Home(c gateway.CustomerID) int { return i.router.Home(c) }

// Holder returns the partition that holds a device as far as is known here.
func (i *Ingest) Holder(d gateway.DeviceID) int {
	p, _ := i.router.Find(d)
	return p
}

// Submit appends one input to a partition and returns when it is durable. When
// ctx ends first the error is of kind OutcomeUnknown: the input may follow.
func (i *Ingest) Submit(ctx context.Context, partition int, in gateway.Input) (gateway.Position, error) {
	pos, err := i.SubmitMany(ctx, []gateway.Forward{{To: partition, Input: in}})
	if err != nil {
		return gateway.Position{}, err
	}
	return pos[0], nil
}

// SubmitMany appends inputs, each to its partition, and returns when all are
// durable, with their positions. On an error some may be durable.
func (i *Ingest) SubmitMany(ctx context.Context, inputs []gateway.Forward) ([]gateway.Position, error) {
	w := newWaiter(len(inputs))
	if err := i.enqueueAll(inputs, w); err != nil {
		return nil, err
	}
	if err := w.wait(ctx); err != nil {
		return nil, err
	}
	return w.at, errors.Join(w.errs...)
}

// Record routes and appends events of the API, sealing what their model marks
// as personal, and returns a position or an error for each.
func (i *Ingest) Record(ctx context.Context, events []gateway.Event) ([]gateway.Position, []error) {
	errs := make([]error, len(events))
	inputs := make([]gateway.Forward, 0, len(events))
	index := make([]int, 0, len(events))
	for n := range events {
		in, err := i.recorded(ctx, events[n])
		if err != nil {
			errs[n] = err
			continue
		}
		inputs, index = append(inputs, in), append(index, n)
	}
	positions := make([]gateway.Position, len(events))
	w := newWaiter(len(inputs))
	err := i.enqueueAll(inputs, w)
	if err == nil {
		err = w.wait(ctx)
	}
	for k, n := range index {
		if err != nil {
			errs[n] = err
			continue
		}
		positions[n], errs[n] = w.at[k], w.errs[k]
	}
	return positions, errs
}

func (i *Ingest) recorded(ctx context.Context, e gateway.Event) (gateway.Forward, error) {
	if e.Device == 0 && e.Customer == 0 {
		return gateway.Forward{}, gateway.InvalidField("device", "is missing: an event is of a device or of a customer")
	}
	to := i.router.Home(e.Customer)
	owner := e.Customer
	if e.Device != 0 {
		to, owner = i.router.Find(e.Device)
	}
	profile := i.Registry.Lookup(e.Product)
	if profile != nil {
		props, err := i.sealPersonal(ctx, profile, e.Device, owner, e.Properties, true)
		if err != nil {
			return gateway.Forward{}, err
		}
		e.Properties = props
	}
	return gateway.Forward{To: to, Input: gateway.Input{Event: e}}, nil
}

func (i *Ingest) enqueueAll(inputs []gateway.Forward, w *waiter) error {
	i.mu.RLock()
	defer i.mu.RUnlock()
	if i.draining {
		return errDraining
	}
	for n := range inputs {
		if to := inputs[n].To; to < 0 || to >= len(i.parts) {
			return gateway.Errorf(gateway.Internal, "there is no partition %d of %d", to, len(i.parts))
		}
	}
	for n := range inputs {
		i.parts[inputs[n].To].enqueue(&inputs[n].Input, meta{size: inputSize(&inputs[n].Input), waiter: w, index: n})
	}
	return nil
}

var errDraining = gateway.Errorf(gateway.Unavailable, "the gateway is stopping: try again in a moment")

// Flush waits until everything that was handed over before is durable.
func (i *Ingest) Flush(ctx context.Context) error {
	for _, p := range i.parts {
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	return i.flushDead(ctx)
}

// Drain refuses what comes from now on, waits until everything before is
// durable or ctx ends, and stops. What is then not durable was not acknowledged.
func (i *Ingest) Drain(ctx context.Context) error {
	i.mu.Lock()
	i.draining = true
	i.mu.Unlock()
	err := i.Flush(ctx)
	i.cancel()
	i.wg.Wait()
	return err
}

// waiter collects the results of inputs that were submitted together.
type waiter struct {
	mu   sync.Mutex
	left int
	at   []gateway.Position
	errs []error
	done chan struct{}
}

func newWaiter(n int) *waiter {
	w := &waiter{left: n, at: make([]gateway.Position, n), errs: make([]error, n), done: make(chan struct{})}
	if n == 0 {
		close(w.done)
	}
	return w
}

func (w *waiter) result(index int, at gateway.Position, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[index], w.errs[index] = at, err
	if w.left--; w.left == 0 {
		close(w.done)
	}
}

func (w *waiter) wait(ctx context.Context) error {
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return &gateway.Error{Kind: gateway.OutcomeUnknown, Text: "the input is on its way but not stored yet", Err: ctx.Err()}
	}
}
