package history

import "touchpoint/gateway"

// sums computes an aggregation point by point.
type sums struct {
	a      *Aggregation
	groups map[Group]bool
	cells  map[Row]*cell // by the row's start and groups
}

// cell is one row in the making.
type cell struct {
	sum, min, max float64
	last          float64
	lastKey       key
	points        int64
}

func newSums(a *Aggregation) *sums {
	s := &sums{a: a, groups: map[Group]bool{}, cells: map[Row]*cell{}}
	for _, g := range a.Groups {
		s.groups[g] = true
	}
	return s
}

func (s *sums) add(p *Point) {
	value, ok := s.value(p)
	if !ok {
		return
	}
	row := Row{Start: s.a.start(p.Event.OccurredAt)}
	if s.groups[ByDevice] {
		row.Device = p.Event.Device
	}
	if s.groups[ByCustomer] {
		row.Customer = p.Customer
	}
	if s.groups[ByType] {
		row.Type = p.Event.Type
	}
	if s.groups[ByProduct] {
		row.Product = p.Event.Product
	}
	c := s.cells[row]
	if c == nil {
		c = &cell{min: value, max: value, last: value, lastKey: keyOf(p)}
		s.cells[row] = c
	}
	c.points++
	c.sum += value
	c.min, c.max = min(c.min, value), max(c.max, value)
	if s.a.Function == Last {
		if k := keyOf(p); k.compare(c.lastKey) > 0 {
			c.last, c.lastKey = value, k
		}
	}
}

// value returns what the point adds; ok is false when it adds nothing.
func (s *sums) value(p *Point) (v float64, ok bool) {
	if s.a.Field == "" {
		return 0, true
	}
	prop := p.Event.Properties.Get(s.a.Field)
	if s.a.Function == Count {
		return 0, prop.Kind() != gateway.KindNull
	}
	return prop.AsFloat()
}

func (s *sums) rows() []Row {
	rows := make([]Row, 0, len(s.cells))
	for row, c := range s.cells {
		row.Points = c.points
		switch s.a.Function {
		case Count:
			row.Value = float64(c.points)
		case Sum:
			row.Value = c.sum
		case Mean:
			row.Value = c.sum / float64(c.points)
		case Min:
			row.Value = c.min
		case Max:
			row.Value = c.max
		case Last:
			row.Value = c.last
		}
		rows = append(rows, row)
	}
	sortRows(rows)
	return rows
}
