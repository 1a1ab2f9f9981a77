package eventlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

func appendStepRecord(s *gateway.Step, prev uint64) []byte { return wire.AppendStep(nil, s, prev) }

func tiny(o *Options) { o.Partitions, o.Streams, o.MaxBytes = 2, 1, 1<<20 }

// At 90 % input from outside is refused; ticks, receipts, forwarded events and
// steps still pass; a trim makes room.
func TestFullLogRefusesInput(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t, tiny)
		ctx := within(t, 30*time.Second)
		big := func(i int) *gateway.Batch {
			b := batch(0, i, 1)
			b.Inputs[0].Event.Properties[1].Value = gateway.String(string(noise(20 << 10)))
			return b
		}
		var err error
		var last uint64
		n := 0
		for ; n < 100 && err == nil; n++ {
			var seq uint64
			if seq, err = l.AppendEvents(ctx, big(n)); err == nil {
				last = seq
			}
		}
		wantKind(t, err, gateway.Exhausted)
		if full := l.Full(); full < 0.88 || full > 0.95 {
			t.Fatalf("refused when %.2f full", full)
		}
		for _, in := range []gateway.Input{
			{Command: gateway.Tick{}}, {Command: gateway.Receipt{State: gateway.MessageDisplayed}},
			{Event: event(1), From: gateway.Forwarded{Partition: 1, Step: 1}},
		} {
			if _, err := l.AppendEvents(ctx, &gateway.Batch{Partition: 0, Inputs: []gateway.Input{in}}); err != nil {
				t.Fatal(err)
			}
		}
		_, err = l.AppendEvents(ctx, &gateway.Batch{Inputs: []gateway.Input{{Command: gateway.Tick{}}, {Event: event(1)}}})
		wantKind(t, err, gateway.Exhausted)
		step := appendSteps(t, l, 0, 0, 0, 3)
		for range keepSnapshots {
			if err := l.SaveSnapshot(ctx, 0, step, 3, last, []byte("state")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Trim(ctx, Retention{}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.AppendEvents(ctx, big(n)); err != nil {
			t.Fatalf("after the trim, %.2f full: %v", l.Full(), err)
		}
	})
}

// Nothing goes that a snapshot, a follower or the age still needs.
func TestTrim(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 30*time.Second)
		const p = 1
		var events []uint64
		for i := range 10 {
			seq, err := l.AppendEvents(ctx, batch(p, i, 1))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, seq)
		}
		end := appendSteps(t, l, p, 0, 0, 10) // alone in its stream: 1 to 10
		trim := func(r Retention, wantEvents, wantSteps uint64) {
			t.Helper()
			got, err := l.Trim(ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			if want := (Position{EventSeq: wantEvents, StepSeq: wantSteps}); got[p] != want || got[5] != (Position{}) {
				t.Fatalf("trimmed to %+v (and %+v), want %+v", got[p], got[5], want)
			}
		}
		snapshot := func(stepSeq uint64) {
			t.Helper()
			if err := l.SaveSnapshot(ctx, p, stepSeq, stepSeq, events[stepSeq-1], []byte("state")); err != nil {
				t.Fatal(err)
			}
		}
		trim(Retention{}, 0, 0) // no snapshot
		snapshot(4)
		trim(Retention{}, 0, 0) // a single one
		snapshot(6)
		if err := l.SetFollower(ctx, "history", p, 0, 0); err != nil {
			t.Fatal(err)
		}
		trim(Retention{}, 0, 0) // a follower that has read nothing
		if err := l.SetFollower(ctx, "history", p, events[2], 3); err != nil {
			t.Fatal(err)
		}
		trim(Retention{Keep: time.Hour}, 0, 0) // too young
		trim(Retention{}, events[2], 3)
		if err := l.SetFollower(ctx, "history", p, events[9], end); err != nil {
			t.Fatal(err)
		}
		trim(Retention{}, events[3], 4) // the older snapshot
		if err := l.SetFollower(ctx, "directory", 2, 0, 0); err != nil {
			t.Fatal(err)
		}
		snapshot(10)
		snapshot(10)
		trim(Retention{}, events[3], 4) // a follower that has not come to this partition
		if err := l.RemoveFollower(ctx, "directory"); err != nil {
			t.Fatal(err)
		}
		trim(Retention{}, events[9], 9) // the last step stays
		last, err := l.LastStep(ctx, p)
		if err != nil || last.Number != 10 {
			t.Fatal(last, err)
		}
		if seq, err := l.LastEventSeq(ctx, p); err != nil || seq != events[9] {
			t.Fatal(seq, err)
		}
		_, err = l.ReadSteps(ctx, p, 0)
		wantKind(t, err, gateway.NotFound)
		_, err = l.ReadEvents(ctx, p, events[5])
		wantKind(t, err, gateway.NotFound)
		appendSteps(t, l, p, 10, end, 1)
		closeLog(t, l)

		l = s.open(t)
		ctx = within(t, 30*time.Second)
		if seq, err := l.LastEventSeq(ctx, p); err != nil || seq != events[9] {
			t.Fatal(seq, err)
		}
		if got := l.Followers()["history"]; got == nil || got[p] != (Position{EventSeq: events[9], StepSeq: end}) {
			t.Fatal(got)
		}
		r, err := l.ReadSteps(ctx, p, 9)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got gateway.Step
		for _, want := range []uint64{10, 11} {
			if err := r.Next(ctx, &got); err != nil || got.Number != want {
				t.Fatal(got.Number, err)
			}
		}
	})
}

