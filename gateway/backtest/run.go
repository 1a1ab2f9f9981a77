package backtest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// Assume says what would have become of a message that was never sent.
type Assume string

// The assumptions.
const (
	AssumeDisplayed Assume = "displayed" // at once: it counts for caps from then on
	AssumeNever     Assume = "never"     // it expires without being shown
)

// Options say what to run.
type Options struct {
	// Draft is the definition to try; without one, Journey is reproduced as it
	// was published. A draft that is what was published at From is reproduced,
	// too.
	Draft   []byte
	Journey string
	// From and To bound what is reported, From <= t < To; 0 leaves a side open.
	// The draft is published at From, with its counters warm.
	From, To gateway.Instant
	// Existing and Running are as for a publication.
	Existing, Running string
	Assume            Assume
	// Samples is how many customers are followed in the report.
	Samples int
	// Rules are used where none were recorded.
	Rules journey.Config
	// Now is the present, at which the history ends, so that progress can be told.
	Now gateway.Instant
	// Progress, if any, is called now and then.
	Progress func(Progress)
	// Step, if any, is called for every step of the run that is reported.
	Step func(*gateway.Step)
}

func (o *Options) fill() error {
	if o.Draft != nil {
		def, err := journey.Compile(o.Draft, journey.Env{})
		if err != nil {
			return err
		}
		if o.Journey != "" && o.Journey != def.Name {
			return gateway.InvalidField("journey", "is %q, the draft's name is %q", o.Journey, def.Name)
		}
		o.Journey = def.Name
	}
	switch {
	case o.Journey == "":
		return gateway.InvalidField("journey", "is needed, or a draft")
	case o.To != 0 && o.To <= o.From:
		return gateway.InvalidField("to", "must be later than from")
	case o.Assume == "":
		o.Assume = AssumeDisplayed
	case o.Assume != AssumeDisplayed && o.Assume != AssumeNever:
		return gateway.InvalidField("assume", "is %q, allowed are displayed and never", string(o.Assume))
	}
	o.Rules = o.Rules.WithDefaults()
	return nil
}

// Run runs a backtest over everything that was recorded up to Options.To. Its
// memory is that of the partitions' state: twice for a draft, since the recorded
// course is run beside it to compare.
func Run(ctx context.Context, src Source, o Options) (*Report, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	r := newRun(&o)
	err := src.Read(ctx, Range{}, r.record)
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	r.finish()
	return r.report(), nil
}

// run is one backtest.
type run struct {
	o        *Options
	notes    notes
	recorded map[int]*lane // the course as it was
	drafted  map[int]*lane // with the draft; nil when there is none
	ended    map[int]bool  // lanes that have reached To
	draft    *draft
	tally    *tally
	// spare counts the recorded course as well, as long as the draft may turn out
	// to be what was published: without a From, that is only known on the way.
	spare   *tally
	others  others
	work    Work
	started time.Time
	told    time.Time
	// published and versions are what was published last, by journey.
	published map[string][]byte
	versions  map[string]uint32
}

func newRun(o *Options) *run {
	r := &run{o: o, recorded: map[int]*lane{}, ended: map[int]bool{}, started: time.Now(), published: map[string][]byte{}, versions: map[string]uint32{}}
	if o.Draft != nil {
		r.drafted = map[int]*lane{}
		r.draft = newDraft(o)
		r.others = newOthers(o)
	}
	return r
}

// record runs one record in both courses.
func (r *run) record(rec *Record) error {
	b := &rec.Batch
	if r.o.To != 0 && b.RecordTime >= r.o.To && (r.ended[b.Partition] || r.over(b.RecordTime)) {
		return r.stopWhenOver(b.RecordTime)
	}
	l := r.recorded[b.Partition]
	if l == nil {
		if r.o.To != 0 && b.RecordTime >= r.o.To {
			return nil
		}
		l = newLane(b.Partition, r.o.Rules)
		r.recorded[b.Partition] = l
	}
	if err := r.notes.begin(rec, l); err != nil {
		return err
	}
	if r.tally == nil {
		r.tally = newTally(r.o, zoneOf(l.cfg))
		if r.draft != nil && r.o.From == 0 {
			r.spare = newTally(r.o, zoneOf(l.cfg))
		}
	}
	if r.draft != nil && !r.draft.decided && b.RecordTime >= r.o.From {
		r.decide(b.RecordTime)
	}
	r.note(b)
	if r.work.Records%256 == 0 {
		r.tell(rec)
	}
	l.apply(b, func(s *gateway.Step) {
		r.notes.compare(rec, s)
		r.sawRecorded(s)
	})
	if r.draft != nil {
		if err := r.draft.record(r, rec, l); err != nil {
			return err
		}
	}
	r.others.settle()
	if r.o.To != 0 && b.RecordTime >= r.o.To {
		r.ended[b.Partition] = true
	}
	return nil
}

// patience is how long after To a partition is waited for that has been quiet:
// its next record fires what fell due before To.
const patience = 24 * time.Hour

