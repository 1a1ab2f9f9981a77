package engine

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"touchpoint/gateway"
)

func TestAppliesEverythingOnce(t *testing.T) {
	w := newWorld(t, 4)
	for i := range 200 {
		w.add(i%4, event(gateway.DeviceID(1+i%10), "count", 0))
	}
	e := w.engine()
	if err := e.WaitReady(w.ctx()); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		w.add(i%4, event(gateway.DeviceID(1+i%10), "count", 0))
	}
	w.settle(e)
	sum := 0
	for p := range 4 {
		for _, n := range w.core(p).Counts {
			sum += n
		}
		if w.state(p) != w.replayed(p) {
			t.Errorf("partition %d: state and replay differ", p)
		}
	}
	if sum != 400 {
		t.Errorf("%d of 400 events", sum)
	}
	for _, s := range e.Stats() {
		if s.State != Live || s.Inputs != 100 || s.AppliedSeq == 0 || s.Now != start || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	}
	w.stop(e)
}

func TestRestartContinues(t *testing.T) {
	for name, end := range map[string]func(*world, *Engine){
		"stop":  func(w *world, e *Engine) { w.stop(e) },
		"crash": func(_ *world, e *Engine) { crash(e) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			for range 5 {
				e := w.engine()
				for i := range 20 {
					w.add(i%2, event(gateway.DeviceID(i), "count", 0), event(gateway.DeviceID(i), "wait", 1000))
				}
				w.advance(2 * time.Second)
				if name == "stop" {
					w.settle(e)
				}
				end(w, e)
			}
			e := w.engine()
			w.settle(e)
			w.stop(e)
			for p := range 2 {
				c := w.core(p)
				if w.state(p) != w.replayed(p) {
					t.Errorf("partition %d: state and replay differ", p)
				}
				if len(c.Fired) != 50 || len(c.Counts) != 10 || c.Counts[gateway.DeviceID(p)] != 10 {
					t.Errorf("partition %d: %d timers, %v", p, len(c.Fired), c.Counts)
				}
			}
		})
	}
}

func TestStopSavesASnapshotForAQuickStart(t *testing.T) {
	w := newWorld(t, 1)
	w.add(0, event(1, "count", 0), event(2, "wait", 5))
	e := w.engine()
	w.settle(e)
	w.stop(e)
	if s := w.log.snapshots[0]; s.StepNumber == 0 || s.StepNumber != uint64(len(w.log.steps[0])) {
		t.Fatalf("%+v of %d steps", s, len(w.log.steps[0]))
	}
	before := w.state(0)
	e = w.engine()
	if err := e.WaitReady(w.ctx()); err != nil {
		t.Fatal(err)
	}
	if w.state(0) != before {
		t.Error("the state changed over the restart")
	}
	if !strings.Contains(w.logs.String(), "replayed=0") {
		t.Errorf("steps were read although a snapshot was there:\n%s", w.logs)
	}
	w.stop(e)
}

func TestCrashAtAnyCommit(t *testing.T) {
	fill := func(w *world) {
		for i := range 30 {
			w.add(0, event(gateway.DeviceID(i%3), "count", 0), event(gateway.DeviceID(i), "wait", uint64(i)))
			w.advance(7 * time.Millisecond)
		}
		w.advance(time.Second)
	}
	whole := newWorld(t, 1)
	fill(whole)
	e := whole.engine(func(o *Options) { o.MaxInputs = 1 })
	whole.settle(e)
	whole.stop(e)
	steps := len(whole.log.steps[0])
	for k := 1; k <= steps; k++ {
		for _, after := range []bool{false, true} {
			w := newWorld(t, 1)
			fill(w)
			dead := make(chan struct{})
			w.log.stepFault = func(s *gateway.Step) (error, error) {
				if s.Number != uint64(k) {
					return nil, nil
				}
				w.log.stepFault = nil
				close(dead)
				err := gateway.Errorf(gateway.OutcomeUnknown, "killed")
				if after {
					return nil, err
				}
				return err, nil
			}
			e := w.engine(func(o *Options) { o.MaxInputs = 1; o.SnapshotSteps = 7; o.SnapshotInterval = time.Millisecond })
			<-dead
			crash(e)
			e = w.engine(func(o *Options) { o.MaxInputs = 1 })
			w.settle(e)
			w.stop(e)
			if got, want := w.state(0), whole.state(0); got != want {
				t.Fatalf("killed at step %d (written: %v):\n%s\n%s", k, after, got, want)
			}
		}
	}
}

