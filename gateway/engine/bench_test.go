package engine

import (
	"fmt"
	"syscall"
	"time"

	"touchpoint/gateway"
)

// countCore is the cheapest core: what is measured with it is the engine.
type countCore struct{ n uint64 }

func (c *countCore) Apply(b *gateway.Batch, out *gateway.Step) {
	for range b.Inputs {
		out.Outcomes = append(out.Outcomes, gateway.Outcome{})
		out.Changes = append(out.Changes, "thirty bytes of change per event"[:30]...)
	}
	c.n += uint64(len(b.Inputs))
	out.Now, out.Observed = b.RecordTime, b.Observed
	out.Applied = append(out.Applied, gateway.Applied{Seq: b.Seq, Inputs: len(b.Inputs), At: b.RecordTime})
}

func (c *countCore) Replay(*gateway.Step) error                  { return nil }
func (c *countCore) NextTimers() (pure, absence gateway.Instant) { return 0, 0 }
func (c *countCore) AppendSnapshot(dst []byte) []byte            { return append(dst, make([]byte, 100_000)...) }
func (c *countCore) Restore([]byte) error                        { return nil }
func (c *countCore) Unfinished(func(gateway.Message))            {}

// sampleBatch holds events of about 200 bytes.
func sampleBatch(p, n int) *gateway.Batch {
	b := &gateway.Batch{Partition: p}
	for i := range n {
		b.Inputs = append(b.Inputs, gateway.Input{Event: gateway.Event{
			ID: fmt.Sprintf("ev-%06d-%06d", p, i), Type: "brew_finished", Product: "cm-100",
			Device: gateway.DeviceID(1000*p + i + 1), Seq: uint64(i), HasSeq: true,
			OccurredAt: 1_700_000_000_000, ReceivedAt: 1_700_000_000_100, Source: gateway.SourceMQTT,
			Properties: gateway.Properties{
				{Key: "beans_g", Value: gateway.Float(17.5)}, {Key: "recipe", Value: gateway.String("espresso")},
				{Key: "temp_c", Value: gateway.Float(92.5)}, {Key: "water_ml", Value: gateway.Int(38)},
			},
		}})
	}
	return b
}

// cpuTime is the processor time of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
