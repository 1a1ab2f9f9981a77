package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver"
	"touchpoint/gateway/deliver/stream"
	"touchpoint/gateway/directory"
	"touchpoint/gateway/eventlog"
	"touchpoint/gateway/history"
	"touchpoint/gateway/ingest"
	"touchpoint/gateway/rpc"
)

// The types of this file show a part of the gateway through a port of the API.
// They convert and nothing else.

// customers is the read model behind the API.
type customers struct{ *directory.Directory }

func (c customers) Enrollments(ctx context.Context, id gateway.CustomerID, limit int) ([]gateway.Enrollment, error) {
	page, err := c.Directory.Enrollments(ctx, directory.EnrollmentQuery{Customer: id, Limit: limit})
	return page.Items, err
}

func (c customers) Ownerships(ctx context.Context, q rpc.OwnershipQuery) (rpc.Page[gateway.Ownership], error) {
	page, err := c.Directory.Ownerships(ctx, directory.OwnershipQuery(q))
	return rpc.Page[gateway.Ownership](page), err
}

func (c customers) Decisions(ctx context.Context, q rpc.DecisionQuery) (rpc.Page[gateway.Decision], error) {
	page, err := c.Directory.Decisions(ctx, directory.DecisionQuery(q))
	return rpc.Page[gateway.Decision](page), err
}

func (c customers) Message(ctx context.Context, id gateway.MessageID) (rpc.MessageRow, error) {
	row, err := c.Directory.Message(ctx, id)
	return rpc.MessageRow(row), err
}

func (c customers) Messages(ctx context.Context, q rpc.MessageQuery) (rpc.Page[rpc.MessageRow], error) {
	page, err := c.Directory.Messages(ctx, directory.MessageQuery(q))
	out := rpc.Page[rpc.MessageRow]{Next: page.Next}
	for _, row := range page.Items {
		out.Items = append(out.Items, rpc.MessageRow(row))
	}
	return out, err
}

func (c customers) Counts(ctx context.Context, journey string, version uint32) (rpc.JourneyCounts, error) {
	n, err := c.Directory.Counts(ctx, journey, version)
	return rpc.JourneyCounts{Entered: n.Entered, Active: n.Active, Converted: n.Converted, Filtered: n.Filtered, Unowned: n.Unowned, Messages: n.Messages, Steps: n.Steps}, err
}

func (c customers) Effect(ctx context.Context, q rpc.EffectQuery) (out []rpc.EffectCount, err error) {
	list, err := c.Directory.Effect(ctx, directory.EffectQuery(q))
	for _, n := range list {
		out = append(out, rpc.EffectCount(n))
	}
	return out, err
}

func (c customers) Memberships(ctx context.Context, q rpc.MembershipQuery) ([]gateway.Membership, error) {
	return c.Directory.Memberships(ctx, directory.MembershipQuery(q))
}

// consents puts a consent in force in delivery.
type consents struct{ *deliver.Delivery }

func (c consents) Apply(ctx context.Context, customer gateway.CustomerID, consent gateway.Consent) error {
	return c.SetConsent(ctx, gateway.SetConsent{
		Customer: customer, Purpose: consent.Purpose, Channel: consent.Channel,
		Granted: consent.Granted, Source: consent.Source, At: consent.At,
	})
}

// services is the stream channel behind SubscribeMessages.
type services struct{ *stream.Channel }

func (s services) Subscribe(ctx context.Context, o rpc.StreamOptions) (rpc.Subscription, error) {
	sub, err := s.Channel.Subscribe(ctx, o.Consumer, stream.SubscribeOptions{
		MaxInFlight: o.MaxInFlight, AckWait: o.AckWait, Journey: o.Journey,
	})
	if err != nil {
		return nil, err
	}
	return subscription{sub}, nil
}

type subscription struct{ *stream.Subscription }

func (s subscription) Close() error { s.Subscription.Close(); return nil }

func (s subscription) Next(ctx context.Context) (*rpc.Delivery, error) {
	item, err := s.Subscription.Next(ctx)
	if err != nil {
		return nil, err
	}
	d := &rpc.Delivery{
		Attempt: item.Attempt, Message: item.Message, Title: item.Content.Title, Body: item.Content.Body,
		Withdraw: item.Withdraw, Ack: item.Ack,
		Nack:   func(_ context.Context, delay time.Duration) error { return item.Nak(delay) },
		Extend: func(context.Context) error { return item.Extend() },
	}
	for _, a := range item.Content.Actions {
		d.Actions = append(d.Actions, rpc.Action{ID: a.ID, Label: a.Label, URL: a.URL})
	}
	return d, nil
}

