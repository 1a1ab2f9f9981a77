package audit

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "touchpoint/proto/touchpoint/v1"
)

const pageSize = 1000

// API is a Source over the gateway's API.
type API struct{ Conn grpc.ClientConnInterface }

func (s API) partitions(ctx context.Context) (int, error) {
	resp, err := pb.NewStatusServiceClient(s.Conn).GetStatus(ctx, &pb.GetStatusRequest{})
	return len(resp.GetPartitions()), err
}

// ends returns the end of every partition's log: what follows the log must have
// got there before it is compared.
func (s API) ends(ctx context.Context) ([]*pb.Position, error) {
	resp, err := pb.NewStatusServiceClient(s.Conn).GetStatus(ctx, &pb.GetStatusRequest{})
	var out []*pb.Position
	for _, p := range resp.GetPartitions() {
		if p.LastEvent > 0 {
			out = append(out, &pb.Position{Partition: p.Partition, Seq: p.LastEvent})
		}
	}
	return out, err
}

// Arrivals implements Source.
func (s API) Arrivals(ctx context.Context, emit func(int, *pb.ReadArrivalsResponse) error) error {
	client := pb.NewAuditServiceClient(s.Conn)
	return each(ctx, s, emit, func(p int32) (grpc.ServerStreamingClient[pb.ReadArrivalsResponse], error) {
		return client.ReadArrivals(ctx, &pb.ReadArrivalsRequest{Partition: p})
	})
}

// Steps implements Source.
func (s API) Steps(ctx context.Context, emit func(int, *pb.ReadStepsResponse) error) error {
	client := pb.NewAuditServiceClient(s.Conn)
	return each(ctx, s, emit, func(p int32) (grpc.ServerStreamingClient[pb.ReadStepsResponse], error) {
		return client.ReadSteps(ctx, &pb.ReadStepsRequest{Partition: p})
	})
}

// each reads a stream per partition to its end.
func each[T any](ctx context.Context, s API, emit func(int, *T) error, open func(int32) (grpc.ServerStreamingClient[T], error)) error {
	n, err := s.partitions(ctx)
	if err != nil {
		return err
	}
	for p := range n {
		stream, err := open(int32(p))
		if err != nil {
			return err
		}
		for {
			r, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if err := emit(p, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// History implements Source.
func (s API) History(ctx context.Context, emit func(*pb.Event) error) error {
	at, err := s.ends(ctx)
	if err != nil {
		return err
	}
	client := pb.NewAuditServiceClient(s.Conn)
	return each(ctx, s, func(_ int, r *pb.ReadHistoryResponse) error {
		for _, e := range r.Events {
			if err := emit(e); err != nil {
				return err
			}
		}
		return nil
	}, func(p int32) (grpc.ServerStreamingClient[pb.ReadHistoryResponse], error) {
		return client.ReadHistory(ctx, &pb.ReadHistoryRequest{Partition: p, AtLeast: at})
	})
}

// Messages implements Source.
func (s API) Messages(ctx context.Context, emit func(*pb.Message) error) error {
	client, req := pb.NewMessageServiceClient(s.Conn), &pb.ListMessagesRequest{PageSize: pageSize}
	at, err := s.ends(ctx)
	if err != nil {
		return err
	}
	req.AtLeast = at
	for {
		resp, err := client.ListMessages(ctx, req)
		if err != nil {
			return err
		}
		for _, m := range resp.Messages {
			if err := emit(m); err != nil {
				return err
			}
		}
		if req.PageToken = resp.NextPageToken; req.PageToken == "" {
			return nil
		}
	}
}
