package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"touchpoint/gateway"
)

// errorDomain is the domain of every ErrorInfo.
const errorDomain = "touchpoint"

// kindCodes is the one place where kinds of error become gRPC codes. retry is
// the time after which a repeated call may succeed, 0 when it will not.
var kindCodes = map[gateway.ErrorKind]struct {
	code  codes.Code
	retry time.Duration
}{
	gateway.Internal:         {codes.Internal, 0},
	gateway.Invalid:          {codes.InvalidArgument, 0},
	gateway.NotFound:         {codes.NotFound, 0},
	gateway.Conflict:         {codes.FailedPrecondition, 0},
	gateway.Unauthenticated:  {codes.Unauthenticated, 0},
	gateway.PermissionDenied: {codes.PermissionDenied, 0},
	gateway.Exhausted:        {codes.ResourceExhausted, 5 * time.Second},
	gateway.Unavailable:      {codes.Unavailable, time.Second},
	gateway.Fenced:           {codes.Unavailable, 2 * time.Second},
	gateway.OutcomeUnknown:   {codes.Unavailable, time.Second},
}

// statusError turns an error of the gateway into a gRPC status with details:
// ErrorInfo always, BadRequest for bad input, RetryInfo when a retry helps.
// The text of an internal error stays in the log.
func statusError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the deadline passed before the answer was known; repeat the call with a longer one")
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the call was cancelled")
	}
	kind := gateway.KindOf(err)
	entry := kindCodes[kind]
	text := err.Error()
	if kind == gateway.Internal {
		text = "internal error; the gateway's log tells more"
	}
	details := []protoadapt.MessageV1{
		protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: strings.ToUpper(kind.String()), Domain: errorDomain}),
	}
	var gerr *gateway.Error
	if errors.As(err, &gerr) && len(gerr.Violations) > 0 {
		details = append(details, protoadapt.MessageV1Of(badRequest(gerr.Violations)))
	}
	if entry.retry > 0 {
		details = append(details, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(entry.retry)}))
	}
	st, derr := status.New(entry.code, text).WithDetails(details...)
	if derr != nil { // cannot happen with the types above
		return status.Error(entry.code, text)
	}
	return st.Err()
}

func badRequest(violations []gateway.Violation) *errdetails.BadRequest {
	br := &errdetails.BadRequest{}
	for _, v := range violations {
		br.FieldViolations = append(br.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: v.Field, Description: placed(v),
		})
	}
	return br
}

// placed is the text of a violation with line and step, which BadRequest has no
// fields for.
func placed(v gateway.Violation) string {
	var b strings.Builder
	if v.Line > 0 {
		fmt.Fprintf(&b, "line %d, ", v.Line)
	}
	if v.Step != "" {
		fmt.Fprintf(&b, "step %q, ", v.Step)
	}
	if b.Len() == 0 {
		return v.Text
	}
	return strings.TrimSuffix(b.String(), ", ") + ": " + v.Text
}

// notFound reports a thing that does not exist, by the field that named it.
func notFound(field, format string, args ...any) error {
	return &gateway.Error{Kind: gateway.NotFound, Violations: []gateway.Violation{{Field: field, Text: fmt.Sprintf(format, args...)}}}
}