// letters lists and replays dead letters.
type letters struct{ g *Gateway }

func (l letters) DeadLetters(ctx context.Context, cursor string, limit int, withPayload bool) (rpc.Page[rpc.DeadLetter], error) {
	list, next, err := l.g.store.DeadLetters(ctx, cursor, limit)
	out := rpc.Page[rpc.DeadLetter]{Next: next}
	for i := range list {
		d := &list[i]
		if d.ReplayedAt != 0 {
			continue // a page may be shorter for it, the token still leads on
		}
		item := rpc.DeadLetter{
			ID: strconv.FormatUint(d.ID, 10), ReceivedAt: d.At, Source: "mqtt", Topic: d.Topic, Reason: "invalid", Error: d.Reason,
		}
		if content, err := l.open(ctx, d); err == nil { // its key may be dropped already
			item.Bytes = content.Bytes
			if withPayload {
				item.Payload = content.Payload
			}
		}
		out.Items = append(out.Items, item)
	}
	return out, err
}

func (l letters) open(ctx context.Context, d *eventlog.DeadLetter) (ingest.Content, error) {
	plain, err := l.g.vault.OpenRotating(ctx, d.Payload)
	if err != nil {
		return ingest.Content{}, err
	}
	return ingest.OpenDeadLetter(plain)
}

// Replay takes a message in again as it came first.
func (l letters) Replay(ctx context.Context, id string) error {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return gateway.InvalidField("ids", "%q is no id of a dead letter", id)
	}
	d, err := l.g.store.DeadLetter(ctx, n)
	if err != nil {
		return err
	}
	if d.ReplayedAt != 0 {
		return gateway.Errorf(gateway.Conflict, "dead letter %s was replayed at %v", id, d.ReplayedAt)
	}
	content, err := l.open(ctx, d)
	if err != nil {
		return fmt.Errorf("dead letter %s: its payload cannot be opened any more: %w", id, err)
	}
	if len(content.Payload) < content.Bytes {
		return gateway.Errorf(gateway.Invalid, "dead letter %s: only the first %d of %d bytes were kept", id, len(content.Payload), content.Bytes)
	}
	if err := l.g.intake.Replay(ctx, content.Topic, content.Payload, d.At); err != nil {
		return err
	}
	return l.g.store.MarkReplayed(ctx, n, l.g.clock.Now())
}

// rejectedPoints keeps what the time series refuses for good. The event itself
// stays in the log; the letter names it and the reason.
type rejectedPoints struct{ g *Gateway }

func (r rejectedPoints) Reject(ctx context.Context, points []history.Rejected) error {
	for i := range points {
		p := &points[i]
		sealed, err := r.g.vault.SealRotating(ctx, r.g.clock.Now(), fmt.Appendf(nil, "event %q of type %q", p.Point.Event.ID, p.Point.Event.Type))
		if err != nil {
			return err
		}
		err = r.g.store.AppendDeadLetter(ctx, &eventlog.DeadLetter{
			At: r.g.clock.Now(), Topic: "history", Reason: p.Reason, Payload: sealed, Device: p.Point.Event.Device,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// auditLog reads both logs from one end to the present other.
type auditLog struct{ *eventlog.Log }

func (a auditLog) ScanEvents(ctx context.Context, partition int, after uint64, emit func(*gateway.Batch) error) error {
	end, err := a.LastEventSeq(ctx, partition)
	if err != nil || after >= end {
		return err
	}
	r, err := a.ReadEvents(ctx, partition, after)
	if err != nil {
		return err
	}
	defer r.Close()
	for b := new(gateway.Batch); b.Seq < end; {
		if err := r.Next(ctx, b); err != nil {
			return err
		}
		if err := emit(b); err != nil {
			return err
		}
	}
	return nil
}

func (a auditLog) ScanSteps(ctx context.Context, partition int, afterNumber uint64, emit func(*gateway.Step) error) error {
	last, err := a.LastStep(ctx, partition)
	if err != nil || last == nil || afterNumber >= last.Number {
		return err
	}
	r, err := a.ReadSteps(ctx, partition, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	for s := new(gateway.Step); s.Number < last.Number; {
		if err := r.Next(ctx, s); err != nil {
			return err
		}
		if s.Number <= afterNumber {
			continue
		}
		if err := emit(s); err != nil {
			return err
		}
	}
	return nil
}
