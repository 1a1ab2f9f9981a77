package app

import (
	"context"

	"touchpoint/gateway"
	"touchpoint/gateway/engine"
	"touchpoint/gateway/eventlog"
	"touchpoint/gateway/ingest"
)

// engineLog shows the event log as the engine wants it.
type engineLog struct{ *eventlog.Log }

func (l engineLog) ReadEvents(ctx context.Context, partition int, after uint64) (engine.EventReader, error) {
	return l.Log.ReadEvents(ctx, partition, after)
}

func (l engineLog) ReadSteps(ctx context.Context, partition int, after uint64) (engine.StepReader, error) {
	return l.Log.ReadSteps(ctx, partition, after)
}

func (l engineLog) Claim(ctx context.Context, partition int) (engine.Claim, error) {
	return l.Log.Claim(ctx, partition)
}

func (l engineLog) SaveSnapshot(ctx context.Context, s engine.Snapshot) error {
	return l.Log.SaveSnapshot(ctx, s.Partition, s.StepSeq, s.StepNumber, s.EventSeq, s.Data)
}

func (l engineLog) LoadSnapshot(ctx context.Context, partition int) (*engine.Snapshot, error) {
	s, err := l.Log.LoadSnapshot(ctx, partition)
	if err != nil || s == nil {
		return nil, err
	}
	return &engine.Snapshot{Partition: s.Partition, StepSeq: s.StepSeq, StepNumber: s.StepNumber, EventSeq: s.EventSeq, Data: s.Data}, nil
}

// deadLetters stores what ingest could not take.
type deadLetters struct{ *eventlog.Log }

func (d deadLetters) AppendDeadLetter(ctx context.Context, l *ingest.DeadLetter) error {
	return d.Log.AppendDeadLetter(ctx, &eventlog.DeadLetter{
		At: l.At, Topic: l.Topic, Reason: l.Reason, Violations: l.Violations, Payload: l.Sealed, Device: l.Device,
	})
}

// router feeds intake with the routes that committed steps announce.
type router struct{ *ingest.Router }

func (r router) Committed(_ int, s *gateway.Step) {
	r.Set(s.Routes...)
	r.Join(s.Memberships...)
}
func (r router) Resume(int, []gateway.Message) {}
func (r router) Lost(int)                      {}
