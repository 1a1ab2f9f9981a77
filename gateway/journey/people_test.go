package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// commands is a world of one partition that tells what became of a command.
type commands struct {
	*world
	steps []gateway.Step
}

func newCommands(t *testing.T, cfg Config) *commands {
	c := &commands{world: newWorld(t, cfg, 1)}
	c.clock = modelStart
	c.onStep = func(_ *gateway.Batch, s *gateway.Step) { c.steps = append(c.steps, *s) }
	return c
}

// say applies a command, checks the state, and returns its outcome.
func (c *commands) say(cmd gateway.Command) gateway.Outcome {
	c.t.Helper()
	c.steps = nil
	c.submit(0, gateway.Input{Command: cmd})
	c.check()
	for _, s := range c.steps {
		if len(s.Outcomes) > 0 {
			return s.Outcomes[0]
		}
	}
	c.t.Fatalf("%T has no outcome", cmd)
	return gateway.Outcome{}
}

// known lists the customers around device 1.
func (c *commands) known() (list []gateway.CustomerID) {
	for _, o := range c.parts[0].People(1) {
		list = append(list, o.Customer)
	}
	return list
}

// TestRoomForPeople: a device knows sixteen people beside its holder. While all
// of them stay, another one is refused; otherwise who left first makes room.
func TestRoomForPeople(t *testing.T) {
	c := newCommands(t, Config{})
	bind := func(id gateway.CustomerID, role string) gateway.Disposition {
		return c.say(gateway.BindDevice{Device: 1, Product: "brewer", Customer: id, Role: role, At: c.clock}).Disposition
	}
	bind(1, "owner")
	for id := range gateway.CustomerID(maxPeople) {
		if got := bind(10+id, roleStaff); got != gateway.Accepted {
			t.Fatalf("person %d: %d", id, got)
		}
	}
	if got := bind(50, roleUser); got != gateway.Refused || len(c.known()) != maxPeople {
		t.Errorf("one too many: %d, %v", got, c.known())
	}
	for _, id := range []gateway.CustomerID{14, 12, 17} { // 14 leaves first
		c.clock += 1000
		if got := c.say(gateway.UnbindDevice{Device: 1, Customer: id, At: c.clock}).Disposition; got != gateway.Accepted {
			t.Fatalf("%d leaves: %d", id, got)
		}
	}
	c.clock += 1000
	for i, gone := range []gateway.CustomerID{14, 12} {
		if got := bind(gateway.CustomerID(51+i), roleDealer); got != gateway.Accepted {
			t.Fatalf("there is room: %d", got)
		}
		for _, id := range c.known() {
			if id == gone {
				t.Errorf("%d left first and is still known: %v", gone, c.known())
			}
		}
		if n := len(c.known()); n != maxPeople {
			t.Errorf("%d are known: %v", n, c.known())
		}
	}
	if got := c.say(gateway.UnbindDevice{Device: 1, Customer: 99, At: c.clock}).Disposition; got != gateway.Refused {
		t.Errorf("a stranger leaves: %d", got)
	}
}

// TestRoomOfTheFirst: who left first makes room, although he came first, and of two
// who left at once the one who came first.
func TestRoomOfTheFirst(t *testing.T) {
	c := newCommands(t, Config{})
	bind := func(id gateway.CustomerID) {
		t.Helper()
		c.clock += 1000
		if got := c.say(gateway.BindDevice{Device: 1, Product: "brewer", Customer: id, Role: roleStaff, At: c.clock}).Disposition; got != gateway.Accepted {
			t.Fatalf("%d: %d", id, got)
		}
	}
	for id := range gateway.CustomerID(maxPeople) {
		bind(10 + id)
	}
	c.clock += 1000
	for _, id := range []gateway.CustomerID{10, 13, 12, 15} { // the last of them a second later
		if id == 15 {
			c.clock += 1000
		}
		c.say(gateway.UnbindDevice{Device: 1, Customer: id, At: c.clock})
	}
	for i, gone := range []gateway.CustomerID{10, 12, 13, 15} {
		bind(gateway.CustomerID(50 + i))
		if list := c.known(); len(list) != maxPeople || slices.Contains(list, gone) || i < 3 && !slices.Contains(list, 15) {
			t.Errorf("%d goes, %v are known", gone, list)
		}
	}
}

