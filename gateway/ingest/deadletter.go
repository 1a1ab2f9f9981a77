package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/cenkalti/backoff/v5"

	"touchpoint/devices"
	"touchpoint/gateway"
)

// DeadLetter is a message that could not be taken, with the reason. What the
// device sent is sealed with a key of short life.
type DeadLetter struct {
	// At is when it came in.
	At gateway.Instant
	// Topic is the topic with the device's name replaced by '+': a serial may be
	// personal. The full topic is in Sealed.
	Topic string
	// Device is set when the device is known.
	Device gateway.DeviceID
	// Reason is what is wrong, without a personal value; Violations names the
	// places.
	Reason     string
	Violations []gateway.Violation
	// Sealed holds what came in; see OpenDeadLetter.
	Sealed []byte
}

// Content is what a dead letter seals.
type Content struct {
	Topic   string
	Payload []byte
	// Bytes is the size of the payload as it came in; when it is larger than
	// Payload only the beginning was kept.
	Bytes int
}

// OpenDeadLetter reads the content of a dead letter after the vault opened it.
func OpenDeadLetter(opened []byte) (Content, error) {
	topic, rest, ok := bytes.Cut(opened, []byte{0})
	size, n := binary.Uvarint(rest)
	if !ok || n <= 0 {
		return Content{}, gateway.Errorf(gateway.Internal, "a dead letter cannot be read")
	}
	return Content{Topic: string(topic), Payload: rest[n:], Bytes: int(size)}, nil
}

type deadJob struct {
	letter DeadLetter
	plain  []byte
	ack    func(ok bool)
	done   chan struct{} // a flush
}

// bury hands a message to the dead letters; ack follows when it is there.
func (i *Ingest) bury(topic string, payload []byte, d gateway.DeviceID, reason error, ack func(bool)) {
	i.count.poison.Add(1)
	keep := payload[:min(len(payload), i.DeadLetterBytes)]
	topic = strings.ReplaceAll(clipTopic(topic), "\x00", "")
	job := deadJob{ack: ack, letter: DeadLetter{
		At: i.Clock.Now(), Topic: maskTopic(topic), Device: d, Reason: reason.Error(),
	}}
	var ge *gateway.Error
	if errors.As(reason, &ge) {
		job.letter.Violations = ge.Violations
	}
	job.plain = append(binary.AppendUvarint(append([]byte(topic), 0), uint64(len(payload))), keep...)
	select {
	case i.dead <- job:
	case <-i.ctx.Done():
		ack(false)
	}
}

// clipTopic bounds a topic: MQTT allows 64 KiB.
func clipTopic(topic string) string {
	const most = 512
	return strings.ToValidUTF8(topic[:min(len(topic), most)], "")
}

// maskTopic replaces what may name a device.
func maskTopic(topic string) string {
	t, err := devices.ParseTopic(topic)
	if err != nil {
		return ""
	}
	switch t.Kind {
	case devices.KindHello:
		return devices.HelloTopic(t.Product, "+")
	case devices.KindReceipt:
		return devices.MessagesTopic(t.Product, "+") + "/+/receipts"
	}
	return devices.EventsTopic(t.Product, "+")
}

// buryAll stores dead letters until the Ingest stops.
func (i *Ingest) buryAll() {
	for {
		select {
		case job := <-i.dead:
			i.buryOne(job)
		case <-i.ctx.Done():
			for {
				select {
				case job := <-i.dead:
					i.abandonDead(job)
				default:
					return
				}
			}
		}
	}
}

func (i *Ingest) abandonDead(job deadJob) {
	if job.done != nil {
		close(job.done)
		return
	}
	job.ack(false)
}

func (i *Ingest) buryOne(job deadJob) {
	if job.done != nil {
		close(job.done)
		return
	}
	_, err := backoff.Retry(i.ctx, func() (struct{}, error) {
		sealed, err := i.Vault.SealRotating(i.ctx, job.letter.At, job.plain)
		if err == nil {
			job.letter.Sealed = sealed
			err = i.DeadLetters.AppendDeadLetter(i.ctx, &job.letter)
		}
		if err != nil {
			i.count.deadFailed.Add(1)
			i.Logger.Warn("a dead letter is not stored yet: trying again", "error", err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(i.pauses()), backoff.WithMaxElapsedTime(0))
	job.ack(err == nil)
}

// flushDead waits until the dead letters handed over before are stored.
func (i *Ingest) flushDead(ctx context.Context) error {
	job := deadJob{done: make(chan struct{})}
	select {
	case i.dead <- job:
	case <-ctx.Done():
		return notFlushed(ctx.Err())
	case <-i.ctx.Done():
		return nil // stopped: nothing is stored any more
	}
	select {
	case <-job.done:
		return nil
	case <-ctx.Done():
		return notFlushed(ctx.Err())
	case <-i.ctx.Done():
		return nil
	}
}

func notFlushed(err error) error {
	return &gateway.Error{Kind: gateway.Unavailable, Text: "dead letters are not stored yet", Err: err}
}
