package journey

import (
	"slices"
	"strconv"

	"touchpoint/gateway"
)

// customer is what a partition knows of one customer.
type customer struct {
	// What each event reads comes first: it lies in two lines of the cache.
	id          gateway.CustomerID
	counters    []counter // by trait, then device
	log         timeLog   // the first one; further ones are in more
	enrollments []*enrollment
	more        *more // nil for most

	since gateway.Instant // first known; counters older than that are complete
	*profile
	devices  []gateway.DeviceID // that he has now, here
	marks    []mark             // by journey
	messages []*message
}

// profile is what he or a service set. It is never altered in place: most
// customers share the empty one.
type profile struct {
	locale     string
	zone       string
	country    string
	channels   []string
	reachable  []string
	attributes gateway.Properties
	consents   []gateway.Consent
	test       bool
	capCount   int
	capWindow  Duration
	quiet      []QuietHours // his own
}

// noProfile is the profile of who has none.
var noProfile = &profile{}

// field returns an attribute or one of the fixed fields.
func (c *profile) field(key string) (gateway.Value, bool) {
	switch key {
	case "locale":
		return gateway.String(c.locale), c.locale != ""
	case "time_zone":
		return gateway.String(c.zone), c.zone != ""
	case "country":
		return gateway.String(c.country), c.country != ""
	case "test":
		return gateway.Bool(c.test), true
	}
	return known(c.attributes, key)
}

// counter is a trait of one customer (and device, for a trait per device). It is
// what a partition has most of: four of them fit into three lines of the cache,
// and hold no pointer that the collector of garbage would follow.
type counter struct {
	device gateway.DeviceID
	first  gateway.Instant // time of the oldest event that it holds, or ever counted
	last   gateway.Instant // of the newest one
	sum    int64           // in millionths
	n      int32
	head   int32  // where its oldest entry lies in its log
	trait  uint32 // its id
	store  uint16 // the number of its log, or of its window; see stores
	flags  counterFlags
}

// clear lets the counter start anew; what it keeps elsewhere is left to the caller.
func (k *counter) clear() {
	*k = counter{device: k.device, trait: k.trait, store: k.store, flags: k.flags}
}

type counterFlags uint8

const (
	latched    counterFlags = 1 << iota // the trigger fired (and its condition still holds)
	pending                             // it would have fired while the journey was paused
	unobserved                          // a decision says that intake is incomplete
	unknown                             // a decision says that the trait has no value yet
	watched                             // looked at since its trigger became active; see fill.go
)

// mark remembers a customer's history with one journey.
type mark struct {
	journey  *journey
	exitedAt gateway.Instant
	*past
	entries uint32
	active  int32 // enrollments that run
	arm     arm8
}

type apiKey struct {
	hash       uint64
	at         gateway.Instant
	enrollment gateway.EnrollmentID
}

// arm8 is the holdout arm, stored at the first assignment.
type arm8 uint8

const (
	armNone arm8 = iota
	armTreated
	armHoldout
)

func (a arm8) String() string { return [...]string{"", "treated", "holdout"}[a] }

// enrollment is one run of a customer through a journey.
type enrollment struct {
	id      gateway.EnrollmentID
	c       *customer
	v       *version
	device  gateway.DeviceID
	product string
	*extras
	done      uint64 // steps that were completed, by index
	enteredAt gateway.Instant
	changedAt gateway.Instant
	since     gateway.Instant // exits count events from here on
	due       gateway.Instant // timer: wait over, or, when ended, forget it
	waitFrom  gateway.Instant // the wait began
	queued    queued
	visits    uint32
	step      int32 // where it stands; toEnd when it ended
	waiting   bool  // the step was begun and waits for due or an event
	absence   bool  // due stands for an event that did not come
	overdue   bool  // it is due, but a device may yet upload the event
	arm       arm8
	converted bool
	hold      holdKind // what a send step waits for
}

func (e *enrollment) ended() bool { return e.endedAt != 0 }

func (e *enrollment) armName() string {
	if e.split != "" {
		return e.split
	}
	return e.arm.String()
}

// message is one decided send. full is dropped when delivery has nothing left
// to do; the rest stays for caps, later receipts and goals.
type message struct {
	id         gateway.MessageID
	c          *customer
	enrollment gateway.EnrollmentID
	journey    *journey
	step       string
	device     gateway.DeviceID
	channel    string
	purpose    gateway.Purpose
	tags       []string
	hold       holdKind          // what its new decision waits for
	instead    gateway.MessageID // the message in whose place it was sent
	state      gateway.MessageState
	slot       slot
	slotAt     gateway.Instant // decided, later displayed
	due        gateway.Instant // timer: decide anew, or forget
	full       *gateway.Message
	queued     queued
}

// slot is a message's place under the caps.
type slot uint8

const (
	slotNone      slot = iota // counts under no cap (holdout, test, counts: false)
	slotReserved              // decided: counts however long ago
	slotCommitted             // shown: counts at slotAt
	slotReleased              // failed or expired unseen
)

// finished reports whether delivery has nothing left to do.
func (m *message) finished() bool { return m.full == nil }

// device is what the partition that holds a device knows of it.
type device struct {
	// What each event reads comes first. owner has the device now and lives here,
	// since ownedFrom; derived.
	id        gateway.DeviceID
	owner     *customer
	ownedFrom gateway.Instant
	seen      seen
	product   string

	owners []ownership // by from, latest last; without gaps only where owned
	facts  *facts      // nil for most
}

type ownership struct {
	customer gateway.CustomerID
	role     string
	from, to gateway.Instant // to 0 = open
}

