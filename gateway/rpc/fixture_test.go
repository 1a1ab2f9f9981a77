package rpc_test

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"touchpoint/gateway"
	"touchpoint/gateway/clock"
	"touchpoint/gateway/rpc"
	pb "touchpoint/proto/touchpoint/v1"
)

const partitions = 4

var start = gateway.InstantOf(time.Date(2026, 5, 1, 6, 30, 0, 0, time.UTC))

// world is everything behind the API, in memory. Its log applies an input as
// soon as it is appended.
type world struct {
	mu        sync.Mutex
	clock     *clock.Clock
	seq       [partitions]uint64
	inputs    []placed
	awaited   []gateway.Position
	refuse    func(gateway.Input) error // nil takes everything
	devices   map[string]gateway.DeviceID
	customers map[string]gateway.CustomerID
	groups    map[string]gateway.GroupID
	members   []gateway.Membership
	profiles  map[gateway.CustomerID]map[string]gateway.Personal
	core      map[gateway.CustomerID]gateway.CustomerProfile
	owned     []gateway.Ownership
	decisions []gateway.Decision
	messages  map[gateway.MessageID]rpc.MessageRow
	events    []rpc.EventRow
	applied   []gateway.Consent
	erased    []gateway.CustomerID
	letters   []rpc.DeadLetter
	tasks     []gateway.Task
	advanced  []gateway.Instant
	bucket    *memoryBucket
	stream    *memoryStream
	logs      *syncBuffer
}

type placed struct {
	partition int
	input     gateway.Input
}

func newWorld() *world {
	return &world{
		clock: clock.NewVirtual(start), devices: map[string]gateway.DeviceID{}, customers: map[string]gateway.CustomerID{}, groups: map[string]gateway.GroupID{},
		profiles: map[gateway.CustomerID]map[string]gateway.Personal{}, core: map[gateway.CustomerID]gateway.CustomerProfile{},
		messages: map[gateway.MessageID]rpc.MessageRow{}, bucket: &memoryBucket{entries: map[string]entry{}},
		stream: newMemoryStream(), logs: &syncBuffer{},
	}
}

