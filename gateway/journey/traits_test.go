package journey

import (
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"

	"touchpoint/gateway"
)

// The traits of a random stream against brute force over the list of its
// events: some come late, in another order, twice or without the property.

const traitsJourney = `name: all
purpose: service
trigger: {api: {}}
traits:
  count: {count: ride, within: %[1]s}
  sum: {sum: ride.v, within: %[1]s}
  mean: {mean: ride.v, within: %[1]s}
  min: {min: ride.v, within: %[1]s}
  max: {max: ride.v, within: %[1]s}
  slope: {slope: ride.v, within: %[1]s}
  p50: {p50: ride.v, within: %[1]s}
  p99: {p99: ride.v, within: %[1]s}
  distinct: {distinct: ride.v, within: %[1]s}
  last: {last: ride.v, within: %[1]s}
  first: {first: ride.v}
  first_at: {first: ride}
  last_at: {last: ride}
  device_mean: {mean: ride.v, within: %[1]s, per: device}
  ever: {count: ride}
  kinds: {distinct: ride.v}
steps:
  - id: say
    send: {channels: [product], texts: {en: {title: Hello}}}
`

// ride is one event of the stream.
type ride struct {
	device gateway.DeviceID
	at     gateway.Instant
	v      float64
	valued bool
}

func TestTraitsAgainstBruteForce(t *testing.T) {
	for seed := range int64(150) {
		for _, within := range []string{"90s", "6h", "30d", "400d"} {
			bruteForce(t, seed, within)
			if t.Failed() {
				t.Fatalf("seed %d, window %s", seed, within)
			}
		}
	}
}

func bruteForce(t *testing.T, seed int64, within string) {
	r := rand.New(rand.NewSource(seed))
	length, _ := ParseDuration(within)
	start := gateway.Instant(1_777_000_000_000) + gateway.Instant(r.Int63n(dayMillis))
	p := publishTraits(t, fmt.Sprintf(traitsJourney, within), start)
	var sent, applied []ride
	order := r.Perm(120)
	now := start
	for _, i := range order {
		if i%10 == 0 { // a gap, at times longer than the window
			now += gateway.Instant(r.Int63n(int64(length) + 1))
		}
		now += gateway.Instant(r.Int63n(int64(length)/20 + 1))
		e := ride{device: gateway.DeviceID(1 + r.Intn(2)), at: now, valued: r.Intn(10) > 0}
		if r.Intn(3) == 0 { // late
			e.at = max(now-gateway.Instant(r.Int63n(int64(length)*5/4)), start, now-7*dayMillis)
		}
		e.v = float64(r.Intn(40)) / 4
		if r.Intn(2) == 0 {
			e.v = r.NormFloat64() * 1000
		}
		applied = append(applied, e)
		sent = append(sent, e)
		deliver(p, now, e, len(sent))
		if r.Intn(4) == 0 {
			deliver(p, now, e, len(sent)) // twice
		}
		if r.Intn(8) == 0 {
			now += gateway.Instant(r.Int63n(int64(length)))
			tick(p, now)
		}
		compareTraits(t, p, applied, length)
	}
	data := p.AppendSnapshot(nil)
	q := NewPartition(Config{Partitions: 1})
	if err := q.Restore(data); err != nil || string(q.AppendSnapshot(nil)) != string(data) {
		t.Errorf("the snapshot does not restore: %v", err)
	}
}

func publishTraits(t *testing.T, definition string, at gateway.Instant) *Partition {
	p := NewPartition(Config{Partitions: 1})
	b := gateway.Batch{Seq: 1, RecordTime: at, Observed: at, Inputs: []gateway.Input{
		{Command: gateway.PublishJourney{Journey: "all", Version: 1, Effective: at, Definition: []byte(definition)}},
		{Command: gateway.BindDevice{Device: 1, Customer: 7, Role: "owner", At: at - dayMillis}},
		{Command: gateway.BindDevice{Device: 2, Customer: 7, Role: "owner", At: at - dayMillis}},
	}}
	var s gateway.Step
	p.Apply(&b, &s)
	for _, d := range s.Decisions {
		if d.Reason == gateway.ReasonInvalid {
			t.Fatal(d.Rule)
		}
	}
	return p
}

func deliver(p *Partition, now gateway.Instant, e ride, id int) {
	ev := gateway.Event{ID: fmt.Sprint(id), Type: "ride", Device: e.device, OccurredAt: e.at, ReceivedAt: now}
	if e.valued {
		ev.Properties = gateway.Properties{{Key: "v", Value: gateway.Float(e.v)}}
	}
	p.Apply(&gateway.Batch{Seq: 2, RecordTime: now, Observed: now, Inputs: []gateway.Input{{Event: ev}}}, &gateway.Step{})
}

