package journey

import (
	"fmt"
	"strings"
	"testing"

	"touchpoint/gateway"
)

// TestRefused: what names nobody, or somebody who is gone, is refused and
// changes nothing.
func TestRefused(t *testing.T) {
	p := NewPartition(Config{})
	apply := func(c gateway.Command) gateway.Outcome {
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: c}}}, &s)
		if err := NewPartition(Config{}).Restore(p.AppendSnapshot(nil)); err != nil {
			t.Fatal(err)
		}
		return s.Outcomes[0]
	}
	apply(gateway.BindDevice{Device: 1, Product: "brewer", Customer: 7, Role: "owner", At: modelStart})
	apply(gateway.EraseCustomer{Customer: 9})
	apply(gateway.JoinGroup{Customer: 6, Group: 3})
	apply(gateway.PublishJourney{Journey: "third", Version: 2, Effective: modelStart, Definition: []byte(modelJourneys["third"])})
	apply(gateway.PublishJourney{Journey: "later", Version: 1, Effective: modelStart + 1, Definition: []byte(strings.Replace(modelJourneys["third"], "name: third", "name: later", 1))})
	before := string(p.AppendSnapshot(nil))
	for name, c := range map[string]gateway.Command{
		"profile of nobody":            gateway.UpsertCustomer{Mask: []string{"locale"}, Locale: "de"},
		"profile of an erased one":     gateway.UpsertCustomer{Customer: 9, Mask: []string{"locale"}, Locale: "de"},
		"consent of nobody":            gateway.SetConsent{Purpose: gateway.PurposeMarketing, Granted: true},
		"consent of an erased one":     gateway.SetConsent{Customer: 9, Purpose: gateway.PurposeMarketing, Granted: true},
		"bind to nobody":               gateway.BindDevice{Device: 2, Role: "owner"},
		"bind no device":               gateway.BindDevice{Customer: 7, Role: "owner"},
		"bind to an erased one":        gateway.BindDevice{Device: 2, Customer: 9, Role: "owner"},
		"unbind what nobody has":       gateway.UnbindDevice{Device: 2},
		"unbind another's":             gateway.UnbindDevice{Device: 1, Customer: 8},
		"receipt without a message":    gateway.Receipt{State: gateway.MessageDisplayed},
		"receipt of his unknown one":   gateway.Receipt{Message: gateway.MessageID{1}, Customer: 7, State: gateway.MessageDisplayed},
		"receipt of an erased one":     gateway.Receipt{Message: gateway.MessageID{1}, Customer: 9, State: gateway.MessageDisplayed},
		"receipt of a device's":        gateway.Receipt{Message: gateway.MessageID{1}, Device: 1, State: gateway.MessageDisplayed},
		"receipt of an unknown device": gateway.Receipt{Message: gateway.MessageID{1}, Device: 5, State: gateway.MessageDisplayed},
		"device from itself":           gateway.ReleaseDevice{Device: 1, To: 0},
		"device to nowhere":            gateway.ReleaseDevice{Device: 1, To: 1},
		"broken device":                gateway.AdmitDevice{Device: 3, State: []byte{formatVersion, 1}},
		"device of a later version":    gateway.AdmitDevice{Device: 3, State: []byte{99}},
		"erase nobody":                 gateway.EraseCustomer{},
		"trigger for nobody":           gateway.TriggerJourney{Journey: "none"},
		"trigger for an erased one":    gateway.TriggerJourney{Journey: "none", Customer: 9},
		"trigger an unknown journey":   gateway.TriggerJourney{Journey: "none", Customer: 7},
		"pause an unknown journey":     gateway.SetJourneyState{Journey: "none", State: gateway.JourneyPaused},
		"join of nobody":               gateway.JoinGroup{Group: 5},
		"join of no group":             gateway.JoinGroup{Customer: 7},
		"join of an erased one":        gateway.JoinGroup{Customer: 9, Group: 5},
		"leave of nobody":              gateway.LeaveGroup{},
		"leave of an erased one":       gateway.LeaveGroup{Customer: 9},
		"leave of who is in none":      gateway.LeaveGroup{Customer: 7},
		"customer from himself":        gateway.ReleaseCustomer{Customer: 7},
		"customer to nowhere":          gateway.ReleaseCustomer{Customer: 7, To: 1},
		"customer to before":           gateway.ReleaseCustomer{Customer: 7, To: -1},
		"no customer":                  gateway.ReleaseCustomer{To: 1},
		"customer without a state":     gateway.AdmitCustomer{Customer: 8},
		"customer of a later version":  gateway.AdmitCustomer{Customer: 8, State: []byte{99, 0, 0, 0, 0}},
		"device to before":             gateway.ReleaseDevice{Device: 1, To: -1},
		"place in an unknown journey":  gateway.RequestGrant{Journey: "none", Limit: gateway.LimitEntry, Want: 1},
		"answer for an unknown one":    gateway.Grant{Journey: "none", Limit: gateway.LimitEntry, Units: 1},
		"messages of an unknown one":   gateway.ReportMessages{Journey: "none", N: 1},
		"place without a limit":        gateway.RequestGrant{Journey: "third", Want: 1},
		"place under no limit":         gateway.RequestGrant{Journey: "third", Limit: gateway.Limit(limitKinds), Want: 1},
		"answer without a limit":       gateway.Grant{Journey: "third", Units: 1},
		"answer under no limit":        gateway.Grant{Journey: "third", Limit: gateway.Limit(limitKinds), Units: 1},
		"place in its forecast":        gateway.RequestGrant{Journey: "third", Limit: gateway.LimitMessages, Want: 1},
		"answer about its forecast":    gateway.Grant{Journey: "third", Limit: gateway.LimitMessages, Units: 1},
		"answer before it is active":   gateway.Grant{Journey: "later", Limit: gateway.LimitEntry, Units: 1},
		"units before it is active":    gateway.Grant{Journey: "later", Limit: gateway.LimitExisting, Units: 1},
		"no messages":                  gateway.ReportMessages{Journey: "third"},
		"fewer than no messages":       gateway.ReportMessages{Journey: "third", N: -1},
		"an unknown state":             gateway.SetJourneyState{Journey: "third", State: gateway.JourneyFinished},
		"leave of another group":       gateway.LeaveGroup{Customer: 6, Group: 4},
		"an unknown command":           unknownCommand{},
		"an earlier version":           gateway.PublishJourney{Journey: "third", Version: 1, Definition: []byte(modelJourneys["third"])},
		"existing customers, somehow":  gateway.PublishJourney{Journey: "third", Version: 3, Existing: "enroll all", Definition: []byte(modelJourneys["third"])},
		"publish under another name":   gateway.PublishJourney{Journey: "none", Version: 1, Definition: []byte(modelJourneys["third"])},
	} {
		if o := apply(c); o.Disposition != gateway.Refused {
			t.Errorf("%s: %+v", name, o)
		}
		if string(p.AppendSnapshot(nil)) != before {
			t.Fatalf("%s changed the state", name)
		}
	}
}

