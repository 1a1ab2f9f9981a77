package directory_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"touchpoint/gateway"
)

// BenchmarkCounters follows steps that change counters alone, as most do.
func BenchmarkCounters(b *testing.B) {
	f := open(b)
	outcomes := make([]gateway.Outcome, 64)
	var pos gateway.Position
	for i := range b.N {
		pos = f.log.append(gateway.Step{Partition: i % partitions, Now: start, Outcomes: outcomes})
	}
	b.ResetTimer()
	f.await(pos)
}

// BenchmarkMessages follows steps of one decided message each: enrollment,
// message, two decisions, hand-over and display.
func BenchmarkMessages(b *testing.B) {
	f := open(b)
	last := map[int]gateway.Position{}
	b.ResetTimer()
	for i := range b.N {
		n := uint64(i)
		c := gateway.CustomerID(n * 0x9e3779b97f4a7c15)
		p := i % partitions
		at := start + gateway.Instant(i)
		last[p] = f.log.append(gateway.Step{Partition: p, Now: at,
			Entered:  []gateway.Enrollment{{ID: enrollmentID(n), Journey: "j", Version: 1, Customer: c, Step: "a", EnteredAt: at}},
			Messages: []gateway.Message{{ID: messageID(n), Journey: "j", Version: 1, Customer: c, Device: gateway.DeviceID(c), Channel: "product", DecidedAt: at}},
			Decisions: []gateway.Decision{
				{At: at, Kind: gateway.DecisionEntry, Reason: gateway.ReasonEnrolled, Journey: "j", Version: 1, Customer: c, Enrollment: enrollmentID(n), EventID: fmt.Sprint(i)},
				{At: at, Kind: gateway.DecisionSend, Reason: gateway.ReasonSent, Journey: "j", Version: 1, Customer: c, Message: messageID(n), EventID: fmt.Sprint(i)},
			}})
		for _, s := range []gateway.MessageState{gateway.MessageHandedOver, gateway.MessageDisplayed} {
			last[p] = f.log.append(gateway.Step{Partition: p, Now: at,
				Updates: []gateway.MessageUpdate{{Message: messageID(n), Customer: c, Journey: "j", Channel: "product", State: s, At: at}}})
		}
	}
	for _, pos := range last {
		f.await(pos)
	}
}

// BenchmarkVisible is the time from the commit of a step to its visibility when
// nothing else happens and nobody waits by Await.
func BenchmarkVisible(b *testing.B) {
	f := open(b)
	sub := f.Subscribe(16)
	times := make([]time.Duration, b.N)
	for i := range times {
		<-time.After(60 * time.Millisecond) // the directory is idle then
		begin := time.Now()
		f.log.append(gateway.Step{Partition: 0, Now: start, Decisions: []gateway.Decision{{At: start, Customer: anna, EventID: fmt.Sprint(i)}}})
		<-sub.Changes
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[b.N/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(times[b.N*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(0, "ns/op")
}
