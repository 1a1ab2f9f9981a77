package journey

import (
	"fmt"
	"slices"

	"touchpoint/gateway"
)

// UnsettledWorld looks at a world that was ticked to the end of its instant: what
// was due is done.
func UnsettledWorld(w *World) error {
	for n, p := range w.parts {
		i := newInspector(p, true)
		i.idled = true
		i.heaps()
		i.customers()
		i.journeys()
		if len(i.faults) > 0 {
			return fmt.Errorf("partition %d: %q", n, i.faults)
		}
	}
	return UnsoundWorld(w)
}

// UnsoundWorld lists what is wrong with the partitions of a world between two
// records, each by itself and, when nothing is on the way, between them.
func UnsoundWorld(w *World) error {
	var faults []string
	for n, p := range w.parts {
		for _, f := range Unsound(p, true) {
			faults = append(faults, fmt.Sprintf("partition %d: %s", n, f))
		}
	}
	if len(w.waiting) == 0 {
		faults = append(faults, w.apart()...)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d faults of the state: %q", len(faults), faults[:min(len(faults), 10)])
	}
	return nil
}

// apart lists what does not fit between the partitions when nothing is on the way.
func (w *World) apart() (faults []string) {
	wrong := func(bad bool, what string, details ...any) {
		if bad {
			faults = append(faults, fmt.Sprint(what, " ", fmt.Sprint(details...)))
		}
	}
	customers, devices := map[gateway.CustomerID]int{}, map[gateway.DeviceID]int{}
	for n, p := range w.parts {
		for id := range p.customers {
			at, twice := customers[id]
			wrong(twice, "a customer lives in two places", id, at, n)
			customers[id] = n
		}
		for d := range p.devices.all {
			at, twice := devices[d.id]
			wrong(twice, "a device is in two places", d.id, at, n)
			devices[d.id] = n
		}
	}
	for n, p := range w.parts {
		for id := range p.left {
			at, lives := customers[id]
			wrong(lives && follow(w, n, func(p *Partition) (int, bool) { to, ok := p.left[id]; return to, ok }) != at, "a mark leads a customer astray", id, n)
		}
		for id := range p.moved {
			at, is := devices[id]
			wrong(is && follow(w, n, func(p *Partition) (int, bool) { to, ok := p.moved[id]; return to, ok }) != at, "a mark leads a device astray", id, n)
		}
		for id, held := range p.awaited {
			wrong(!slices.ContainsFunc(held, func(in gateway.Input) bool { _, is := in.Command.(gateway.AdmitCustomer); return is }),
				"nobody sends the customer who is awaited", id, n)
		}
		wrong(len(p.expected) > 0, "nobody sends the devices that are expected", n)
		for _, j := range p.journeys {
			wrong(!w.balanced(j), "units are lost", j.name, n)
		}
	}
	return faults
}

// follow goes along marks, to the partition that has none.
func follow(w *World, from int, mark func(*Partition) (int, bool)) int {
	for range w.parts {
		to, ok := mark(w.parts[from])
		if !ok {
			break
		}
		from = to
	}
	return from
}

// balanced reports whether the coordinator of a journey has granted what the
// partitions have.
func (w *World) balanced(j *journey) bool {
	if !j.p.coordinates(j) {
		return true
	}
	for n, p := range w.parts {
		var out [limitKinds]int
		if j.limits != nil {
			for k := range out {
				for _, o := range j.limits.ledgers[k].out {
					if o.partition == n {
						out[k] += o.n
					}
				}
			}
		}
		if o := p.journeyNamed(j.name); o != nil && o.limits != nil {
			out[gateway.LimitExisting] -= o.limits.units + o.limits.used
		}
		if out != [limitKinds]int{} {
			return false
		}
	}
	return true
}
