package simulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator/fleet"
)

// ahead is how long before a customer joins he is registered: a day's customers
// at once, since many calls in parallel cost the gateway little more than one.
// They are registered between two steps, so that the clock never waits for calls
// that keep coming.
const ahead = 24 * time.Hour

// registrar makes customers and their machines known, as a marketing service
// does when somebody buys one, in the order in which they join.
type registrar struct {
	r         *Run
	customers pb.CustomerServiceClient
	order     []int // customers by the time they join
	units     [][]int
	next      int // in order
}

func newRegistrar(r *Run) *registrar {
	g := &registrar{r: r, customers: pb.NewCustomerServiceClient(r.opts.API), units: make([][]int, len(r.fleet.Customers))}
	for i := range r.fleet.Customers {
		g.order = append(g.order, i)
	}
	slices.SortStableFunc(g.order, func(a, b int) int {
		return cmp.Compare(r.fleet.Customers[a].Joins, r.fleet.Customers[b].Joins)
	})
	for i := range r.fleet.Units {
		c := r.fleet.Units[i].Customer
		g.units[c] = append(g.units[c], i)
	}
	return g
}

// joins tells whether there is somebody left who joins before at.
func (g *registrar) joins(at gateway.Instant) bool {
	return g.next < len(g.order) && g.r.fleet.Customers[g.order[g.next]].Joins < at
}

// until registers whoever joins before at, and those who follow soon.
func (g *registrar) until(ctx context.Context, at gateway.Instant) error {
	if !g.joins(at) {
		return nil
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for ; g.joins(at.Add(ahead)); g.next++ {
		c := g.order[g.next]
		group.Go(func() error { return g.register(gctx, c) })
	}
	return group.Wait()
}

// register makes one customer and his machines known.
func (g *registrar) register(ctx context.Context, n int) error {
	c := &g.r.fleet.Customers[n]
	id, err := upsert(ctx, g.customers, c)
	if err != nil {
		return fmt.Errorf("register a customer: %w", err)
	}
	g.r.opts.Ledger.Customer(n, id, c.Marketing, c.Service)
	for _, i := range g.units[n] {
		u, device := g.r.units[i], ""
		err := again(ctx, func(ctx context.Context) error {
			resp, err := g.customers.BindDevice(ctx, &pb.BindDeviceRequest{
				Device:   &pb.DeviceRef{Product: u.product, Serial: u.serial},
				Customer: &pb.CustomerRef{Id: id}, Role: pb.DeviceRole_DEVICE_ROLE_OWNER})
			device = resp.GetDeviceId()
			return err
		})
		if err != nil {
			return fmt.Errorf("bind a machine: %w", err)
		}
		g.r.opts.Ledger.Device(i, u.product, u.serial, device, n)
	}
	return nil
}

func upsert(ctx context.Context, customers pb.CustomerServiceClient, c *fleet.Customer) (id string, err error) {
	req := &pb.UpsertCustomerRequest{Customer: &pb.Customer{
		ExternalId: c.ExternalID, Locale: c.Locale.Locale, TimeZone: c.Locale.TimeZone, Country: c.Locale.Country,
		Profile: &pb.Profile{GivenName: c.GivenName, FamilyName: c.FamilyName, Email: c.Email},
	}}
	if c.Marketing {
		req.Customer.Consents = append(req.Customer.Consents, &pb.Consent{Purpose: "marketing", Granted: true, Source: "first start"})
	}
	if !c.Service {
		req.Customer.Consents = append(req.Customer.Consents, &pb.Consent{Purpose: "service", Granted: false, Source: "first start"})
	}
	err = again(ctx, func(ctx context.Context) error {
		resp, err := customers.UpsertCustomer(ctx, req)
		id = resp.GetCustomerId()
		return err
	})
	return id, err
}

// publishJourney stores a definition, over a draft of the same name, and makes
// it live.
func (r *Run) publishJourney(ctx context.Context, text []byte) error {
	journeys := pb.NewJourneyServiceClient(r.opts.API)
	def := &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: string(text)}}
	var j *pb.Journey
	created, err := journeys.CreateJourney(ctx, &pb.CreateJourneyRequest{Definition: def})
	j = created.GetJourney()
	if code := status.Code(err); code == codes.AlreadyExists || code == codes.FailedPrecondition {
		var updated *pb.UpdateJourneyResponse
		updated, err = journeys.UpdateJourney(ctx, &pb.UpdateJourneyRequest{Definition: def})
		j = updated.GetJourney()
	}
	if err != nil {
		return fmt.Errorf("store a journey: %w", err)
	}
	if _, err := journeys.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: j.GetName()}); err != nil {
		return fmt.Errorf("publish the journey %s: %w", j.GetName(), err)
	}
	return nil
}

// again repeats a call that is safe to repeat while the gateway is away.
func again(ctx context.Context, call func(context.Context) error) error {
	deadline := time.Now().Add(time.Minute)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := call(ctx)
		if err == nil || status.Code(err) != codes.Unavailable || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
