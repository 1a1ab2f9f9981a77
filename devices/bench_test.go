package devices_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"touchpoint/devices"
	touchpointv1 "touchpoint/proto/touchpoint/v1"
)

const benchTopic = "touchpoint/v1/coffee/dev0042/events"

var benchJSON = []byte(`{"id":"01H0123456789ABCDEFGHJKMNP","ts":"2026-05-01T10:00:00.123Z","type":"brew_finished","seq":71,"data":{"program":"espresso","duration_ms":24500,"water_ml":38,"temp_c":92.5}}`)

func benchDecode(b *testing.B, payload []byte) {
	d := devices.NewDecoder(devices.OpenRegistry(), devices.DefaultLimits())
	var up devices.Uplink
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if err := d.Decode(benchTopic, payload, 1777629600123, &up); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeJSON(b *testing.B) { benchDecode(b, benchJSON) }

func BenchmarkDecodeProtobuf(b *testing.B) {
	seq := uint64(71)
	payload, err := proto.Marshal(&touchpointv1.DeviceEvents{Events: []*touchpointv1.DeviceEvent{{
		Id: "01H0123456789ABCDEFGHJKMNP", OccurredAtMs: 1777629600123, Type: "brew_finished", Seq: &seq,
		Data: map[string]*touchpointv1.DeviceValue{
			"program":     {Kind: &touchpointv1.DeviceValue_StringValue{StringValue: "espresso"}},
			"duration_ms": {Kind: &touchpointv1.DeviceValue_IntValue{IntValue: 24500}},
			"water_ml":    {Kind: &touchpointv1.DeviceValue_IntValue{IntValue: 38}},
			"temp_c":      {Kind: &touchpointv1.DeviceValue_DoubleValue{DoubleValue: 92.5}},
		},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	benchDecode(b, payload)
}

func BenchmarkParseTopic(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if t, err := devices.ParseTopic(benchTopic); err != nil || t.Kind != devices.KindEvents {
			b.Fatal(t, err)
		}
	}
}