func (w *world) options() rpc.Options {
	return rpc.Options{
		Intake: w, Vault: w, Follower: w, Customers: readModel{w}, Groups: w, Tasks: w, Decisions: w, Messages: w, Reports: w, History: w,
		Journeys: w.bucket, Compile: compile, Consents: w, Eraser: w, Stream: w.stream, DeadLetters: w, Clock: w.clock,
		Status: w, Audit: w, Backtests: &trials{}, Partitions: partitions, PageKey: []byte("a key that tests share, 32 bytes."),
		Advance: func(_ context.Context, t gateway.Instant) error {
			w.advanced = append(w.advanced, t)
			return w.clock.Advance(t)
		},
		Logger: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// serve starts the API on a loopback port and returns a connection to it.
func (w *world) serve(t *testing.T, change func(*rpc.Options)) (*grpc.ClientConn, *rpc.Server) {
	t.Helper()
	opt := w.options()
	if change != nil {
		change(&opt)
	}
	s, err := rpc.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///"+lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Stop(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return conn, s
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func withToken(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// compile knows two purposes of a definition: to be good or to be bad.
func compile(text []byte) (rpc.JourneyInfo, error) {
	_, name, ok := strings.Cut("\n"+string(text), "\nname: ")
	name, _, _ = strings.Cut(name, "\n")
	if !ok {
		return rpc.JourneyInfo{}, &gateway.Error{Kind: gateway.Invalid, Violations: []gateway.Violation{{Field: "name", Line: 1, Text: "is missing"}}}
	}
	if strings.Contains(string(text), "wait: soon") {
		return rpc.JourneyInfo{}, &gateway.Error{Kind: gateway.Invalid, Violations: []gateway.Violation{
			{Field: "steps[0].wait", Step: "pause", Line: 4, Text: `"soon" is no duration such as 24h`}}}
	}
	return rpc.JourneyInfo{Name: name, Purpose: gateway.PurposeService}, nil
}

func (w *world) Submit(_ context.Context, partition int, in gateway.Input) (gateway.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		if err := w.refuse(in); err != nil {
			return gateway.Position{}, err
		}
	}
	w.seq[partition]++
	w.inputs = append(w.inputs, placed{partition, in})
	w.apply(in)
	return gateway.Position{Partition: partition, Seq: w.seq[partition]}, nil
}

// apply is a core that agrees with everything.
func (w *world) apply(in gateway.Input) {
	now := w.clock.Now()
	switch c := in.Command.(type) {
	case nil:
		e := in.Event
		w.events = append(w.events, rpc.EventRow{Event: e, Customer: e.Customer, AppliedAt: now})
	case gateway.UpsertCustomer:
		p := w.core[c.Customer]
		p.Customer, p.Locale, p.TimeZone, p.Attributes, p.ChangedAt = c.Customer, c.Locale, c.TimeZone, c.Attributes, now
		w.core[c.Customer] = p
	case gateway.BindDevice:
		w.owned = append(w.owned, gateway.Ownership{Device: c.Device, Product: c.Product, Customer: c.Customer, Role: c.Role, From: c.At})
	case gateway.TriggerJourney:
		d := gateway.Decision{At: now, Kind: gateway.DecisionEntry, Journey: c.Journey, Customer: c.Customer, EventID: c.Key,
			Enrollment: gateway.NewEnrollmentID(c.Journey, gateway.CustomerSubject(c.Customer), "", c.Key), Reason: gateway.ReasonEnrolled}
		if slices.ContainsFunc(w.decisions, func(o gateway.Decision) bool { return o.EventID == c.Key }) {
			d.Reason = gateway.ReasonReplayed
		}
		w.decisions = append([]gateway.Decision{d}, w.decisions...)
	}
}

func (w *world) Record(ctx context.Context, events []gateway.Event) ([]gateway.Position, []error) {
	positions, errs := make([]gateway.Position, len(events)), make([]error, len(events))
	for i, e := range events {
		positions[i], errs[i] = w.Submit(ctx, w.Holder(e.Device), gateway.Input{Event: e})
	}
	return positions, errs
}

func (w *world) Home(c gateway.CustomerID) int { return gateway.HomeOf(c, 0, partitions) }

func (w *world) Group(_ context.Context, external gateway.Personal) (gateway.GroupID, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := w.groups[external.Reveal()]; id != 0 {
		return id, false, nil
	}
	id := gateway.GroupID(7000 + len(w.groups))
	w.groups[external.Reveal()] = id
	return id, true, nil
}

func (w *world) LookupGroup(_ context.Context, external gateway.Personal) (gateway.GroupID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := w.groups[external.Reveal()]; id != 0 {
		return id, nil
	}
	return 0, gateway.Errorf(gateway.NotFound, "no such group")
}

func (w *world) GroupName(_ context.Context, g gateway.GroupID) (gateway.Personal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, id := range w.groups {
		if id == g {
			return gateway.Personal(name), nil
		}
	}
	return "", gateway.Errorf(gateway.NotFound, "no such group")
}

func (w *world) EraseGroup(_ context.Context, g gateway.GroupID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.groups, func(_ string, id gateway.GroupID) bool { return id == g })
	return nil
}

func (w *world) Memberships(_ context.Context, q rpc.MembershipQuery) (out []gateway.Membership, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.members {
		if (q.Customer == 0 || m.Customer == q.Customer) && (q.Group == 0 || m.Group == q.Group) && (q.WithFormer || m.To == 0) {
			out = append(out, m)
		}
	}
	return out, nil
}

func (w *world) Holder(d gateway.DeviceID) int {
	return gateway.DeviceSubject(d).Partition(partitions)
}

// commands returns the commands of one type that were appended.
func commands[T gateway.Command](w *world) []T {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []T
	for _, p := range w.inputs {
		if c, ok := p.input.Command.(T); ok {
			out = append(out, c)
		}
	}
	return out
}

func (w *world) Device(_ context.Context, product, serial string) (gateway.DeviceID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := product + "/" + serial
	if w.devices[key] == 0 {
		w.devices[key] = gateway.DeviceID(len(w.devices) + 1)
	}
	return w.devices[key], nil
}

func (w *world) LookupDevice(_ context.Context, product, serial string) (gateway.DeviceID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.devices[product+"/"+serial]; d != 0 {
		return d, nil
	}
	return 0, gateway.Errorf(gateway.NotFound, "no such device")
}

func (w *world) DeviceName(_ context.Context, d gateway.DeviceID) (product, serial string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, id := range w.devices {
		if id == d {
			product, serial, _ = strings.Cut(key, "/")
			return product, serial, nil
		}
	}
	return "", "", gateway.Errorf(gateway.NotFound, "no such device")
}

func (w *world) Sync(context.Context) error { return nil }

func (w *world) Customer(_ context.Context, external gateway.Personal) (gateway.CustomerID, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := w.customers[external.Reveal()]; id != 0 {
		return id, false, nil
	}
	id := gateway.CustomerID(1000 + len(w.customers))
	w.customers[external.Reveal()] = id
	return id, true, nil
}

func (w *world) LookupCustomer(_ context.Context, external gateway.Personal) (gateway.CustomerID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := w.customers[external.Reveal()]; id != 0 {
		return id, nil
	}
	return 0, gateway.Errorf(gateway.NotFound, "no such customer")
}

func (w *world) CustomerName(_ context.Context, c gateway.CustomerID) (gateway.Personal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, id := range w.customers {
		if id == c {
			return gateway.Personal(name), nil
		}
	}
	return "", gateway.Errorf(gateway.NotFound, "no such customer")
}

// Open takes "<subject>|<plain>" for sealed text.
func (w *world) Open(_ context.Context, s gateway.Subject, sealed string) (gateway.Personal, error) {
	plain, ok := strings.CutPrefix(sealed, s.String()+"|")
	if !ok {
		return "", gateway.Errorf(gateway.Invalid, "sealed for another subject")
	}
	return gateway.Personal(plain), nil
}

func (w *world) SaveProfile(_ context.Context, c gateway.CustomerID, fields map[string]gateway.Personal, mask []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.profiles[c] == nil {
		w.profiles[c] = map[string]gateway.Personal{}
	}
	for _, key := range mask {
		delete(w.profiles[c], key)
		if v, ok := fields[key]; ok {
			w.profiles[c][key] = v
		}
	}
	return nil
}

func (w *world) Profile(_ context.Context, c gateway.CustomerID) (map[string]gateway.Personal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.profiles[c], nil
}

func (w *world) Await(_ context.Context, at []gateway.Position) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awaited = append(w.awaited, at...)
	return nil
}

func (w *world) Class(context.Context, gateway.CustomerID) (gateway.CustomerClass, error) {
	return gateway.CustomerClass{Segments: []string{"heavy"}, Stages: []gateway.StageVisit{{Stage: "active", At: 1}}}, nil
}

func (w *world) Enrollments(context.Context, gateway.CustomerID, int) ([]gateway.Enrollment, error) {
	return nil, nil
}

// page cuts a list as a store does; its cursor is an index.
func page[T any](all []T, cursor string, limit int) rpc.Page[T] {
	first, _ := strconv.Atoi(cursor)
	out := rpc.Page[T]{Items: all[first:]}
	if len(out.Items) > limit {
		out.Items, out.Next = out.Items[:limit], strconv.Itoa(first+limit)
	}
	return out
}

func (w *world) Ownerships(_ context.Context, q rpc.OwnershipQuery) (rpc.Page[gateway.Ownership], error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []gateway.Ownership
	for _, o := range w.owned {
		if q.Customer == 0 || o.Customer == q.Customer {
			all = append(all, o)
		}
	}
	return page(all, q.Cursor, q.Limit), nil
}

func (w *world) Decisions(_ context.Context, q rpc.DecisionQuery) (rpc.Page[gateway.Decision], error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []gateway.Decision
	for _, d := range w.decisions {
		if (q.Customer == 0 || d.Customer == q.Customer) && (q.EventID == "" || d.EventID == q.EventID) {
			all = append(all, d)
		}
	}
	return page(all, q.Cursor, q.Limit), nil
}

func (w *world) Message(_ context.Context, id gateway.MessageID) (rpc.MessageRow, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if row, ok := w.messages[id]; ok {
		return row, nil
	}
	return rpc.MessageRow{}, gateway.Errorf(gateway.NotFound, "no such message")
}

func (w *world) Messages(_ context.Context, q rpc.MessageQuery) (rpc.Page[rpc.MessageRow], error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []rpc.MessageRow
	for _, row := range w.messages {
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b rpc.MessageRow) int { return cmp.Compare(b.Message.DecidedAt, a.Message.DecidedAt) })
	return page(all, q.Cursor, q.Limit), nil
}

