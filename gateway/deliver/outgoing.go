package deliver

import (
	"errors"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/deliver/render"
)

// Outgoing is one attempt to hand a message over. A channel keeps no part of
// it: the content is personal.
type Outgoing struct {
	Message   *gateway.Message
	Content   render.Content
	Partition int
	// Channel is the route's name.
	Channel string
	// Attempt counts from 1. Again is set when the channel has had the message
	// before and it was not displayed.
	Attempt int
	Again   bool
	// Now is the gateway's time.
	Now gateway.Instant
}

// ErrAbsent is returned by a PresenceChannel whose device is not there.
var ErrAbsent = errors.New("the device is not present")

// Later marks err as one to try again not earlier than after, as a server with
// too much to do asks.
func Later(err error, after time.Duration) error { return &laterError{err, after} }

type laterError struct {
	error
	after time.Duration
}

func (e *laterError) Unwrap() error { return e.error }

func retryAfter(err error) time.Duration {
	var l *laterError
	if errors.As(err, &l) {
		return l.after
	}
	return 0
}

// final says whether an error will come again however often one tries.
func final(err error) bool {
	switch gateway.KindOf(err) {
	case gateway.Invalid, gateway.NotFound, gateway.Conflict, gateway.PermissionDenied, gateway.Unauthenticated:
		return true
	}
	return false
}
