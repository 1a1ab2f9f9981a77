package wire_test

import (
	"fmt"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

const benchEvents = 256

func benchBatch() *gateway.Batch {
	b := &gateway.Batch{Partition: 3, RecordTime: 1_700_000_000_000, Observed: 1_700_000_000_000}
	for i := range benchEvents {
		b.Inputs = append(b.Inputs, gateway.Input{Event: gateway.Event{
			ID: fmt.Sprintf("ev-%08d", i), Type: "brew_finished", Product: "espresso-one",
			Device: gateway.DeviceID(uint64(i)*0x9e3779b97f4a7c15 + 1), Boot: 3, Seq: uint64(i), HasSeq: true,
			OccurredAt: gateway.Instant(1_700_000_000_000 + i), ReceivedAt: gateway.Instant(1_700_000_000_100 + i), Source: gateway.SourceMQTT,
			Properties: gateway.Properties{
				{Key: "beans_g", Value: gateway.Float(17.5)}, {Key: "drink", Value: gateway.String("espresso")},
				{Key: "duration_s", Value: gateway.Int(27)}, {Key: "ok", Value: gateway.Bool(true)},
				{Key: "temp_c", Value: gateway.Float(92.25)}, {Key: "water_ml", Value: gateway.Int(40)},
			},
		}})
	}
	return b
}

func perEvent(b *testing.B, bytes int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchEvents, "ns/event")
	b.ReportMetric(float64(bytes)/benchEvents, "B/event")
	b.ReportAllocs()
}

func BenchmarkAppendBatch(b *testing.B) {
	batch := benchBatch()
	var buf []byte
	for b.Loop() {
		buf = wire.AppendBatch(buf[:0], batch)
	}
	perEvent(b, len(buf))
}

func BenchmarkDecodeBatch(b *testing.B) {
	data := wire.AppendBatch(nil, benchBatch())
	var batch gateway.Batch
	for b.Loop() {
		if err := wire.DecodeBatch(data, &batch); err != nil {
			b.Fatal(err)
		}
	}
	perEvent(b, len(data))
}

func benchStep() *gateway.Step {
	s := &gateway.Step{Partition: 3, Number: 9, Owner: 2, Now: 1_700_000_000_000, Changes: make([]byte, 40*benchEvents)}
	s.Applied = []gateway.Applied{{Seq: 17, Inputs: benchEvents, At: 1_700_000_000_000}}
	for i := range benchEvents {
		s.Outcomes = append(s.Outcomes, gateway.Outcome{Customer: gateway.CustomerID(i + 1)})
		if i%20 == 0 {
			s.Messages = append(s.Messages, gateway.Message{
				ID: gateway.MessageID{byte(i), 1}, Journey: "welcome", Version: 1, Step: "say_hello", Customer: 5, Device: 6,
				Channel: "product", Purpose: gateway.PurposeService, Template: "hello", DecidedAt: 1_700_000_000_000,
			})
		}
	}
	return s
}

func BenchmarkAppendStep(b *testing.B) {
	s := benchStep()
	var buf []byte
	for b.Loop() {
		buf = wire.AppendStep(buf[:0], s, 3)
	}
	perEvent(b, len(buf))
}

func BenchmarkDecodeStep(b *testing.B) {
	data := wire.AppendStep(nil, benchStep(), 3)
	var s gateway.Step
	for b.Loop() {
		if _, err := wire.DecodeStep(data, &s); err != nil {
			b.Fatal(err)
		}
	}
	perEvent(b, len(data))
}
