package eventlog

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/internal/testservers"
)

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]Options{
		"name:":          {Dir: "d", Name: "with space"},
		"log.dir:":       {},
		"log.nats:":      {Dir: "d", URLs: []string{"nats://127.0.0.1:1"}},
		"partitions:":    {Dir: "d", Partitions: -1},
		"log.streams:":   {Dir: "d", Partitions: 2, Streams: 3},
		"log.max_bytes:": {Dir: "d", MaxBytes: 7},
		"log.replicas:":  {Dir: "d", Replicas: 3},
		"log.lease:":     {Dir: "d", Lease: time.Millisecond},
		"log.owner:":     {Dir: "d", Owner: "a.b"},
	} {
		err := o.Validate()
		if gateway.KindOf(err) != gateway.Invalid || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s…", o, err, want)
		}
	}
}

// A log is refused when a setting differs from those that it was created with;
// the setting is named.
func TestMismatchIsRefused(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		closeLog(t, s.open(t, func(o *Options) { o.VirtualClock, o.ClockOrigin = true, 5000 }))
		virtual := func(o *Options) { o.VirtualClock = true }
		cases := map[string]func(*Options){
			"partitions:":   func(o *Options) { o.Partitions = 8 },
			"log.streams:":  func(o *Options) { o.Streams = 2 },
			"clock:":        func(o *Options) { o.VirtualClock = false },
			"clock.origin:": func(o *Options) { o.ClockOrigin = 6000 },
		}
		if s.name == "embedded" {
			cases["name:"] = func(o *Options) { o.Name = "other" }
		}
		for want, change := range cases {
			l, err := s.tryOpen(virtual, change)
			if l != nil || gateway.KindOf(err) != gateway.Conflict || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v, want %s…", err, want)
			}
		}
		l := s.open(t, virtual)
		if i := l.Installation(); i.ClockOrigin != 5000 || i.Format != 1 || i.Partitions != 16 {
			t.Errorf("%+v", i)
		}
	})
}

func TestDirectoryIsLocked(t *testing.T) {
	s := newStore(t, "embedded")
	l := s.open(t)
	_, err := s.tryOpen()
	wantKind(t, err, gateway.Conflict)
	if !strings.Contains(err.Error(), "another process") {
		t.Error(err)
	}
	closeLog(t, l)
	s.open(t)
}

func TestLastTime(t *testing.T) {
	both(t, func(t *testing.T, s *store) {
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		if at, err := l.LastTime(ctx); at != 0 || err != nil {
			t.Fatal(at, err)
		}
		if _, err := l.AppendEvents(ctx, batch(3, 50, 1)); err != nil {
			t.Fatal(err)
		}
		if at, err := l.LastTime(ctx); at != 1_700_000_000_050 || err != nil {
			t.Fatal(at, err)
		}
		appendSteps(t, l, 9, 0, 0, 60)
		if at, err := l.LastTime(ctx); at != 1_700_000_000_060 || err != nil {
			t.Fatal(at, err)
		}
		if l.Ready() != nil || l.Guarantee() == "" {
			t.Error(l.Ready(), l.Guarantee())
		}
	})
}

// The server goes away and comes back; appends are retried, readers go on,
// everything is there once and in order.
func TestServerRestart(t *testing.T) {
	s := newStore(t, "external")
	l := s.open(t, func(o *Options) { o.AppendTimeout = time.Second })
	ctx := within(t, 60*time.Second)
	const n = 60
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for i := range n {
				b := batch(p, i, 1)
				err := l.retry(ctx, func() error { _, err := l.AppendEvents(ctx, b); return err })
				if err != nil {
					t.Error(err)
					return
				}
				if p == 0 && i == n/3 {
					s.stopServer()
					s.startServer(t)
				}
			}
		}()
		go func() {
			defer wg.Done()
			r, err := l.ReadEvents(ctx, p, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			var got gateway.Batch
			for i := range n {
				if err := r.Next(ctx, &got); err != nil || got.Inputs[0].Event.ID != event(i).ID {
					t.Errorf("partition %d, batch %d: %v %v", p, i, got.Inputs, err)
					return
				}
			}
		}()
	}
	wg.Wait()
}

