package rpc

import (
	"bufio"
	"context"
	"io"

	"google.golang.org/grpc"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// BacktestQuery says what a backtest runs. Without a definition the journey is
// reproduced as it was published.
type BacktestQuery struct {
	Definition                []byte
	Journey                   string
	From, To                  gateway.Instant
	Assume, Existing, Running string
	Samples                   int
}

// Backtests runs journeys over what was recorded.
type Backtests interface {
	// Backtest calls progress now and then; an error of it ends the backtest.
	Backtest(ctx context.Context, q BacktestQuery, progress func(*pb.BacktestProgress) error) (*pb.BacktestReport, error)
	// WriteRecording writes all that was recorded.
	WriteRecording(ctx context.Context, w io.Writer) error
}

// maxSamples bounds the customers that a backtest follows.
const maxSamples = 100

type backtestService struct {
	pb.UnimplementedBacktestServiceServer
	*base
	journeys *journeyService
}

// Backtest streams progress and a report.
func (s *backtestService) Backtest(req *pb.BacktestRequest, stream grpc.ServerStreamingServer[pb.BacktestResponse]) error {
	ctx := stream.Context()
	q, err := s.query(req)
	if err != nil {
		return err
	}
	var c checker
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return err
	}
	if err := s.await(ctx, s.History, at); err != nil {
		return err
	}
	report, err := s.Backtests.Backtest(ctx, q, func(p *pb.BacktestProgress) error {
		return stream.Send(&pb.BacktestResponse{Part: &pb.BacktestResponse_Progress{Progress: p}})
	})
	if err != nil {
		return err
	}
	if callerOf(ctx).has(RoleCRM) {
		s.name(ctx, report)
	}
	return stream.Send(&pb.BacktestResponse{Part: &pb.BacktestResponse_Report{Report: report}})
}

func (s *backtestService) query(req *pb.BacktestRequest) (q BacktestQuery, err error) {
	var c checker
	q.From, q.To = c.interval("", req.From, req.To)
	q.Journey, q.Assume, q.Samples = req.Journey, req.Assume, int(req.Samples)
	var ok bool
	if q.Existing, ok = existingNames[req.Existing]; !ok {
		c.fail("existing", "must be IGNORE or ENROLL")
	}
	if q.Running, ok = runningNames[req.Running]; !ok {
		c.fail("running", "must be PIN, MIGRATE or RESTART")
	}
	if q.Samples < 0 || q.Samples > maxSamples {
		c.fail("samples", "is %d; allowed are 0 to %d", q.Samples, maxSamples)
	}
	if req.Definition == nil {
		c.journey("journey", req.Journey)
		return q, c.err()
	}
	if err := c.err(); err != nil {
		return q, err
	}
	text, _, faults, err := s.journeys.definition(req.Definition)
	if err == nil {
		err = faults
	}
	q.Definition = []byte(text)
	return q, err
}

// name gives the customers of a report their numbers, for who may see them.
func (s *backtestService) name(ctx context.Context, r *pb.BacktestReport) {
	refs := make([]*pb.CustomerRef, 0, len(r.Steps)+len(r.Samples))
	for _, c := range r.Steps {
		refs = append(refs, c.Example)
	}
	for _, c := range r.Samples {
		refs = append(refs, c.Customer)
	}
	for _, ref := range refs {
		id, err := gateway.ParseCustomerID(ref.GetId())
		if err != nil {
			continue
		}
		if external, err := s.Vault.CustomerName(ctx, id); err == nil { // else he was erased
			ref.ExternalId = external.Reveal()
		}
	}
}

// recordingPart is the size of a piece of a recording.
const recordingPart = 256 << 10

// ExportRecording streams the file of a recording.
func (s *backtestService) ExportRecording(req *pb.ExportRecordingRequest, stream grpc.ServerStreamingServer[pb.ExportRecordingResponse]) error {
	ctx := stream.Context()
	var c checker
	at := c.positions(req.AtLeast, s.Partitions)
	if err := c.err(); err != nil {
		return err
	}
	if err := s.await(ctx, s.History, at); err != nil {
		return err
	}
	w := bufio.NewWriterSize(pieces{stream}, recordingPart)
	if err := s.Backtests.WriteRecording(ctx, w); err != nil {
		return err
	}
	return w.Flush()
}

type pieces struct {
	stream grpc.ServerStreamingServer[pb.ExportRecordingResponse]
}

// Write implements io.Writer. The message belongs to the transport: it gets a
// copy.
func (p pieces) Write(data []byte) (int, error) {
	err := p.stream.Send(&pb.ExportRecordingResponse{Data: append([]byte(nil), data...)})
	return len(data), err
}
