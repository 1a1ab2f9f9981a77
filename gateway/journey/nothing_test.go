package journey

import (
	"slices"
	"testing"

	"touchpoint/gateway"
)

// TestChangesThatFindNothing: what is replayed about something that is not there,
// or is not as it was, changes nothing.
func TestChangesThatFindNothing(t *testing.T) {
	w, who := everythingHere(t, everythingJourneys, nil)
	var state []byte
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, f := range s.Forwards {
			if c, is := f.Input.Command.(gateway.AdmitCustomer); is && c.Customer == who.bert {
				state = c.State
			}
		}
	}
	w.ok(w.HoldForwards(true))
	w.submit(0, gateway.Input{Command: gateway.ReleaseCustomer{Customer: who.bert, To: 1}})
	if len(state) == 0 {
		t.Fatal("nobody was sent")
	}
	knows := w.parts[1] // the journeys
	knows.meet0(who.bert)
	for name, tt := range map[string]struct {
		p *Partition
		c change
	}{
		"a task of who has none":          {w.parts[0], taskClosedChange{who.there, gateway.TaskID{1}}},
		"a task of nobody":                {w.parts[0], taskClosedChange{77, gateway.TaskID{1}}},
		"people of no device":             {w.parts[0], peopleChange{77, []ownership{{customer: who.anna, role: roleStaff, from: 1}}}},
		"word of no device":               {w.parts[0], toldChange{77, 5}},
		"no state of a customer":          {w.parts[0], arriveChange{99, nil}},
		"a state of one who is here":      {knows, arriveChange{who.bert, state}},
		"a state of what is not known":    {NewPartition(Config{}), arriveChange{who.bert, state}},
		"a message that is not there":     {w.parts[0], forgetMessageChange{gateway.MessageID{9}}},
		"a run of nobody":                 {w.parts[0], forgetChange{77, gateway.EnrollmentID{9}}},
		"a run that is not there":         {w.parts[0], forgetChange{who.anna, gateway.EnrollmentID{9}}},
		"what waits for nobody expected":  {w.parts[0], unholdCustomerChange{77}},
		"what waits for no device":        {w.parts[0], unholdChange{77}},
		"runs that wait for nothing more": {w.parts[0], earlyChange{}},
	} {
		before := string(tt.p.AppendSnapshot(nil))
		e := encoder{b: []byte{formatVersion}}
		tt.c.encode(&e)
		if err := tt.p.Replay(&gateway.Step{Changes: e.b, Now: tt.p.now, Observed: tt.p.observed}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if string(tt.p.AppendSnapshot(nil)) != before {
			t.Errorf("%s changes something", name)
		}
	}
}

// meet0 notes a customer without a record.
func (p *Partition) meet0(id gateway.CustomerID) {
	customerChange{id: id, since: p.now, profile: noProfile}.apply(p)
}

