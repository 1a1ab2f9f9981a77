package devices

import (
	"time"

	"github.com/go-json-experiment/json"

	"touchpoint/gateway"
)

// Downlink is what a device gets on its messages topic: a message to show, or
// with Withdraw the order to forget one that it has not shown.
type Downlink struct {
	ID       gateway.MessageID
	Withdraw bool
	Title    string
	Body     string
	Actions  []Action
	Locale   string
	// Cause is the id of the event that led to the message, "" for none.
	Cause     string
	DecidedAt gateway.Instant
	// ExpiresAt ends the life of the message; Now is the gateway's time as it
	// was sent, so that a device without a clock can count from its arrival.
	ExpiresAt gateway.Instant
	Now       gateway.Instant
}

// Action is a button under a message; its ID comes back in the receipt.
type Action struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	URL   string `json:"url,omitempty"`
}

// downlinkJSON is the form on the wire.
type downlinkJSON struct {
	ID        string   `json:"id"`
	Withdraw  bool     `json:"withdraw,omitzero"`
	Title     string   `json:"title,omitzero"`
	Body      string   `json:"body,omitzero"`
	Actions   []Action `json:"actions,omitempty"`
	Locale    string   `json:"locale,omitzero"`
	Cause     string   `json:"cause,omitzero"`
	DecidedAt string   `json:"decided_at,omitzero"`
	ExpiresAt string   `json:"expires_at,omitzero"`
	TTL       int64    `json:"ttl_s,omitzero"`
	Now       string   `json:"now,omitzero"`
}

// Encode writes the JSON of the message.
func (m *Downlink) Encode() ([]byte, error) {
	w := downlinkJSON{ID: m.ID.String(), Withdraw: m.Withdraw}
	if !m.Withdraw {
		w.Title, w.Body, w.Actions, w.Locale, w.Cause = m.Title, m.Body, m.Actions, m.Locale, m.Cause
		w.DecidedAt, w.ExpiresAt, w.Now = stamp(m.DecidedAt), stamp(m.ExpiresAt), stamp(m.Now)
		if m.ExpiresAt != 0 {
			w.TTL = max(int64(m.ExpiresAt.Sub(m.Now)/time.Second), 1)
		}
	}
	return json.Marshal(&w)
}

// DecodeDownlink reads what Encode wrote, as a device does. Unknown fields are
// ignored: a later gateway may send more.
func DecodeDownlink(payload []byte) (Downlink, error) {
	var w downlinkJSON
	if err := json.Unmarshal(payload, &w); err != nil {
		return Downlink{}, gateway.Errorf(gateway.Invalid, "the message is no JSON object of the expected form: %w", err)
	}
	id, err := gateway.ParseMessageID(w.ID)
	if err != nil {
		return Downlink{}, gateway.InvalidField("id", "%v", err)
	}
	m := Downlink{ID: id, Withdraw: w.Withdraw, Title: w.Title, Body: w.Body, Actions: w.Actions, Locale: w.Locale, Cause: w.Cause}
	for _, f := range []struct {
		name, text string
		at         *gateway.Instant
	}{{"decided_at", w.DecidedAt, &m.DecidedAt}, {"expires_at", w.ExpiresAt, &m.ExpiresAt}, {"now", w.Now, &m.Now}} {
		if f.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, f.text)
		if err != nil {
			return Downlink{}, gateway.InvalidField(f.name, "is no RFC 3339 time")
		}
		*f.at = gateway.InstantOf(t)
	}
	return m, nil
}

func stamp(i gateway.Instant) string {
	if i.IsZero() {
		return ""
	}
	return i.String()
}
