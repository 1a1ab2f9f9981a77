package reference

import (
	"cmp"
	"slices"

	"touchpoint/gateway"
)

// world is the reference's whole state: lists, and nothing that is counted
// ahead of time.
type world struct {
	cfg       config
	now       gateway.Instant
	observed  gateway.Instant
	serial    int // numbers what happens, in the order in which it happens
	journeys  []*journey
	customers map[gateway.CustomerID]*customer
	devices   map[gateway.DeviceID]*device
	erased    map[gateway.CustomerID]bool

	decisions []decision
	messages  []*message
	updates   []update
	// fired is how many timers fired in the present action.
	fired  int
	claims []claim // of better candidates whose window is still open
}

type config struct {
	zone    string
	dedup   gateway.Instant
	maxAge  gateway.Instant
	holdout int // percent of marketing
	caps    []capDef
	quiet   []quietDef
	order   []string
	expires gateway.Instant
}

type capDef struct {
	name     string
	channels []string
	purposes []string
	tags     []string
	max      int
	per      gateway.Instant
	calendar string
}

// journey is a journey by its name; versions in the order of publication.
type journey struct {
	def      *journeyDef // the active version
	versions []*journeyDef
	state    string // published, paused or archived
	since    int    // serial of its first publication: earlier events are not counted
	scan     bool   // crossings of a pause are to be made good
	// Of a sequence: the events that came while it was archived, and those that
	// were decided about.
	deaf, fired map[int]bool
}

// customer is one person with everything that ever happened.
type customer struct {
	id         gateway.CustomerID
	zone       string
	channels   []string
	reachable  []string
	attributes map[string]any
	test       bool
	capMax     int
	capPer     gateway.Instant
	consents   []consent
	events     []event
	runs       []*run
	sent       []*message
	latches    map[latchKey]*latch
	arms       map[string]string
	entries    map[string]int
	keys       map[string]*run // API keys
	touched    map[string]bool // identities of touchpoints without a device
}

type consent struct {
	purpose, channel string
	granted          bool
	at               gateway.Instant
}

// event is an accepted event of a customer.
type event struct {
	serial  int
	id      string
	at      gateway.Instant
	typ     string
	device  gateway.DeviceID
	product string
	props   map[string]any
	ref     string // its identity
}

type latchKey struct {
	journey string
	device  gateway.DeviceID
}

// latch is what a counting or absence trigger remembers.
type latch struct {
	closed  bool
	pending bool            // crossed in a pause
	usedUp  int             // events up to this serial are used up (every: N)
	silent  gateway.Instant // absence: decided for the silence after this time
}

type device struct {
	id      gateway.DeviceID
	product string
	owners  []owner
	seen    map[string]bool
	told    map[string]bool // journeys that said it belongs to nobody
}

type owner struct {
	customer gateway.CustomerID
	from, to gateway.Instant // to 0 = still
}

func (d *device) at(t gateway.Instant) gateway.CustomerID {
	for _, o := range d.owners {
		if o.from <= t && (o.to == 0 || t < o.to) {
			return o.customer
		}
	}
	return 0
}

func (d *device) present() gateway.CustomerID {
	for _, o := range d.owners {
		if o.to == 0 {
			return o.customer
		}
	}
	return 0
}

// run is one enrollment.
type run struct {
	id       gateway.EnrollmentID // the core's name for it
	c        *customer
	j        *journey
	def      *journeyDef
	device   gateway.DeviceID
	key      string
	props    map[string]any // of the event that started it
	step     int
	waiting  bool
	held     gateway.Instant // a send waits since
	began    gateway.Instant // the wait
	due      gateway.Instant // 0 = waits for nothing
	absence  bool            // due stands for an event that did not come
	entered  gateway.Instant
	since    gateway.Instant // exits look at events from here on
	over     bool
	reason   string
	exited   gateway.Instant
	goal     bool
	visits   uint32
	arm      string
	splitArm string
	product  string
	stand    *standing
}

// standing is a send that competes for a slot until its instant, or its
// journey's decision window, is over.
type standing struct {
	since gateway.Instant
	at    gateway.Instant // of the event that led here
	event string
}

// message is one decided send.
type message struct {
	id       gateway.MessageID
	run      *run
	step     string
	visit    uint32
	device   gateway.DeviceID
	channel  string
	fallback []string
	holdout  bool
	notAfter gateway.Instant
	expires  gateway.Instant

	notBefore gateway.Instant
	instead   *message // in whose place it was sent
	values    map[string]any
	state     string
	slot      string // none reserved shown free
	slotAt    gateway.Instant
	closed    bool
	due       gateway.Instant // missed its window: decided anew then
	decided   gateway.Instant
	tags      []string
	def       *journeyDef
}

type decision struct {
	at       gateway.Instant
	kind     string
	reason   string
	journey  string
	version  uint32
	step     string
	customer gateway.CustomerID
	device   gateway.DeviceID
	event    string
	rule     string // compared where the reference states one
	run      *run
	message  *message
}

