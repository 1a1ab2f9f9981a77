package simulator

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "touchpoint/proto/touchpoint/v1"
	"touchpoint/simulator/fleet"
)

// register publishes the journeys and makes the customers and their machines
// known, as a marketing service would.
func (r *Run) register(ctx context.Context) error {
	for _, text := range r.opts.Journeys {
		if err := r.publishJourney(ctx, text); err != nil {
			return err
		}
	}
	customers := pb.NewCustomerServiceClient(r.opts.API)
	ids := make([]string, len(r.fleet.Customers))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for i := range r.fleet.Customers {
		group.Go(func() (err error) {
			ids[i], err = upsert(gctx, customers, &r.fleet.Customers[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("register customers: %w", err)
	}
	for i, c := range r.fleet.Customers {
		r.opts.Ledger.Customer(i, ids[i], c.Marketing, c.Service)
	}
	return r.bind(ctx, customers, ids)
}

func (r *Run) bind(ctx context.Context, customers pb.CustomerServiceClient, ids []string) error {
	devices := make([]string, len(r.fleet.Units))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for i, f := range r.fleet.Units {
		u := newUnit(i, r.fleet.Product, f.Serial)
		r.units = append(r.units, u)
		r.named[u.serial] = u
		group.Go(func() error {
			return again(gctx, func(ctx context.Context) error {
				resp, err := customers.BindDevice(ctx, &pb.BindDeviceRequest{
					Device:   &pb.DeviceRef{Product: u.product, Serial: u.serial},
					Customer: &pb.CustomerRef{Id: ids[f.Customer]}, Role: pb.DeviceRole_DEVICE_ROLE_OWNER})
				devices[i] = resp.GetDeviceId()
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("bind machines: %w", err)
	}
	for i, f := range r.fleet.Units {
		r.opts.Ledger.Device(i, r.fleet.Product, f.Serial, devices[i], f.Customer)
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