// TestLeave: who names the right group, or none, leaves it, once.
func TestLeave(t *testing.T) {
	for _, group := range []gateway.GroupID{0, 3} {
		p := NewPartition(Config{})
		for i, tt := range []struct {
			c    gateway.Command
			want gateway.Disposition
		}{
			{gateway.JoinGroup{Customer: 6, Group: 3}, gateway.Accepted}, {gateway.LeaveGroup{Customer: 6, Group: 4}, gateway.Refused},
			{gateway.LeaveGroup{Customer: 6, Group: group}, gateway.Accepted}, {gateway.LeaveGroup{Customer: 6, Group: group}, gateway.Refused},
		} {
			var s gateway.Step
			p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: tt.c}}}, &s)
			if s.Outcomes[0].Disposition != tt.want {
				t.Errorf("%d: %+v is %v", i, tt.c, s.Outcomes[0].Disposition)
			}
		}
	}
}

type unknownCommand struct{ gateway.Tick }

// TestElsewhere: what only the partition that coordinates a journey may answer is
// refused by another one.
func TestElsewhere(t *testing.T) {
	for part := range 4 {
		p := NewPartition(Config{Partition: part, Partitions: 4})
		apply := func(c gateway.Command) gateway.Disposition {
			var s gateway.Step
			p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: c}}}, &s)
			return s.Outcomes[0].Disposition
		}
		apply(gateway.PublishJourney{Journey: "third", Version: 1, Effective: modelStart, Definition: []byte(modelJourneys["third"])})
		want := gateway.Refused
		if p.coordinates(p.journeys[0]) {
			want = gateway.Accepted
		}
		join, wantJoin := gateway.JoinGroup{Customer: 4, Group: 3}, gateway.Passed
		if gateway.HomeOf(4, 3, 4) == part {
			wantJoin = gateway.Accepted
			if gateway.HomeOf(4, 0, 4) != part {
				wantJoin = gateway.Held
			}
		}
		apply(gateway.EraseCustomer{Customer: 9})
		for _, c := range []gateway.Command{gateway.LeaveGroup{}, gateway.LeaveGroup{Customer: 9}, gateway.JoinGroup{Customer: 9, Group: 3}, gateway.JoinGroup{Group: 3}} {
			if got := apply(c); got != gateway.Refused { // wherever they would live
				t.Errorf("partition %d: %+v is %v", part, c, got)
			}
		}
		if got := apply(join); got != wantJoin {
			t.Errorf("partition %d: a join is %v, not %v", part, got, wantJoin)
		}
		for _, c := range []gateway.Command{gateway.RequestGrant{Journey: "third", Limit: gateway.LimitEntry, Want: 1, Partition: 1},
			gateway.ReportMessages{Journey: "third", N: 1, Partition: 1}} {
			if got := apply(c); got != want {
				t.Errorf("partition %d: %T is %v, not %v", part, c, got, want)
			}
		}
	}
}

