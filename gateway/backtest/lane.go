package backtest

import (
	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// lane runs the core of one partition.
type lane struct {
	core  *journey.Partition
	cfg   journey.Config
	print string // the rules as they were noted
	now   gateway.Instant
	// observed is the watermark of the last record.
	observed gateway.Instant
	step     gateway.Step
}

// newLane makes an empty partition. Rules that were not recorded are those of
// fallback.
func newLane(partition int, fallback journey.Config) *lane {
	fallback.Partition = partition
	return &lane{core: journey.NewPartition(fallback), cfg: fallback}
}

// setRules goes on under other settings, as a gateway does that is started anew.
func (l *lane) setRules(text []byte) (changed bool, err error) {
	rules, err := journey.ParseRules(text)
	if err != nil {
		return false, err
	}
	if rules.First = false; l.print == rules.String() {
		return false, nil
	}
	cfg := rules.Config
	cfg.Partition = l.cfg.Partition
	next := journey.NewPartition(cfg)
	if l.now != 0 {
		if err := next.Restore(l.core.AppendSnapshot(nil)); err != nil {
			return false, err
		}
	}
	changed = l.print != ""
	l.core, l.cfg, l.print = next, cfg, rules.String()
	return changed, nil
}

// apply applies a record and calls each for what it decided: for several steps
// when much fell due before it. The step is only valid during the call.
func (l *lane) apply(b *gateway.Batch, each func(*gateway.Step)) {
	for {
		s := &l.step
		*s = gateway.Step{
			Applied: s.Applied[:0], Outcomes: s.Outcomes[:0], Changes: s.Changes[:0], Messages: s.Messages[:0], Updates: s.Updates[:0],
			Decisions: s.Decisions[:0], Entered: s.Entered[:0], Routes: s.Routes[:0],
		}
		l.core.Apply(b, s)
		l.now, l.observed = s.Now, s.Observed
		each(s)
		if !s.More {
			return
		}
	}
}

// inject applies inputs that were not recorded, at a time that is not before the
// partition's, with a watermark.
func (l *lane) inject(at, observed gateway.Instant, each func(*gateway.Step), inputs ...gateway.Input) {
	l.apply(&gateway.Batch{Partition: l.cfg.Partition, RecordTime: max(at, l.now), Observed: observed, Inputs: inputs}, each)
}
