package eventlog

import (
	"context"
	"fmt"
	"slices"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
	"touchpoint/gateway/failpoint"
	"touchpoint/gateway/wire"
)

// keepSnapshots is how many snapshots of a partition stay; chunkSize is how
// much of one goes into a message.
const (
	keepSnapshots = 2
	chunkSize     = 512 << 10
)

// Snapshot is a partition's state as of a step.
type Snapshot struct {
	Partition  int
	StepNumber uint64
	StepSeq    uint64
	// EventSeq is the last record of EVENTS that the state contains.
	EventSeq uint64
	Data     []byte
}

// SaveSnapshot stores the state of a partition as of a step. Chunks come
// first, the manifest last: what was torn in between counts for nothing. Older
// snapshots but one are removed.
func (l *Log) SaveSnapshot(ctx context.Context, partition int, stepSeq, stepNumber, eventSeq uint64, data []byte) error {
	if err := l.checkPartition(partition); err != nil {
		return err
	}
	l.parts[partition].snapshots.Lock()
	defer l.parts[partition].snapshots.Unlock()
	m := wire.SnapshotManifest{
		Partition: partition, StepNumber: stepNumber, StepSeq: stepSeq, EventSeq: eventSeq,
		ID:    fmt.Sprintf("%016x-%s", stepNumber, l.ids.next()),
		Bytes: uint64(len(data)), DataCRC: wire.Checksum(data),
	}
	subject := l.names.snapshotChunks(partition, m.ID)
	var packed []byte
	for len(data) > 0 || m.Chunks == 0 {
		n := min(len(data), chunkSize)
		packed = s2.Encode(packed[:cap(packed)], data[:n])
		data = data[n:]
		seq, err := l.publish(ctx, subject, packed, l.ids.next(), noExpectation)
		if err != nil {
			return writeError("snapshot", err)
		}
		if m.Chunks == 0 {
			m.FirstChunkSeq = seq
		}
		m.Chunks++
		m.StoredBytes += uint64(len(packed))
	}
	failpoint.Hit(failpoint.SnapshotChunks)
	if _, err := l.publish(ctx, l.names.snapshotManifests(partition), wire.AppendManifest(nil, &m), l.ids.next(), noExpectation); err != nil {
		return writeError("snapshot", err)
	}
	return l.dropSnapshots(ctx, partition)
}

// manifests returns the manifests of a partition, oldest first. A damaged one
// is passed over: the others still serve.
func (l *Log) manifests(ctx context.Context, partition int) ([]wire.SnapshotManifest, error) {
	var list []wire.SnapshotManifest
	cfg := jetstream.ConsumerConfig{FilterSubject: l.names.snapshotManifests(partition), DeliverPolicy: jetstream.DeliverAllPolicy}
	err := l.scan(ctx, l.names.snapshotStream(), cfg, func(m jetstream.Msg) bool {
		one, err := wire.DecodeManifest(m.Data())
		if err != nil {
			l.log.Error("log: a snapshot's manifest is damaged", "partition", partition, "error", err)
			return true
		}
		list = append(list, one)
		return true
	})
	if err != nil {
		return nil, readError("snapshots", err)
	}
	slices.SortStableFunc(list, func(a, b wire.SnapshotManifest) int { return int(int64(a.StepNumber - b.StepNumber)) })
	return list, nil
}

// dropSnapshots keeps the newest snapshots and removes what is older, torn
// ones included.
func (l *Log) dropSnapshots(ctx context.Context, partition int) error {
	h, err := l.handle(ctx, l.names.snapshotStream())
	if err != nil {
		return readError("snapshots", err)
	}
	if err := h.purge(ctx, jetstream.WithPurgeSubject(l.names.snapshotManifests(partition)), jetstream.WithPurgeKeep(keepSnapshots)); err != nil {
		return writeError("snapshots", err)
	}
	list, err := l.manifests(ctx, partition)
	if err != nil || len(list) == 0 {
		return err
	}
	info, err := h.info(ctx, jetstream.WithSubjectFilter(l.names.snapshotChunks(partition, "*")))
	if err != nil {
		return readError("snapshots", err)
	}
	oldest := l.names.snapshotChunks(partition, fmt.Sprintf("%016x", list[0].StepNumber))
	for subject := range info.State.Subjects {
		if subject[:len(oldest)] >= oldest {
			continue // kept, or being written
		}
		if err := h.purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return writeError("snapshots", err)
		}
	}
	return nil
}

// LoadSnapshot returns the newest complete snapshot, nil when there is none.
// One that cannot be read is reported in the log and the one before is taken.
func (l *Log) LoadSnapshot(ctx context.Context, partition int) (*Snapshot, error) {
	if err := l.checkPartition(partition); err != nil {
		return nil, err
	}
	list, err := l.manifests(ctx, partition)
	if err != nil {
		return nil, err
	}
	var broken error
	for _, m := range slices.Backward(list) {
		data, err := l.chunks(ctx, &m)
		if err == nil {
			return &Snapshot{Partition: partition, StepNumber: m.StepNumber, StepSeq: m.StepSeq, EventSeq: m.EventSeq, Data: data}, nil
		}
		if gateway.KindOf(err) != gateway.Internal {
			return nil, err // the server is away: an older snapshot would not help
		}
		l.log.Error("log: a snapshot cannot be read", "partition", partition, "step", m.StepNumber, "error", err)
		broken = err
	}
	return nil, broken
}

// chunks reads and verifies the data of a snapshot.
func (l *Log) chunks(ctx context.Context, m *wire.SnapshotManifest) ([]byte, error) {
	data := make([]byte, 0, min(m.Bytes, 1<<30))
	var chunk []byte
	left := m.Chunks
	var bad error
	cfg := jetstream.ConsumerConfig{
		FilterSubject: l.names.snapshotChunks(m.Partition, m.ID),
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: m.FirstChunkSeq,
	}
	err := l.scan(ctx, l.names.snapshotStream(), cfg, func(msg jetstream.Msg) bool {
		if n, err := s2.DecodedLen(msg.Data()); err != nil || n > chunkSize {
			bad = fmt.Errorf("a chunk is damaged")
			return false
		}
		if chunk, bad = s2.Decode(chunk[:cap(chunk)], msg.Data()); bad != nil {
			return false
		}
		data = append(data, chunk...)
		left--
		return left > 0
	})
	if err != nil {
		return nil, readError("snapshot", err)
	}
	if bad != nil || left != 0 || uint64(len(data)) != m.Bytes || wire.Checksum(data) != m.DataCRC {
		return nil, gateway.Errorf(gateway.Internal, "snapshot of step %d: %d of %d bytes, %d of %d chunks missing, or the checksum differs (%v)",
			m.StepNumber, len(data), m.Bytes, left, m.Chunks, bad)
	}
	return data, nil
}