// TestDuplicates: what was taken before is taken once.
func TestDuplicates(t *testing.T) {
	p := NewPartition(Config{})
	apply := func(in gateway.Input) gateway.Disposition {
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{in}}, &s)
		return s.Outcomes[0].Disposition
	}
	publish := gateway.PublishJourney{Journey: "third", Version: 2, Effective: modelStart, Definition: []byte(modelJourneys["third"])}
	pause := gateway.SetJourneyState{Journey: "third", State: gateway.JourneyPaused, Effective: modelStart}
	forecast := pause
	forecast.Reason = gateway.ReasonForecast
	forwarded := func(partition int, step uint64, index uint32) gateway.Input {
		return gateway.Input{From: gateway.Forwarded{Partition: partition, Step: step, Index: index}, Command: gateway.UpsertCustomer{Customer: 1}}
	}
	for i, tt := range []struct {
		in   gateway.Input
		want gateway.Disposition
	}{
		{gateway.Input{Command: publish}, gateway.Accepted},
		{gateway.Input{Command: publish}, gateway.Duplicate},
		{gateway.Input{Command: forecast}, gateway.Accepted},
		{gateway.Input{Command: forecast}, gateway.Duplicate}, // it stands still already
		{gateway.Input{Command: pause}, gateway.Accepted},
		{gateway.Input{Command: gateway.FillTraits{Journey: "third", Version: 2}}, gateway.Duplicate},
		{gateway.Input{Command: gateway.FillTraits{Journey: "third", Version: 7}}, gateway.Duplicate},
		{gateway.Input{Command: gateway.FinishFill{Journey: "third", Version: 2}}, gateway.Duplicate},
		{gateway.Input{Command: gateway.FinishFill{Journey: "none", Version: 2}}, gateway.Duplicate},
		// what another partition sends has its place there: a repeated one is behind the last
		{forwarded(1, 5, 0), gateway.Accepted},
		{forwarded(1, 5, 1), gateway.Accepted},
		{forwarded(1, 5, 1), gateway.Duplicate},
		{forwarded(1, 5, 0), gateway.Duplicate},
		{forwarded(1, 4, 7), gateway.Duplicate},
		{forwarded(2, 4, 7), gateway.Accepted},
		{forwarded(1, 6, 0), gateway.Accepted},
		{forwarded(1, 6, 0), gateway.Duplicate},
		{forwarded(2, 4, 8), gateway.Accepted},
	} {
		if got := apply(tt.in); got != tt.want {
			t.Errorf("input %d, %+v: %v, not %v", i, tt.in.Command, got, tt.want)
		}
	}
}

// TestTooManyCounters: one event type moves at most 64 counters, those of other
// journeys among them; a counter that is there already is not a new one.
func TestTooManyCounters(t *testing.T) {
	p := NewPartition(Config{})
	publish := func(name string, from, n int) gateway.Step {
		text := "name: " + name + "\npurpose: service\ntrigger: {event: brew}\nsteps: [{id: rest, wait: {for: 1h}}]\ntraits:\n"
		for i := range n {
			text += fmt.Sprintf("  t%d: {count: brew, within: %dd}\n", i, from+i+1)
		}
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{
			Command: gateway.PublishJourney{Journey: name, Version: 1, Definition: []byte(text)}}}}, &s)
		return s
	}
	publish("a", 0, 40)
	if s := publish("b", 40, 25); s.Decisions[0].Rule != "event type brew would move more than 64 counters" {
		t.Errorf("65 counters: %+v", s.Decisions)
	}
	if s := publish("c", 20, 44); s.Outcomes[0].Disposition != gateway.Accepted { // 20 of them are there
		t.Errorf("64 counters: %+v", s.Decisions)
	}
}
