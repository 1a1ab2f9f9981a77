package journey

import (
	"fmt"
	"testing"

	"touchpoint/gateway"
)

// BenchmarkDealer is a dealer who is told of every machine that is due, once a
// day each: what one message costs him grows with how many he got that day.
func BenchmarkDealer(b *testing.B) {
	for _, machines := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("machines=%d", machines), func(b *testing.B) {
			p := NewPartition(Config{Partitions: 1})
			const shop = gateway.CustomerID(1)
			batch := gateway.Batch{Seq: 1, RecordTime: 1_777_000_000_000, Observed: 1_777_000_000_000}
			put := func(c gateway.Command) { batch.Inputs = append(batch.Inputs, gateway.Input{Command: c}) }
			put(gateway.PublishJourney{Journey: "service", Version: 1, Effective: batch.RecordTime, Definition: []byte(`name: service
purpose: service
trigger: {event: service_due}
steps:
  - id: tell
    send: {recipient: dealer, channels: [webhook], texts: {en: {title: A service is due}}}
`)})
			for i := range machines {
				put(gateway.BindDevice{Device: gateway.DeviceID(i + 1), Product: "ebike", Customer: gateway.CustomerID(i + 2), Role: "owner", At: batch.RecordTime})
				put(gateway.BindDevice{Device: gateway.DeviceID(i + 1), Product: "ebike", Customer: shop, Role: "dealer", At: batch.RecordTime})
			}
			var s gateway.Step
			p.Apply(&batch, &s)
			batch.Inputs = make([]gateway.Input, 1)
			sent := 0
			day := func(k int) {
				batch.Seq++
				batch.RecordTime = 1_777_000_000_000 + gateway.Instant(int64(k+1)*dayMillis/int64(machines))
				batch.Observed = batch.RecordTime
				batch.Inputs[0].Event = gateway.Event{ID: fmt.Sprint(k), Type: "service_due", Product: "ebike", Device: gateway.DeviceID(k%machines + 1),
					OccurredAt: batch.RecordTime, ReceivedAt: batch.RecordTime}
				s = gateway.Step{}
				p.Apply(&batch, &s)
				sent += len(s.Messages)
				batch.Inputs = batch.Inputs[:1]
				for _, m := range s.Messages {
					put(gateway.Receipt{Message: m.ID, Customer: m.Customer, State: gateway.MessageDisplayed, At: batch.RecordTime})
				}
			}
			for k := range 3 * machines {
				day(k)
			}
			b.ResetTimer()
			for k := range b.N {
				day(3*machines + k)
			}
			b.StopTimer()
			if sent != 3*machines+b.N {
				b.Fatal(sent, "sent of", 3*machines+b.N)
			}
		})
	}
}
