package eventlog

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"touchpoint/gateway"
)

// Error codes of JetStream that nats.go has no name for.
const (
	codeStorageFull     = 10047 // the account's storage is used up
	codeStoreFailed     = 10077 // among others: the stream's limit is reached
	codeSubjectInFlight = 10164 // a write to the same subject is under way
	codeIDInFlight      = 10158 // a write with the same id is under way
	codeInsufficient    = 10023
)

// writeError maps the error of a write. What cannot be told apart from "done,
// but the answer was lost" is OutcomeUnknown.
func writeError(what string, err error) error {
	kind := gateway.OutcomeUnknown
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api):
		kind = apiKind(api)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting):
		kind = gateway.Unavailable
	case errors.Is(err, nats.ErrMaxPayload):
		kind = gateway.Invalid
	}
	return gateway.Errorf(kind, "%s: %w", what, err)
}

func apiKind(api *jetstream.APIError) gateway.ErrorKind {
	switch api.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence:
		return gateway.Fenced
	case codeStorageFull:
		return gateway.Exhausted
	case codeStoreFailed:
		// Known texts: "maximum bytes exceeded", "maximum messages exceeded".
		if api.Description == "maximum bytes exceeded" {
			return gateway.Exhausted
		}
		return gateway.OutcomeUnknown
	case codeSubjectInFlight, codeIDInFlight:
		return gateway.OutcomeUnknown
	case codeInsufficient:
		return gateway.Unavailable
	}
	if api.Code >= 500 {
		return gateway.Unavailable
	}
	return gateway.Internal
}

// readError maps the error of a read.
func readError(what string, err error) error {
	var own *gateway.Error
	switch {
	case errors.As(err, &own):
		return gateway.Errorf(own.Kind, "%s: %w", what, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return gateway.Errorf(gateway.Unavailable, "%s: %w", what, err)
	case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		return gateway.Errorf(gateway.NotFound, "%s: %w", what, err)
	}
	return gateway.Errorf(gateway.Unavailable, "%s: %w", what, err)
}
