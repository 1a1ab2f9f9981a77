package ingest

import (
	"context"
	"slices"

	"github.com/cenkalti/backoff/v5"

	"touchpoint/devices"
	"touchpoint/gateway"
)

// Uplink takes one message of a device. ack is called once, from any goroutine:
// with true when the message is durable (in the log, or in the dead letters),
// with false when it was not taken and must be sent again. The payload is not
// kept. Uplink blocks while too much is in flight.
func (i *Ingest) Uplink(topic string, payload []byte, ack func(ok bool)) {
	i.count.messages.Add(1)
	i.count.bytes.Add(uint64(len(payload)))
	s := i.scratch.Get().(*scratch)
	defer i.scratch.Put(s)
	if err := s.dec.Decode(topic, payload, i.Clock.Now(), &s.up); err != nil {
		i.bury(topic, payload, 0, err, ack)
		return
	}
	device, err := i.device(s.up.Product, s.up.Serial)
	if err != nil {
		i.refuse(topic, payload, err, ack)
		return
	}
	if i.Presence != nil {
		i.Presence.Seen(device, s.up.Product, s.up.Serial)
	}
	switch s.up.Kind {
	case devices.KindHello:
		i.count.hellos.Add(1)
		if i.Presence != nil {
			i.Presence.Hello(device, s.up.Product, s.up.Serial, s.up.Shown)
		}
		ack(true)
	case devices.KindReceipt:
		i.receipt(device, s, ack)
	default:
		if err := i.events(device, s, len(payload), ack); err != nil {
			i.refuse(topic, payload, err, ack)
		}
	}
}

// Replay takes a message in again that was a dead letter; received is when it
// came first. It returns when the message is durable.
func (i *Ingest) Replay(ctx context.Context, topic string, payload []byte, received gateway.Instant) error {
	s := i.scratch.Get().(*scratch)
	defer i.scratch.Put(s)
	if err := s.dec.Decode(topic, payload, received, &s.up); err != nil {
		return err
	}
	device, err := i.Vault.Device(ctx, s.up.Product, s.up.Serial)
	if err != nil {
		return err
	}
	to, owner := i.router.Find(device)
	var inputs []gateway.Forward
	if s.up.Kind == devices.KindReceipt {
		r := s.up.Receipt
		r.Device, r.Customer = device, owner
		inputs = append(inputs, gateway.Forward{To: to, Input: gateway.Input{Command: r}})
	}
	for n := range s.up.Events {
		e := s.up.Events[n]
		e.Device = device
		if e.Properties, err = i.sealPersonal(ctx, s.up.Profile, device, owner, e.Properties, false); err != nil {
			return err
		}
		inputs = append(inputs, gateway.Forward{To: to, Input: gateway.Input{Event: e}})
	}
	_, err = i.SubmitMany(ctx, inputs)
	return err
}

// refuse ends a message that could not be taken although it is well-formed:
// what is wrong for good goes to the dead letters, the rest comes again.
func (i *Ingest) refuse(topic string, payload []byte, err error, ack func(bool)) {
	if gateway.KindOf(err) == gateway.Invalid {
		i.bury(topic, payload, 0, err, ack)
		return
	}
	i.Logger.Warn("a message was not taken and will be sent again", "error", err)
	ack(false)
}

// device returns the internal id; it waits while the vault is away.
func (i *Ingest) device(product, serial string) (gateway.DeviceID, error) {
	id, err := i.Vault.Device(i.ctx, product, serial)
	if err == nil || gateway.KindOf(err) != gateway.Unavailable {
		return id, err
	}
	i.mark.hold()
	defer i.mark.release()
	return backoff.Retry(i.ctx, func() (gateway.DeviceID, error) {
		id, err := i.Vault.Device(i.ctx, product, serial)
		if err != nil && gateway.KindOf(err) != gateway.Unavailable {
			err = backoff.Permanent(err)
		}
		return id, err
	}, backoff.WithBackOff(i.pauses()))
}

func (i *Ingest) receipt(device gateway.DeviceID, s *scratch, ack func(bool)) {
	to, owner := i.router.Find(device)
	r := s.up.Receipt
	r.Device, r.Customer = device, owner
	s.inputs = append(s.inputs[:0], gateway.Input{Command: r})
	i.put(to, s.inputs, commandSize, ack)
}

// events routes the events of one message, all of one device, and hands them
// to its partition.
func (i *Ingest) events(device gateway.DeviceID, s *scratch, bytes int, ack func(bool)) error {
	to, owner := i.router.Find(device)
	sealing := len(s.up.Profile.Personal) > 0
	s.inputs = s.inputs[:0]
	for n := range s.up.Events {
		e := &s.up.Events[n]
		e.Device = device
		if sealing {
			props, err := i.sealPersonal(i.ctx, s.up.Profile, device, owner, e.Properties, false)
			if err != nil {
				return err
			}
			e.Properties = props
		}
		s.inputs = append(s.inputs, gateway.Input{Event: *e})
	}
	i.put(to, s.inputs, bytes, ack)
	return nil
}

// sealPersonal seals the personal fields with the key of the owner, or of the
// device while nobody is known to own it.
func (i *Ingest) sealPersonal(ctx context.Context, p *devices.Product, d gateway.DeviceID, owner gateway.CustomerID,
	props gateway.Properties, shared bool) (gateway.Properties, error) {
	subject := gateway.CustomerSubject(owner)
	if owner == 0 {
		subject = gateway.DeviceSubject(d)
	}
	for n := range props {
		v := props[n].Value
		if k := v.Kind(); k == gateway.KindNull || k == gateway.KindSealed || !p.IsPersonal(props[n].Key) {
			continue
		}
		text, err := i.Vault.Seal(ctx, subject, gateway.Personal(v.String()))
		if err != nil {
			return nil, err
		}
		if shared { // the caller's list stays as it is
			props, shared = slices.Clone(props), false
		}
		props[n].Value = gateway.Sealed(text)
	}
	return props, nil
}

const (
	commandSize  = 192 // bytes in flight that a small command counts for
	eventExtra   = 64  // and an event beyond its payload
	eventMinimum = 128
	inMemory     = 512 // bytes that a queued input takes beside its payload
)

// inputSize estimates the bytes that an input takes in the log.
func inputSize(in *gateway.Input) int {
	switch c := in.Command.(type) {
	case nil:
		return eventSize(&in.Event)
	case gateway.AdmitDevice:
		return commandSize + len(c.State)
	case gateway.PublishJourney:
		return commandSize + len(c.Definition)
	case gateway.UpsertCustomer:
		return commandSize + propsSize(c.Attributes)
	case gateway.TriggerJourney:
		return commandSize + propsSize(c.Properties)
	case gateway.CustomerEvent:
		return commandSize + eventSize(&c.Event)
	}
	return commandSize
}

func eventSize(e *gateway.Event) int {
	return eventMinimum + len(e.ID) + len(e.Type) + len(e.Product) + propsSize(e.Properties)
}

func propsSize(props gateway.Properties) (n int) {
	for i := range props {
		n += 12 + len(props[i].Key) + len(props[i].Value.AsString())
	}
	return n
}