func tick(p *Partition, now gateway.Instant) {
	p.Apply(&gateway.Batch{Seq: 2, RecordTime: now, Observed: now}, &gateway.Step{})
}

// compareTraits computes every trait from the list of events.
func compareTraits(t *testing.T, p *Partition, all []ride, within Duration) {
	t.Helper()
	c, v := p.customers[7], p.journeys[0].active
	end := within.before(p.now)
	granule := max(int64(within)/granules, 1)
	edge := gateway.Instant((granuleOf(end, granule) + 1) * granule) // the first instant of the window in granules
	if edge <= end || int64(edge-end) > granule || int64(within) >= 100 && granule*100 > int64(within) {
		t.Fatalf("granule %d, edge %d after the end", granule, edge-end)
	}
	exact := inside(all, func(e ride) bool { return e.at > end })
	valued := inside(all, func(e ride) bool { return e.valued })
	shown := inside(valued, func(e ride) bool { return e.at >= edge })
	one := inside(shown, func(e ride) bool { return e.device == 1 })
	want := map[string]float64{"count": float64(len(exact)), "ever": float64(len(all)),
		"distinct": float64(distinct(shown)), "kinds": float64(distinct(valued))}
	if sumOf := inside(exact, func(e ride) bool { return e.valued }); len(valued) > 0 {
		want["sum"] = math.Round(mean(sumOf)*float64(len(sumOf))*1e3) / 1e3
	}
	if len(shown) > 0 {
		values := sortedValues(shown)
		want["mean"], want["min"], want["max"] = mean(shown), values[0], values[len(values)-1]
		want["p50"], want["p99"] = values[(len(values)+1)/2-1], values[int(math.Ceil(float64(len(values))*0.99))-1]
		if f, ok := fit(centroids(shown, granule)); ok {
			want["slope"] = f
		}
	}
	if len(one) > 0 {
		want["device_mean"] = mean(one)
	}
	if len(valued) > 0 {
		oldest, newest := firstLast(valued)
		want["first"] = oldest.v
		if newest.at > end {
			want["last"] = newest.v
		}
	}
	oldest, newest := firstLast(all)
	want["first_at"], want["last_at"] = float64(oldest.at), float64(newest.at)
	for _, spec := range v.def.traits {
		got, ok := p.traitValue(c, v, 1, spec.name)
		f, _ := got.AsFloat()
		w, wanted := want[spec.name]
		if ok != wanted || ok && math.Abs(f-w) > 1e-3+1e-6*math.Abs(w) {
			t.Errorf("%s: got %v (known: %v), want %v (known: %v)", spec.name, f, ok, w, wanted)
		}
	}
}

func inside(all []ride, keep func(ride) bool) (out []ride) {
	for _, e := range all {
		if keep(e) {
			out = append(out, e)
		}
	}
	return out
}

func sortedValues(all []ride) (out []float64) {
	for _, e := range all {
		out = append(out, e.v)
	}
	slices.Sort(out)
	return out
}

func distinct(all []ride) int { return len(slices.Compact(sortedValues(all))) }

func mean(all []ride) (sum float64) {
	for _, e := range all {
		sum += e.v
	}
	return sum / float64(max(len(all), 1))
}

func firstLast(all []ride) (oldest, newest ride) {
	oldest, newest = all[0], all[0]
	for _, e := range all {
		if e.at < oldest.at || e.at == oldest.at && e.v < oldest.v {
			oldest = e
		}
		if e.at > newest.at || e.at == newest.at && e.v > newest.v {
			newest = e
		}
	}
	return oldest, newest
}

// point is a weighted point of a line.
type point struct{ x, y, n float64 }

// centroids averages the events of each granule.
func centroids(all []ride, granule int64) (out []point) {
	byGranule := map[int64][]ride{}
	var keys []int64
	for _, e := range all {
		g := granuleOf(e.at, granule)
		if byGranule[g] == nil {
			keys = append(keys, g)
		}
		byGranule[g] = append(byGranule[g], e)
	}
	for _, g := range keys {
		list := byGranule[g]
		at := 0.0
		for _, e := range list {
			at += float64(e.at - all[0].at)
		}
		n := float64(len(list))
		out = append(out, point{at / n / dayMillis, mean(list), n})
	}
	return out
}