// TestBrokenDevice: a device's state that was cut off on its way, that is of another
// one, or that comes twice, is refused and changes nothing.
func TestBrokenDevice(t *testing.T) {
	w, a, b := twoParts(t, 1)
	w.submit(0, gateway.Input{Command: gateway.BindDevice{Device: 1, Product: "brewer", Customer: a[0], Role: "owner", At: w.clock - 1000}},
		gateway.Input{Command: gateway.UnbindDevice{Device: 1, Customer: a[0], At: w.clock}},
		gateway.Input{Command: gateway.BindDevice{Device: 1, Customer: b[0], Role: roleDealer, At: w.clock}},
		gateway.Input{Event: gateway.Event{Type: "brew", Device: 1, Seq: 5, HasSeq: true, OccurredAt: w.clock, ReceivedAt: w.clock}},
		gateway.Input{Event: gateway.Event{Type: "brew", Device: 1, ID: "a", OccurredAt: w.clock, ReceivedAt: w.clock}})
	var admit gateway.AdmitDevice
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		for _, f := range s.Forwards {
			if c, is := f.Input.Command.(gateway.AdmitDevice); is {
				admit = c
			}
		}
	}
	holder := slices.IndexFunc(w.parts, func(p *Partition) bool { return p.Holds(1) })
	w.ok(w.HoldForwards(true))
	w.submit(holder, gateway.Input{Command: gateway.ReleaseDevice{Device: 1, To: 1 - holder}})
	if len(admit.State) == 0 {
		t.Fatal("nothing was sent")
	}
	p := w.parts[1-holder]
	apply := func(c gateway.AdmitDevice) gateway.Disposition {
		var s gateway.Step
		p.Apply(&gateway.Batch{Partition: 1 - holder, Seq: 100, RecordTime: w.clock, Observed: w.clock, Inputs: []gateway.Input{{Command: c}}}, &s)
		return s.Outcomes[0].Disposition
	}
	apply(gateway.AdmitDevice{}) // moves the place alone
	before := string(p.AppendSnapshot(nil))
	for n := range admit.State {
		if d := apply(gateway.AdmitDevice{Device: 1, State: admit.State[:n]}); d != gateway.Refused {
			t.Errorf("cut off behind byte %d: %v", n, d)
		}
	}
	if d := apply(gateway.AdmitDevice{Device: 2, State: admit.State}); d != gateway.Refused {
		t.Errorf("as another one: %v", d)
	}
	if string(p.AppendSnapshot(nil)) != before {
		t.Error("a broken state changed something")
	}
	if d := apply(admit); d != gateway.Accepted || !p.Holds(1) || len(p.People(1)) != 1 {
		t.Errorf("the whole state: %v", d)
	}
	before = string(p.AppendSnapshot(nil))
	if d := apply(admit); d != gateway.Refused || string(p.AppendSnapshot(nil)) != before {
		t.Errorf("once more: %v", d)
	}
}

// TestWaitingOfNoJourney: an entry in transit that names no journey is broken.
func TestWaitingOfNoJourney(t *testing.T) {
	p := NewPartition(Config{})
	for index, want := range map[uint64]bool{0: false, 1: false, 1 << 40: false} {
		e := encoder{b: []byte{formatVersion}}
		e.uint(0) // devices
		e.uint(0) // journeys
		e.uint(0) // counters
		e.uint(1)
		e.uint(index)
		e.waiting(&waiting{customer: 5, trigger: "event:a"})
		e.customer(p, &customer{id: 5, profile: noProfile}, 0)
		if got := p.readArrival(5, e.b) != nil; got != want {
			t.Errorf("index %d: read %t", index, got)
		}
	}
}

// TestMoveUnderOtherRules: a customer comes from a partition that has taken up new
// rules to one that has not: he waits until it has.
func TestMoveUnderOtherRules(t *testing.T) {
	before := Config{Segments: []Rule{{"big", "trait.cups >= 2"}}, Traits: map[string]map[string]any{"cups": {"count": "brew"}}}
	after := Config{Segments: []Rule{{"big", "trait.rinses >= 1"}}, Traits: map[string]map[string]any{"rinses": {"count": "brew", "within": "7d"}}}
	w, a, _ := twoParts(t, 1)
	w.SetConfig(before)
	w.ok(w.Restart())
	take := func(part int) { // the settings of the world
		n := w.newPartition(part)
		w.ok(n.Restore(w.parts[part].AppendSnapshot(nil)))
		w.parts[part] = n
		w.submit(part, gateway.Input{Command: gateway.Tick{}})
	}
	take(1)
	w.brew(a[0])
	w.SetConfig(after)
	take(0)
	w.submit(0, gateway.Input{Event: gateway.Event{ID: "f", Type: "brew", Customer: a[0], OccurredAt: w.clock, ReceivedAt: w.clock}})
	w.join(a[0], 1)
	if p := w.parts[1]; p.customers[a[0]] != nil || len(p.awaited[a[0]]) != 2 {
		t.Errorf("he lives where his counter is unknown: %v", p.awaited[a[0]])
	}
	take(1)
	c := w.parts[1].customers[a[0]]
	if c == nil {
		t.Fatal("he is not there")
	}
	var keys []string
	for _, k := range c.counters {
		keys = append(keys, w.parts[1].traits[k.trait].spec.name)
	}
	if k := c.more.class; len(c.counters) != 1 || c.counters[0].n != 1 || k == nil || k.segments != 1 {
		t.Errorf("counters %v, %+v", keys, k)
	}
}

