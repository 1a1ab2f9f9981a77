package journey

import "touchpoint/gateway"

// What the filter of a trigger turns away comes to no decision: it is counted
// per journey, at no cost beside the counting.

// filteredOut counts one that the trigger's filter turned away.
func (p *Partition) filteredOut(v *version) {
	if v.filtered == 0 {
		p.filtering = append(p.filtering, v)
	}
	v.filtered++
}

// tellFiltered writes the counts of a record into its step.
func (p *Partition) tellFiltered() {
	for _, v := range p.filtering {
		p.addFiltered(v)
		v.filtered = 0
	}
	p.filtering = p.filtering[:0]
}

func (p *Partition) addFiltered(v *version) {
	for i := range p.out.Filtered {
		if f := &p.out.Filtered[i]; f.Journey == v.journey.name && f.Version == v.number {
			f.Count += uint64(v.filtered)
			return
		}
	}
	p.out.Filtered = append(p.out.Filtered, gateway.FilteredCount{Journey: v.journey.name, Version: v.number, Count: uint64(v.filtered)})
}
