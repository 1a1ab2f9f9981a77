// Command bench is the part of the measurements that needs a program: it
// prepares a gateway (journeys, customers, devices), and it drives work W2 and
// the measurement of latency, where messages come back.
//
//	bench setup -grpc 127.0.0.1:7070 -devices 2000 deploy/journeys/every-100.yaml …
//	bench drive -peer "…" -out 'touchpoint/v1/+/+/messages' -every 100
//	go test -bench … | bench line NAME
//	bench report -notes notes.md results.jsonl
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"setup": setup, "drive": drive, "report": report, "line": line, "core": core}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench setup|drive|line|report [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