func (w *world) Counts(context.Context, string, uint32) (rpc.JourneyCounts, error) {
	return rpc.JourneyCounts{Entered: 3, Steps: map[string]int64{"remind": 2}}, nil
}

func (w *world) Effect(_ context.Context, q rpc.EffectQuery) ([]rpc.EffectCount, error) {
	switch {
	case q.Split != "":
		return []rpc.EffectCount{{Arm: "a", Enrolled: 1000, Exposed: 900, Converted: 100}, {Arm: "b", Enrolled: 1000, Converted: 300},
			{Arm: "c", Enrolled: 10, Exposed: 10}}, nil
	case q.Version == 2:
		return []rpc.EffectCount{{Arm: "treated", Enrolled: 9, Exposed: 8, Converted: 1}}, nil
	}
	return []rpc.EffectCount{{Arm: "holdout", Enrolled: 1200, Exposed: 1000, Converted: 100}, {Arm: "holdout", Mixed: true, Enrolled: 3, Exposed: 2},
		{Arm: "treated", Enrolled: 10000, Exposed: 9000, Converted: 1800}}, nil
}

func (w *world) Events(_ context.Context, q rpc.EventQuery) (rpc.Page[rpc.EventRow], error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return page(w.events, q.Cursor, q.Limit), nil
}

