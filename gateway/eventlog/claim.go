package eventlog

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// The table of who owns which partition, and who is alive.
const (
	claimBucket  = "CLAIMS"
	memberPrefix = "member."
	claimPrefix  = "partition."
)

// claims shares the partitions among the processes on one log. A process shows
// that it lives by a beat; its claims are good as long as it beats. All this is
// for having one owner most of the time: that two never both commit is the
// work of the chain of steps.
type claims struct {
	mu      sync.Mutex
	bucket  *Bucket
	owned   map[int]*Claim
	table   map[int]claimEntry
	members map[string]time.Time // last beat, by this machine's clock
	since   time.Time            // since when beats are watched
	beaten  time.Time            // begin of the last own beat that was stored
	changed chan struct{}        // closed and replaced when something changed
	beating bool
}

type claimEntry struct {
	wire.Claim
	rev uint64
}

// Claim is the ownership of a partition.
type Claim struct {
	l         *Log
	partition int
	epoch     uint64
	lost      chan struct{}
	once      sync.Once
}

// Epoch is the number of the partition's owner; it goes into every step that
// the owner writes.
func (c *Claim) Epoch() uint64 { return c.epoch }

// Lost is closed when the partition is, or is about to be, another process's:
// stop, drop the state, call Release, and claim again.
func (c *Claim) Lost() <-chan struct{} { return c.lost }

func (c *Claim) lose() { c.once.Do(func() { close(c.lost) }) }

func (l *Log) openClaims(ctx context.Context) error {
	b, err := l.table(ctx, claimBucket, false)
	if err != nil {
		return err
	}
	c := &l.claims
	c.bucket = b
	c.owned = map[int]*Claim{}
	c.table = map[int]claimEntry{}
	c.members = map[string]time.Time{}
	c.changed = make(chan struct{})
	entries, err := b.List(ctx, claimPrefix)
	if err != nil {
		return err
	}
	for _, e := range entries {
		l.sawClaim(e)
	}
	return nil
}

