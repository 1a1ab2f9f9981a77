package journey

import (
	"slices"

	"touchpoint/gateway"
)

// Definition is a compiled journey: immutable, shared by all who run it.
type Definition struct {
	Name    string
	Purpose gateway.Purpose
	// Templates holds the texts by id (of the send step) and locale.
	Templates map[string]map[string]Template
	// Channels are those that its send steps may use; nil means any.
	Channels []string

	keyBy    string // correlation key: "", "device" or the name of an event property
	maxAge   Duration
	holdout  int // of 10,000 customers; -1 = the purpose's default
	trigger  trigger
	filter   *condition
	existing bool // enroll those who meet the entry at publish
	pace     int  // of them a day
	cap      *allowance
	ramp     []rampStep
	forecast *forecast
	migrate  []migrateTarget
	reentry  reentry
	exits    []listener
	goal     *goal
	obeys    bool // caps hold for it
	counts   bool // its messages use caps up
	quiet    []QuietHours
	pressure
	traits   []traitSpec
	borrowed []string // traits of the project that it names
	steps    []step
	keep     []string // properties of the trigger that later steps and texts use
}

// Template is the text of one message in one locale, in Liquid.
type Template struct {
	Title   string
	Body    string
	Actions []Action
}

// Action is a button under a message.
type Action struct {
	ID    string
	Label string
}

type triggerKind uint8

const (
	triggerEvent triggerKind = iota + 1
	triggerThreshold
	triggerMilestone
	triggerAbsence
	triggerAPI
	triggerSequence
	triggerSegment
	triggerStage
	triggerSchedule
	triggerSilence

	triggerKinds // how many there are
)

var triggerNames = [...]string{"", "event", "threshold", "milestone", "absence", "api", "sequence", "segment", "stage", "schedule", "silence"}

// trigger starts enrollments.
type trigger struct {
	kind  triggerKind
	event string
	where *condition
	// trait indexes Definition.traits: the counter that the trigger watches;
	// unless that of the event that must not have happened; -1 = none.
	trait, unless int
	sum           bool  // of values, not a count
	atLeast       int64 // in millionths for a sum
	every         bool  // counted events are used up
	nth           uint32
	level         level    // threshold of another trait than a count or sum
	watched       string   // name of the trait for decisions
	within        Duration // threshold: window; absence: length of the silence; sequence: of the whole
	sequence      *sequence
	class         *classTrigger
	schedule      *schedule
}

// silent reports whether the trigger is the end of a silence.
func (t *trigger) silent() bool { return t.kind == triggerAbsence || t.kind == triggerSilence }

type reentryMode uint8

const (
	reentryOnce reentryMode = iota + 1
	reentryAfterExit
	reentryAfterGap
	reentryConcurrent
)

type reentry struct {
	mode reentryMode
	gap  Duration
}

// listener waits for an event (with a filter), or, with event "", for a
// condition over customer and traits.
type listener struct {
	event string
	where *condition
}

type goal struct {
	listener
	within Duration
}

type traitKind uint8

const (
	traitCount traitKind = iota + 1
	traitSum
	traitMean
	traitMin
	traitMax
	traitFirst
	traitLast
	traitSlope
	traitPercentile
	traitDistinct
)

var traitNames = map[string]traitKind{"count": traitCount, "sum": traitSum, "mean": traitMean,
	"min": traitMin, "max": traitMax, "first": traitFirst, "last": traitLast, "slope": traitSlope, "distinct": traitDistinct}

// traitSpec is a trait as a definition declares it. Two definitions that
// declare the same share the customer's counter.
type traitSpec struct {
	name     string
	kind     traitKind
	percent  int // of a percentile
	event    string
	property string
	where    *condition
	within   Duration // 0 = for ever
	perDev   bool
	// limit keeps only the newest entries: a threshold asks for no more.
	limit int32
	// owner is the journey that the counter belongs to alone, because it carries
	// that journey's latch; "" = shared.
	owner   string
	silence Duration // absence and silence triggers: the counter has a timer
	anyway  bool     // silence triggers: no device that may yet upload is waited for
}

