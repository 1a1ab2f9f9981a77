package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// driver is one run of work W2, or of the measurement of latency.
type driver struct {
	name, broker, addr, peer, setup, out, influx, dir string
	influxPID, every                                  int
	warm, stall                                       time.Duration
	load                                              load

	mu       sync.Mutex
	arrivals map[string][]time.Time // of messages, by device
	total    int
}

// result is a line of the results; CPU is in microseconds per event.
type result struct {
	Name      string  `json:"name"`
	Events    int     `json:"n"`
	Rate      float64 `json:"rate,omitempty"`
	PerSecond float64 `json:"events_per_s"`
	PeerCPU   float64 `json:"peer_cpu_us"`
	BrokerCPU float64 `json:"broker_cpu_us"`
	Rows      int     `json:"rows"`
	Lost      int     `json:"lost"`
	Expected  int     `json:"messages_expected"`
	Missing   int     `json:"messages_missing"`
	Extra     int     `json:"messages_extra"`
	P50       float64 `json:"message_ms_p50"`
	P99       float64 `json:"message_ms_p99"`
	Max       float64 `json:"message_ms_max"`
}

func drive(args []string) error {
	d := &driver{arrivals: map[string][]time.Time{}}
	flags := flag.NewFlagSet("drive", flag.ExitOnError)
	flags.StringVar(&d.name, "name", "", "of the run, in the result")
	flags.StringVar(&d.broker, "broker", "", "command that starts the broker; empty when the peer has one")
	flags.StringVar(&d.addr, "addr", "127.0.0.1:21883", "address of the broker")
	flags.StringVar(&d.peer, "peer", "", "command that starts what is measured; it finds INFLUX_URL in its environment")
	flags.StringVar(&d.setup, "setup", "", "command that prepares the peer")
	flags.StringVar(&d.out, "out", "touchpoint/v1/+/+/messages", "filter of the messages to devices")
	flags.StringVar(&d.influx, "influx", "http://127.0.0.1:28086", "InfluxDB")
	flags.IntVar(&d.influxPID, "influx-pid", 0, "0: do not count points")
	flags.StringVar(&d.dir, "dir", ".", "where logs go")
	flags.IntVar(&d.every, "every", 100, "a message is expected at every so many events of a device")
	flags.DurationVar(&d.warm, "warm", 3*time.Second, "wait before and after the setup, together")
	flags.DurationVar(&d.stall, "stall", 10*time.Second, "give up after this long without progress")
	flags.IntVar(&d.load.events, "n", 100_000, "events")
	flags.IntVar(&d.load.devices, "devices", 2000, "devices")
	flags.IntVar(&d.load.conns, "conns", 32, "connections")
	flags.IntVar(&d.load.inflight, "inflight", 64, "unacknowledged publishes per connection")
	flags.Float64Var(&d.load.rate, "rate", 0, "events/s; 0: as fast as the broker acknowledges")
	flags.IntVar(&d.load.special, "special", 0, "every so many events are of type water_low, and each of those expects a message")
	if err := flags.Parse(args); err != nil {
		return err
	}
	d.load.addr = d.addr
	r, err := d.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (d *driver) run() (*result, error) {
	if d.influxPID > 0 {
		d.query("DROP DATABASE tp")
		d.query("CREATE DATABASE tp")
	}
	broker := new(exec.Cmd)
	if d.broker != "" {
		var err error
		if broker, err = start(d.broker, filepath.Join(d.dir, "broker.log")); err != nil {
			return nil, err
		}
		defer stop(broker)
		time.Sleep(700 * time.Millisecond)
	}
	peer, err := start(d.peer, filepath.Join(d.dir, "peer.log"), "INFLUX_URL="+d.influx)
	if err != nil {
		return nil, err
	}
	defer stop(peer)
	time.Sleep(d.warm / 2)
	if d.setup != "" {
		prepare, err := start(d.setup, filepath.Join(d.dir, "setup.log"))
		if err != nil {
			return nil, err
		}
		if err := prepare.Wait(); err != nil {
			return nil, fmt.Errorf("setup: %w", err)
		}
	}
	time.Sleep(d.warm / 2)
	sub, err := subscribe(d.addr, "messages", d.out, d.arrived)
	if err != nil {
		return nil, err
	}
	defer sub.conn.Close()
	return d.measure(peer, broker)
}

func pid(c *exec.Cmd) int {
	if c.Process == nil {
		return 0
	}
	return c.Process.Pid
}

// measure runs the load and waits until every message and every point is there.
func (d *driver) measure(peer, broker *exec.Cmd) (*result, error) {
	peerCPU, brokerCPU := cpu(pid(peer)), cpu(pid(broker))
	begin := time.Now()
	if err := d.load.run(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	expected := d.expected()
	rows := d.settle(expected)
	elapsed := time.Since(begin)
	n := float64(d.load.events)
	r := &result{
		Name: d.name, Events: d.load.events, Rate: d.load.rate, PerSecond: round(n/elapsed.Seconds(), 0),
		PeerCPU: round((cpu(pid(peer))-peerCPU)/n, 1), BrokerCPU: round((cpu(pid(broker))-brokerCPU)/n, 1),
	}
	if d.influxPID > 0 {
		r.Rows, r.Lost = rows, d.load.events-rows
	}
	time.Sleep(time.Second) // for a message too many
	d.judge(r, expected)
	return r, nil
}

// settle waits for the rest and returns how many points there are.
func (d *driver) settle(expected map[string][]int) (rows int) {
	want := 0
	for _, list := range expected {
		want += len(list)
	}
	moved, seen := time.Now(), -1
	for {
		d.mu.Lock()
		got := d.total
		d.mu.Unlock()
		if d.influxPID > 0 {
			rows = d.rows()
		}
		if got >= want && (d.influxPID == 0 || rows >= d.load.events) {
			return rows
		}
		if now := got + rows; now != seen {
			moved, seen = time.Now(), now
		}
		if time.Since(moved) > d.stall {
			return rows
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// arrived notes a message; the device is in the topic, one from the end in the
// contract of the product, else at the end.
func (d *driver) arrived(topic string, _ []byte, at time.Time) {
	levels := strings.Split(topic, "/")
	device := levels[len(levels)-1]
	if device == "messages" {
		device = levels[len(levels)-2]
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arrivals[device] = append(d.arrivals[device], at)
	d.total++
}

// expected returns the events that lead to a message, by device.
func (d *driver) expected() map[string][]int {
	out := map[string][]int{}
	for i := range d.load.events {
		if d.load.special > 0 && !d.load.isSpecial(i) || d.load.special == 0 && (i/d.load.devices+1)%d.every != 0 {
			continue
		}
		name := fmt.Sprintf("dev%04d", i%d.load.devices)
		out[name] = append(out[name], i)
	}
	return out
}

// judge compares what arrived with what was expected.
func (d *driver) judge(r *result, expected map[string][]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ms []float64
	for device, events := range expected {
		got := d.arrivals[device]
		r.Expected += len(events)
		r.Missing += max(0, len(events)-len(got))
		for k := range min(len(got), len(events)) {
			ms = append(ms, float64(got[k].UnixNano()-d.load.published[events[k]])/1e6)
		}
	}
	for device, got := range d.arrivals {
		r.Extra += max(0, len(got)-len(expected[device]))
	}
	if len(ms) > 0 {
		slices.Sort(ms)
		at := func(p float64) float64 { return round(ms[min(len(ms)-1, int(p*float64(len(ms))))], 1) }
		r.P50, r.P99, r.Max = at(.5), at(.99), at(1)
	}
}

func round(v float64, digits int) float64 {
	p := 1.0
	for range digits {
		p *= 10
	}
	return float64(int(v*p+.5)) / p
}

// query asks InfluxDB in its old language, as the driver of W1 does.
func (d *driver) query(q string) []byte {
	resp, err := http.PostForm(d.influx+"/query", url.Values{"db": {"tp"}, "q": {q}})
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // what is cut off does not parse, and is asked again
	return body
}

func (d *driver) rows() int {
	var answer struct {
		Results []struct {
			Series []struct{ Values [][]any }
		}
	}
	if json.Unmarshal(d.query(`SELECT count("seq") FROM ev`), &answer) != nil || len(answer.Results) == 0 || len(answer.Results[0].Series) == 0 {
		return 0
	}
	n, _ := answer.Results[0].Series[0].Values[0][1].(float64)
	return int(n)
}