// fit solves the normal equations in their plain form.
func fit(points []point) (slope float64, ok bool) {
	if len(points) < 2 {
		return 0, false
	}
	var n, x, y, xx, xy float64
	for _, p := range points {
		n, x, y = n+p.n, x+p.n*p.x, y+p.n*p.y
	}
	for _, p := range points {
		xx += p.n * (p.x - x/n) * (p.x - x/n)
		xy += p.n * (p.x - x/n) * (p.y - y/n)
	}
	return xy / xx, true
}

// TestSlopeOfSparseStream: with at most one event per granule the slope is that
// of the events themselves.
func TestSlopeOfSparseStream(t *testing.T) {
	for seed := range int64(200) {
		r := rand.New(rand.NewSource(seed))
		spec := traitSpec{kind: traitSlope, property: "v", within: 30 * dayMillis}
		var w window
		var points []point
		g := spec.granule()
		for i := range 2 + r.Intn(100) {
			at := gateway.Instant(int64(1_000+i)*g + r.Int63n(g))
			v := r.NormFloat64() * 50
			w.put(formStats, spec.cellOf(at, toMicros(v)), nil)
			points = append(points, point{float64(at-gateway.Instant(1_000*g)) / dayMillis, v, 1})
		}
		got, _ := slope(w.cells(formStats, 0, nil), g)
		if want, _ := fit(points); math.Abs(got-want) > 1e-6*(1+math.Abs(want)) {
			t.Fatalf("seed %d: got %v, want %v", seed, got, want)
		}
	}
}

// TestPercentileBound: beyond its bound a percentile cuts the values, here by at
// most 0.8 %, and keeps no more than maxRanks pairs.
func TestPercentileBound(t *testing.T) {
	spec := traitSpec{kind: traitPercentile, property: "v", within: 30 * dayMillis}
	r := rand.New(rand.NewSource(1))
	var w window
	var values []float64
	for i := range 40_000 {
		v := 60 + 40*r.Float64()
		values = append(values, v)
		w.put(formRanks, spec.cellOf(gateway.Instant(i)*60_000, toMicros(v)), nil)
		if w.n > maxRanks {
			t.Fatalf("%d pairs", w.n)
		}
	}
	slices.Sort(values)
	for _, percent := range []int{1, 10, 50, 90, 99} {
		got := float64(middle(percentile(w.cells(formRanks, int(w.head), nil), percent), precisions[w.precision])) / micros
		want := values[(len(values)*percent+99)/100-1]
		if math.Abs(got-want) > 0.008*want {
			t.Errorf("p%d: got %v, want %v", percent, got, want)
		}
	}
	t.Logf("%d pairs, %d bytes, precision %d", w.n, len(w.buf), precisions[w.precision])
}

// TestDistinctBound: exact up to its bound, and that number beyond, whatever the
// order in which the values come.
func TestDistinctBound(t *testing.T) {
	spec := traitSpec{kind: traitDistinct, property: "v", within: 30 * dayMillis}
	var ordered, shuffled window
	order := rand.New(rand.NewSource(1)).Perm(3 * maxDistinct)
	for i, j := range order {
		ordered.put(formSet, spec.cellOf(gateway.Instant(i)*600_000, int64(mix(uint64(i)))), nil)
		shuffled.put(formSet, spec.cellOf(gateway.Instant(j)*600_000, int64(mix(uint64(j)))), nil)
		if i < maxDistinct && ordered.n != int32(i+1) {
			t.Fatalf("%d of %d values", ordered.n, i+1)
		}
	}
	a, b := ordered.cells(formSet, int(ordered.head), nil), shuffled.cells(formSet, int(shuffled.head), nil)
	if !slices.Equal(a, b) || len(a) != maxDistinct {
		t.Errorf("%d and %d values, which differ", len(a), len(b))
	}
}

// TestSeenBesideForgotten: a number that joins a range and was part of a
// forgotten one is remembered.
func TestSeenBesideForgotten(t *testing.T) {
	var s seen
	// 10 and 20 leave room in the list: one that is full drops what is forgotten.
	for _, id := range []identity{{seq: 10, day: 1}, {seq: 20, day: 1}, {seq: 40, day: 1}, {seq: 41, day: 1}, {seq: 39, day: 20}, {seq: 40, day: 20}} {
		id.numbered, id.boot = true, 1
		s.add(id, id.day)
		if !s.has(id, id.day) {
			t.Fatalf("%+v is forgotten", id)
		}
	}
}
