package ingest

import (
	"sync"

	"touchpoint/gateway"
)

// Router knows which partition holds a device and who owns it, as far as the
// partitions have said so. It is a hint: a partition that does not hold the
// device forwards. It knows nothing after a start but what it is told.
type Router struct {
	partitions int
	mu         sync.RWMutex
	routes     map[gateway.DeviceID]route
	members    map[gateway.CustomerID]gateway.GroupID
}

type route struct {
	partition int
	customer  gateway.CustomerID
}

func newRouter(partitions int) *Router {
	return &Router{partitions: partitions, routes: make(map[gateway.DeviceID]route), members: make(map[gateway.CustomerID]gateway.GroupID)}
}

// Set takes over what a step said about a device.
func (r *Router) Set(routes ...gateway.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range routes {
		if n.Customer == 0 && n.Partition == gateway.DeviceSubject(n.Device).Partition(r.partitions) {
			delete(r.routes, n.Device) // at home with nobody: the answer for unknown devices
			continue
		}
		r.routes[n.Device] = route{n.Partition, n.Customer}
	}
}

// Find returns where a device is believed to be and its owner, 0 for none.
func (r *Router) Find(d gateway.DeviceID) (partition int, owner gateway.CustomerID) {
	r.mu.RLock()
	at, ok := r.routes[d]
	r.mu.RUnlock()
	if ok {
		return at.partition, at.customer
	}
	return gateway.DeviceSubject(d).Partition(r.partitions), 0
}

// Join takes over what a step said about memberships of groups.
func (r *Router) Join(members ...gateway.Membership) {
	if len(members) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range members {
		switch {
		case m.To == 0:
			r.members[m.Customer] = m.Group
		case r.members[m.Customer] == m.Group:
			delete(r.members, m.Customer)
		}
	}
}

// Home returns the partition where a customer is believed to live.
func (r *Router) Home(c gateway.CustomerID) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return gateway.HomeOf(c, r.members[c], r.partitions)
}