func TestManyTimersSpanSteps(t *testing.T) {
	w := newWorld(t, 1)
	for i := range 1000 {
		w.add(0, event(gateway.DeviceID(i), "wait", 10))
	}
	e := w.engine()
	w.settle(e)
	before := w.sink.steps
	w.advance(time.Second)
	w.settle(e)
	if n := len(w.core(0).Fired); n != 1000 {
		t.Fatalf("%d timers fired", n)
	}
	if n := w.sink.steps - before; n < 10 {
		t.Errorf("%d steps for 1000 timers, 100 per step", n)
	}
	w.stop(e)
	if w.state(0) != w.replayed(0) {
		t.Error("state and replay differ")
	}
}

func TestCrashInTheMidstOfARecord(t *testing.T) {
	for k := range uint64(9) {
		w := newWorld(t, 1)
		for i := range 1000 {
			w.add(0, event(gateway.DeviceID(i), "wait", 10))
		}
		e := w.engine()
		w.settle(e)
		w.stop(e)
		at := uint64(len(w.log.steps[0])) + k + 1
		dead := make(chan struct{})
		w.log.stepFault = func(s *gateway.Step) (error, error) {
			if s.Number == at {
				w.log.stepFault = nil
				close(dead)
				return nil, gateway.Errorf(gateway.OutcomeUnknown, "killed")
			}
			return nil, nil
		}
		e = w.engine()
		w.advance(time.Second)
		w.add(0, event(1, "count", 0), event(1, "count", 0), event(1, "count", 0))
		select {
		case <-dead:
		case <-w.ctx().Done():
			t.Fatalf("step %d was never written", at)
		}
		crash(e)
		e = w.engine()
		w.settle(e)
		w.stop(e)
		c := w.core(0)
		if len(c.Fired) != 1000 || c.Counts[1] != 4 || w.state(0) != w.replayed(0) {
			t.Fatalf("after a kill at step %d: %d timers, %d events", at, len(c.Fired), c.Counts[1])
		}
	}
}

func TestResumeHandsOverUnfinishedMessages(t *testing.T) {
	w := newWorld(t, 1)
	w.add(0, event(1, "wait", 1))
	e := w.engine()
	w.advance(time.Second)
	w.settle(e)
	crash(e)
	if len(w.sink.handed) != 1 {
		t.Fatalf("%v", w.sink.handed)
	}
	e = w.engine()
	if err := e.WaitReady(w.ctx()); err != nil {
		t.Fatal(err)
	}
	w.stop(e)
	if !slices.Equal(w.sink.resumed, w.sink.handed) {
		t.Errorf("resumed %v", w.sink.resumed)
	}
}

func TestUnknownOutcomes(t *testing.T) {
	unknown := gateway.Errorf(gateway.OutcomeUnknown, "no answer")
	for name, fault := range map[string]func(n int64) (error, error){
		"not written":         func(n int64) (error, error) { return when(n%3 == 0, unknown), nil },
		"written":             func(n int64) (error, error) { return nil, when(n%3 == 0, unknown) },
		"written, then fence": func(n int64) (error, error) { return nil, when(n%2 == 0, gateway.Errorf(gateway.Fenced, "10071")) },
		"away for a while": func(n int64) (error, error) {
			return when(n > 3 && n < 6, gateway.Errorf(gateway.Unavailable, "away")), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			var n atomic.Int64
			w.log.stepFault = func(*gateway.Step) (error, error) { return fault(n.Add(1)) }
			e := w.engine(func(o *Options) { o.MaxInputs = 1 })
			for range 12 {
				w.add(0, event(1, "count", 0))
			}
			w.settle(e)
			w.stop(e)
			if c := w.core(0); c.Counts[1] != 12 {
				t.Errorf("counted %d of 12", c.Counts[1])
			}
			if w.state(0) != w.replayed(0) {
				t.Error("state and replay differ")
			}
			if len(w.sink.lost) > 0 {
				t.Error("its own write was taken for another owner's")
			}
		})
	}
}

