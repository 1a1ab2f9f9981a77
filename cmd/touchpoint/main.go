// Command touchpoint is the gateway and everything around it: it serves,
// demonstrates and audits, and it is the client of a gateway that runs.
//
// Each subcommand has a file of its own and is named once, in root.go.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
