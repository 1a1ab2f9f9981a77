package stream

import (
	"encoding/json"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver/render"
)

// formatVersion of a stored message.
const formatVersion = 1

// stored is one message in the stream. What is open here is open in the logs,
// too; the text is sealed.
type stored struct {
	Format     int                  `json:"v"`
	Withdraw   bool                 `json:"withdraw,omitempty"`
	Partition  int                  `json:"partition"`
	Route      string               `json:"route"`
	ID         string               `json:"id"`
	Enrollment string               `json:"enrollment,omitempty"`
	Journey    string               `json:"journey,omitempty"`
	Version    uint32               `json:"version,omitempty"`
	Step       string               `json:"step,omitempty"`
	Visit      uint32               `json:"visit,omitempty"`
	Customer   gateway.CustomerID   `json:"customer,omitempty"`
	Device     gateway.DeviceID     `json:"device,omitempty"`
	Product    string               `json:"product,omitempty"`
	Channel    string               `json:"channel,omitempty"`
	Purpose    gateway.Purpose      `json:"purpose,omitempty"`
	Template   string               `json:"template,omitempty"`
	Locale     string               `json:"locale,omitempty"`
	DecidedAt  gateway.Instant      `json:"decided_at,omitempty"`
	NotBefore  gateway.Instant      `json:"not_before,omitempty"`
	NotAfter   gateway.Instant      `json:"not_after,omitempty"`
	ExpiresAt  gateway.Instant      `json:"expires_at,omitempty"`
	Cause      string               `json:"cause,omitempty"`
	CauseAt    gateway.Instant      `json:"cause_received_at,omitempty"`
	State      gateway.MessageState `json:"state,omitempty"`
	Sealed     string               `json:"sealed,omitempty"`
}

func store(m *gateway.Message) stored {
	return stored{
		Format: formatVersion, ID: m.ID.String(), Enrollment: m.Enrollment.String(), Journey: m.Journey, Version: m.Version,
		Step: m.Step, Visit: m.Visit, Customer: m.Customer, Device: m.Device, Product: m.Product, Channel: m.Channel,
		Purpose: m.Purpose, Template: m.Template, Locale: m.Locale, DecidedAt: m.DecidedAt, NotBefore: m.NotBefore,
		NotAfter: m.NotAfter, ExpiresAt: m.ExpiresAt, Cause: m.Cause, CauseAt: m.CauseReceivedAt, State: m.State,
	}
}

// read parses a stored message.
func read(data []byte) (stored, gateway.Message, error) {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return s, gateway.Message{}, err
	}
	if s.Format != formatVersion {
		return s, gateway.Message{}, gateway.Errorf(gateway.Invalid, "format %d is not known", s.Format)
	}
	id, err := gateway.ParseMessageID(s.ID)
	if err != nil {
		return s, gateway.Message{}, err
	}
	m := gateway.Message{
		ID: id, Journey: s.Journey, Version: s.Version, Step: s.Step, Visit: s.Visit, Customer: s.Customer, Device: s.Device,
		Product: s.Product, Channel: s.Channel, Purpose: s.Purpose, Template: s.Template, Locale: s.Locale,
		DecidedAt: s.DecidedAt, NotBefore: s.NotBefore, NotAfter: s.NotAfter, ExpiresAt: s.ExpiresAt, Cause: s.Cause,
		CauseReceivedAt: s.CauseAt, State: s.State,
	}
	if s.Enrollment != "" {
		m.Enrollment, err = gateway.ParseEnrollmentID(s.Enrollment)
	}
	return s, m, err
}

// text is what was sealed.
func text(p gateway.Personal) (c render.Content, err error) {
	err = json.Unmarshal([]byte(p.Reveal()), &c)
	return c, err
}
