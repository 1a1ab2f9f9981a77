package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "touchpoint/proto/touchpoint/v1"
)

// HistoryScan is a History that can be read whole. A page of ListEvents is
// meant for people; an audit of a million events cannot go by pages.
type HistoryScan interface {
	// ScanHistory calls emit for each event of a partition in the order in which
	// they were applied; the row is valid during the call.
	ScanHistory(ctx context.Context, partition int, emit func(*EventRow) error) error
}

// historyPart is how many events go into one message of ReadHistory.
const historyPart = 500

// ReadHistory streams the history of a partition.
func (s *auditService) ReadHistory(req *pb.ReadHistoryRequest, stream grpc.ServerStreamingServer[pb.ReadHistoryResponse]) error {
	scan, ok := s.History.(HistoryScan)
	if !ok {
		return status.Error(codes.Unimplemented, "this gateway's history cannot be read whole: use ListEvents")
	}
	ctx := stream.Context()
	var c checker
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return err
	}
	if err := s.partition(req.Partition); err != nil {
		return err
	}
	if err := s.await(ctx, s.History, at); err != nil {
		return err
	}
	events, part := &eventService{base: s.base}, &pb.ReadHistoryResponse{}
	err := scan.ScanHistory(ctx, int(req.Partition), func(row *EventRow) error {
		row.Event.Properties = nil
		part.Events = append(part.Events, events.eventMessage(ctx, *row))
		if len(part.Events) < historyPart {
			return nil
		}
		err := stream.Send(part)
		part = &pb.ReadHistoryResponse{} // the one that was sent belongs to the transport
		return err
	})
	if err != nil || len(part.Events) == 0 {
		return err
	}
	return stream.Send(part)
}
