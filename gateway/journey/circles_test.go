package journey

import (
	"slices"
	"testing"
)

// circling has ways of every kind: on, by an arm, by a timeout, to itself.
const circling = `{name: circling, purpose: service, trigger: {api: {}}, steps: [
	{id: before, wait: {for: 1h}},
	{id: long, wait: {until_event: a, timeout: 1d, on_timeout: short}},
	{id: choice, branch: [{when: customer.vip == 1, go: asks}, {when: customer.vip == 2, go: tail}]},
	{id: other, wait: {for: 1h}, next: asks},
	{id: short, wait: {for: 10m}, next: long},
	{id: asks, wait: {until_event: b, timeout: 1d}, next: self},
	{id: self, wait: {until_event: c, timeout: 1h, on_timeout: self}},
	{id: part, split: [{arm: x, percent: 50, go: behind}, {arm: y, percent: 50}]},
	{id: tail, wait: {for: 1h}},
	{id: behind, end: {}}]}`

// TestCircles: which steps can come again, so that a new version does not pass
// over them.
func TestCircles(t *testing.T) {
	def, err := Compile([]byte(circling), Env{})
	if err != nil {
		t.Fatal(err)
	}
	var on []string
	for i := range def.steps {
		if def.circles(i) {
			on = append(on, def.steps[i].id)
		}
	}
	if want := []string{"long", "short", "self"}; !slices.Equal(on, want) {
		t.Errorf("%q are on a circle, %q should be", on, want)
	}
}

// TestCarry: a new version knows by their ids which steps are behind an
// enrollment; those on a circle run again.
func TestCarry(t *testing.T) {
	def, err := Compile([]byte(circling), Env{})
	if err != nil {
		t.Fatal(err)
	}
	// The same steps the other way round, the first and one in the midst left out.
	later, err := Compile([]byte(`{name: circling, purpose: service, trigger: {api: {}}, steps: [
	{id: behind, wait: {for: 1h}},
	{id: tail, wait: {for: 1h}},
	{id: self, wait: {until_event: c, timeout: 1h, on_timeout: self}},
	{id: long, wait: {for: 1h}}]}`), Env{})
	if err != nil {
		t.Fatal(err)
	}
	from, to := &version{def: def}, &version{def: later}
	for _, c := range []struct {
		done       uint64
		at         int32
		kept, skip uint64
	}{
		{done: 1 << 1, at: 2, kept: 1 << 3, skip: 1 << 3},                                   // long is on no circle any more
		{done: 1 << 6, at: 7, kept: 1 << 2},                                                 // self still is
		{done: 1<<9 | 1<<8, at: 6, kept: 1<<0 | 1<<1, skip: 1<<0 | 1<<1},                    // the first and the second
		{done: 1<<0 | 1<<4 | 1<<5, at: 1},                                                   // gone
		{done: 1<<1 | 1<<8 | 1<<9, at: 1, kept: 1<<0 | 1<<1, skip: 1<<0 | 1<<1},             // where it stands
		{done: 1<<1 | 1<<9, at: toEnd, kept: 1<<0 | 1<<3, skip: 1<<0 | 1<<3},                // at the end
		{done: 1<<10 - 1, at: 0, kept: 1<<0 | 1<<1 | 1<<2 | 1<<3, skip: 1<<0 | 1<<1 | 1<<3}, // all of it
	} {
		e := &enrollment{v: from, step: c.at, done: c.done, extras: noExtras}
		if kept, skip := e.carry(to); kept != c.kept || skip != c.skip {
			t.Errorf("%b done, at %d: %b are kept and %b skipped, %b and %b should be", c.done, c.at, kept, skip, c.kept, c.skip)
		}
	}
}

// TestBeyondTracked: beyond the steps that are tracked none is known to be done, and
// none is passed over.
func TestBeyondTracked(t *testing.T) {
	text := `{name: many, purpose: service, trigger: {api: {}}, steps: [`
	for i := range tracked + 2 {
		text += `{id: s` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `, wait: {for: 1h}}, `
	}
	def, err := Compile([]byte(text+`]}`), Env{})
	if err != nil {
		t.Fatal(err)
	}
	e := &enrollment{v: &version{def: def}, extras: noExtras}
	for i := range def.steps {
		e.completed(i)
	}
	e.completed(toEnd)
	if e.done != 1<<tracked-1 {
		t.Errorf("%x are done", e.done)
	}
	e.step = tracked + 1
	done, skip := e.carry(e.v)
	if done != 1<<tracked-1 || skip != done {
		t.Errorf("%x are kept and %x skipped", done, skip)
	}
	e.own().skip = skip
	for _, at := range []int32{0, 1, tracked - 1} {
		next := *e
		if next.step = at; !next.passes(&def.steps[at]) || next.step != at+1 || next.skip != skip&^(1<<at) {
			t.Errorf("step %d is not passed over once: it stands at %d, and %x are left", at, next.step, next.skip)
		}
	}
	for _, at := range []int32{tracked, tracked + 1} {
		next := *e
		if next.step = at; next.passes(&def.steps[at]) || next.step != at {
			t.Errorf("step %d is passed over", at)
		}
	}
	turned, err := Compile([]byte(circling), Env{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int32{2, 7, 9} { // a choice, a split, the end: they only choose the way
		e := &enrollment{v: &version{def: turned}, step: i, extras: &extras{skip: 1<<10 - 1}}
		if e.passes(&turned.steps[i]) || e.step != i || e.skip != (1<<10-1)&^(1<<i) {
			t.Errorf("step %d is passed over", i)
		}
	}
}

// TestDeviceStateLife: a state that nothing ends lasts half a day.
func TestDeviceStateLife(t *testing.T) {
	if a, b := (DeviceState{}).life(), (DeviceState{Max: 7}).life(); a != Duration(12*3600_000) || b != 7 {
		t.Errorf("it lasts %s, and %s where that is said", a, b)
	}
}
