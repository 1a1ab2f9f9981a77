package gateway

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
)

// DeviceID, CustomerID and GroupID are random internal ids. They are the only
// names of a subject that logs, state and history carry; serials, customer
// numbers and e-mail addresses map to them in the vault. Zero means "none".
type (
	DeviceID   uint64
	CustomerID uint64
	GroupID    uint64
)

// EnrollmentID, MessageID and TaskID are hashes of what they name, so that a
// replay arrives at the same id; see NewEnrollmentID and its like.
type (
	EnrollmentID [16]byte
	MessageID    [16]byte
	TaskID       [16]byte
)

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func text64(prefix string, v uint64) string {
	if v == 0 {
		return ""
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	return prefix + idText.EncodeToString(b[:])
}

func parse64(prefix, s string) (uint64, error) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return 0, fmt.Errorf("%q is no id of the form %s…", s, prefix)
	}
	b, err := idText.DecodeString(rest)
	if err != nil || len(b) != 8 {
		return 0, fmt.Errorf("%q is no id of the form %s followed by 13 characters", s, prefix)
	}
	v := binary.BigEndian.Uint64(b)
	if text64(prefix, v) != s { // spare bits of the last character are set: another text of the same id
		return 0, fmt.Errorf("%q is no id of the form %s followed by 13 characters", s, prefix)
	}
	return v, nil
}

// String returns the text form, "d_" and 13 characters; "" for none.
func (d DeviceID) String() string { return text64("d_", uint64(d)) }

// String returns the text form, "c_" and 13 characters; "" for none.
func (c CustomerID) String() string { return text64("c_", uint64(c)) }

// String returns the text form, "g_" and 13 characters; "" for none.
func (g GroupID) String() string { return text64("g_", uint64(g)) }

// ParseDeviceID reads the text form of a device id.
func ParseDeviceID(s string) (DeviceID, error) {
	v, err := parse64("d_", s)
	return DeviceID(v), err
}

// ParseCustomerID reads the text form of a customer id.
func ParseCustomerID(s string) (CustomerID, error) {
	v, err := parse64("c_", s)
	return CustomerID(v), err
}

// String returns the text form, "e_" and 26 characters; "" for none.
func (e EnrollmentID) String() string { return text128("e_", e) }

// String returns the text form, "m_" and 26 characters; "" for none.
func (m MessageID) String() string { return text128("m_", m) }

// IsZero reports whether the id names nothing.
func (e EnrollmentID) IsZero() bool { return e == EnrollmentID{} }

// IsZero reports whether the id names nothing.
func (m MessageID) IsZero() bool { return m == MessageID{} }

func text128(prefix string, v [16]byte) string {
	if v == ([16]byte{}) {
		return ""
	}
	return prefix + idText.EncodeToString(v[:])
}

func parse128(prefix, s string) (v [16]byte, err error) {
	rest, ok := strings.CutPrefix(s, prefix)
	b, derr := idText.DecodeString(rest)
	if !ok || derr != nil || len(b) != 16 {
		return v, fmt.Errorf("%q is no id of the form %s followed by 26 characters", s, prefix)
	}
	copy(v[:], b)
	if text128(prefix, v) != s { // spare bits of the last character are set: another text of the same id
		return [16]byte{}, fmt.Errorf("%q is no id of the form %s followed by 26 characters", s, prefix)
	}
	return v, nil
}

// ParseMessageID reads the text form of a message id.
func ParseMessageID(s string) (MessageID, error) {
	v, err := parse128("m_", s)
	return MessageID(v), err
}

// ParseEnrollmentID reads the text form of an enrollment id.
func ParseEnrollmentID(s string) (EnrollmentID, error) {
	v, err := parse128("e_", s)
	return EnrollmentID(v), err
}

// NewEnrollmentID names one run of a subject through a journey: the same
// trigger never starts two.
func NewEnrollmentID(journey string, subject Subject, correlationKey, triggerID string) EnrollmentID {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s|%d|%d|%d:%s|%s", len(journey), journey, subject.Kind, subject.ID, len(correlationKey), correlationKey, triggerID)
	var id EnrollmentID
	copy(id[:], h.Sum(nil))
	return id
}

// NewMessageID names one visit of a send step. Visits count up and are never
// reset, so a second reminder is a new message and a replayed step is not.
func NewMessageID(e EnrollmentID, step string, visit uint32) MessageID {
	h := sha256.New()
	h.Write(e[:])
	fmt.Fprintf(h, "%s|%d", step, visit)
	var id MessageID
	copy(id[:], h.Sum(nil))
	return id
}

// SubjectKind says what a Subject is.
type SubjectKind uint8

// The kinds of subject.
const (
	SubjectNone SubjectKind = iota
	SubjectDevice
	SubjectCustomer
	SubjectGroup
)

// Subject is whoever a partition is chosen by: the group where one is known,
// else the customer, else the device.
type Subject struct {
	Kind SubjectKind
	ID   uint64
}

// DeviceSubject, CustomerSubject and GroupSubject make subjects of ids.
func DeviceSubject(d DeviceID) Subject     { return Subject{SubjectDevice, uint64(d)} }
func CustomerSubject(c CustomerID) Subject { return Subject{SubjectCustomer, uint64(c)} }
func GroupSubject(g GroupID) Subject       { return Subject{SubjectGroup, uint64(g)} }

// String returns the text form of the id that the subject holds.
func (s Subject) String() string {
	switch s.Kind {
	case SubjectDevice:
		return DeviceID(s.ID).String()
	case SubjectCustomer:
		return CustomerID(s.ID).String()
	case SubjectGroup:
		return GroupID(s.ID).String()
	}
	return ""
}

// Partition returns the partition of n in which the subject lives by itself
// (its home). Ids are random, but the bits are mixed all the same so that
// hand-made ids in tests spread, too.
func (s Subject) Partition(n int) int {
	x := s.ID ^ uint64(s.Kind)<<56
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return int(x % uint64(n))
}
