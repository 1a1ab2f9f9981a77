package devices

import (
	"strings"

	"touchpoint/gateway"
)

// The filters under which a gateway finds everything that devices send up.
const (
	EventsFilter   = prefix + "+/+/events"
	HelloFilter    = prefix + "+/+/messages/hello"
	ReceiptsFilter = prefix + "+/+/messages/+/receipts"
)

// UplinkFilters lists the topic filters of everything that devices send up.
func UplinkFilters() []string { return []string{EventsFilter, HelloFilter, ReceiptsFilter} }

const (
	prefix = "touchpoint/v1/"

	maxProduct = 64
	maxSerial  = 128
)

// Kind says what a message from a device is.
type Kind uint8

// The kinds of message that a device sends.
const (
	KindEvents  Kind = iota + 1 // touchpoint/v1/{product}/{device}/events
	KindHello                   // touchpoint/v1/{product}/{device}/messages/hello
	KindReceipt                 // touchpoint/v1/{product}/{device}/messages/{id}/receipts
)

// Topic is the parsed name of an uplink topic. Its strings are parts of the
// topic that was parsed.
type Topic struct {
	Kind    Kind
	Product string
	Serial  string
	Message string // id of the message that a receipt is about
}

// IsUplink reports whether a topic looks like one that devices send up on, so
// that a broker can tell it from the rest without parsing it.
func IsUplink(topic string) bool {
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return false
	}
	switch {
	case strings.HasSuffix(rest, "/events"):
		return strings.Count(rest, "/") == 2
	case strings.HasSuffix(rest, "/messages/hello"):
		return strings.Count(rest, "/") == 3
	case strings.HasSuffix(rest, "/receipts"):
		return strings.Count(rest, "/") == 4 && strings.Contains(rest, "/messages/")
	}
	return false
}

// IsDownlink reports whether a topic is one on which a device is given its
// messages.
func IsDownlink(topic string) bool {
	rest, ok := strings.CutPrefix(topic, prefix)
	return ok && strings.HasSuffix(rest, "/messages") && strings.Count(rest, "/") == 2
}

// ParseTopic parses an uplink topic and checks the names in it: letters,
// digits, '-', '_' and '.', in a device also ':', neither empty nor too long.
func ParseTopic(topic string) (Topic, error) {
	var t Topic
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return t, topicError("must begin with %s", prefix)
	}
	var tail string
	t.Product, rest, ok = strings.Cut(rest, "/")
	if ok {
		t.Serial, tail, ok = strings.Cut(rest, "/")
	}
	if !ok {
		return Topic{}, topicError("must be %s{product}/{device}/events, …/messages/hello or …/messages/{id}/receipts", prefix)
	}
	if err := CheckProduct(t.Product); err != nil {
		return Topic{}, err
	}
	if err := CheckSerial(t.Serial); err != nil {
		return Topic{}, err
	}
	switch tail {
	case "events":
		t.Kind = KindEvents
		return t, nil
	case "messages/hello":
		t.Kind = KindHello
		return t, nil
	}
	if id, found := strings.CutPrefix(tail, "messages/"); found {
		if id, found = strings.CutSuffix(id, "/receipts"); found && id != "" && !strings.Contains(id, "/") {
			t.Kind, t.Message = KindReceipt, id
			return t, nil
		}
	}
	return Topic{}, topicError("must end in events, messages/hello or messages/{id}/receipts")
}

// CheckProduct says what is wrong with the name of a product model, if anything.
func CheckProduct(name string) error { return checkName("topic.product", name, maxProduct, false) }

// CheckSerial says what is wrong with the name of a device, if anything. The
// name itself is never part of the error: a serial may be personal (a VIN).
func CheckSerial(name string) error { return checkName("topic.device", name, maxSerial, true) }

func checkName(field, name string, limit int, colon bool) error {
	if name == "" {
		return gateway.InvalidField(field, "must not be empty")
	}
	if len(name) > limit {
		return gateway.InvalidField(field, "has %d bytes: at most %d are allowed", len(name), limit)
	}
	for i := range len(name) {
		if !nameByte(name[i]) && (!colon || name[i] != ':') {
			allowed := "letters, digits, '-', '_' and '.'"
			if colon {
				allowed = "letters, digits, '-', '_', '.' and ':'"
			}
			return gateway.InvalidField(field, "has a character at %d that is not allowed: use %s", i+1, allowed)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

func topicError(format string, args ...any) error {
	return gateway.InvalidField("topic", format, args...)
}

// EventsTopic returns the topic on which a device publishes its events.
func EventsTopic(product, serial string) string { return prefix + product + "/" + serial + "/events" }

// MessagesTopic returns the topic on which a device is given its messages.
func MessagesTopic(product, serial string) string {
	return prefix + product + "/" + serial + "/messages"
}

// HelloTopic returns the topic on which a device says that it is present.
func HelloTopic(product, serial string) string { return MessagesTopic(product, serial) + "/hello" }

// ReceiptsTopic returns the topic on which a device says what became of a message.
func ReceiptsTopic(product, serial string, id gateway.MessageID) string {
	return MessagesTopic(product, serial) + "/" + id.String() + "/receipts"
}
