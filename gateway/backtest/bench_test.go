package backtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/backtest"
	"touchpoint/gateway/history"
	"touchpoint/gateway/wire"
	"touchpoint/internal/testservers"
)

const (
	benchEvents    = 1_000_000
	benchCustomers = 20_000
	benchParts     = 2
	benchStart     = gateway.Instant(1_777_600_000_000)
)

const everyTenth = `
name: tenth
purpose: service
trigger:
  threshold: {count: brew_finished, every: 10, within: 30d}
reentry: {after_exit_and_gap: 1h}
steps:
  - id: pause
    wait: {for: 1h}
  - id: tip
    send: {channels: [product], expires_after: 1d, texts: {en: {title: A tip}}}
`

const errors3 = `
name: trouble
purpose: service
trigger:
  threshold: {count: error_occurred, at_least: 3, within: 7d}
reentry: {after_exit_and_gap: 1d}
steps:
  - id: help
    send: {channels: [product], expires_after: 1d, texts: {en: {title: Help}}}
`

// fillMonth writes a month of a fleet into a store: a million events of 20,000
// machines in records of 64.
func fillMonth(b *testing.B, store history.Store) {
	seq := uint64(0)
	at := benchStart
	var batch history.Batch
	flush := func() {
		if err := store.Append(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
		batch = history.Batch{}
	}
	add := func(partition int, index int, in *gateway.Input) {
		p := history.Point{AppliedAt: at, Observed: at, Place: history.Place{Partition: partition, Seq: seq, Index: uint32(index)}, Event: in.Event}
		if in.Command != nil {
			p.Kind, p.Data = history.KindInput, wire.AppendInput(nil, in)
			p.Event = gateway.Event{OccurredAt: at, ReceivedAt: at}
		}
		if batch.Points = append(batch.Points, p); len(batch.Points) >= 5000 {
			flush()
		}
	}
	for partition := range benchParts {
		seq++
		add(partition, 0, &gateway.Input{Command: gateway.PublishJourney{Journey: "trouble", Version: 1, Effective: at, Definition: []byte(errors3)}})
	}
	customers := make([][]gateway.CustomerID, benchParts)
	for id := gateway.CustomerID(1); id <= benchCustomers; id++ {
		partition := gateway.CustomerSubject(id).Partition(benchParts)
		customers[partition] = append(customers[partition], id)
		device := gateway.DeviceID(id)
		seq++
		add(partition, 0, &gateway.Input{Command: gateway.BindDevice{Device: device, Product: "barista-3", Customer: id, Role: "owner", At: at}})
		seq++
		add(partition, 0, &gateway.Input{Command: gateway.AdmitDevice{Device: device, State: nil}})
	}
	types := []string{"brew_finished", "brew_finished", "brew_finished", "rinse_finished", "error_occurred"}
	for n := 0; n < benchEvents; seq++ {
		partition := int(seq) % benchParts
		at += 31 * 24 * 3_600_000 * 64 / benchEvents
		for i := range 64 {
			id := customers[partition][(n*7919)%len(customers[partition])]
			add(partition, i, &gateway.Input{Event: gateway.Event{
				ID: fmt.Sprintf("0190f3c2-%08x", n), Type: types[n%len(types)], Device: gateway.DeviceID(id), Product: "barista-3",
				OccurredAt: at - 40, ReceivedAt: at - 10, Source: gateway.SourceMQTT,
				Properties: gateway.Properties{{Key: "beans_g", Value: gateway.Float(7.4)}, {Key: "water_ml", Value: gateway.Int(int64(n % 200))}},
			}})
			n++
		}
	}
	for p := range benchParts {
		batch.Positions = append(batch.Positions, history.Position{Partition: p, StepSeq: 1, EventSeq: seq})
	}
	flush()
}

// BenchmarkRun is a backtest over a million events, from each place that a
// recording can lie in.
func BenchmarkRun(b *testing.B) {
	store := openSQLite(b)
	fillMonth(b, store)
	path := filepath.Join(b.TempDir(), "recording")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	if _, err := backtest.Write(b.Context(), f, backtest.FromHistory(store)); err != nil {
		b.Fatal(err)
	}
	info, _ := f.Stat()
	b.Logf("a recording of a million events: %d MB, written in %v", info.Size()>>20, time.Since(begin))
	_ = f.Close()
	b.Run("draft/sqlite", func(b *testing.B) { benchRun(b, backtest.FromHistory(store), []byte(everyTenth)) })
	b.Run("reproduce/sqlite", func(b *testing.B) { benchRun(b, backtest.FromHistory(store), nil) })
	b.Run("draft/file", func(b *testing.B) { benchRun(b, backtest.OpenFile(path), []byte(everyTenth)) })
	b.Run("draft/influx", func(b *testing.B) {
		server := testservers.Influx(b)
		influx, err := history.OpenInflux(history.InfluxOptions{URL: server.URL, Org: server.Org, Bucket: server.Bucket, Token: server.Token,
			DeadLetters: letters{b}})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = influx.Close(b.Context()) }()
		fillMonth(b, influx)
		b.ResetTimer()
		benchRun(b, backtest.FromHistory(influx), []byte(everyTenth))
	})
}

func benchRun(b *testing.B, src backtest.Source, draft []byte) {
	for b.Loop() {
		r, err := backtest.Run(b.Context(), src, backtest.Options{Draft: draft, Journey: map[bool]string{true: "trouble"}[draft == nil], Samples: 5})
		if err != nil {
			b.Fatal(err)
		}
		if r.Work.Inputs < benchEvents || r.Messages == 0 {
			b.Fatalf("%+v", r)
		}
		b.ReportMetric(float64(r.Messages), "messages")
		b.ReportMetric(float64(r.Work.Inputs)/r.Work.Took.Seconds(), "inputs/s")
	}
}
