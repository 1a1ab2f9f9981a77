package eventlog

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"touchpoint/gateway"
)

func TestClaimEmbedded(t *testing.T) {
	s := newStore(t, "embedded")
	var epoch uint64
	for start := range 3 {
		l := s.open(t)
		ctx := within(t, 10*time.Second)
		c, err := l.Claim(ctx, 5)
		if err != nil {
			t.Fatal(err)
		}
		if c.Epoch() <= epoch {
			t.Fatalf("start %d: epoch %d after %d", start, c.Epoch(), epoch)
		}
		epoch = c.Epoch()
		_, err = l.Claim(ctx, 5)
		wantKind(t, err, gateway.Conflict)
		if start == 1 {
			if err := c.Release(ctx); err != nil {
				t.Fatal(err)
			}
			<-c.Lost()
			if c, err = l.Claim(ctx, 5); err != nil || c.Epoch() <= epoch {
				t.Fatal(c, err)
			}
			epoch = c.Epoch()
		}
		closeLog(t, l)
		<-c.Lost()
	}
}

// owner runs claims as the engine does: one goroutine per partition that claims,
// works until the claim is lost, releases and claims again.
type owner struct {
	l      *Log
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	epochs map[int]uint64
}

func startOwner(t *testing.T, l *Log) *owner {
	ctx, cancel := context.WithCancel(t.Context())
	o := &owner{l: l, cancel: cancel, epochs: map[int]uint64{}}
	for p := range l.Partitions() {
		o.wg.Add(1)
		go func() {
			defer o.wg.Done()
			for ctx.Err() == nil {
				c, err := l.Claim(ctx, p)
				if err != nil {
					return
				}
				o.mu.Lock()
				o.epochs[p] = c.Epoch()
				o.mu.Unlock()
				select {
				case <-c.Lost():
				case <-ctx.Done():
				}
				o.mu.Lock()
				delete(o.epochs, p)
				o.mu.Unlock()
				quick, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
				_ = c.Release(quick)
				done()
			}
		}()
	}
	t.Cleanup(func() { cancel(); o.wg.Wait() })
	return o
}

func (o *owner) owned() map[int]uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := map[int]uint64{}
	for p, e := range o.epochs {
		m[p] = e
	}
	return m
}

// settle waits until the owners have these numbers of partitions, each
// partition once.
func settle(t *testing.T, want []int, owners ...*owner) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(15 * time.Second)
	for {
		var state string
		ok, seen := true, map[int]bool{}
		for i, o := range owners {
			owned := o.owned()
			ok = ok && len(owned) == want[i]
			for p := range owned {
				ok = ok && !seen[p]
				seen[p] = true
			}
			state += fmt.Sprint(" ", len(owned))
		}
		if ok {
			return time.Since(begin)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("owned are%s, want %v", state, want)
		}
	}
}

// Three processes share the partitions; one leaves orderly, one dies; epochs
// grow at each change.
func TestClaimsAreShared(t *testing.T) {
	s := newStore(t, "external")
	as := func(name string) func(*Options) { return func(o *Options) { o.Owner, o.Partitions = name, 12 } }
	a := startOwner(t, s.open(t, as("a")))
	settle(t, []int{12}, a)
	before := a.owned()
	b := startOwner(t, s.open(t, as("b")))
	settle(t, []int{6, 6}, a, b)
	for p, e := range b.owned() {
		if e <= before[p] {
			t.Errorf("partition %d has epoch %d after %d", p, e, before[p])
		}
	}
	lc, err := s.tryOpen(as("c"))
	if err != nil {
		t.Fatal(err)
	}
	c := startOwner(t, lc)
	settle(t, []int{4, 4, 4}, a, b, c)

	b.cancel() // leaves orderly
	b.wg.Wait()
	closeLog(t, b.l)
	settle(t, []int{6, 6}, a, c)

	// c is cut off: the others take over after the lease, and c gives up by
	// itself.
	lc.nc.Close()
	took := settle(t, []int{12, 0}, a, c)
	t.Logf("failover took %v at a lease of %v", took, s.o.Lease)
	if took > 5*s.o.Lease {
		t.Errorf("failover took %v at a lease of %v", took, s.o.Lease)
	}
	c.cancel()
	c.wg.Wait()
	lc.close()
}