// ownerAt returns who had the device at t, 0 when nobody did.
func (d *device) ownerAt(t gateway.Instant) gateway.CustomerID {
	for i := len(d.owners) - 1; i >= 0; i-- {
		if o := &d.owners[i]; o.from <= t {
			if o.to != 0 && t >= o.to {
				return 0
			}
			return o.customer
		}
	}
	return 0
}

// present returns who has the device now.
func (d *device) present() gateway.CustomerID {
	if n := len(d.owners); n > 0 && d.owners[n-1].to == 0 {
		return d.owners[n-1].customer
	}
	return 0
}

// trait is a counter's definition on this partition. Ids never change.
type trait struct {
	id    int
	typ   *eventType // whose events it counts; derived
	place uint8      // among the counters of typ; derived
	p     *Partition
	rules uint64 // bits of the rules' traits that it is; derived
	key   string // canonical text of what it counts
	spec  traitSpec
	form  form // of spec
	since gateway.Instant
	// awaits: no version that fires by it is active yet; ignore: what it met by
	// then does not fire. See fill.go.
	awaits bool
	ignore gateway.Instant
}

func (p *Partition) newTrait(id int, spec *traitSpec, since gateway.Instant) *trait {
	return &trait{id: id, p: p, key: traitKey(spec), spec: *spec, form: spec.form(), since: since}
}

// eventType indexes by name who cares for events of that type.
type eventType struct {
	name     string
	traits   []*trait
	valued   uint64      // those of them that sum exactly
	journeys []*version  // active versions whose trigger it is
	unless   []*trait    // counters whose trigger it blocks
	contact  *Touchpoint // that it stands for, nil for most
	ruled    bool        // segments or stages look at one of its counters
}

// add notes a counter of the type.
func (et *eventType) add(t *trait) {
	t.typ, t.place = et, uint8(min(len(et.traits), maxTraitsPerType)) // one beyond counts nothing
	et.traits = append(et.traits, t)
	if t.form == formSums {
		et.valued |= 1 << t.place
	}
}

// journey is one journey with its versions.
type journey struct {
	p        *Partition
	index    int
	name     string
	state    gateway.JourneyState // of the active version
	versions []*version
	active   *version
	changes  []pendingChange // published or switched, not yet effective
	scan     scan
	queued   queued
	parked   []timed // timers that fell due in a pause; derived
	limits   *limits // over the whole installation; nil for most
	pause    pause
}

// version is one published definition.
type version struct {
	journey      *journey
	number       uint32
	def          *Definition
	text         []byte
	traits       []*trait // beside def.traits
	filtered     uint32   // turned away by the trigger's filter, in the record at hand
	unowned      uint32   // belonged to nobody
	running      int      // enrollments that have not ended; derived
	state        gateway.JourneyState
	existing     bool
	*occurrences        // of its schedule; derived
	pace         int    // of existing customers a day over the installation, 0 = all at once
	migrate      string // what happens to enrollments of the version before
	fill         *fill  // its counters wait for history
}

// pendingChange is a command whose effective time has not come.
type pendingChange struct {
	at      gateway.Instant
	version uint32               // to activate, or
	state   gateway.JourneyState // to switch to
	// withdraw takes back what was not displayed; reason and rule are of a brake
	// of the journey's own.
	withdraw bool
	reason   gateway.Reason
	rule     string
}

// scan goes over the customers in portions: those who met the entry before
// the journey was published or resumed, or the enrollments to migrate.
type scan struct {
	kind scanKind
	next gateway.CustomerID
	due  gateway.Instant
	// existing says from which customer on those who stand already where the
	// trigger would put them enter: the others were looked at before.
	existing gateway.CustomerID
	guests   []gateway.CustomerID // looked at first; see guests.go
}

type scanKind uint8

const (
	scanNone scanKind = iota
	scanEntry
	scanMigrate
)

func (j *journey) version(number uint32) *version {
	i := slices.IndexFunc(j.versions, func(v *version) bool { return v.number == number })
	if i < 0 {
		return nil
	}
	return j.versions[i]
}

// mark returns the customer's mark for j, a fresh one when there is none.
func (c *customer) mark(j *journey) mark {
	for i := range c.marks {
		if c.marks[i].journey == j {
			return c.marks[i]
		}
	}
	return mark{journey: j, past: noPast}
}

// counter returns the customer's counter of a trait, nil when nothing was counted.
func (c *customer) counter(t *trait, d gateway.DeviceID) *counter {
	if !t.spec.perDev {
		d = 0
	}
	for i := range c.counters { // a handful: a scan beats a search
		if k := &c.counters[i]; int(k.trait) == t.id && k.device == d {
			return k
		}
	}
	return nil
}

func (c *customer) enrollment(id gateway.EnrollmentID) *enrollment {
	for _, e := range c.enrollments {
		if e.id == id {
			return e
		}
	}
	return nil
}

// traitKey is the identity of a counter.
func traitKey(t *traitSpec) string {
	where := ""
	if t.where != nil {
		where = t.where.text
	}
	kind := "twvbsrd"[t.form()] // traits of one form share a counter
	b := []byte{kind, '|'}
	for _, part := range []string{t.owner, t.event, t.property, where} {
		b = strconv.AppendQuote(b, part)
		b = append(b, '|')
	}
	for _, n := range []int64{int64(t.within), int64(t.limit), int64(t.silence), int64(boolInt(t.perDev)), int64(boolInt(t.anyway))} {
		b = strconv.AppendInt(b, n, 10)
		b = append(b, '|')
	}
	return string(b)
}