func (w *world) Aggregate(_ context.Context, q rpc.AggregateQuery) ([]rpc.AggregateWindow, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []rpc.AggregateWindow{{Start: q.From, Value: float64(len(w.events)), Count: int64(len(w.events))}}, nil
}

func (w *world) Apply(_ context.Context, _ gateway.CustomerID, c gateway.Consent) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.applied = append(w.applied, c)
	return nil
}

func (w *world) Erase(_ context.Context, c gateway.CustomerID, _ []gateway.Position) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.erased = append(w.erased, c)
	for name, id := range w.customers {
		if id == c {
			delete(w.customers, name)
		}
	}
	return nil
}

func (w *world) DeadLetters(_ context.Context, cursor string, limit int, _ bool) (rpc.Page[rpc.DeadLetter], error) {
	return page(w.letters, cursor, limit), nil
}

func (w *world) Replay(_ context.Context, id string) error {
	if id == "18" {
		return gateway.InvalidField("data.water_ml", "must be a number")
	}
	return nil
}

func (w *world) Status(context.Context) (rpc.StatusReport, error) {
	return rpc.StatusReport{Installation: "test", NotReady: []string{"partition 3: replaying steps"},
		Partitions: []rpc.PartitionReport{{Partition: 3, LastEvent: 7}}}, nil
}