func when(cond bool, err error) error {
	if cond {
		return err
	}
	return nil
}

func TestZombieIsFenced(t *testing.T) {
	w := newWorld(t, 1)
	w.log.shareClaims = true
	w.add(0, event(1, "count", 0))
	old := w.engine()
	w.settle(old)
	second := newWorld(t, 1)
	second.log, second.clock = w.log, w.clock
	fresh := second.engine()
	second.settle(fresh)
	// Both read this record; only one of them can commit it.
	w.add(0, event(1, "count", 0))
	second.settle(fresh)
	w.settle(old)
	crash(old)
	crash(fresh)
	w.log.mu.Lock()
	n := len(w.log.steps[0])
	w.log.mu.Unlock()
	if n != 2 {
		t.Errorf("%d steps, want 2", n)
	}
	if got := w.core(0).Counts[1]; got != 2 {
		t.Errorf("old owner counts %d", got)
	}
	if got := second.core(0).Counts[1]; got != 2 {
		t.Errorf("new owner counts %d", got)
	}
	if len(w.sink.lost)+len(second.sink.lost) == 0 {
		t.Error("delivery of the fenced owner was not told")
	}
}

func TestLostClaimMovesThePartition(t *testing.T) {
	w := newWorld(t, 1)
	first := w.engine()
	w.add(0, event(1, "count", 0))
	w.settle(first)
	second := newWorld(t, 1)
	second.log, second.clock = w.log, w.clock
	standby := second.engine(func(o *Options) { o.Standby = true })
	if !standby.Ready() {
		t.Error("a standby is ready while it waits")
	}
	crash(first)
	w.add(0, event(1, "count", 0))
	second.settle(standby)
	second.stop(standby)
	if got := second.core(0).Counts[1]; got != 2 {
		t.Errorf("counted %d", got)
	}
}

func TestForwardExactlyOnceOverKills(t *testing.T) {
	for k := range 12 {
		w := newWorld(t, 3)
		for i := range 30 {
			w.add(i%3, event(gateway.DeviceID(1+i), "forward", uint64((i+1)%3)))
		}
		var appends atomic.Int64
		dead := make(chan struct{})
		w.log.eventFault = func(b *gateway.Batch) (error, error) {
			if b.Inputs[0].From.Step == 0 || appends.Add(1) != int64(k) {
				return nil, nil
			}
			close(dead)
			if k%2 == 0 {
				return nil, gateway.Errorf(gateway.OutcomeUnknown, "killed after the write")
			}
			return gateway.Errorf(gateway.Unavailable, "killed before the write"), nil
		}
		if k == 0 {
			close(dead)
		}
		e := w.engine(func(o *Options) { o.MaxInputs = 3; o.SnapshotSteps = 2; o.SnapshotInterval = time.Millisecond })
		select {
		case <-dead:
		case <-time.After(50 * time.Millisecond): // fewer appends than k: all done
		}
		crash(e)
		e = w.engine()
		w.settle(e)
		w.stop(e)
		for p := range 3 {
			c := w.core(p)
			if len(c.Counts) != 10 {
				t.Fatalf("kill %d, partition %d: %d devices", k, p, len(c.Counts))
			}
			for d, n := range c.Counts {
				if n != 1 {
					t.Fatalf("kill %d: device %v counted %d times", k, d, n)
				}
			}
		}
	}
}

func TestForwardChainSettles(t *testing.T) {
	w := newWorld(t, 2)
	e := w.engine()
	for i := range 50 {
		w.add(0, event(gateway.DeviceID(i), "forward", 1))
		w.settle(e)
		if n := len(w.core(1).Counts); n != i+1 {
			t.Fatalf("settled with %d of %d forwards applied", n, i+1)
		}
	}
	w.stop(e)
}