// TestPeopleInTime: who is told late to have come earlier stays until he came
// again, and the product and zone of a device may be told by whoever comes.
func TestPeopleInTime(t *testing.T) {
	c := newCommands(t, Config{})
	at := c.clock
	bind := func(id gateway.CustomerID, role, product string, from gateway.Instant) {
		t.Helper()
		if o := c.say(gateway.BindDevice{Device: 1, Product: product, Customer: id, Role: role, At: from, TimeZone: "Asia/Tokyo"}); o.Disposition != gateway.Accepted {
			t.Fatalf("%d: %d", id, o.Disposition)
		}
	}
	bind(2, roleDealer, "", at-5000) // of a device of which nothing is known
	if got := c.parts[0].productOf(1); got != "" {
		t.Errorf("its product is %q", got)
	}
	bind(1, "owner", "", at-9000)
	bind(3, roleStaff, "brewer", at-5000)
	d := c.parts[0].devices.get(1)
	if d.product != "brewer" || d.present() != 1 || d.facts.where() != "Asia/Tokyo" {
		t.Errorf("product %q, holder %d, zone %q", d.product, d.present(), d.facts.where())
	}
	bind(4, roleStaff, "grinder", at)
	if d.product != "brewer" {
		t.Errorf("its product became %q", d.product)
	}
	bind(2, roleDealer, "", at-7000)
	bind(2, roleDealer, "", at-6000) // he was there then
	bind(2, roleStaff, "", at-8000)  // in another role
	bind(2, roleDealer, "", at-9000)
	var got []string
	for _, o := range c.parts[0].People(1) {
		if o.Customer == 2 {
			to := "…"
			if o.To != 0 {
				to = fmt.Sprint(int64(o.To-at) / 1000)
			}
			got = append(got, o.Role+" "+fmt.Sprint(int64(o.From-at)/1000)+" to "+to)
		}
	}
	const want = "dealer -9 to -7, staff -8 to …, dealer -7 to -5, dealer -5 to …"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("he is known as\n%s, want\n%s", s, want)
	}
}

const duesJourney = `name: dues
purpose: service
trigger: {event: due}
steps:
  - {id: rest, wait: {for: 1h}}
  - {id: tell, send: {recipient: dealer, channels: [webhook], texts: {en: {title: Due}}}}
`

// TestRecipientBeforePublication: the run of a recipient that arrives before the
// version it belongs to waits for it, unless it is taken back, or the recipient
// is erased, meanwhile.
func TestRecipientBeforePublication(t *testing.T) {
	c := newCommands(t, Config{})
	origin := func(n byte) (id gateway.EnrollmentID) { id[0] = n; return id }
	call := func(id gateway.CustomerID, n byte) gateway.AddressRecipient {
		return gateway.AddressRecipient{Journey: "dues", Version: 1, Step: "tell", Customer: id, Origin: origin(n), Visit: 1, Role: roleDealer,
			Device: 1, Product: "brewer", Cause: "e1", CauseReceivedAt: c.clock, CauseAt: c.clock, At: c.clock}
	}
	for _, a := range []gateway.AddressRecipient{call(5, 1), call(6, 1), call(6, 2), call(7, 1), call(8, 1)} {
		if got := c.say(a); got.Disposition != gateway.Held || got.Customer != a.Customer {
			t.Errorf("before the publication: %+v", got)
		}
	}
	if got := c.say(gateway.RecallRecipient{Customer: 6, Origin: origin(1), Reason: gateway.ReasonUnbound}); got.Disposition != gateway.Accepted || got.Customer != 6 {
		t.Errorf("taken back: %+v", got)
	}
	c.say(gateway.EraseCustomer{Customer: 7})
	c.restart()
	refused := func(what string, cmd gateway.Command, id gateway.CustomerID) {
		t.Helper()
		if got := c.say(cmd); got.Disposition != gateway.Refused || got.Customer != id {
			t.Errorf("%s: %+v", what, got)
		}
	}
	refused("an erased recipient", call(7, 3), 7)
	refused("nobody", call(0, 3), 0)
	refused("an erased recipient is taken back", gateway.RecallRecipient{Customer: 7, Origin: origin(1)}, 7)
	refused("nobody is taken back", gateway.RecallRecipient{Origin: origin(1)}, 0)
	c.say(gateway.PublishJourney{Journey: "dues", Version: 1, Effective: c.clock, Definition: []byte(duesJourney)})
	var told []gateway.CustomerID
	for _, s := range c.steps {
		for _, m := range s.Messages {
			told = append(told, m.Customer)
		}
		for _, d := range s.Decisions {
			if d.Customer == 6 && d.Origin != origin(2) {
				t.Errorf("what was taken back is sent: %+v", d)
			}
		}
	}
	if len(told) != 3 || told[0] != 5 || told[1] != 6 || told[2] != 8 || len(c.parts[0].early) != 0 {
		t.Errorf("told %v, waiting %v", told, c.parts[0].early)
	}
	if got := c.say(call(5, 1)); got.Disposition != gateway.Duplicate || got.Customer != 5 {
		t.Errorf("twice: %+v", got)
	}
	other := call(5, 9)
	other.Step = "rest"
	refused("a step that sends nothing", other, 5)
	other.Step = "none"
	refused("a step that there is not", other, 5)
	other.Step, other.Version = "tell", 2
	if got := c.say(other); got.Disposition != gateway.Held || len(c.parts[0].early) != 1 {
		t.Errorf("another version: %+v", got)
	}
}