func (w *world) ScanEvents(_ context.Context, partition int, after uint64, emit func(*gateway.Batch) error) error {
	w.mu.Lock()
	inputs := slices.Clone(w.inputs)
	w.mu.Unlock()
	seq := uint64(0)
	for _, p := range inputs {
		if p.partition != partition {
			continue
		}
		if seq++; seq > after {
			if err := emit(&gateway.Batch{Partition: partition, Seq: seq, RecordTime: start, Inputs: []gateway.Input{p.input}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) ScanSteps(_ context.Context, partition int, _ uint64, emit func(*gateway.Step) error) error {
	return emit(&gateway.Step{Partition: partition, Number: 1, Applied: []gateway.Applied{{Seq: 1, Inputs: 1}},
		Outcomes: []gateway.Outcome{{Disposition: gateway.Duplicate}}, Messages: []gateway.Message{{ID: messageID, Journey: "welcome", Cause: "brew-7"}}})
}

var messageID = gateway.NewMessageID(gateway.EnrollmentID{1}, "hello", 1)

// customers of the read model; the name clashes with the vault's.
type readModel struct{ *world }

func (r readModel) Customer(_ context.Context, c gateway.CustomerID) (gateway.CustomerProfile, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.core[c]; ok {
		return p, nil
	}
	return gateway.CustomerProfile{}, gateway.Errorf(gateway.NotFound, "no such customer")
}

type entry struct {
	value    []byte
	revision uint64
}

type memoryBucket struct {
	mu      sync.Mutex
	entries map[string]entry
	last    uint64
}

func (b *memoryBucket) Get(_ context.Context, key string) ([]byte, uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[key]
	if !ok {
		return nil, 0, gateway.Errorf(gateway.NotFound, "no key %q", key)
	}
	return e.value, e.revision, nil
}

func (b *memoryBucket) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.Update(ctx, key, value, 0)
}

func (b *memoryBucket) Update(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entries[key].revision != revision {
		return 0, gateway.Errorf(gateway.Conflict, "key %q is at revision %d", key, b.entries[key].revision)
	}
	b.last++
	b.entries[key] = entry{value, b.last}
	return b.last, nil
}

func (b *memoryBucket) Keys(_ context.Context, prefix string) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []string
	for k := range b.entries {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// memoryStream is a work queue that gives back what a subscription left open.
type memoryStream struct {
	queue chan *rpc.Delivery
	told  chan string // what consumers did, in order
}

func newMemoryStream() *memoryStream {
	return &memoryStream{queue: make(chan *rpc.Delivery, 100), told: make(chan string, 100)}
}

func (s *memoryStream) put(id gateway.MessageID, customer gateway.CustomerID, attempt int) {
	d := &rpc.Delivery{Attempt: attempt, Message: gateway.Message{ID: id, Customer: customer, Journey: "welcome"}, Title: "Hello", Body: "First coffee"}
	d.Ack = func(context.Context) error {
		s.told <- "ack"
		return nil
	}
	d.Nack = func(_ context.Context, delay time.Duration) error {
		s.told <- "nack " + delay.String()
		s.put(id, customer, attempt+1)
		return nil
	}
	d.Extend = func(context.Context) error {
		s.told <- "extend"
		return nil
	}
	s.queue <- d
}

func (s *memoryStream) Subscribe(_ context.Context, o rpc.StreamOptions) (rpc.Subscription, error) {
	s.told <- "open " + o.Consumer
	return memorySubscription{s}, nil
}

type memorySubscription struct{ *memoryStream }

func (s memorySubscription) Next(ctx context.Context) (*rpc.Delivery, error) {
	select {
	case d := <-s.queue:
		return d, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s memorySubscription) Close() error {
	s.told <- "close"
	return nil
}

// syncBuffer collects the log.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func deviceRef(serial string) *pb.DeviceRef {
	return &pb.DeviceRef{Product: "barista-3", Serial: serial}
}

func customerRef(number string) *pb.CustomerRef { return &pb.CustomerRef{ExternalId: number} }