func TestAlarmStopsOnePartition(t *testing.T) {
	w := newWorld(t, 2)
	e := w.engine()
	w.add(0, event(1, "panic", 0))
	w.add(1, event(1, "count", 0))
	stopped := func() bool { return e.Stats()[0].State == Stopped }
	if err := e.changed.wait(w.ctx(), stopped); err != nil {
		t.Fatal(err)
	}
	if e.Ready() {
		t.Error("ready although a partition has stopped")
	}
	if err := e.changed.wait(w.ctx(), func() bool { return e.Stats()[1].Inputs == 1 }); err != nil {
		t.Error("the other partition stands still, too")
	}
	if err := e.Settled(w.ctx()); err == nil || !strings.Contains(err.Error(), "partition 0") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(w.logs.String(), "PARTITION STOPPED") {
		t.Error("no alarm in the log")
	}
	w.stop(e)
}

func TestHoleInStepsStops(t *testing.T) {
	w := newWorld(t, 1)
	e := w.engine(func(o *Options) { o.MaxInputs = 1 })
	for range 3 {
		w.add(0, event(1, "count", 0))
	}
	w.settle(e)
	crash(e)
	w.log.steps[0] = slices.Delete(w.log.steps[0], 1, 2)
	e = w.engine()
	if err := e.changed.wait(w.ctx(), func() bool { return e.Stats()[0].State == Stopped }); err != nil {
		t.Fatal(err)
	}
	if err := e.Stats()[0].Err; err == nil || !strings.Contains(err.Error(), "hole in STEPS") {
		t.Errorf("%v", err)
	}
	crash(e)
}

func TestSnapshotsRotate(t *testing.T) {
	w := newWorld(t, 3)
	e := w.engine(func(o *Options) { o.SnapshotSteps = 1; o.SnapshotInterval = time.Millisecond })
	for p := range 3 {
		w.add(p, event(1, "count", 0))
	}
	err := w.log.until(w.ctx(), func() bool { return len(w.log.snapshots) == 3 })
	if err != nil {
		t.Fatal(err)
	}
	crash(e)
	e = w.engine()
	w.settle(e)
	for p := range 3 {
		if w.core(p).Counts[1] != 1 {
			t.Errorf("partition %d: %v", p, w.core(p).Counts)
		}
	}
	w.stop(e)
}

func TestOptionsAreChecked(t *testing.T) {
	w := newWorld(t, 1)
	for want, change := range map[string]func(*Options){
		"engine:":            func(o *Options) { o.Submit = nil },
		"engine.partitions":  func(o *Options) { o.Count = 0 },
		"engine.commit_gap":  func(o *Options) { o.CommitGap = -1 },
		"not in 0…0":         func(o *Options) { o.Partitions = []int{1} },
		"engine.snapshot_st": func(o *Options) { o.SnapshotSteps = -1 },
	} {
		o := w.options()
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestStopWithoutALog(t *testing.T) {
	w := newWorld(t, 1)
	e := w.engine()
	w.settle(e)
	w.log.stepFault = func(*gateway.Step) (error, error) {
		return gateway.Errorf(gateway.Unavailable, "away"), nil
	}
	w.add(0, event(1, "count", 0))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	e.Stop(ctx)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// A snapshot that is taken while forwards wait must not make a restart believe
// that they were appended.
func TestSnapshotRemembersPendingForwards(t *testing.T) {
	w := newWorld(t, 2)
	var away atomic.Bool
	away.Store(true)
	w.log.eventFault = func(b *gateway.Batch) (error, error) {
		return when(away.Load() && b.Inputs[0].From.Step > 0, gateway.Errorf(gateway.Unavailable, "away")), nil
	}
	e := w.engine(func(o *Options) { o.SnapshotSteps = 1; o.SnapshotInterval = time.Millisecond })
	w.add(0, event(1, "forward", 1), event(2, "count", 0))
	err := w.log.until(w.ctx(), func() bool {
		steps := w.log.steps[0]
		if len(steps) == 0 || w.log.snapshots[0].StepNumber != uint64(len(steps)) {
			return false
		}
		applied := steps[len(steps)-1].Applied
		return applied[len(applied)-1].Seq == 2
	})
	if err != nil {
		t.Fatal(err)
	}
	crash(e)
	away.Store(false)
	if p := w.log.followers[engineName+"0"]; p[1] >= w.log.steps[0][0].Seq {
		t.Errorf("the trimmer may remove the step that holds the forward: %v", p)
	}
	e = w.engine()
	w.settle(e)
	w.stop(e)
	if n := w.core(1).Counts[1]; n != 1 {
		t.Errorf("the forward arrived %d times", n)
	}
}
