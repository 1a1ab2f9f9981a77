package devices_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"

	"touchpoint/devices"
	"touchpoint/gateway"
	touchpointv1 "touchpoint/proto/touchpoint/v1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const received gateway.Instant = 1777629600000 // 2026-05-01T10:00:00Z

const products = `
products:
  coffee:
    personal: [operator, position]
    events:
      brew_finished: {water_ml: int, temp_c: float, program: string, done: bool}
  sealed-car:
    strict: true
    events:
      trip: {km: float}
`

func decoder(t testing.TB) *devices.Decoder {
	t.Helper()
	r, err := devices.LoadRegistry([]byte(products))
	if err != nil {
		t.Fatal(err)
	}
	return devices.NewDecoder(r, devices.DefaultLimits())
}

// show writes what was decoded the way a person reads it.
func show(up *devices.Uplink) string {
	var b strings.Builder
	fmt.Fprintf(&b, "product %s device %s\n", up.Product, up.Serial)
	for i := range up.Events {
		e := &up.Events[i]
		fmt.Fprintf(&b, "event id=%q type=%s boot=%d seq=%d/%t occurred=%v device=%v received=%v source=%d hash=%016x\n",
			e.ID, e.Type, e.Boot, e.Seq, e.HasSeq, e.OccurredAt, e.DeviceTime, e.ReceivedAt, e.Source, e.PayloadHash)
		for _, p := range e.Properties {
			personal := ""
			if up.Profile.IsPersonal(p.Key) {
				personal = " (personal)"
			}
			fmt.Fprintf(&b, "  %s = %s %v%s\n", p.Key, []string{"null", "bool", "int", "float", "string"}[p.Value.Kind()], p.Value, personal)
		}
	}
	if r := up.Receipt; !r.Message.IsZero() {
		fmt.Fprintf(&b, "receipt %v %v at %v channel %s detail %q\n", r.Message, r.State, r.At, r.Channel, r.Detail)
	}
	for _, id := range up.Shown {
		fmt.Fprintf(&b, "shown %v\n", id)
	}
	return b.String()
}

