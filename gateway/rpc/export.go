package rpc

import (
	"context"

	"google.golang.org/grpc"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

type exportService struct {
	pb.UnimplementedExportServiceServer
	*base
}

const (
	// exportPart is how many items go into one message of an export: with the
	// largest events it stays below the largest message that clients take.
	exportPart = 200
	// exportEnrollments bounds the enrollments of an export.
	exportEnrollments = 10_000
)

// ExportCustomer streams everything that is stored about a customer.
func (s *exportService) ExportCustomer(req *pb.ExportCustomerRequest, stream grpc.ServerStreamingServer[pb.ExportCustomerResponse]) error {
	ctx := stream.Context()
	var c checker
	c.customer("customer", req.Customer, true)
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return err
	}
	id, err := s.findCustomer(ctx, "customer", req.Customer)
	if err != nil {
		return err
	}
	if err := s.await(ctx, s.Follower, at); err != nil {
		return err
	}
	if err := s.await(ctx, s.History, at); err != nil {
		return err
	}
	customer, err := (&customerService{base: s.base}).customerMessage(ctx, id, true)
	if err != nil {
		return err
	}
	memberships, err := s.memberships(ctx, id)
	if err != nil {
		return err
	}
	if err := stream.Send(&pb.ExportCustomerResponse{Customer: customer, Memberships: memberships, ExportedAt: stamp(s.Clock.Now())}); err != nil {
		return err
	}
	for _, part := range []func(context.Context, gateway.CustomerID, func(*pb.ExportCustomerResponse) error) error{
		s.exportDevices, s.exportEnrollments, s.exportDecisions, s.exportMessages, s.exportTasks, s.exportEvents,
	} {
		if err := part(ctx, id, stream.Send); err != nil {
			return err
		}
	}
	return nil
}

// pages sends page after page until the last one.
func pages[T any](read func(cursor string) (Page[T], error), send func([]T) error) error {
	for cursor := ""; ; {
		page, err := read(cursor)
		if err != nil {
			return err
		}
		if len(page.Items) > 0 {
			if err := send(page.Items); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

func (s *exportService) exportDevices(ctx context.Context, id gateway.CustomerID, send func(*pb.ExportCustomerResponse) error) error {
	q := OwnershipQuery{Customer: id, WithFormer: true, Limit: exportPart}
	return pages(func(cursor string) (Page[gateway.Ownership], error) {
		q.Cursor = cursor
		return s.Customers.Ownerships(ctx, q)
	}, func(items []gateway.Ownership) error {
		part := &pb.ExportCustomerResponse{}
		for _, o := range items {
			part.Devices = append(part.Devices, s.ownership(ctx, o))
		}
		return send(part)
	})
}

func (s *exportService) exportEnrollments(ctx context.Context, id gateway.CustomerID, send func(*pb.ExportCustomerResponse) error) error {
	list, err := s.Customers.Enrollments(ctx, id, exportEnrollments)
	for len(list) > 0 && err == nil {
		n := min(len(list), exportPart)
		part := &pb.ExportCustomerResponse{}
		for _, e := range list[:n] {
			part.Enrollments = append(part.Enrollments, s.enrollment(ctx, e))
		}
		list, err = list[n:], send(part)
	}
	return err
}

func (s *exportService) exportDecisions(ctx context.Context, id gateway.CustomerID, send func(*pb.ExportCustomerResponse) error) error {
	q := DecisionQuery{Customer: id, Limit: exportPart}
	return pages(func(cursor string) (Page[gateway.Decision], error) {
		q.Cursor = cursor
		return s.Decisions.Decisions(ctx, q)
	}, func(items []gateway.Decision) error {
		part := &pb.ExportCustomerResponse{}
		for _, d := range items {
			part.Decisions = append(part.Decisions, s.decision(ctx, d))
		}
		return send(part)
	})
}

func (s *exportService) exportMessages(ctx context.Context, id gateway.CustomerID, send func(*pb.ExportCustomerResponse) error) error {
	q := MessageQuery{Customer: id, WithHistory: true, Limit: exportPart}
	return pages(func(cursor string) (Page[MessageRow], error) {
		q.Cursor = cursor
		return s.Messages.Messages(ctx, q)
	}, func(items []MessageRow) error {
		part := &pb.ExportCustomerResponse{}
		for _, m := range items {
			part.Messages = append(part.Messages, s.message(ctx, m))
		}
		return send(part)
	})
}

func (s *exportService) exportTasks(ctx context.Context, id gateway.CustomerID, send func(*pb.ExportCustomerResponse) error) error {
	tasks := &taskService{base: s.base}
	q := TaskQuery{Customer: id, Limit: exportPart}
	return pages(func(cursor string) (Page[gateway.Task], error) {
		q.Cursor = cursor
		return s.Tasks.Tasks(ctx, q)
	}, func(items []gateway.Task) error {
		part := &pb.ExportCustomerResponse{}
		for i := range items {
			part.Tasks = append(part.Tasks, tasks.task(ctx, &items[i], ""))
		}
		return send(part)
	})
}

func (s *exportService) exportEvents(ctx context.Context, id gateway.CustomerID, send func(*pb.ExportCustomerResponse) error) error {
	events := &eventService{base: s.base}
	q := EventQuery{EventFilter: EventFilter{Customer: id}, Limit: exportPart}
	return pages(func(cursor string) (Page[EventRow], error) {
		q.Cursor = cursor
		return s.History.Events(ctx, q)
	}, func(items []EventRow) error {
		part := &pb.ExportCustomerResponse{}
		for _, row := range items {
			m := events.eventMessage(ctx, row)
			if err := s.reveal(ctx, id, &row.Event, m); err != nil {
				return err
			}
			part.Events = append(part.Events, m)
		}
		return send(part)
	})
}

// reveal opens the personal fields of an event. Intake sealed them for the
// customer, or for the device while nobody was known to own it; what was sealed
// for somebody else, or whose key is gone, stays sealed.
func (s *exportService) reveal(ctx context.Context, id gateway.CustomerID, e *gateway.Event, into *pb.Event) error {
	for _, p := range e.Properties {
		if p.Value.Kind() != gateway.KindSealed {
			continue
		}
		for _, subject := range []gateway.Subject{gateway.CustomerSubject(id), gateway.DeviceSubject(e.Device)} {
			plain, err := s.Vault.Open(ctx, subject, p.Value.AsString())
			if err == nil {
				into.Properties[p.Key] = &pb.PropertyValue{Value: &pb.PropertyValue_String_{String_: plain.Reveal()}}
				break
			}
			if kind := gateway.KindOf(err); kind != gateway.NotFound && kind != gateway.Invalid {
				return err
			}
		}
	}
	return nil
}
