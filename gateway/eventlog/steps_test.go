package eventlog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
)

func step(partition int, number, owner uint64) *gateway.Step {
	return &gateway.Step{
		Partition: partition, Number: number, Owner: owner, Now: gateway.Instant(1_700_000_000_000 + number),
		Applied:  []gateway.Applied{{Seq: number, Inputs: 2, At: gateway.Instant(1_700_000_000_000 + number)}},
		Outcomes: []gateway.Outcome{{Customer: 7}, {Disposition: gateway.Duplicate}},
		Changes:  []byte(strings.Repeat("change", int(number%100))),
	}
}

// appendSteps commits n steps after number last and returns the sequence of
// the last one.
func appendSteps(t testing.TB, l *Log, partition int, last, prev uint64, n int) uint64 {
	t.Helper()
	for i := range uint64(n) {
		seq, err := l.AppendStep(within(t, 10*time.Second), step(partition, last+i+1, 1), prev)
		if err != nil {
			t.Fatal(err)
		}
		prev = seq
	}
	return prev
}

func wantKind(t testing.TB, err error, kind gateway.ErrorKind) {
	t.Helper()
	if err == nil || gateway.KindOf(err) != kind {
		t.Fatalf("got %v, want an error of kind %v", err, kind)
	}
}

func TestStepsRoundTrip(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		if last, err := l.LastStep(ctx, 3); last != nil || err != nil {
			t.Fatal(last, err)
		}
		appendSteps(t, l, 7, 0, 0, 3) // shares the stream
		end := appendSteps(t, l, 3, 0, 0, 10)
		r, err := l.ReadSteps(ctx, 3, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got gateway.Step
		for n := range uint64(10) {
			if err := r.Next(ctx, &got); err != nil {
				t.Fatal(err)
			}
			want := step(3, n+1, 1)
			want.Seq = got.Seq
			if d := cmp.Diff(want, &got, cmpopts.EquateEmpty()); d != "" {
				t.Fatal(d)
			}
		}
		if ok, err := r.TryNext(&got); ok || err != nil {
			t.Fatal(ok, err)
		}
		last, err := l.LastStep(ctx, 3)
		if err != nil || last.Number != 10 || last.Seq != end {
			t.Fatal(last, err)
		}
		from, err := l.ReadSteps(ctx, 3, got.Seq)
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		appendSteps(t, l, 3, 10, end, 1)
		if err := from.Next(ctx, &got); err != nil || got.Number != 11 {
			t.Fatal(got.Number, err)
		}
	})
}

// Two owners: whoever writes first after the other's last step wins, the other
// is fenced for good; the same step committed again is found, not doubled.
func TestZombieIsFenced(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		first := step(0, 1, 1)
		seq, err := l.AppendStep(ctx, first, 0)
		if err != nil {
			t.Fatal(err)
		}
		again := step(0, 1, 1)
		if found, err := l.AppendStep(ctx, again, 0); err != nil || found != seq || again.Seq != seq {
			t.Fatal(found, seq, err)
		}
		newOwner := step(0, 2, 2)
		if _, err := l.AppendStep(ctx, newOwner, seq); err != nil {
			t.Fatal(err)
		}
		_, err = l.AppendStep(ctx, step(0, 2, 1), seq)
		wantKind(t, err, gateway.Fenced)
		_, err = l.AppendStep(ctx, step(0, 2, 1), 0)
		wantKind(t, err, gateway.Fenced)
		last, err := l.LastStep(ctx, 0)
		if err != nil || last.Owner != 2 || last.Number != 2 {
			t.Fatal(last, err)
		}
	})
}

// An own write whose answer was lost is found also when the server has
// forgotten the message id.
func TestOwnWriteIsFoundByContent(t *testing.T) {
	l := newStore(t, "embedded").open(t)
	ctx := within(t, 20*time.Second)
	mine := step(1, 1, 4)
	var buf buffer
	buf.record = appendStepRecord(mine, 0)
	seq, err := l.publish(ctx, l.names.steps(1), buf.pack(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := l.AppendStep(ctx, mine, 0); err != nil || found != seq {
		t.Fatal(found, seq, err)
	}
}

func TestHoleStopsTheReader(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		appendSteps(t, l, 2, 0, 0, 6)
		st, err := l.handle(ctx, l.names.stepStream(2))
		if err != nil {
			t.Fatal(err)
		}
		if err := st.s.DeleteMsg(ctx, 4); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l) // what is still in memory would hide it
		l = s.open(t)
		r, err := l.ReadSteps(ctx, 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got gateway.Step
		for range 3 {
			if err := r.Next(ctx, &got); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // and it stays stopped
			err = r.Next(ctx, &got)
			wantKind(t, err, gateway.Internal)
			if !strings.Contains(err.Error(), "hole") {
				t.Fatal(err)
			}
		}
		if _, err := r.TryNext(&got); err == nil {
			t.Fatal("the reader goes on after a hole")
		}
	})
}