// TestGolden decodes testdata/*.txtar: "topic" and "payload" in, "want" out.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file := func(n string) *txtar.File {
				for i := range a.Files {
					if a.Files[i].Name == n {
						return &a.Files[i]
					}
				}
				t.Fatalf("no part %s", n)
				return nil
			}
			var up devices.Uplink
			got := ""
			if err := decoder(t).Decode(strings.TrimSpace(string(file("topic").Data)), file("payload").Data, received, &up); err != nil {
				got = "error " + err.Error() + "\n"
			} else {
				got = show(&up)
			}
			if *update {
				file("want").Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(file("want").Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestProtobufEqualsJSON: the same event in both payloads is the same event.
func TestProtobufEqualsJSON(t *testing.T) {
	seq := uint64(7)
	message := &touchpointv1.DeviceEvents{Events: []*touchpointv1.DeviceEvent{
		{Type: "brew_finished", OccurredAtMs: 1777629599500, Boot: 3, Data: map[string]*touchpointv1.DeviceValue{
			"water_ml": {Kind: &touchpointv1.DeviceValue_IntValue{IntValue: -38}},
			"temp_c":   {Kind: &touchpointv1.DeviceValue_DoubleValue{DoubleValue: 92.5}},
			"program":  {Kind: &touchpointv1.DeviceValue_StringValue{StringValue: "espresso ☕"}},
			"done":     {Kind: &touchpointv1.DeviceValue_BoolValue{BoolValue: true}},
			"note.a":   {},
		}},
		{Id: "e2", Type: "other", Seq: &seq},
	}}
	payload, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	text := `[{"type":"brew_finished","ts":"2026-05-01T09:59:59.5Z","boot":3,"data":{
		"water_ml":-38,"temp_c":92.5,"program":"espresso \u2615","done":true,"note":{"a":null}}},
		{"id":"e2","type":"other","seq":7}]`
	var fromProto, fromJSON devices.Uplink
	d := decoder(t)
	if err := d.Decode(benchCoffee, payload, received, &fromProto); err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(benchCoffee, []byte(text), received, &fromJSON); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(show(&fromJSON), show(&fromProto)); diff != "" {
		t.Error(diff)
	}
	if fromProto.Events[0].PayloadHash == 0 || fromProto.Events[1].PayloadHash != 0 {
		t.Error("the payload's hash is for events without an identity")
	}
}

const benchCoffee = "touchpoint/v1/coffee/dev1/events"

// TestEventsDoNotShareTheirPayload: what was decoded stays when buffers are reused.
func TestEventsDoNotShareTheirPayload(t *testing.T) {
	d := decoder(t)
	payload := []byte(`{"id":"first","type":"brew_finished","data":{"program":"espresso"}}`)
	var up devices.Uplink
	if err := d.Decode(benchCoffee, payload, received, &up); err != nil {
		t.Fatal(err)
	}
	first := up.Events[0]
	copy(payload, strings.Repeat("x", len(payload)))
	if err := d.Decode(benchCoffee, []byte(`{"id":"other","type":"rinse","data":{"program":"lungo---"}}`), received, &up); err != nil {
		t.Fatal(err)
	}
	if first.ID != "first" || first.Type != "brew_finished" || first.Properties.Get("program").AsString() != "espresso" {
		t.Errorf("the first event became %+v", first)
	}
}

func TestClockRules(t *testing.T) {
	for _, c := range []struct {
		name, ts         string
		occurred, device gateway.Instant
	}{
		{"missing", "", received, 0},
		{"past", "2026-05-01T09:00:00Z", received - 3600_000, received - 3600_000},
		{"zone", "2026-05-01T11:30:00+02:00", received - 1800_000, received - 1800_000},
		{"slightly ahead", "2026-05-01T10:04:59Z", received, received + 299_000},
		{"far ahead", "2027-01-01T00:00:00Z", received, 1798761600000},
		{"never set", "1970-01-01T00:00:10Z", received, 10_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := `{"type":"x"}`
			if c.ts != "" {
				text = `{"type":"x","ts":"` + c.ts + `"}`
			}
			var up devices.Uplink
			if err := decoder(t).Decode(benchCoffee, []byte(text), received, &up); err != nil {
				t.Fatal(err)
			}
			if e := up.Events[0]; e.OccurredAt != c.occurred || e.DeviceTime != c.device || e.ReceivedAt != received {
				t.Errorf("occurred %v, device %v", e.OccurredAt, e.DeviceTime)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("events", []byte(`{"id":"a","ts":"2026-05-01T10:00:00Z","type":"x","seq":1,"boot":2,"data":{"a":{"b":[1,2.5,"s",null,true]}}}`))
	f.Add("events", []byte(`[{"type":"x"},{"type":"y"}]`))
	f.Add("events", []byte("\x12\x0a\x1a\x01x\x32\x05\x0a\x01a\x12\x00"))
	f.Add("messages/hello", []byte(`{"shown":["m_0123456789abcdefghjkmnpqrr"]}`))
	f.Add("messages/m_0123456789abcdefghjkmnpqrr/receipts", []byte(`{"state":"displayed"}`))
	d := devices.NewDecoder(devices.OpenRegistry(), devices.DefaultLimits())
	f.Fuzz(func(t *testing.T, tail string, payload []byte) {
		var up devices.Uplink
		err := d.Decode("touchpoint/v1/coffee/dev1/"+tail, payload, received, &up)
		if err != nil {
			if gateway.KindOf(err) != gateway.Invalid {
				t.Fatalf("error of kind %v: %v", gateway.KindOf(err), err)
			}
			return
		}
		limits := devices.DefaultLimits()
		for _, e := range up.Events {
			if e.Type == "" || e.OccurredAt > e.ReceivedAt || len(e.Properties) > limits.Properties {
				t.Fatalf("event %+v", e)
			}
			for i, p := range e.Properties {
				if i > 0 && p.Key <= e.Properties[i-1].Key {
					t.Fatalf("key %q after %q", p.Key, e.Properties[i-1].Key)
				}
			}
		}
	})
}
