package reference

import (
	"fmt"
	"maps"
	"slices"

	"touchpoint/gateway"
)

// world is the reference's whole state: lists, and nothing that is counted
// ahead of time.
type world struct {
	cfg        config
	partitions int
	now        gateway.Instant
	before     gateway.Instant // the record at hand
	observed   gateway.Instant
	serial     int // numbers what happens, in the order in which it happens
	journeys   []*journey
	customers  map[gateway.CustomerID]*customer
	devices    map[gateway.DeviceID]*device
	erased     map[gateway.CustomerID]bool

	decisions []decision
	messages  []*message
	updates   []update
	tasks     []*task
	// rules is no journey: it holds the traits of the rules.
	rules   *journeyDef
	onEnter func(*run) // tells its name, where it is known
	later   []later    // put off to the end of the input
	chain   []*journey // that led here without a wait
	// fired is how many timers fired in the present action.
	fired  int
	turned map[string]*turned // away, by journey and version
	except *message           // its slot does not count
	stood  gateway.Instant    // the candidate at hand competes since
	claims []claim            // of better candidates whose window is still open
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

	traits           []traitDef
	segments, stages []ruleDef
	states           []stateDef
	suspend          gateway.Instant // how long an open case does
	discard          bool            // what a case suspends
	uploads          map[string]uploadDef
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
	scan     bool   // since resumed, crossings of a pause are to be made good
	resumed  gateway.Instant
	// Of a sequence: the events that came while it was archived, and those that
	// were decided about.
	deaf, fired map[int]bool
	began       gateway.Instant   // its first publication
	taken       []gateway.Instant // places under the entry cap
	sent        []gateway.Instant // messages, to the minute
}

// customer is one person with everything that ever happened.
type customer struct {
	id         gateway.CustomerID
	zone       string
	locale     string
	country    string
	channels   []string
	reachable  []string
	attributes map[string]any
	test       bool
	capMax     int
	capPer     gateway.Instant
	quiet      []quietDef
	consents   []consent
	events     []event
	runs       []*run
	sent       []*message
	latches    map[latchKey]*latch
	arms       map[string]string
	entries    map[string]int
	keys       map[string]*run // API keys
	touched    map[string]bool // identities of touchpoints without a device
	tasks      []*task
	class      *class
	times      map[*journey]*occasion
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
	came    gateway.Instant
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
	told    gateway.Instant // absence: said of the silence after this time that it cannot be decided
}

type device struct {
	id      gateway.DeviceID
	product string
	zone    string
	owners  []owner
	seen    map[string]bool
	told    []told // of its state
	heard   []heardOf
	nobodys map[string]bool // journeys that said it belongs to nobody
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
	hold     string          // for: a time (""), context, case
	began    gateway.Instant // the wait
	due      gateway.Instant // 0 = waits for nothing
	overdue  bool            // it stands for one that may still be told
	absence  bool            // due stands for an event that did not come
	entered  gateway.Instant
	changed  gateway.Instant
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
	event    string // that started it
}

// standing is a send that competes for a slot until its instant, or its
// journey's decision window, is over.
type standing struct {
	since gateway.Instant
	at    gateway.Instant // of the event that led here
	cause cause
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
	hold      string          // what it waits for, as above
	silent    gateway.Instant // without a receipt until then the next channel is tried
	decided   gateway.Instant
	tags      []string
	def       *journeyDef
	product   string
	locale    string
	cause     cause
}

// cause is the event that led to a send; none for a timer.
type cause struct {
	event string
	came  gateway.Instant
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
	rule     string
	values   map[string]any
	arm      string
	split    string
	run      *run
	message  *message
}

// turned away are events that came to no decision: the filter said no, or they
// are of a device that nobody has.
type turned struct{ filtered, unowned int }

func (w *world) turnAway(d *journeyDef) *turned {
	key := fmt.Sprint(d.name, " v", d.version)
	if w.turned[key] == nil {
		w.turned[key] = &turned{}
	}
	return w.turned[key]
}

type update struct {
	message *message
	state   string
	at      gateway.Instant
	detail  string
}

func newWorld(cfg config, partitions int) *world {
	return &world{cfg: cfg, partitions: partitions, turned: map[string]*turned{}, rules: &journeyDef{traits: cfg.traits}, customers: map[gateway.CustomerID]*customer{}, devices: map[gateway.DeviceID]*device{},
		erased: map[gateway.CustomerID]bool{}}
}

func (w *world) customer(id gateway.CustomerID) *customer {
	c := w.customers[id]
	if c == nil {
		c = &customer{id: id, attributes: map[string]any{}, latches: map[latchKey]*latch{}, arms: map[string]string{},
			entries: map[string]int{}, keys: map[string]*run{}, touched: map[string]bool{},
			times: map[*journey]*occasion{}}
		w.customers[id] = c
		w.classify(c, nil, nil)
		for _, j := range w.journeys {
			w.armSchedule(j, c)
		}
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
	d.sign(r)
	if d.kind == "send" {
		d.audit(r.def)
	}
	if d.device == 0 {
		d.device = r.device
	}
	w.decide(d)
}

// sign notes the arms of an enrollment; a test customer counts in none.
func (d *decision) sign(r *run) {
	if !r.c.test {
		d.arm, d.split = r.arm, r.splitArm
	}
}

// audit notes the legal basis of a safety journey.
func (d *decision) audit(def *journeyDef) {
	if def.purpose == "safety" {
		d.see("legal_basis", legalBasis)
	}
}

// see notes what was looked at.
func (d *decision) see(key string, v any) {
	if d.values = maps.Clone(d.values); d.values == nil {
		d.values = map[string]any{}
	}
	d.values[key] = v
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
