package eventlog

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// The bucket of follower positions and trim marks; "trim" is no follower.
const (
	positionBucket = "POSITIONS"
	trimKey        = "trim"
)

// Position is how far a follower has come in the two logs of a partition; both
// are sequences of records that it needs no more.
type Position = wire.FollowerPosition

// followers keeps positions in memory until the next trim: only then do they
// matter, and an older one is merely more careful.
type followers struct {
	mu     sync.Mutex
	bucket *Bucket
	known  map[string]Position // by "name.partition"
	dirty  map[string]bool
}

func (l *Log) openFollowers(ctx context.Context) error {
	b, err := l.table(ctx, positionBucket, false)
	if err != nil {
		return err
	}
	l.follow.bucket = b
	l.follow.known = map[string]Position{}
	l.follow.dirty = map[string]bool{}
	return l.readFollowers(ctx)
}

// readFollowers takes in what other processes have stored; a position of this
// process that is not stored yet is newer.
func (l *Log) readFollowers(ctx context.Context) error {
	entries, err := l.follow.bucket.List(ctx, "")
	if err != nil {
		return err
	}
	l.follow.mu.Lock()
	defer l.follow.mu.Unlock()
	for _, e := range entries {
		p, err := wire.DecodePosition(e.Value)
		if err != nil {
			return err
		}
		if !l.follow.dirty[e.Key] {
			l.follow.known[e.Key] = p
		}
	}
	return nil
}

func positionKey(name string, partition int) string { return name + "." + strconv.Itoa(partition) }

// SetFollower notes that the follower has processed everything of the partition
// up to these sequences. From its first call on nothing is trimmed above the
// position of this name in any partition, so that a follower registers itself
// with zeros before it begins. It returns at once; the position is stored by
// the next trim.
func (l *Log) SetFollower(ctx context.Context, name string, partition int, eventSeq, stepSeq uint64) error {
	if err := l.checkPartition(partition); err != nil {
		return err
	}
	if !nameForm.MatchString(name) || name == trimKey {
		return gateway.InvalidField("follower", "%q: allowed are 1 to 40 letters, digits, - and _, but not %q", name, trimKey)
	}
	key := positionKey(name, partition)
	p := Position{EventSeq: eventSeq, StepSeq: stepSeq}
	l.follow.mu.Lock()
	_, registered := l.follow.known[key]
	l.follow.known[key] = p
	l.follow.dirty[key] = registered
	l.follow.mu.Unlock()
	if registered {
		return nil
	}
	_, err := l.follow.bucket.Put(ctx, key, wire.AppendPosition(nil, p))
	return err
}

// RemoveFollower forgets a follower that will not come back.
func (l *Log) RemoveFollower(ctx context.Context, name string) error {
	for p := range l.o.Partitions {
		key := positionKey(name, p)
		l.follow.mu.Lock()
		_, ok := l.follow.known[key]
		delete(l.follow.known, key)
		delete(l.follow.dirty, key)
		l.follow.mu.Unlock()
		if !ok {
			continue
		}
		if err := l.follow.bucket.Purge(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Followers returns the positions by follower and partition.
func (l *Log) Followers() map[string][]Position {
	l.follow.mu.Lock()
	defer l.follow.mu.Unlock()
	all := map[string][]Position{}
	for key, pos := range l.follow.known {
		name, number, _ := strings.Cut(key, ".")
		p, err := strconv.Atoi(number)
		if err != nil || name == trimKey || p < 0 || p >= l.o.Partitions {
			continue
		}
		if all[name] == nil {
			all[name] = make([]Position, l.o.Partitions)
		}
		all[name][p] = pos
	}
	return all
}

// flushFollowers stores the positions that changed.
func (l *Log) flushFollowers(ctx context.Context) error {
	l.follow.mu.Lock()
	changed := map[string]Position{}
	for key, dirty := range l.follow.dirty {
		if dirty {
			changed[key] = l.follow.known[key]
		}
	}
	l.follow.dirty = map[string]bool{}
	l.follow.mu.Unlock()
	var first error
	for key, p := range changed {
		if _, err := l.follow.bucket.Put(ctx, key, wire.AppendPosition(nil, p)); err != nil {
			l.follow.mu.Lock()
			l.follow.dirty[key] = true
			l.follow.mu.Unlock()
			if first == nil {
				first = err
			}
		}
	}
	return first
}

// trimmed returns up to where a partition was trimmed.
func (l *Log) trimmed(ctx context.Context, partition int) (Position, error) {
	data, _, err := l.follow.bucket.Get(ctx, positionKey(trimKey, partition))
	if gateway.KindOf(err) == gateway.NotFound {
		return Position{}, nil
	}
	if err != nil {
		return Position{}, err
	}
	return wire.DecodePosition(data)
}

// checkStart refuses to read from a place after which records are missing.
func (l *Log) checkStart(ctx context.Context, partition int, from uint64, steps bool) error {
	mark, err := l.trimmed(ctx, partition)
	if err != nil {
		return err
	}
	what, stream, low := "EVENTS", l.names.eventStream(partition), mark.EventSeq
	if steps {
		what, stream, low = "STEPS", l.names.stepStream(partition), mark.StepSeq
	}
	if from < low {
		return gateway.Errorf(gateway.NotFound, "%s of partition %d were trimmed up to record %d, record %d and what follows is asked for: begin from a snapshot", what, partition, low, from+1)
	}
	if from == 0 {
		return nil
	}
	h, err := l.handle(ctx, stream)
	if err != nil {
		return readError(what, err)
	}
	info, err := h.info(ctx)
	if err != nil {
		return readError(what, err)
	}
	if info.State.LastSeq < from {
		return lostRecords(stream, info.State.LastSeq, from)
	}
	return nil
}