func TestDamagedRecordStopsTheReader(t *testing.T) {
	s := newStore(t, "embedded")
	l := s.open(t)
	ctx := within(t, 20*time.Second)
	seq := appendSteps(t, l, 2, 0, 0, 1)
	var buf buffer
	buf.record = appendStepRecord(step(2, 2, 1), seq)
	buf.record[len(buf.record)/2] ^= 1
	if _, err := l.publish(ctx, l.names.steps(2), buf.pack(), "", noExpectation); err != nil {
		t.Fatal(err)
	}
	for _, payload := range [][]byte{{}, {9, 1, 2}, {packedS2, 0xff, 0xff, 0xff, 0xff, 0x0f}, {packedPlain}} {
		if _, err := l.publish(ctx, l.names.events(2), payload, "", noExpectation); err != nil {
			t.Fatal(err)
		}
	}
	// A damaged end of a log does not keep it from opening.
	closeLog(t, l)
	l = s.open(t)
	r, err := l.ReadSteps(ctx, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got gateway.Step
	if err := r.Next(ctx, &got); err != nil {
		t.Fatal(err)
	}
	wantKind(t, r.Next(ctx, &got), gateway.Internal)
	_, err = l.LastStep(ctx, 2)
	wantKind(t, err, gateway.Internal)
	for from := range uint64(4) {
		events, err := l.ReadEvents(ctx, 2, from)
		if err != nil {
			t.Fatal(err)
		}
		var b gateway.Batch
		wantKind(t, events.Next(ctx, &b), gateway.Internal)
		events.Close()
	}
}

// A position behind the end means that the log has lost what was read before.
func TestLostTailIsNoticed(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		seq, err := l.AppendEvents(ctx, batch(4, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.ReadEvents(ctx, 4, seq+5)
		wantKind(t, err, gateway.Internal)
		_, err = l.ReadSteps(ctx, 4, 1)
		wantKind(t, err, gateway.Internal)
	})
}

// The same batch after an unknown outcome is stored once; two equal batches
// without one are two.
func TestUnknownOutcomeIsRepeatable(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 30*time.Second)
		unknown := 0
		for i := range 200 {
			b := batch(6, i, 20)
			short, cancel := context.WithTimeout(ctx, time.Duration(i%50)*20*time.Microsecond)
			_, err := l.AppendEvents(short, b)
			cancel()
			if err == nil {
				continue
			}
			if kind := gateway.KindOf(err); kind != gateway.OutcomeUnknown && kind != gateway.Unavailable {
				t.Fatal(err)
			}
			unknown++
			if _, err = l.AppendEvents(ctx, b); err != nil {
				t.Fatal(err)
			}
		}
		if unknown == 0 {
			t.Fatal("no outcome stayed unknown")
		}
		info := streamInfo(t, l, l.names.eventStream(6))
		if info.State.Msgs != 200 {
			t.Fatalf("%d batches stored, want 200 (%d tries had an unknown outcome)", info.State.Msgs, unknown)
		}
		same := batch(6, 9999, 1)
		one, err1 := l.AppendEvents(ctx, same)
		two, err2 := l.AppendEvents(ctx, same)
		if err := errors.Join(err1, err2); err != nil || one == two {
			t.Fatal(one, two, err)
		}
	})
}

func streamInfo(t testing.TB, l *Log, name string) *jetstream.StreamInfo {
	t.Helper()
	st, err := l.handle(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := st.info(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestTooLarge(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		big := step(0, 1, 1)
		big.Changes = noise(9 << 20)
		_, err := l.AppendStep(ctx, big, 0)
		wantKind(t, err, gateway.Invalid)
		b := batch(0, 0, 1)
		b.Inputs[0].Event.Properties[1].Value = gateway.String(string(noise(9 << 20)))
		_, err = l.AppendEvents(ctx, b)
		wantKind(t, err, gateway.Invalid)
		_, err = l.AppendEvents(ctx, &gateway.Batch{})
		wantKind(t, err, gateway.Invalid)
		_, err = l.AppendEvents(ctx, batch(16, 0, 1))
		wantKind(t, err, gateway.Invalid)
	})
}

// noise is text that does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = 'a' + byte(x%26)
	}
	return b
}
