package journey

import (
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestRefusedCounters: a customer has a counter once, of a device only where the
// trait is one per device, and none that no event could move or that has no room.
func TestRefusedCounters(t *testing.T) {
	p := NewPartition(Config{})
	for n := range maxTraitsPerType + 1 {
		p.defineTrait(&traitSpec{kind: traitCount, event: "brew", within: Duration(1000 + n), limit: 5})
	}
	p.defineTrait(&traitSpec{kind: traitDistinct, event: "stir", property: "x", perDev: true, within: 1000})
	record := func(id uint64, device uint64) []byte {
		return encoded(func(e *encoder) {
			e.uint(id)
			e.fixed(device)
			e.byte(0)
			e.uint(0)
		})
	}
	c := p.customer(1)
	read := func(data []byte, in *translation) bool {
		d := decoder{b: data, translate: in}
		d.counter(p, c)
		return !d.bad
	}
	if !read(record(63, 0), nil) || !read(record(65, 7), nil) || !read(record(65, 8), nil) {
		t.Error("a counter is refused")
	}
	for name, data := range map[string][]byte{"one twice": record(63, 0), "one of a device": record(5, 7), "one that no event moves": record(64, 0),
		"an unknown one": record(66, 0), "one of a device twice": record(65, 8)} {
		if read(data, nil) {
			t.Errorf("%s is read", name)
		}
	}
	if read(record(0, 0), &translation{traits: []*trait{nil}}) {
		t.Error("a counter that stayed behind is read")
	}
	c.more.windows = make([]window, maxStores)
	if read(record(65, 9), nil) {
		t.Error("a counter without room is read")
	}
	if len(c.counters) != 3 {
		t.Errorf("%d counters", len(c.counters))
	}
}

// TestStrays: devices whose owner is not here wait for him, each until it has
// another owner.
func TestStrays(t *testing.T) {
	p := NewPartition(Config{})
	put := func(d gateway.DeviceID, owner gateway.CustomerID) {
		deviceChange{device: d, owners: []ownership{{customer: owner, from: 1}}}.apply(p)
	}
	look := func(when string, want int) {
		t.Helper()
		if faults := Unsound(p, true); len(faults) > 0 || len(p.strays[5]) != want {
			t.Errorf("%s: %d wait, %q", when, len(p.strays[5]), faults)
		}
	}
	put(1, 5)
	put(2, 5)
	put(3, 5)
	look("three", 3)
	put(2, 6)
	look("one has another owner", 2)
	admitChange{&device{id: 3, owners: []ownership{{customer: 6, from: 1}}}}.apply(p)
	look("one came again, of another", 1)
	if p.devices.remove(9); p.devices.get(1) == nil {
		t.Error("gone")
	}
	releaseChange{1, 2}.apply(p)
	look("one left", 0)
	p.customer(6)
	if got := p.customers[6].devices; len(got) != 2 || len(p.strays) > 0 {
		t.Errorf("he has %v", got)
	}
	admitChange{&device{id: 3, owners: []ownership{{customer: 7, from: 1}}}}.apply(p)
	look("one came again, of a third", 0)
}

// TestAwaitingCounters: only counters that a fill brings along wait for history,
// and they do so whoever names them too.
func TestAwaitingCounters(t *testing.T) {
	p := NewPartition(Config{})
	publish := func(name, traits string, f *fill) *version {
		text := []byte("name: " + name + "\npurpose: service\ntrigger: {event: x}\ntraits: {" + traits + "}\nsteps: [{id: e, end: {}}]\n")
		def, err := p.texts.compileAs(name, text)
		if err != nil {
			t.Fatal(err)
		}
		publishChange{name: name, number: 1, text: text, def: def, fill: f}.apply(p)
		return p.journeyNamed(name).versions[0]
	}
	awaits := func() string {
		var b strings.Builder
		for _, t := range p.traits {
			b.WriteByte("-w"[boolInt(t.awaits)])
		}
		return b.String()
	}
	publish("a", "n: {count: x}", nil)
	filled := publish("b", "n: {count: x}, m: {count: y}", &fill{foreign: map[uint64]struct{}{}})
	publish("c", "m: {count: y}", nil)
	rules := func(traits string, f *fill) {
		rs, err := p.texts.compileRules(`{"traits":{` + traits + `},"segments":[{"name":"s","when":"trait.m > 1"}]}`)
		if err != nil {
			t.Fatal(err)
		}
		classRulesChange{text: rs.text, set: rs, fill: f}.apply(p)
	}
	rules(`"m":{"count":"y"}`, nil)
	if awaits() != "-w" || len(filled.own()) != 1 {
		t.Errorf("waits: %s", awaits())
	}
	rules(`"m":{"count":"y"},"n":{"count":"x"},"o":{"count":"z"}`, &fill{foreign: map[uint64]struct{}{}})
	if awaits() != "-ww" {
		t.Errorf("with rules: %s", awaits())
	}
}