// hears reports whether events of a type move the trait.
func (t *traitSpec) hears(event string) bool { return t.event == event || t.event == gateway.AnyEvent }

// lastKey names the time of the newest event among a decision's values.
func (t *traitSpec) lastKey() string {
	if t.event == gateway.AnyEvent {
		return "last_heard"
	}
	return "last_" + t.event
}

// valued reports whether the trait keeps a value beside each time.
func (t *traitSpec) valued() bool {
	return t.property != ""
}

// additive reports whether the trait is exact at its threshold: a count or a sum.
func (t *traitSpec) additive() bool { return t.kind == traitCount || t.kind == traitSum }

type stepKind uint8

const (
	stepSend stepKind = iota + 1
	stepWait
	stepBranch
	stepSplit
	stepSet
	stepEnd
	stepStart
	stepStop
	stepTask

	stepKinds // how many there are
)

var stepNames = [...]string{"", "send", "wait", "branch", "split", "set", "end", "start_journey", "stop_journey", "task"}

// toEnd is the target behind the last step.
const toEnd = -1

type step struct {
	id   string
	line int
	kind stepKind
	next int // index, or toEnd
	send send
	wait wait
	arms []arm // branch and split
	// journey is the one to start or to stop.
	journey string
	set     gateway.Properties
	task    taskSpec
}

type send struct {
	recipient    audience
	channels     []string
	template     string
	expiresAfter Duration
	quiet        []QuietHours
	tags         []string // of the journey and the step
	context      *gate    // nil = the journey's
	// fallbackAfter is how long the message waits for a receipt before it goes to
	// the next channel; 0 = for ever.
	fallbackAfter Duration
}

type waitKind uint8

const (
	waitFor waitKind = iota + 1
	waitEvent
	waitLocal
)

type wait struct {
	kind      waitKind
	duration  Duration // of waitFor, or timeout of waitEvent
	until     listener
	onTimeout int
	local     LocalTime
	days      []Weekday
}

// arm is one way out of a branch (the first whose condition holds) or of a
// split (buckets below upTo).
type arm struct {
	name string
	when *condition
	upTo int
	to   int
}

// stepIndex returns the index of a step, toEnd when there is none.
func (d *Definition) stepIndex(id string) int {
	return slices.IndexFunc(d.steps, func(s step) bool { return s.id == id })
}

// traitIndex returns the index of a trait by name, -1 when there is none.
func (d *Definition) traitIndex(name string) int {
	return slices.IndexFunc(d.traits, func(t traitSpec) bool { return t.name == name })
}

// listens reports whether a running enrollment cares for events of the type.
func (d *Definition) listens(event string) bool {
	if d.goal != nil && d.goal.event == event {
		return true
	}
	for i := range d.exits {
		if d.exits[i].event == event || d.exits[i].event == "" {
			return true
		}
	}
	for i := range d.steps {
		if d.steps[i].wait.kind == waitEvent && d.steps[i].wait.until.event == event {
			return true
		}
	}
	return false
}

// Template returns the text for a locale: the exact one ("de-CH"), its language
// ("de"), English, or the first by name.
func (d *Definition) Template(id, locale string) (Template, string, bool) {
	byLocale := d.Templates[id]
	language, _, _ := cutLocale(locale)
	for _, want := range []string{locale, language, "en"} {
		if t, ok := byLocale[want]; ok {
			return t, want, true
		}
	}
	names := make([]string, 0, len(byLocale))
	for name := range byLocale {
		names = append(names, name)
	}
	if len(names) == 0 {
		return Template{}, "", false
	}
	name := slices.Min(names)
	return byLocale[name], name, true
}

func cutLocale(locale string) (language, region string, found bool) {
	for i := range len(locale) {
		if locale[i] == '-' || locale[i] == '_' {
			return locale[:i], locale[i+1:], true
		}
	}
	return locale, "", false
}