// sawClaim takes in one entry of the table.
func (l *Log) sawClaim(e Entry) {
	c := &l.claims
	c.mu.Lock()
	defer c.mu.Unlock()
	if name, ok := strings.CutPrefix(e.Key, memberPrefix); ok {
		_, known := c.members[name]
		if e.Purged {
			delete(c.members, name)
		} else {
			c.members[name] = time.Now()
		}
		if known != e.Purged {
			return // an ordinary beat
		}
	} else if number, ok := strings.CutPrefix(e.Key, claimPrefix); ok {
		p, err := strconv.Atoi(number)
		claim, derr := wire.DecodeClaim(e.Value)
		if err != nil || derr != nil || e.Revision <= c.table[p].rev {
			return
		}
		c.table[p] = claimEntry{claim, e.Revision}
		if own := c.owned[p]; own != nil && own.epoch != 0 && claim.Epoch > own.epoch {
			own.lose()
		}
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// Claim waits until this process owns the partition. With the embedded log
// nobody else can; with an external one the partitions are shared fairly among
// the processes that claim, and those of a dead process become free after
// Options.Lease. The epoch grows with every claim.
func (l *Log) Claim(ctx context.Context, partition int) (*Claim, error) {
	if err := l.checkPartition(partition); err != nil {
		return nil, err
	}
	if err := l.startBeating(ctx); err != nil {
		return nil, err
	}
	for {
		claim, changed, err := l.tryClaim(ctx, partition)
		if claim != nil || err != nil {
			return claim, err
		}
		timer := time.NewTimer(l.o.Lease / 4)
		select {
		case <-changed:
		case <-timer.C: // the death of a member makes no noise
		case <-ctx.Done():
			timer.Stop()
			return nil, gateway.Errorf(gateway.Unavailable, "claim of partition %d: %w", partition, ctx.Err())
		case <-l.running.Done():
			timer.Stop()
			return nil, gateway.Errorf(gateway.Unavailable, "claim of partition %d: the log is closed", partition)
		}
		timer.Stop()
	}
}

// tryClaim takes the partition if it is free and this process has not got its
// share yet; else it returns what to wait for.
func (l *Log) tryClaim(ctx context.Context, p int) (*Claim, <-chan struct{}, error) {
	c := &l.claims
	c.mu.Lock()
	changed := c.changed
	if c.owned[p] != nil {
		c.mu.Unlock()
		return nil, nil, gateway.Errorf(gateway.Conflict, "partition %d is claimed in this process already: release it first", p)
	}
	have := c.table[p]
	if !l.free(have.Owner) || len(c.owned) >= l.share() {
		c.mu.Unlock()
		return nil, changed, nil
	}
	claim := &Claim{partition: p, l: l, lost: make(chan struct{})}
	c.owned[p] = claim // counts towards the share from now on
	c.mu.Unlock()

	next := wire.Claim{Owner: l.o.Owner, Epoch: have.Epoch + 1}
	key := claimPrefix + strconv.Itoa(p)
	rev, err := c.bucket.write(ctx, key, wire.AppendClaim(nil, &next), have.rev)
	if gateway.KindOf(err) == gateway.Conflict && l.Embedded() {
		// An earlier write of our own whose answer was cut off: look again.
		if value, now, gerr := c.bucket.Get(ctx, key); gerr == nil {
			l.sawClaim(Entry{Key: key, Value: value, Revision: now})
			err = gateway.Errorf(gateway.Unavailable, "claim of partition %d: the table had changed", p)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		delete(c.owned, p)
		if kind := gateway.KindOf(err); kind == gateway.Internal || kind == gateway.Invalid {
			return nil, nil, err
		}
		if !l.Embedded() || gateway.KindOf(err) == gateway.Unavailable {
			return nil, changed, nil // another was faster, or the server is away
		}
		return nil, nil, err
	}
	claim.epoch = next.Epoch
	if rev >= c.table[p].rev { // equal: the watch has told of our own write before the answer came
		c.table[p] = claimEntry{next, rev}
	} else {
		claim.lose()
	}
	return claim, nil, nil
}

// free reports whether a partition of this owner may be taken. c.mu is held.
func (l *Log) free(owner string) bool {
	if l.Embedded() || owner == "" || owner == l.o.Owner {
		return true
	}
	c := &l.claims
	return time.Since(c.since) > l.o.Lease && time.Since(c.members[owner]) > l.o.Lease
}

// share is how many partitions this process may own. c.mu is held.
func (l *Log) share() int {
	if l.Embedded() {
		return l.o.Partitions
	}
	living := 1
	for name, seen := range l.claims.members {
		if name != l.o.Owner && time.Since(seen) <= l.o.Lease {
			living++
		}
	}
	return (l.o.Partitions + living - 1) / living
}

// Release gives the partition back; call it after the last write, also when the
// claim is lost.
func (c *Claim) Release(ctx context.Context) error {
	c.lose()
	all := &c.l.claims
	all.mu.Lock()
	if all.owned[c.partition] != c {
		all.mu.Unlock()
		return nil
	}
	have := all.table[c.partition]
	all.mu.Unlock()
	var err error
	if have.Owner == c.l.o.Owner && have.Epoch == c.epoch {
		left := wire.Claim{Epoch: c.epoch}
		var rev uint64
		rev, err = all.bucket.write(ctx, claimPrefix+strconv.Itoa(c.partition), wire.AppendClaim(nil, &left), have.rev)
		if err == nil {
			c.l.sawClaim(Entry{Key: claimPrefix + strconv.Itoa(c.partition), Value: wire.AppendClaim(nil, &left), Revision: rev})
		} else if gateway.KindOf(err) == gateway.Conflict {
			err = nil // it is another's already
		}
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.owned[c.partition] == c {
		delete(all.owned, c.partition)
	}
	return err
}

// releaseAll gives back everything, when the log closes.
func (l *Log) releaseAll(ctx context.Context) {
	l.claims.mu.Lock()
	var own []*Claim
	for _, c := range l.claims.owned {
		own = append(own, c)
	}
	beating := l.claims.beating
	l.claims.mu.Unlock()
	for _, c := range own {
		if err := c.Release(ctx); err != nil {
			l.log.Warn("log: a claim stays until its lease ends", "partition", c.partition, "error", err)
		}
	}
	l.stop()
	if beating {
		_ = l.claims.bucket.Purge(ctx, memberPrefix+l.o.Owner)
	}
}

// startBeating shows the other processes that this one lives and wants its
// share. The embedded log has no others.
func (l *Log) startBeating(ctx context.Context) error {
	c := &l.claims
	if l.Embedded() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.beating {
		return nil
	}
	if _, err := c.bucket.Watch(l.running, l.sawClaim); err != nil {
		return err
	}
	c.since = time.Now()
	c.beaten = c.since
	c.beating = true
	l.wg.Add(1)
	go l.beat()
	return nil
}

func (l *Log) beat() {
	defer l.wg.Done()
	tick := time.NewTicker(l.o.Lease / 4)
	defer tick.Stop()
	for {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(l.running, l.o.Lease/2)
		_, err := l.claims.bucket.Put(ctx, memberPrefix+l.o.Owner, []byte{1})
		cancel()
		l.judge(begin, err)
		select {
		case <-tick.C:
		case <-l.running.Done():
			return
		}
	}
}

// judge gives up claims after a beat: all of them when the others must think
// that this process is dead, the surplus when others have come.
func (l *Log) judge(begin time.Time, err error) {
	c := &l.claims
	c.mu.Lock()
	defer c.mu.Unlock()
	late := time.Since(c.beaten) > l.o.Lease*3/4
	if err == nil {
		c.beaten = begin
	}
	if late {
		for p, own := range c.owned {
			l.log.Warn("log: this process was silent too long, the partition goes", "partition", p)
			own.lose()
		}
		return
	}
	surplus := len(c.owned) - l.share()
	for p := l.o.Partitions - 1; p >= 0 && surplus > 0; p-- {
		if own := c.owned[p]; own != nil {
			own.lose()
			surplus--
		}
	}
}
