package rpc

import (
	"context"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// BindDevice gives a device to a customer: recorded where the customer lives,
// which then asks for the device's state.
func (s *customerService) BindDevice(ctx context.Context, req *pb.BindDeviceRequest) (*pb.BindDeviceResponse, error) {
	var c checker
	c.device("device", req.Device, true)
	c.customer("customer", req.Customer, true)
	role, ok := roleNames[req.Role]
	if !ok {
		c.fail("role", "must be OWNER, USER, PAYER, DEALER or STAFF")
	}
	at := s.past(&c, "at", c.instant("at", req.At))
	c.zone("time_zone", req.TimeZone)
	if err := c.err(); err != nil {
		return nil, err
	}
	device, product, err := s.device(ctx, req.Device)
	if err != nil {
		return nil, err
	}
	customer, _, err := s.customer(ctx, req.Customer)
	if err != nil {
		return nil, err
	}
	if err := s.known(ctx, "customer.id", customer); err != nil {
		return nil, err
	}
	if err := s.Vault.Sync(ctx); err != nil {
		return nil, err
	}
	cmd := gateway.BindDevice{Device: device, Product: product, Customer: customer, Role: role, At: at, Holder: s.Intake.Holder(device),
		TimeZone: req.TimeZone}
	pos, err := s.Intake.Submit(ctx, s.customerPartition(customer), gateway.Input{Command: cmd})
	if err != nil {
		return nil, err
	}
	return &pb.BindDeviceResponse{DeviceId: device.String(), CustomerId: customer.String(), Position: position(pos)}, nil
}

// past gives a time that is absent the present, and refuses the future.
func (b *base) past(c *checker, field string, at gateway.Instant) gateway.Instant {
	now := b.Clock.Now()
	if at > now.Add(maxAhead) {
		c.fail(field, "is in the future: the call takes effect at once, or from a time in the past on")
	}
	if at == 0 || at > now {
		return now
	}
	return at
}

// UnbindDevice ends an ownership.
func (s *customerService) UnbindDevice(ctx context.Context, req *pb.UnbindDeviceRequest) (*pb.UnbindDeviceResponse, error) {
	var c checker
	c.device("device", req.Device, true)
	c.customer("customer", req.Customer, false)
	at := s.past(&c, "at", c.instant("at", req.At))
	if err := c.err(); err != nil {
		return nil, err
	}
	device, err := s.findDevice(ctx, "device", req.Device)
	if err != nil {
		return nil, err
	}
	customer, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return nil, err
	}
	cmd := gateway.UnbindDevice{Device: device, Customer: customer, At: at}
	pos, err := s.Intake.Submit(ctx, s.Intake.Holder(device), gateway.Input{Command: cmd})
	if err != nil {
		return nil, err
	}
	return &pb.UnbindDeviceResponse{Position: position(pos)}, nil
}

// ListDevices reads a page of ownerships.
func (s *customerService) ListDevices(ctx context.Context, req *pb.ListDevicesRequest) (*pb.ListDevicesResponse, error) {
	var c checker
	c.customer("customer", req.Customer, false)
	c.device("device", req.Device, false)
	q := OwnershipQuery{WithFormer: req.WithFormer, Limit: c.pageSize(req.PageSize)}
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return nil, err
	}
	var err error
	if q.Cursor, err = s.cursor(req, req.PageToken); err != nil {
		return nil, err
	}
	if q.Customer, err = s.findCustomer(ctx, "customer", req.Customer); err != nil {
		return nil, err
	}
	if q.Device, err = s.findDevice(ctx, "device", req.Device); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return nil, err
	}
	page, err := s.Customers.Ownerships(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &pb.ListDevicesResponse{NextPageToken: s.token(req, page.Next)}
	for _, o := range page.Items {
		resp.Devices = append(resp.Devices, s.ownership(ctx, o))
	}
	return resp, nil
}
