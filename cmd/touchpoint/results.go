package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"touchpoint/simulator/audit"
)

// results is the machine-readable outcome of a demo or an audit.
type results struct {
	EventsPublished    int                       `json:"events_published"`
	EventsStored       int                       `json:"events_stored"`
	EventsLost         int                       `json:"events_lost"`
	EventsDuplicated   int                       `json:"events_duplicated"`
	MessagesDecided    int                       `json:"messages_decided"`
	MessagesHeldOut    int                       `json:"messages_held_out"`
	MessagesDelivered  int                       `json:"messages_delivered"`
	MessagesDisplayed  int                       `json:"messages_displayed"`
	MessagesExpired    int                       `json:"messages_expired"`
	MessagesLost       int                       `json:"messages_lost"`
	MessagesDuplicated int                       `json:"messages_duplicated"`
	Handover           quantiles                 `json:"event_to_handover_ms"`
	Journeys           map[string]journeyResults `json:"journeys"`
	VirtualDays        float64                   `json:"virtual_days"`
}

type quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

type journeyResults struct {
	Decided   int `json:"decided"`
	HeldOut   int `json:"held_out"`
	Delivered int `json:"delivered"`
	Displayed int `json:"displayed"`
	Expired   int `json:"expired"`
}

func newResults(r *audit.Report) results {
	out := results{
		EventsPublished: r.EventsPublished, EventsStored: r.EventsStored, EventsLost: r.EventsLost, EventsDuplicated: r.EventsDuplicated,
		MessagesDecided: r.Decided, MessagesHeldOut: r.HeldOut, MessagesDelivered: r.Arrived, MessagesDisplayed: r.Displayed,
		MessagesExpired: r.Expired, MessagesLost: r.MessagesLost + r.MessagesStale, MessagesDuplicated: r.MessagesDuplicated,
		Handover: quantiles{milliseconds(r.HandoverP50), milliseconds(r.HandoverP99)},
		Journeys: make(map[string]journeyResults), VirtualDays: float64(int(r.Days*100)) / 100,
	}
	for _, j := range r.Journeys {
		out.Journeys[j.Name] = journeyResults{j.Decided, j.HeldOut, j.Arrived, j.Displayed, j.Expired}
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// writeReport writes results to a file, to out for "-".
func writeReport(out io.Writer, path string, r results) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if path == "-" {
		_, err = out.Write(text)
		return err
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("--json: %w", err)
	}
	return nil
}
