package history_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/history"
	"touchpoint/gateway/history/historytest"
	"touchpoint/internal/testservers"
)

// InfluxDB is stopped under load in several ways and started again, and the
// gateway is restarted in between: every point is there, each once.
func TestInfluxOutage(t *testing.T) {
	ctx := testContext(t)
	server := testservers.Influx(t)
	o := history.InfluxOptions{URL: server.URL, Org: server.Org, Bucket: server.Bucket, Token: server.Token, BatchLines: 50, Timeout: time.Second}
	log := newMemLog()
	tr := newTraffic(log, 42)
	store := openInflux(t, o)
	f := follow(t, ctx, log, store)
	load := func(steps int) {
		for i := range steps {
			tr.step(i % partitions)
		}
	}
	load(40)
	await(t, ctx, f, tr.positions()...)
	for _, outage := range []struct{ stop, start func() }{
		{server.Kill, server.Start},
		{server.Stop, server.Start},
		{server.Suspend, server.Resume},
	} {
		load(20)
		outage.stop()
		load(40)
		eventually(t, ctx, "the outage is seen", func() bool { return f.Health() != nil })
		if kind := gateway.KindOf(f.Health()); kind != gateway.Unavailable {
			t.Errorf("health: %v", f.Health())
		}
		outage.start()
		load(5)
		await(t, ctx, f, tr.positions()...)
	}
	load(30)
	closeAll(t, ctx, f, store)
	store = openInflux(t, o)
	f = follow(t, ctx, log, store)
	load(10)
	await(t, ctx, f, tr.positions()...)
	checkHistory(t, ctx, store, tr.want)
	closeAll(t, ctx, f, store)
}

// What a real server refuses: points beyond the retention and of another type.
func TestInfluxRefuses(t *testing.T) {
	ctx := testContext(t)
	server := testservers.Influx(t)
	server.NewBucket("short", 24*time.Hour)
	dead := &letters{}
	store := openInflux(t, history.InfluxOptions{URL: server.URL, Org: server.Org, Bucket: "short", Token: server.Token, DeadLetters: dead})
	now := gateway.InstantOf(time.Now())
	var list []history.Point
	for i := range 200 {
		p := historytest.Brew(i, 1, 2)
		p.Event.OccurredAt = now - gateway.Instant(i)*1000
		switch {
		case i%10 == 3: // each in a shard of its own
			p.Event.OccurredAt -= gateway.Instant(100+i) * 24 * 3_600_000
		case i == 77 || i == 78:
			p.Event.Properties = gateway.Properties{{Key: "water_ml", Value: gateway.String("much")}}
		}
		list = append(list, p)
	}
	if err := store.Append(ctx, &history.Batch{Points: list}); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]int{}
	for _, d := range dead.all() {
		reason, _, _ := strings.Cut(d.Reason, ":")
		if strings.Contains(d.Reason, "field type conflict") {
			reason = "type"
		}
		reasons[reason]++
	}
	if reasons["too old"] != 20 || reasons["type"] != 2 || len(reasons) != 2 {
		t.Errorf("dead letters: %v", reasons)
	}
	rows, err := store.Aggregate(ctx, history.Aggregation{Function: history.Count})
	if err != nil || len(rows) != 1 || rows[0].Points != 178 {
		t.Errorf("stored: %+v, %v", rows, err)
	}
}

// A bucket that is missing, a token that is revoked: nothing is lost, and it
// goes on once that is mended.
func TestInfluxRefusesAccess(t *testing.T) {
	ctx := testContext(t)
	server := testservers.Influx(t)
	id, token := server.NewToken()
	store := openInflux(t, history.InfluxOptions{URL: server.URL, Org: server.Org, Bucket: "later", Token: token})
	result := make(chan error, 1)
	send := func(from int) {
		list := points(from + 10)[from:]
		go func() { result <- store.Append(ctx, &history.Batch{Points: list}) }()
	}
	wait := func(kind gateway.ErrorKind) {
		t.Helper()
		eventually(t, ctx, fmt.Sprint("it is ", kind), func() bool {
			err := store.Health()
			return err != nil && gateway.KindOf(err) == kind
		})
	}
	send(0)
	wait(gateway.NotFound)
	server.NewBucket("later", 0)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	server.RevokeToken(id)
	send(10)
	wait(gateway.Unauthenticated)
	store.SetToken(server.Token)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	rows, err := store.Aggregate(ctx, history.Aggregation{Function: history.Count})
	if err != nil || len(rows) != 1 || rows[0].Points != 20 {
		t.Errorf("stored: %+v, %v", rows, err)
	}
	server.Call(http.MethodGet, "/health", nil, nil)
}
