package crashtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "touchpoint/proto/touchpoint/v1"
)

// kind is a product: what it says when it has done its work for the k-th time,
// and in which form. Each has another way to tell its events apart.
type kind struct {
	product, event, key string
	payload             func(serial string, k int) []byte
}

// kinds are a coffee machine, an e-bike, a washing machine and a car.
var kinds = []kind{
	{product, "brew_finished", "water_ml", brewed},
	{"bike-2", "ride_finished", "odometer_km", ridden},
	{"washer-3", "wash_finished", "energy_wh", washed},
	{"car-4", "trip_finished", "km", driven},
}

const product = "coffee-1"

// profiles declare the four: what else they sent would be refused.
const profiles = `
strict: true
products:
  coffee-1:
    strict: true
    display: {characters: 80, buttons: 1}
    events:
      brew_finished: {water_ml: int}
  bike-2:
    strict: true
    display: {characters: 40}
    events:
      bike_unlocked: {}
      ride_finished: {odometer_km: int, battery_health: float}
  washer-3:
    strict: true
    display: {characters: 120, buttons: 2, shared: true}
    events:
      wash_finished: {energy_wh: int, program.name: string, program.temp_c: int}
  car-4:
    strict: true
    personal: [vin, position]
    events:
      trip_finished: {km: int, vin: string, position.lat: float, position.lon: float}
`

func writeProfiles(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "products.yaml")
	if err := os.WriteFile(path, []byte(profiles), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// brewed is one event in JSON with an id.
func brewed(serial string, k int) []byte {
	return fmt.Appendf(nil, `{"id":"%s-%d","type":"brew_finished","seq":%d,"data":{"water_ml":%d}}`, serial, k, k, water(k))
}

func water(k int) int { return 30 + k%20 }

// ridden is two events in protobuf, told apart by start and number.
func ridden(_ string, k int) []byte {
	seq := uint64(2 * k)
	value := func(km int) *pb.DeviceValue {
		return &pb.DeviceValue{Kind: &pb.DeviceValue_IntValue{IntValue: int64(km)}}
	}
	payload, err := proto.Marshal(&pb.DeviceEvents{Events: []*pb.DeviceEvent{
		{Type: "bike_unlocked", Boot: 3, Seq: proto.Uint64(seq)},
		{Type: "ride_finished", Boot: 3, Seq: proto.Uint64(seq + 1), Data: map[string]*pb.DeviceValue{
			"odometer_km": value(1000 + k), "battery_health": {Kind: &pb.DeviceValue_DoubleValue{DoubleValue: 97.5}}}},
	}})
	if err != nil {
		panic(err)
	}
	return payload
}

// washed is a list in JSON with nested data, told apart by number.
func washed(_ string, k int) []byte {
	return fmt.Appendf(nil, `[{"type":"wash_finished","boot":1,"seq":%d,"data":{"energy_wh":%d,"program":{"name":"eco","temp_c":40}}}]`, k, 500+k)
}

// driven is one event in JSON with the car's clock and fields that are sealed;
// type, time and payload tell it apart.
func driven(serial string, k int) []byte {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	return fmt.Appendf(nil, `{"ts":"%s","type":"trip_finished","data":{"km":%d,"vin":"WTEST%s","position":{"lat":50.1,"lon":8.6}}}`, now, k, serial)
}
