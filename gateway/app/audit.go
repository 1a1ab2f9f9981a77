package app

import (
	"context"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/gateway/rpc"
)

var _ rpc.HistoryScan = series{}

// ScanHistory reads a partition's history whole, for the audit.
func (s series) ScanHistory(ctx context.Context, partition int, emit func(*rpc.EventRow) error) error {
	return s.g.history.Scan(ctx, history.ScanRange{Partitions: []int{partition}}, func(p *history.Point) error {
		return emit(&rpc.EventRow{Event: p.Event, Customer: p.Customer, AppliedAt: p.AppliedAt, TooOld: p.TooOld,
			Position: gateway.Position{Partition: p.Place.Partition, Seq: p.Place.Seq}})
	})
}
