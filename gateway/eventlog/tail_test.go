package eventlog

import (
	"context"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
)

// Readers that start anywhere, while records are appended with known and with
// unknown outcome, see every record once and in order, wherever it comes from.
func TestReadersSwitchBetweenMemoryAndServer(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 60*time.Second)
		const p, n = 3, 3 * tailRecords
		var wg sync.WaitGroup
		read := func(from uint64, slow time.Duration) {
			defer wg.Done()
			r, err := l.ReadEvents(ctx, p, from)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			var b gateway.Batch
			next := -1
			for next < n {
				if err := r.Next(ctx, &b); err != nil {
					t.Error(err)
					return
				}
				got := int(b.Inputs[0].Event.Seq)
				if next != -1 && got != next {
					t.Errorf("reader from %d: got batch %d, want %d", from, got, next)
					return
				}
				next = got + 1
				if slow > 0 {
					timer := time.NewTimer(slow)
					<-timer.C
				}
			}
		}
		for i := range n {
			if i%97 == 0 { // a reader from the beginning, one at the end, a slow one
				seq, err := l.LastEventSeq(ctx, p)
				if err != nil {
					t.Fatal(err)
				}
				wg.Add(3)
				go read(0, 0)
				go read(seq, 0)
				go read(seq, time.Millisecond)
			}
			b := batch(p, i, 1)
			try, cancel := context.WithCancel(ctx)
			if i%50 == 7 {
				try, cancel = context.WithTimeout(ctx, time.Duration(i%5)*100*time.Microsecond)
			}
			_, err := l.AppendEvents(try, b)
			cancel()
			if err != nil {
				if _, err := l.AppendEvents(ctx, b); err != nil {
					t.Fatal(err)
				}
			}
		}
		last, err := l.AppendEvents(ctx, batch(p, n, 1))
		if err != nil {
			t.Fatal(last, err)
		}
		wg.Wait()
	})
}

func TestTailKeepsItsPromise(t *testing.T) {
	tl := newTail(10)
	want := func(pos, seq uint64, covered bool) {
		t.Helper()
		d, c, change := tl.after(pos)
		if d.seq != seq || c != covered || (change != nil) != (covered && seq == 0) {
			t.Fatalf("after %d: %d, %v; want %d, %v", pos, d.seq, c, seq, covered)
		}
	}
	want(9, 0, false)
	want(10, 0, true)
	_, _, change := tl.after(10)
	tl.push(12, 10, []byte("a"))
	<-change
	tl.push(15, 12, []byte("b"))
	tl.push(15, 12, []byte("b"))
	want(10, 12, true)
	want(12, 15, true)
	want(13, 15, true)
	want(15, 0, true)
	tl.push(20, 17, []byte("d")) // the one at 17 has not been pushed yet
	want(15, 0, false)
	want(20, 0, true)
	tl.push(17, 15, []byte("c"))
	want(20, 0, true)
	tl.push(21, 20, []byte("e"))
	want(20, 21, true)
	tl.lose()
	want(21, 0, false)
	tl.push(25, anyPrev, []byte("f"))
	want(21, 0, false)
	want(25, 0, true)
	for i := range uint64(2 * tailRecords) {
		tl.push(26+i, anyPrev, []byte("g"))
	}
	want(25, 0, false)
	want(26+tailRecords-1, 26+tailRecords, true)
	tl.push(9999, anyPrev, make([]byte, tailBytes+1))
	want(26+2*tailRecords, 0, false)
	want(9999, 0, true)
}

func TestAck(t *testing.T) {
	for in, want := range map[string]uint64{
		`{"stream":"test_EVENTS_0","seq":123}`:                                                                123,
		`{"stream":"s","seq":7,"duplicate": true}`:                                                            7,
		`{"stream":"s", "domain":"hub", "seq":18446744073709551615}`:                                          18446744073709551615,
		`{"stream":"s","seq":18446744073709551615}`:                                                           18446744073709551615,
		`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"s","seq":0}`: 0,
		`{"stream":"s","seq":0}`:                                                                              0, `{"stream":"s","seq":`: 0, `{"stream":"s","seq":x}`: 0, ``: 0, `{}`: 0, `{"stream":"s","seq":12`: 0,
	} {
		got, err := parseAck([]byte(in))
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
}

// A reader that waits is told when the log closes.
func TestCloseWakesReaders(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		events, err := l.ReadEvents(ctx, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := l.ReadSteps(ctx, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 2)
		go func() { errs <- events.Next(ctx, new(gateway.Batch)) }()
		go func() { errs <- steps.Next(ctx, new(gateway.Step)) }()
		closeLog(t, l)
		wantKind(t, <-errs, gateway.Unavailable)
		wantKind(t, <-errs, gateway.Unavailable)
	})
}
