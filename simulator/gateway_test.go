package simulator

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	"touchpoint/devices"
	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// standIn is as much of a gateway as a fleet can see: it takes events over a
// real broker, greets every machine once, offers that greeting again and again,
// and sends each a message that is over already.
type standIn struct {
	pb.UnimplementedClockServiceServer
	pb.UnimplementedCustomerServiceServer
	pb.UnimplementedJourneyServiceServer
	conn *grpc.ClientConn
	mqtt paho.Client

	mu       sync.Mutex
	now      gateway.Instant
	events   map[string]int
	receipts map[string]int // "state"
	greeted  map[string]gateway.MessageID
	bound    map[string]bool
	early    int // events of machines that were not bound
	decoder  *devices.Decoder
	marks    chan string
	onTime   func(gateway.Instant) // called when time moves
}

func newStandIn(t *testing.T, broker string) *standIn {
	t.Helper()
	g := &standIn{now: noon, events: make(map[string]int), receipts: make(map[string]int), greeted: make(map[string]gateway.MessageID),
		bound: make(map[string]bool), marks: make(chan string, 100), decoder: devices.NewDecoder(devices.OpenRegistry(), devices.DefaultLimits())}
	o := paho.NewClientOptions().AddBroker(broker).SetClientID("stand-in").SetCleanSession(false).SetOrderMatters(true).
		SetConnectRetry(true).SetMaxReconnectInterval(50 * time.Millisecond).SetResumeSubs(true)
	o.SetDefaultPublishHandler(g.uplink)
	o.SetOnConnectHandler(func(c paho.Client) {
		filters := map[string]byte{"stand-in": 1}
		for _, f := range devices.UplinkFilters() {
			filters[f] = 1
		}
		c.SubscribeMultiple(filters, nil)
	})
	g.mqtt = paho.NewClient(o)
	if token := g.mqtt.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatalf("stand-in: %v", token.Error())
	}
	t.Cleanup(func() { g.mqtt.Disconnect(100) })
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterClockServiceServer(s, g)
	pb.RegisterCustomerServiceServer(s, g)
	pb.RegisterJourneyServiceServer(s, g)
	go func() { _ = s.Serve(lis) }()
	t.Cleanup(s.Stop)
	g.conn, err = grpc.NewClient("passthrough:///"+lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.conn.Close() })
	return g
}

// uplink takes what devices send.
func (g *standIn) uplink(_ paho.Client, m paho.Message) {
	if m.Topic() == "stand-in" {
		g.marks <- string(m.Payload())
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var up devices.Uplink
	if err := g.decoder.Decode(m.Topic(), m.Payload(), g.now, &up); err != nil {
		g.events["bad: "+err.Error()]++
		return
	}
	switch up.Kind {
	case devices.KindEvents:
		for _, e := range up.Events {
			g.events[e.ID]++
			if !g.bound[up.Serial] {
				g.early++
			}
		}
		g.greet(&up)
	case devices.KindReceipt:
		g.receipts[up.Receipt.State.String()]++
	}
}

// greet sends the greeting, the same each time, and the one that is over.
func (g *standIn) greet(up *devices.Uplink) {
	id, known := g.greeted[up.Serial]
	if !known {
		id = gateway.NewMessageID(gateway.EnrollmentID{}, up.Serial, 1)
		g.greeted[strings.Clone(up.Serial)] = id
	}
	g.send(up, devices.Downlink{ID: id, Title: "Welcome", Cause: up.Events[0].ID, DecidedAt: noon, ExpiresAt: noon.Add(30 * 24 * time.Hour), Now: g.now})
	if !known {
		late := gateway.NewMessageID(gateway.EnrollmentID{}, up.Serial, 2)
		g.send(up, devices.Downlink{ID: late, Title: "Too late", ExpiresAt: g.now - 1, Now: g.now})
	}
}

func (g *standIn) send(up *devices.Uplink, m devices.Downlink) {
	payload, err := m.Encode()
	if err != nil {
		panic(err)
	}
	g.mqtt.Publish(devices.MessagesTopic(up.Topic.Product, up.Serial), 1, false, payload)
}

func (g *standIn) GetClock(context.Context, *pb.GetClockRequest) (*pb.GetClockResponse, error) {
	return &pb.GetClockResponse{Now: timestamppb.New(noon.Time()), Virtual: true}, nil
}

// AdvanceClock returns when everything published before was taken: a marker
// goes through the broker after it.
func (g *standIn) AdvanceClock(ctx context.Context, req *pb.AdvanceClockRequest) (*pb.AdvanceClockResponse, error) {
	g.mu.Lock()
	to := g.now
	g.mu.Unlock()
	if !req.Settle {
		to = gateway.InstantOf(req.To.AsTime())
	}
	mark := to.String() + time.Now().String()
	g.mqtt.Publish("stand-in", 1, false, mark).Wait()
	for got := ""; got != mark; {
		select {
		case got = <-g.marks:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g.mu.Lock()
	g.now = to
	call := g.onTime
	g.mu.Unlock()
	if call != nil {
		call(to)
	}
	return &pb.AdvanceClockResponse{Now: timestamppb.New(to.Time())}, nil
}

func (g *standIn) UpsertCustomer(_ context.Context, req *pb.UpsertCustomerRequest) (*pb.UpsertCustomerResponse, error) {
	return &pb.UpsertCustomerResponse{CustomerId: "c_" + req.Customer.ExternalId}, nil
}

func (g *standIn) BindDevice(_ context.Context, req *pb.BindDeviceRequest) (*pb.BindDeviceResponse, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bound[req.Device.Serial] = true
	return &pb.BindDeviceResponse{DeviceId: "d_" + req.Device.Serial}, nil
}

func (g *standIn) CreateJourney(context.Context, *pb.CreateJourneyRequest) (*pb.CreateJourneyResponse, error) {
	return &pb.CreateJourneyResponse{Journey: &pb.Journey{Name: "welcome"}}, nil
}

func (g *standIn) PublishJourney(context.Context, *pb.PublishJourneyRequest) (*pb.PublishJourneyResponse, error) {
	return &pb.PublishJourneyResponse{Version: 1}, nil
}
