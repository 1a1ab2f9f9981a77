package simulator

import (
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"touchpoint/gateway"
	"touchpoint/simulator/fleet"
	"touchpoint/simulator/ledger"
)

// Options of a run.
type Options struct {
	// Fleet is who lives; its start becomes the gateway's present time.
	Fleet fleet.Config
	// MQTT says how to reach the broker, API is a connection to the gateway.
	MQTT ConnOptions
	API  grpc.ClientConnInterface
	// Journeys are definitions to publish before the fleet begins to live.
	Journeys [][]byte
	// Ledger takes down what happens; nil keeps nothing.
	Ledger *ledger.Writer
	// Days ends the run after so much virtual time; 0 = when Stop or the context
	// ends it.
	Days int
	// Step is by how much virtual time moves at once; 2 h by default.
	Step time.Duration
	// Pace, on a paced clock, is how many seconds of it a second has; 3600 by
	// default.
	Pace int
	// Rate, on a wall clock, publishes so many events per second instead of
	// keeping to the fleet's hours.
	Rate int
	// Stop, when closed, ends the run in good order.
	Stop <-chan struct{}
	// Logger is told about lost connections and the like; nil discards.
	Logger *slog.Logger
}

// Validate fills defaults and names the first setting that is wrong.
func (o *Options) Validate() error {
	if o.Step == 0 {
		o.Step = 2 * time.Hour
	}
	if o.Pace == 0 {
		o.Pace = 3600
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MQTT.ClientID == "" {
		o.MQTT.ClientID = "simulator"
	}
	switch {
	case o.API == nil:
		return gateway.InvalidField("api", "is required")
	case o.Fleet.Customers < 1:
		return gateway.InvalidField("fleet.customers", "is %d: a fleet needs at least one", o.Fleet.Customers)
	case o.Step < time.Second || o.Step > 24*time.Hour || 24*time.Hour%o.Step != 0:
		return gateway.InvalidField("step", "is %v: must be from 1s to 24h and divide a day", o.Step)
	case o.Pace < 1:
		return gateway.InvalidField("pace", "is %d: must be at least one virtual second in a second", o.Pace)
	case o.Days < 0:
		return gateway.InvalidField("days", "is %d: must not be negative", o.Days)
	case o.Rate < 0:
		return gateway.InvalidField("rate", "is %d: must not be negative", o.Rate)
	}
	_, err := o.MQTT.address()
	return err
}