// A log that answers and stores nothing is not ready, and says for which
// partition, until an append goes well again.
func TestNotReadyWhileAppendsFail(t *testing.T) {
	l := newStore(t, "embedded").open(t, func(o *Options) { o.AppendTimeout = 200 * time.Millisecond })
	ctx := within(t, 20*time.Second)
	if err := l.js.DeleteStream(ctx, l.names.eventStream(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendEvents(ctx, batch(1, 0, 1)); err == nil {
		t.Fatal("stored without a stream")
	}
	if err := l.Ready(); err == nil || !strings.Contains(err.Error(), "takes nothing for partition 1") {
		t.Errorf("ready: %v", err)
	}
	if err := l.createStreams(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendEvents(ctx, batch(1, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := l.Ready(); err != nil {
		t.Error(err)
	}
}

// Streams reserve their room when they are made: a server that has less says so
// at the start, with the key that is wrong.
func TestServerWithTooLittleRoom(t *testing.T) {
	server := testservers.NATS(t, testservers.NATSOptions{MaxFileStore: "1GB"})
	_, err := Open(within(t, 10*time.Second), Options{Name: "test", URLs: []string{server.URL}, Partitions: 1, MaxBytes: 16 << 30})
	if err == nil || !strings.Contains(err.Error(), "log.max_bytes") || gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("opened on a server with 1 GB: %v", err)
	}
}

// TestMain runs the binary as the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("EVENTLOG_TEST_CHILD"); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child appends events and steps to four partitions as fast as it can and says
// on standard output what was acknowledged.
func child(dir string) {
	ctx := context.Background()
	l, err := Open(ctx, Options{Name: "test", Dir: dir, MaxBytes: 64 << 20})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	for p := range 4 {
		go func() {
			last, err := l.LastStep(ctx, p)
			number, prev := uint64(0), uint64(0)
			if last != nil {
				number, prev = last.Number, last.Seq
			}
			for i := 0; err == nil; i++ {
				var seq uint64
				if seq, err = l.AppendEvents(ctx, batch(p, i, 5)); err != nil {
					break
				}
				mu.Lock()
				fmt.Println("event", p, seq)
				mu.Unlock()
				number++
				if prev, err = l.AppendStep(ctx, step(p, number, 1), prev); err != nil {
					break
				}
				mu.Lock()
				fmt.Println("step", p, number)
				mu.Unlock()
			}
			fmt.Println("error", err)
			os.Exit(1)
		}()
	}
	select {}
}

// A process is killed while it writes, several times; what it was told is
// stored is there, the chain of steps is whole, and the directory opens again.
func TestKillAndReopen(t *testing.T) {
	s := newStore(t, "embedded")
	var events, steps [4]uint64
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "EVENTLOG_TEST_CHILD="+s.dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 150+40*round {
				_ = cmd.Process.Kill()
			}
			var what string
			var p int
			var v uint64
			if _, err := fmt.Sscan(lines.Text(), &what, &p, &v); err != nil {
				if strings.HasPrefix(lines.Text(), "error") {
					t.Fatal(lines.Text())
				}
				continue // cut by the kill
			}
			if what == "event" {
				events[p] = v
			} else {
				steps[p] = v
			}
		}
		_ = cmd.Wait()
		l := s.open(t)
		ctx := within(t, 20*time.Second)
		for p := range 4 {
			if last, err := l.LastEventSeq(ctx, p); err != nil || last < events[p] {
				t.Fatalf("partition %d: EVENTS end at %d, acknowledged was %d (%v)", p, last, events[p], err)
			}
			checkChain(t, l, p, steps[p])
		}
		closeLog(t, l)
	}
}

func checkChain(t *testing.T, l *Log, p int, atLeast uint64) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	last, err := l.LastStep(ctx, p)
	if err != nil || last.Number < atLeast {
		t.Fatalf("partition %d: STEPS end at %v, acknowledged was %d (%v)", p, last, atLeast, err)
	}
	r, err := l.ReadSteps(ctx, p, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var s gateway.Step
	for s.Number < last.Number {
		if err := r.Next(ctx, &s); err != nil {
			t.Fatal(err)
		}
	}
}