func (r *run) over(at gateway.Instant) bool {
	return len(r.ended) == len(r.recorded) || at >= r.o.To.Add(patience)
}

func (r *run) stopWhenOver(at gateway.Instant) error {
	if r.over(at) {
		return errEnough
	}
	return nil
}

// decide finds out at From whether the draft is what ran anyway.
func (r *run) decide(at gateway.Instant) {
	r.draft.decided = true
	if r.draft.from = r.o.From; r.draft.from == 0 {
		r.draft.from = at
	}
	r.draft.version = r.versions[r.o.Journey] + 1
	if text, ok := r.published[r.o.Journey]; ok && bytes.Equal(text, r.o.Draft) {
		r.reproduce()
	}
}

// reproduce goes on with the recorded course alone: the draft is what ran.
func (r *run) reproduce() {
	r.draft, r.drafted, r.others = nil, nil, others{}
	if r.spare != nil {
		r.tally, r.spare = r.spare, nil
	}
}

// note keeps what the report must know of a record.
func (r *run) note(b *gateway.Batch) {
	r.notes.erasures(b)
	w := &r.work
	if w.Records++; w.Records == 1 {
		w.First = b.RecordTime
	}
	w.Inputs += int64(len(b.Inputs))
	w.Last = max(w.Last, b.RecordTime)
	for i := range b.Inputs {
		if c, ok := b.Inputs[i].Command.(gateway.PublishJourney); ok {
			r.published[c.Journey], r.versions[c.Journey] = bytes.Clone(c.Definition), c.Version
			if r.spare != nil && c.Journey == r.o.Journey && bytes.Equal(c.Definition, r.o.Draft) {
				r.reproduce()
			}
		}
	}
}

// tell reports progress, several times a second.
func (r *run) tell(rec *Record) {
	if r.o.Progress == nil || time.Since(r.told) < 100*time.Millisecond {
		return
	}
	r.told = time.Now()
	at, end := rec.Batch.RecordTime, r.o.To
	if end == 0 {
		end = r.o.Now
	}
	p := Progress{At: at, Records: r.work.Records, Inputs: r.work.Inputs, Share: rec.Share}
	if end > r.work.First {
		p.Share = max(p.Share, min(float64(at-r.work.First)/float64(end-r.work.First), 1))
	}
	r.o.Progress(p)
}

// sawRecorded takes a step of the recorded course.
func (r *run) sawRecorded(s *gateway.Step) {
	if r.draft == nil {
		r.saw(s)
		return
	}
	r.others.recorded(s)
	if r.spare != nil {
		r.spare.step(s)
	}
}

// saw takes a step of the course that is reported.
func (r *run) saw(s *gateway.Step) {
	r.tally.step(s)
	if r.o.Step != nil {
		r.o.Step(s)
	}
}

// finish lets fire what fell due before To, or with a draft before the end of the
// history, and met no record any more.
func (r *run) finish() {
	end := r.o.To - 1
	if r.o.To == 0 || r.work.Last < end {
		if r.o.To != 0 && len(r.recorded) > 0 && r.work.Last < r.o.To.Add(-time.Hour) {
			r.notes.add(NoteHistoryEnds, 0, r.work.Last, "the history ends at %s", clockText(r.work.Last))
		}
		if r.draft == nil {
			return
		}
		end = r.work.Last
	}
	for _, p := range slices.Sorted(maps.Keys(r.recorded)) {
		if l := r.recorded[p]; !r.ended[p] {
			l.inject(end, l.observed, r.sawRecorded, gateway.Input{Command: gateway.Tick{}})
		}
	}
	if r.draft == nil {
		return
	}
	for _, p := range slices.Sorted(maps.Keys(r.drafted)) {
		if l := r.drafted[p]; !r.ended[p] {
			r.draft.wait(r, l, end+1, l.now-l.observed)
		}
	}
}

func (r *run) report() *Report {
	out := &Report{Journey: r.o.Journey, Draft: r.draft != nil, From: r.o.From, To: r.o.To, Work: r.work}
	out.Work.Partitions = len(r.recorded)
	out.Work.Took = time.Since(r.started)
	if r.draft != nil {
		r.draft.explain(&r.notes)
	}
	if r.tally != nil {
		r.tally.report(out, r.steps())
	}
	if out.Draft {
		out.Version = 0
		out.Others = r.others.report()
	}
	out.Notes = r.notes.list()
	out.Exact = true
	for _, n := range out.Notes {
		out.Exact = out.Exact && n.Exact()
	}
	return out
}

// steps returns the names of the journey's steps in their order.
func (r *run) steps() []string {
	text := r.o.Draft
	if r.draft == nil {
		text = r.published[r.o.Journey]
	}
	def, err := journey.Compile(text, journey.Env{})
	if err != nil {
		return nil
	}
	return def.StepNames()
}

func zoneOf(cfg journey.Config) *time.Location {
	zone, err := time.LoadLocation(cfg.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}