type update struct {
	message *message
	state   string
	at      gateway.Instant
}

func newWorld(cfg config) *world {
	return &world{cfg: cfg, customers: map[gateway.CustomerID]*customer{}, devices: map[gateway.DeviceID]*device{},
		erased: map[gateway.CustomerID]bool{}}
}

func (w *world) customer(id gateway.CustomerID) *customer {
	c := w.customers[id]
	if c == nil {
		c = &customer{id: id, attributes: map[string]any{}, latches: map[latchKey]*latch{}, arms: map[string]string{},
			entries: map[string]int{}, keys: map[string]*run{}, touched: map[string]bool{}}
		w.customers[id] = c
	}
	return c
}

func (w *world) device(id gateway.DeviceID) *device {
	d := w.devices[id]
	if d == nil {
		d = &device{id: id, seen: map[string]bool{}}
		w.devices[id] = d
	}
	return d
}

func (w *world) decide(d decision) {
	d.at = w.now
	w.decisions = append(w.decisions, d)
}

func (w *world) decideRun(r *run, d decision) {
	d.journey, d.version, d.customer, d.run = r.def.name, r.def.version, r.c.id, r
	if d.device == 0 {
		d.device = r.device
	}
	w.decide(d)
}

// devicesOf lists a customer's present devices by id.
func (w *world) devicesOf(c *customer) (out []gateway.DeviceID) {
	for id, d := range w.devices {
		if d.present() == c.id {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (c *customer) latch(j *journey, d gateway.DeviceID) *latch {
	if !j.def.trigger.perDevice {
		d = 0
	}
	k := latchKey{j.def.name, d}
	if c.latches[k] == nil {
		c.latches[k] = &latch{}
	}
	return c.latches[k]
}

// --- time ---

// timer is something that is due.
type timer struct {
	due gateway.Instant
	id  uint64
	do  func()
}

// timers lists everything that waits, by brute force: pure ones before bound,
// absences before the watermark.
func (w *world) timers(bound gateway.Instant) (out []timer) {
	for i, j := range w.journeys {
		if j.scan {
			out = append(out, timer{0, uint64(i), func() { w.makeGood(j) }})
		}
	}
	for _, c := range w.customers {
		for _, r := range c.runs {
			limit := bound
			if r.absence {
				limit = w.observed
			}
			if !r.over && r.due != 0 && r.due < limit && r.j.state != "paused" {
				id := leading(r.id) >> 1
				if r.stand != nil {
					id |= 1 << 63 // those who compete come after all else of the instant
				}
				out = append(out, timer{r.due, id, func() { w.runDue(r) }})
			}
		}
		for _, m := range c.sent {
			if m.due != 0 && m.due < bound && m.run.j.state != "paused" {
				out = append(out, timer{m.due, leading(m.id)>>1 | 1<<63, func() { w.arbitrate(c) }})
			}
		}
		for _, j := range w.journeys {
			if j.def.trigger.kind == "absence" && j.state != "paused" {
				if due := w.silentUntil(c, j); due != 0 && due < w.observed {
					out = append(out, timer{due, 0, func() { w.silence(c, j) }})
				}
			}
		}
	}
	return out
}

// fire lets timers fire in their order until none is due.
func (w *world) fire(bound gateway.Instant) {
	for {
		due := w.timers(bound)
		if len(due) == 0 {
			return
		}
		first := slices.MinFunc(due, func(a, b timer) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id)) })
		w.now = max(w.now, first.due)
		w.fired++
		first.do()
	}
}

// nextDue returns the earliest time at which something is due, 0 for never.
func (w *world) nextDue() (next gateway.Instant) {
	observed := w.observed
	w.observed = 1 << 60
	for _, t := range w.timers(1 << 60) {
		if next == 0 || t.due < next {
			next = t.due
		}
	}
	w.observed = observed
	return next
}

func leading(id [16]byte) (v uint64) {
	for _, b := range id[:8] {
		v = v<<8 | uint64(b)
	}
	return v
}

// silentUntil returns when the silence of an absence trigger is complete, 0
// when there is none to wait for.
func (w *world) silentUntil(c *customer, j *journey) gateway.Instant {
	last := gateway.Instant(0)
	for _, e := range c.events {
		if e.serial > j.since && e.typ == j.def.trigger.event && w.matches(j.def.trigger.where, c, nil, &e) {
			last = max(last, e.at)
		}
	}
	if last == 0 || last == c.latch(j, 0).silent {
		return 0
	}
	return last + j.def.trigger.within
}

// silence is the end of a silence.
func (w *world) silence(c *customer, j *journey) {
	due := w.silentUntil(c, j)
	c.latch(j, 0).silent = due - j.def.trigger.within
	if j.state != "published" {
		return
	}
	var d gateway.DeviceID
	if devices := w.devicesOf(c); len(devices) > 0 {
		d = devices[0]
	}
	w.enter(j, c, nil, d, w.now-j.def.trigger.within)
}
