package journey

import (
	"slices"

	"touchpoint/gateway"
)

// What the filter of a trigger turns away comes to no decision: it is counted
// per journey, at no cost beside the counting. So are events of devices that
// belong to nobody; see unowned.go.

// filteredOut counts one that the trigger's filter turned away.
func (p *Partition) filteredOut(v *version) {
	p.counting(v)
	v.filtered++
}

// counting notes that something is counted of a version.
func (p *Partition) counting(v *version) {
	if !slices.Contains(p.filtering, v) {
		p.filtering = append(p.filtering, v)
	}
}

// tellFiltered writes the counts of a record into its step.
func (p *Partition) tellFiltered() {
	for _, v := range p.filtering {
		p.addFiltered(v)
		v.filtered, v.unowned = 0, 0
	}
	p.filtering = p.filtering[:0]
}

func (p *Partition) addFiltered(v *version) {
	for i := range p.out.Filtered {
		if f := &p.out.Filtered[i]; f.Journey == v.journey.name && f.Version == v.number {
			f.Count += uint64(v.filtered)
			f.Unowned += uint64(v.unowned)
			return
		}
	}
	p.out.Filtered = append(p.out.Filtered, gateway.FilteredCount{Journey: v.journey.name, Version: v.number,
		Count: uint64(v.filtered), Unowned: uint64(v.unowned)})
}
