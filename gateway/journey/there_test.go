package journey

import (
	"slices"
	"testing"

	"touchpoint/gateway"
)

// stateOf is all that the partition where a customer lives knows of him and of
// his devices.
func stateOf(w *world, id gateway.CustomerID) (at int, state string) {
	for i, p := range w.parts {
		if c := p.customers[id]; c != nil {
			var e encoder
			e.customer(p, c, p.oldestDay())
			for _, d := range c.devices {
				e.device(p.devices.get(d), p.oldestDay())
			}
			return i, string(e.b)
		}
	}
	return -1, ""
}

// TestThereAndBack: a customer with something of every kind moves to a partition
// that gave its journeys and counters other numbers. There his lists are in the
// order of those numbers; home again, he is who he was, to the letter.
func TestThereAndBack(t *testing.T) {
	order := slices.Clone(everythingJourneys)
	slices.Reverse(order)
	w, who := everythingHere(t, order, nil)
	who.command(gateway.LeaveGroup{Customer: who.anna})
	w.ok(w.Settle())
	for _, id := range []gateway.CustomerID{who.anna, who.bert} {
		_, before := stateOf(w, id)
		for to := 1; to < 3; to++ {
			group := gateway.GroupID(1)
			for gateway.HomeOf(id, group, 3) != to {
				group++
			}
			for _, c := range []gateway.Command{gateway.JoinGroup{Customer: id, Group: group, At: w.clock}, gateway.LeaveGroup{Customer: id, At: w.clock}} {
				w.submit(to, gateway.Input{Command: c})
				w.ok(w.Settle())
				w.check()
				at, now := stateOf(w, id)
				if _, leaves := c.(gateway.LeaveGroup); leaves {
					if at != 0 || now != before {
						t.Errorf("customer %d came back to %d from %d, and is another:\n%s", id, at, to, firstDifference([]byte(before), []byte(now)))
					}
					continue
				}
				if at != to {
					t.Fatalf("customer %d lives in %d", id, at)
				}
				c := w.parts[to].customers[id]
				if inOrder(t, c); id == who.anna && min(len(c.counters), len(c.marks), len(c.more.sequences), len(c.more.occasions)) < 2 {
					t.Errorf("too little to be in order: %d counters, %d marks, %d sequences, %d occasions", len(c.counters), len(c.marks), len(c.more.sequences), len(c.more.occasions))
				}
			}
		}
	}
}

// inOrder checks the lists of a customer that are sorted.
func inOrder(t *testing.T, c *customer) {
	t.Helper()
	if !slices.IsSortedFunc(c.counters, func(a, b counter) int {
		return int(a.trait) - int(b.trait) + (int(a.device)-int(b.device))*boolInt(a.trait == b.trait)
	}) {
		t.Errorf("the counters of %d are not in order", c.id)
	}
	if !slices.IsSortedFunc(c.marks, func(a, b mark) int { return a.journey.index - b.journey.index }) {
		t.Errorf("the marks of %d are not in order", c.id)
	}
	if !slices.IsSortedFunc(c.more.sequences, func(a, b *sequenceState) int {
		return a.v.journey.index - b.v.journey.index + (int(a.device)-int(b.device))*boolInt(a.v.journey == b.v.journey)
	}) {
		t.Errorf("the sequences of %d are not in order", c.id)
	}
	if !slices.IsSortedFunc(c.more.occasions, func(a, b *occasion) int { return a.journey.index - b.journey.index }) {
		t.Errorf("the occasions of %d are not in order", c.id)
	}
}