// TestNobodyIsSent: of several partitions, too, what names nobody, or somebody who
// is gone, is refused and says whom it is about; a partition asks for nobody whom
// it has, nor one that there is not.
func TestNobodyIsSent(t *testing.T) {
	w, a, b := twoParts(t, 2)
	w.submit(0, gateway.Input{Command: gateway.UpsertCustomer{Customer: a[0], Mask: []string{"locale"}, Locale: "de"}})
	w.submit(0, gateway.Input{Command: gateway.BindDevice{Device: 1, Customer: a[0], Role: "owner", At: w.clock}})
	w.submit(0, gateway.Input{Command: gateway.EraseCustomer{Customer: a[1]}})
	p, o := w.parts[0], gateway.Outcome{}
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) {
		if s.Partition == 0 && len(s.Outcomes) > 0 {
			o = s.Outcomes[0]
		}
	}
	w.ok(w.HoldForwards(true))
	w.submit(0, gateway.Input{Command: gateway.Tick{}})
	before := string(p.AppendSnapshot(nil))
	for _, tt := range []struct {
		name string
		c    gateway.Command
		who  gateway.CustomerID
	}{
		{"nobody", gateway.ReleaseCustomer{To: 1}, 0},
		{"one who is gone", gateway.ReleaseCustomer{Customer: a[1], To: 1}, 0},
		{"to itself", gateway.ReleaseCustomer{Customer: a[0]}, 0},
		{"to behind the last one", gateway.ReleaseCustomer{Customer: a[0], To: 2}, 0},
		{"to before the first one", gateway.ReleaseCustomer{Customer: a[0], To: -1}, 0},
		{"a device to itself", gateway.ReleaseDevice{Device: 1}, 0},
		{"a device to behind the last one", gateway.ReleaseDevice{Device: 1, To: 2}, 0},
		{"a device to before the first one", gateway.ReleaseDevice{Device: 1, To: -1}, 0},
		{"nobody arrives", gateway.AdmitCustomer{State: []byte{formatVersion, 0, 0, 0, 0}}, 0},
		{"one who is here arrives", gateway.AdmitCustomer{Customer: a[0], State: []byte{formatVersion, 0, 0, 0, 0}}, a[0]},
		{"a broken one arrives", gateway.AdmitCustomer{Customer: b[0], State: []byte{formatVersion}}, b[0]},
		{"one of a later version arrives", gateway.AdmitCustomer{Customer: b[0], State: []byte{formatVersion + 1, 0, 0, 0, 0}}, b[0]},
		{"nobody is addressed", gateway.AddressRecipient{Journey: "x"}, 0},
		{"one who is gone is addressed", gateway.AddressRecipient{Journey: "x", Customer: a[1]}, a[1]},
		{"nobody is recalled", gateway.RecallRecipient{}, 0},
		{"one who is gone is recalled", gateway.RecallRecipient{Customer: a[1]}, a[1]},
		{"bound to nobody", gateway.BindDevice{Device: 2, Role: roleDealer}, 0},
		{"bound to one who is gone", gateway.BindDevice{Device: 2, Customer: a[1], Role: roleDealer}, 0},
		{"unbound from a stranger", gateway.UnbindDevice{Device: 1, Customer: b[0]}, b[0]},
	} {
		w.submit(0, gateway.Input{Command: tt.c})
		if want := (gateway.Outcome{Disposition: gateway.Refused, Customer: tt.who}); o != want {
			t.Errorf("%s: %+v, want %+v", tt.name, o, want)
		}
		if string(p.AppendSnapshot(nil)) != before {
			t.Fatalf("%s changed the state", tt.name)
		}
	}
	w.submit(0, gateway.Input{Command: gateway.RecallRecipient{Customer: b[0]}})
	if want := (gateway.Outcome{Disposition: gateway.Passed, Customer: b[0]}); o != want {
		t.Errorf("one who lives elsewhere is recalled: %+v", o)
	}
	for id := gateway.CustomerID(9000); ; id++ { // nobody has seen him
		if gateway.HomeOf(id, 0, 2) == 0 {
			w.submit(0, gateway.Input{Command: gateway.RecallRecipient{Customer: id}})
			if want := (gateway.Outcome{Customer: id}); o != want || p.customers[id] != nil {
				t.Errorf("one whom nobody has seen is recalled: %+v", o)
			}
			break
		}
	}
}
