package simulator

import (
	"bytes"
	"strconv"
	"time"

	"touchpoint/devices"
	"touchpoint/gateway"
)

// unit is one machine that keeps the contract of the product channel: it
// remembers what it has shown until that expires, shows nothing twice and
// nothing too late, and forgets what is withdrawn.
type unit struct {
	number              int
	product, serial     string
	eventsTopic         string
	conn                *conn
	boot                uint32
	seq                 uint64
	kept                []kept // while it is offline
	inbox               []devices.Downlink
	shown               map[gateway.MessageID]gateway.Instant // until when it is remembered
	waiting             map[gateway.MessageID]gateway.Instant // arrived, not yet shown
	published, received int
}

// kept is an event that waits for a connection.
type kept struct {
	id, typ string
	at      gateway.Instant
	payload []byte
}

// newUnit switches a machine on. Its number of the start is the time of it, so
// that a second run against the same gateway repeats no identity.
func newUnit(number int, product, serial string, on gateway.Instant) *unit {
	return &unit{number: number, product: product, serial: serial, boot: uint32(on / 1000),
		eventsTopic: devices.EventsTopic(product, serial)}
}

// verdict is what a unit makes of a message that arrived.
type verdict uint8

const (
	take   verdict = iota // to be shown
	repeat                // shown already: say so again
	known                 // waits to be shown already
	stale                 // too late
	gone                  // a withdrawal
)

// judge decides about a message by the contract.
func (u *unit) judge(m *devices.Downlink, now gateway.Instant) verdict {
	u.received++
	if m.Withdraw {
		delete(u.waiting, m.ID)
		return gone
	}
	if until, ok := u.shown[m.ID]; ok && now < until {
		return repeat
	}
	if _, ok := u.waiting[m.ID]; ok {
		return known
	}
	if m.ExpiresAt != 0 && now >= m.ExpiresAt {
		return stale
	}
	if u.waiting == nil {
		u.waiting = make(map[gateway.MessageID]gateway.Instant, 1)
	}
	u.waiting[m.ID] = m.ExpiresAt
	return take
}

// show shows a message that waits, unless it was withdrawn meanwhile or is too
// late by now.
func (u *unit) show(id gateway.MessageID, now gateway.Instant) verdict {
	expires, ok := u.waiting[id]
	if !ok {
		return gone
	}
	delete(u.waiting, id)
	if expires != 0 && now >= expires {
		return stale
	}
	for old, until := range u.shown {
		if now >= until {
			delete(u.shown, old)
		}
	}
	if u.shown == nil {
		u.shown = make(map[gateway.MessageID]gateway.Instant, 1)
	}
	if expires == 0 {
		expires = now.Add(365 * 24 * time.Hour)
	}
	u.shown[id] = expires
	return take
}

// nextID numbers the next event and gives its identity.
func (u *unit) nextID() string {
	u.seq++
	b := make([]byte, 0, 32)
	b = append(append(b, u.serial...), '-')
	b = strconv.AppendUint(b, uint64(u.boot), 36)
	b = strconv.AppendUint(append(b, '-'), u.seq, 36)
	return string(b)
}

// appendEvent appends the JSON of an event in the own dialect; data appends the
// object of its properties.
func (u *unit) appendEvent(b []byte, id, typ string, at gateway.Instant, data func([]byte) []byte) []byte {
	b = append(append(b, `{"id":"`...), id...)
	b = append(b, `","ts":"`...)
	b = at.Time().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(append(b, `","type":"`...), typ...)
	b = strconv.AppendUint(append(b, `","boot":`...), uint64(u.boot), 10)
	b = strconv.AppendUint(append(b, `,"seq":`...), u.seq, 10)
	if data != nil {
		b = data(append(b, `,"data":`...))
	}
	return append(b, '}')
}

// appendReceipt appends the JSON of a receipt.
func appendReceipt(b []byte, state gateway.MessageState, at gateway.Instant, action string) []byte {
	b = append(append(b, `{"state":"`...), state.String()...)
	b = at.Time().AppendFormat(append(b, `","at":"`...), "2006-01-02T15:04:05.000Z")
	if action != "" {
		b = append(append(b, `","action":"`...), action...)
	}
	return append(b, `"}`...)
}

// appendHello appends the JSON of a greeting: what was shown and may come again.
func (u *unit) appendHello(b []byte, now gateway.Instant) []byte {
	b = append(b, `{"shown":[`...)
	n := 0
	for id, until := range u.shown {
		if now >= until || n == 200 {
			continue
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), id.String()...), '"')
		n++
	}
	return append(b, "]}"...)
}

// batches joins kept events into arrays of at most n.
func batches(events []kept, n int, emit func([]kept, []byte) error) error {
	for len(events) > 0 {
		part := events[:min(n, len(events))]
		texts := make([][]byte, len(part))
		for i := range part {
			texts[i] = part[i].payload
		}
		payload := append([]byte{'['}, bytes.Join(texts, []byte{','})...)
		if err := emit(part, append(payload, ']')); err != nil {
			return err
		}
		events = events[len(part):]
	}
	return nil
}
