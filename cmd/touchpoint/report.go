package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// usageError is a wrong command line.
type usageError struct {
	cmd  *cobra.Command
	text string
}

func (e usageError) Error() string { return e.text }

// group is a command that has nothing but subcommands.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			text := fmt.Sprintf("%s has no subcommand %q", use, args[0])
			cmd.SuggestionsMinimumDistance = 2
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				text += ": did you mean " + strings.Join(near, " or ") + "?"
			}
			return usageError{cmd, text}
		},
	}
}

// exactArgs wants the arguments that a command's usage names.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{cmd, fmt.Sprintf("wants %d arguments, got %d", n, len(args))}
		}
		return nil
	}
}

func minArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usageError{cmd, fmt.Sprintf("wants at least %d arguments, got %d", n, len(args))}
		}
		return nil
	}
}

// report prints an error with what to do about it and returns the exit code.
func report(w io.Writer, c *client, err error) int {
	if err == nil || errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return 0
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(w, "touchpoint: %s\n  usage: %s\n", usage.text, usage.cmd.UseLine())
		return 2
	}
	if strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintf(w, "touchpoint: %s\n", strings.ReplaceAll(err.Error(), "\n\n", "\n"))
		return 2
	}
	st, ok := status.FromError(err)
	if !ok {
		fmt.Fprintf(w, "touchpoint: %v\n", err)
		return 1
	}
	reportStatus(w, c, st)
	return 1
}

func reportStatus(w io.Writer, c *client, st *status.Status) {
	violated := false
	for _, d := range st.Details() {
		br, ok := d.(*errdetails.BadRequest)
		if !ok || len(br.FieldViolations) == 0 {
			continue
		}
		violated = true
		fmt.Fprintf(w, "touchpoint: %s\n", headline[st.Code()])
		for _, v := range br.FieldViolations {
			fmt.Fprintf(w, "  %s\n", strings.TrimPrefix(v.Field+": "+v.Description, ": "))
		}
	}
	if !violated {
		fmt.Fprintf(w, "touchpoint: %s\n", message(c, st))
	}
	if hint := hintFor(c, st); hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", hint)
	}
}

// message is what went wrong, without the transport's wrapping.
func message(c *client, st *status.Status) string {
	text := st.Message()
	if st.Code() != codes.Unavailable || len(st.Details()) > 0 {
		return text
	}
	if i := strings.LastIndex(text, "connect: "); i >= 0 {
		text = strings.TrimSuffix(text[i+len("connect: "):], `"`)
	}
	return fmt.Sprintf("no connection to %s: %s", c.addr, text)
}

var headline = map[codes.Code]string{
	codes.InvalidArgument:    "the gateway refused the request",
	codes.NotFound:           "not found",
	codes.FailedPrecondition: "not possible now",
}

// hintFor says what to do about an error of the connection or the token.
func hintFor(c *client, st *status.Status) string {
	text := st.Message()
	switch st.Code() {
	case codes.Unavailable:
		for _, d := range st.Details() {
			if r, ok := d.(*errdetails.RetryInfo); ok {
				return fmt.Sprintf("try again in %v; the same call is safe to repeat", r.RetryDelay.AsDuration())
			}
		}
		if strings.Contains(text, "tls:") || strings.Contains(text, "handshake") {
			return "gateway and client do not agree on TLS: check --tls and --ca"
		}
		return fmt.Sprintf("is the gateway running? Nothing answered at %s: start one with `touchpoint serve`, or name it with --addr", c.addr)
	case codes.Unauthenticated:
		return "put a token of the gateway's auth.tokens into TOUCHPOINT_TOKEN"
	case codes.PermissionDenied:
		return "use a token with another role"
	case codes.DeadlineExceeded:
		return fmt.Sprintf("nothing came within %v; --timeout allows more", c.timeout)
	case codes.ResourceExhausted:
		return "a limit is reached: send less at once, or try again later"
	case codes.Unimplemented:
		return "the gateway is older than this client"
	}
	return ""
}
