package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"touchpoint/simulator/audit"
	"touchpoint/simulator/ledger"
)

// auditCommand is `touchpoint audit`.
func auditCommand(c *client) *cobra.Command {
	var file, api string
	var options audit.Options
	cmd := &cobra.Command{
		Use: "audit --ledger FILE", Short: "Compare what a fleet sent and saw with what the gateway holds", Args: exactArgs(0),
		Long: "Reads the ledger of `touchpoint simulate` and every row of the gateway's stores: raw arrivals, steps,\n" +
			"history, messages. Names what was lost, doubled, stale or made up, and exits with 1 if there is any.\n" +
			"The gateway must be drained: what is still under way would count as lost.",
		Example: "  touchpoint audit --ledger run.ledger",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{cmd, "--ledger is missing: name the file that `touchpoint simulate --ledger` wrote"}
			}
			if api != "" {
				c.addr = api
			}
			book, err := ledger.Read(file)
			if err != nil {
				return err
			}
			conn, err := c.dialAuthorized()
			if err != nil {
				return err
			}
			report, err := audit.Run(cmd.Context(), book, audit.API{Conn: conn}, options)
			if err != nil {
				return err
			}
			if c.asJSON {
				if err := writeReport(c.out, "-", newResults(report)); err != nil {
					return err
				}
			} else {
				printAudit(c.out, report)
			}
			return auditError(report)
		},
	}
	cmd.Flags().StringVar(&file, "ledger", "", "the ledger")
	cmd.Flags().StringVar(&api, "grpc", "", "address of the gateway's API; the same as --addr")
	cmd.Flags().BoolVar(&options.Model, "model", false, "recompute which messages of the example journeys must exist")
	return cmd
}

var errAudit = errors.New("the audit found faults")

func auditError(r *audit.Report) error {
	if r.Clean() {
		return nil
	}
	return fmt.Errorf("%w: %s", errAudit, r)
}

// findingsShown bounds the ids that are printed of each kind.
const findingsShown = 8

func printAudit(out io.Writer, r *audit.Report) {
	printJourneys(out, r)
	fmt.Fprintln(out)
	row := func(ok bool, format string, args ...any) {
		mark := "✓"
		if !ok {
			mark = "✗"
		}
		fmt.Fprintf(out, "  %s %s\n", mark, fmt.Sprintf(format, args...))
	}
	row(r.EventsLost+r.EventsDuplicated == 0, "%s events published, %s stored, %d lost, %d duplicated", grouped(int64(r.EventsPublished)),
		grouped(int64(r.EventsStored)), r.EventsLost, r.EventsDuplicated)
	if r.Resent > 0 {
		fmt.Fprintf(out, "    (%s were sent twice on purpose; the copies were recognized)\n", grouped(int64(r.Resent)))
	}
	row(r.MessagesLost+r.MessagesDuplicated == 0, "%s messages decided, %s displayed, %d lost, %d displayed twice",
		grouped(int64(r.Decided)), grouped(int64(r.Displayed)), r.MessagesLost, r.MessagesDuplicated)
	row(r.MessagesStale == 0, "%d shown or handed over too late", r.MessagesStale)
	if r.Unsettled > 0 {
		fmt.Fprintf(out, "    %d events were never acknowledged and are not stored: their machines still have them\n", r.Unsettled)
	}
	if r.Torn {
		fmt.Fprintln(out, "    the ledger's last record was cut off and is left out")
	}
	printFindings(out, r)
}

func printFindings(out io.Writer, r *audit.Report) {
	shown := make(map[audit.Kind]int)
	for _, f := range r.Findings {
		if shown[f.Kind]++; shown[f.Kind] <= findingsShown {
			fmt.Fprintf(out, "    ✗ %s: %s: %s\n", f.Kind, f.ID, f.Detail)
		}
	}
	for kind, n := range shown {
		if n > findingsShown {
			fmt.Fprintf(out, "    … and %d more of the kind %q\n", n-findingsShown, kind)
		}
	}
}

func printJourneys(out io.Writer, r *audit.Report) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "  journey\tdecided\theld out\tarrived\tdisplayed\texpired\ttaken back\twaiting\t")
	for _, j := range r.Journeys {
		fmt.Fprintf(w, "  %s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", j.Name, j.Decided, j.HeldOut, j.Arrived, j.Displayed, j.Expired, j.Withdrawn, j.Waiting)
	}
	w.Flush()
}
