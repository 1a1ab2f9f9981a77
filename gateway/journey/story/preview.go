package story

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// cmdPreview: preview FILE [running=] tells what its publication would do now.
func (s *Session) cmdPreview(a args) error {
	text, err := s.file(a.plain[0])
	if err != nil {
		return err
	}
	w := s.world()
	text = journey.Standalone(text, w.Config().Traits)
	pv, err := journey.NewPreview(text, cmp.Or(a.named["running"], "pin"), w.Config(), w.Clock())
	if err != nil {
		return err
	}
	wanted := gateway.Filling{Partition: -1, Needs: pv.Needs()}
	for i := range s.history {
		if r := &s.history[i]; journey.FillWants(&wanted, r.partition, r.seq, uint32(r.index), &r.ev.Event) {
			pv.Count(r.ev.Customer, &r.ev.Event)
		}
	}
	var found journey.PreviewResult
	for _, p := range w.Partitions() {
		pv.Look(p, &found)
	}
	s.out = append(s.out, fmt.Sprintf("%d meet the entry", found.Meet))
	for _, reason := range slices.Sorted(maps.Keys(found.Reasons)) {
		s.out = append(s.out, fmt.Sprintf("%s: %d", reason, found.Reasons[reason]))
	}
	for _, step := range found.Steps {
		s.out = append(s.out, fmt.Sprintf("inside v%d at %s: %d, %s %s", step.Version, step.Step, step.Count, step.Outcome, step.Target))
	}
	return nil
}
