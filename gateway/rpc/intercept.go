package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchpoint/gateway"
)

// interceptor wraps every call: who calls, how long it may take, what goes to
// the log, and how errors look.
type interceptor struct {
	auth    *authenticator
	log     *slog.Logger
	timeout time.Duration // when the caller sets none
	longest time.Duration // whatever the caller sets
	slow    map[string]time.Duration
	// stopping ends when the server is told to stop, and with it every stream
	// that has no end of its own.
	stopping context.Context
}

// unary is the chain of a unary call.
func (i *interceptor) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	begin := time.Now()
	var who caller
	defer func() {
		if p := recover(); p != nil {
			err = i.panicked(info.FullMethod, p)
		}
		err = i.finish(ctx, info.FullMethod, who, begin, err)
	}()
	if who, err = i.auth.authenticate(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	ctx, cancel := i.bounded(ctx, info.FullMethod)
	defer cancel()
	return next(context.WithValue(ctx, callerKey{}, who), req)
}

// stream is the chain of a streaming call, which has no deadline of ours.
func (i *interceptor) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	begin := time.Now()
	var who caller
	defer func() {
		if p := recover(); p != nil {
			err = i.panicked(info.FullMethod, p)
		}
		err = i.finish(ss.Context(), info.FullMethod, who, begin, err)
	}()
	if who, err = i.auth.authenticate(ss.Context(), info.FullMethod); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(ss.Context(), callerKey{}, who))
	defer cancel(nil)
	defer context.AfterFunc(i.stopping, func() { cancel(errStopping) })()
	err = next(srv, &callerStream{ss, ctx})
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errStopping) {
		err = errStopping
	}
	return err
}

// errStopping ends the streams of a gateway that stops.
var errStopping = gateway.Errorf(gateway.Unavailable, "the gateway stops: open the stream again")

type callerStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *callerStream) Context() context.Context { return s.ctx }

// bounded gives a call its deadline.
func (i *interceptor) bounded(ctx context.Context, method string) (context.Context, context.CancelFunc) {
	limit := i.longest
	if _, ok := ctx.Deadline(); !ok {
		limit = i.timeout
	}
	if slow, ok := i.slow[method]; ok {
		limit = slow
	}
	return context.WithTimeout(ctx, limit)
}

func (i *interceptor) panicked(method string, p any) error {
	i.log.Error("call panicked", "method", method, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	return gateway.Errorf(gateway.Internal, "panic")
}

// finish turns the error into a status and logs the call: never a field of it,
// since fields may be personal.
func (i *interceptor) finish(ctx context.Context, method string, who caller, begin time.Time, err error) error {
	out := statusError(err)
	code := status.Code(out)
	attrs := []any{"method", strings.TrimPrefix(method, "/"), "code", code.String(), "caller", who.name, "took", time.Since(begin)}
	switch code {
	case codes.OK, codes.Canceled:
		i.log.DebugContext(ctx, "call", attrs...)
	case codes.Internal, codes.Unknown, codes.DataLoss:
		i.log.ErrorContext(ctx, "call failed", append(attrs, "error", err)...)
	default:
		i.log.InfoContext(ctx, "call refused", append(attrs, "fields", fieldsOf(err))...)
	}
	return out
}

// fieldsOf lists the fields that an error is about.
func fieldsOf(err error) []string {
	var gerr *gateway.Error
	if !errors.As(err, &gerr) {
		return nil
	}
	var fields []string
	for _, v := range gerr.Violations {
		fields = append(fields, v.Field)
	}
	return fields
}
