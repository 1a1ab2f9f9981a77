package devices

import (
	"strconv"

	"touchpoint/gateway"
)

// Channel is the name of the channel that shows messages on the product itself.
const Channel = "product"

// receipt reads what a device says about a message:
// {"state":"displayed","at":"2026-05-01T10:00:00Z","action":"order"}.
func (d *Decoder) receipt(t Topic, payload []byte, up *Uplink) error {
	id, err := gateway.ParseMessageID(t.Message)
	if err != nil {
		return topicError("names a message whose id is not of the form m_ followed by 26 characters")
	}
	r := gateway.Receipt{Message: id, Channel: Channel}
	var at gateway.Instant
	err = d.object(payload, func(name string) (err error) {
		switch name {
		case "state":
			r.State, err = d.receiptState()
		case "at":
			at, err = d.instant("at")
		case "action":
			r.Detail, err = d.identifier("action", 64)
		default:
			err = gateway.InvalidField(clip(name), "is no field of a receipt: use state, at, action")
		}
		return err
	})
	if err != nil {
		return err
	}
	if r.State == gateway.MessageUnknown {
		return gateway.InvalidField("state", "is missing: "+receiptStates)
	}
	r.At = clampClock(at, d.received)
	up.Receipt = r
	return nil
}

const receiptStates = "use delivered, displayed, opened, clicked, dismissed, expired or failed"

func (d *Decoder) receiptState() (gateway.MessageState, error) {
	name, err := d.identifier("state", 32)
	if err != nil {
		return 0, err
	}
	st, _ := gateway.ParseMessageState(name)
	switch st {
	case gateway.MessageDelivered, gateway.MessageDisplayed, gateway.MessageOpened, gateway.MessageClicked,
		gateway.MessageDismissed, gateway.MessageExpired, gateway.MessageFailed:
		return st, nil
	}
	return 0, gateway.InvalidField("state", "is no state that a device reports: "+receiptStates)
}

// maxShown bounds the list in a greeting.
const maxShown = 256

// hello reads a device's greeting: nothing, or {"shown":["m_…"]}.
func (d *Decoder) hello(payload []byte, up *Uplink) error {
	if jsonStart(payload) == 0 {
		return nil
	}
	return d.object(payload, func(name string) error {
		if name != "shown" {
			return gateway.InvalidField(clip(name), "is no field of a greeting: use shown")
		}
		if kind := d.dec.PeekKind(); kind != '[' && kind != 0 {
			return gateway.InvalidField("shown", "is %s: must be an array of message ids", kindName(kind))
		}
		if _, err := d.dec.ReadToken(); err != nil {
			return d.syntax(err)
		}
		for d.dec.PeekKind() != ']' {
			field := "shown[" + strconv.Itoa(len(up.Shown)) + "]"
			text, err := d.identifier(field, 64)
			if err != nil {
				return err
			}
			id, err := gateway.ParseMessageID(text)
			if err != nil {
				return gateway.InvalidField(field, "is no message id of the form m_ followed by 26 characters")
			}
			if len(up.Shown) == maxShown {
				return gateway.InvalidField("shown", "holds more than %d ids", maxShown)
			}
			up.Shown = append(up.Shown, id)
		}
		if _, err := d.dec.ReadToken(); err != nil {
			return d.syntax(err)
		}
		return nil
	})
}

// object reads one object and calls field for each name; field reads the value.
func (d *Decoder) object(payload []byte, field func(name string) error) error {
	d.open(payload)
	if kind := d.dec.PeekKind(); kind != '{' && kind != 0 {
		return gateway.InvalidField("payload", "is %s: must be an object", kindName(kind))
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return d.syntax(err)
	}
	for d.dec.PeekKind() != '}' {
		name, err := d.str()
		if err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return d.syntax(err)
	}
	return d.end()
}