func TestSnapshots(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 30*time.Second)
		load := func(want uint64, size int) {
			t.Helper()
			got, err := l.LoadSnapshot(ctx, 9)
			if err != nil || got == nil || got.StepNumber != want || got.StepSeq != want+1 || got.EventSeq != want+2 || string(got.Data) != string(noise(size)) {
				t.Fatalf("loaded %+v, %v; want step %d of %d bytes", got, err, want, size)
			}
		}
		save := func(number uint64, size int) {
			t.Helper()
			if err := l.SaveSnapshot(ctx, 9, number+1, number, number+2, noise(size)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := l.LoadSnapshot(ctx, 9); got != nil || err != nil {
			t.Fatal(got, err)
		}
		save(1, 0)
		load(1, 0)
		save(10, 3*chunkSize+17)
		load(10, 3*chunkSize+17)

		// Torn: chunks and no manifest. The one before counts, and the torn one
		// goes when it is older than all that are kept.
		torn := l.names.snapshotChunks(9, fmt.Sprintf("%016x-torn", 11))
		if _, err := l.publish(ctx, torn, []byte("half"), "", noExpectation); err != nil {
			t.Fatal(err)
		}
		load(10, 3*chunkSize+17)
		save(12, 2*chunkSize)
		save(13, 100)
		load(13, 100)
		info := streamInfo(t, l, l.names.snapshotStream())
		if want := uint64(2 + 1 + 2); info.State.Msgs != want { // two manifests, chunks of 13 and 12
			t.Errorf("%d messages are left, want %d", info.State.Msgs, want)
		}

		// A snapshot that lost a chunk is passed over.
		save(20, 4*chunkSize)
		list, err := l.manifests(ctx, 9)
		if err != nil {
			t.Fatal(err)
		}
		st, err := l.handle(ctx, l.names.snapshotStream())
		if err != nil {
			t.Fatal(err)
		}
		if err := st.s.DeleteMsg(ctx, list[len(list)-1].FirstChunkSeq+2); err != nil {
			t.Fatal(err)
		}
		load(13, 100)
		if got, err := l.LoadSnapshot(ctx, 8); got != nil || err != nil {
			t.Fatal(got, err)
		}
		closeLog(t, l)
		l = s.open(t)
		ctx = context.WithoutCancel(within(t, 30*time.Second))
		load(13, 100)
	})
}
