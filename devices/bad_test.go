package devices_test

import (
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"touchpoint/devices"
	"touchpoint/gateway"
	touchpointv1 "touchpoint/proto/touchpoint/v1"
)

const goodID = "m_0123456789abcdefghjkmnpqrr"

func TestBadTopics(t *testing.T) {
	tail := "must end in events, messages/hello or messages/{id}/receipts"
	form := "must be touchpoint/v1/{product}/{device}/events, …/messages/hello or …/messages/{id}/receipts"
	for _, c := range []struct{ topic, want string }{
		{"", "topic: must begin with touchpoint/v1/"},
		{"events", "topic: must begin with touchpoint/v1/"},
		{"Touchpoint/v1/coffee/d/events", "topic: must begin with touchpoint/v1/"},
		{"/touchpoint/v1/coffee/d/events", "topic: must begin with touchpoint/v1/"},
		{"touchpoint/v2/coffee/d/events", "topic: must begin with touchpoint/v1/"},
		{"touchpoint/v1/", "topic: " + form},
		{"touchpoint/v1/coffee", "topic: " + form},
		{"touchpoint/v1/coffee/d", "topic: " + form},
		{"touchpoint/v1//d/events", "topic.product: must not be empty"},
		{"touchpoint/v1/coffee//events", "topic.device: must not be empty"},
		{"touchpoint/v1/coffee/d/", "topic: " + tail},
		{"touchpoint/v1/coffee/d/event", "topic: " + tail},
		{"touchpoint/v1/coffee/d/events/", "topic: " + tail},
		{"touchpoint/v1/coffee/d/events/x", "topic: " + tail},
		{"touchpoint/v1/coffee/d/messages", "topic: " + tail},
		{"touchpoint/v1/coffee/d/messages/x/y/receipts", "topic: " + tail},
		{"touchpoint/v1/coffee/d/messages//receipts", "topic: " + tail},
		{"touchpoint/v1/coffee/d/messages/m_1/receipts", "topic: names a message whose id is not of the form m_ followed by 26 characters"},
		{"touchpoint/v1/cof fee/d/events", "topic.product: has a character at 4 that is not allowed: use letters, digits, '-', '_' and '.'"},
		{"touchpoint/v1/cof:fee/d/events", "topic.product: has a character at 4 that is not allowed: use letters, digits, '-', '_' and '.'"},
		{"touchpoint/v1/kaffee/gerät/events", "topic.device: has a character at 4 that is not allowed: use letters, digits, '-', '_', '.' and ':'"},
		{"touchpoint/v1/coffee/d\x00/events", "topic.device: has a character at 2 that is not allowed: use letters, digits, '-', '_', '.' and ':'"},
		{"touchpoint/v1/" + strings.Repeat("p", 65) + "/d/events", "topic.product: has 65 bytes: at most 64 are allowed"},
		{"touchpoint/v1/coffee/" + strings.Repeat("d", 129) + "/events", "topic.device: has 129 bytes: at most 128 are allowed"},
	} {
		checkBad(t, c.topic, `{"type":"x","state":"displayed"}`, c.want)
	}
}

func TestBadEvents(t *testing.T) {
	long := strings.Repeat("x", 5000)
	many := `{"type":"x","data":{` + numbered(129) + `}}`
	for _, c := range []struct{ payload, want string }{
		{"", "payload: is empty: send an event"},
		{" \n", "payload: is neither JSON (an object or an array of objects) nor a DeviceEvents message"},
		{"true", "payload: is neither JSON (an object or an array of objects) nor a DeviceEvents message"},
		{"hello", "payload: is neither JSON (an object or an array of objects) nor a DeviceEvents message"},
		{"\x0a\x02\x08\x01", "payload: is neither JSON (an object or an array of objects) nor a DeviceEvents message"},
		{"\ufeff{}", "payload: is neither JSON (an object or an array of objects) nor a DeviceEvents message"},
		{"{", "payload: ends in the midst of the JSON text, after 1 bytes"},
		{"{}", `type: is missing: name what happened, such as "brew_finished"`},
		{"[]", "payload: holds no event"},
		{"[{}]", `[0].type: is missing: name what happened, such as "brew_finished"`},
		{"[1]", "[0]: is a number: an event is an object"},
		{`[{"type":"x"},null]`, "[1]: is null: an event is an object"},
		{`[{"type":"x"},[]]`, "[1]: is an array: an event is an object"},
		{`[{"type":"x"},`, "payload: ends in the midst of the JSON text, after 14 bytes"},
		{`{"type":"x"`, "payload: ends in the midst of the JSON text, after 11 bytes"},
		{`{"type":"x"} {"type":"y"}`, "payload: goes on after the end of the JSON value"},
		{`{"type":"x"}x`, "payload: goes on after the end of the JSON value"},
		{`{"type":"x",}`, "payload: is not valid JSON at byte 11"},
		{`{type:"x"}`, "payload: is not valid JSON at byte 2"},
		{`{'type':"x"}`, "payload: is not valid JSON at byte 1"},
		{`{"type":"x" "seq":1}`, "payload: is not valid JSON at byte 12"},
		{`{"type":"x","seq":01}`, "payload: is not valid JSON at byte 19"},
		{`{"type":"x","data":{"a":NaN}}`, "data.a: is not valid JSON at byte 24"},
		{`{"type":"x","data":{"a":+1}}`, "data.a: is not valid JSON at byte 24"},
		{`{"type":"x","data":{"a":"` + "\x01" + `"}}`, "data.a: is not valid JSON at byte 25"},
		{`{"type":"x","data":{"a":"\ud800"}}`, "data.a: is not valid JSON at byte 25"},
		{`{"type":"x","data":{"a":"` + "\xff" + `"}}`, "data.a: is not valid UTF-8"},
		{`{"type":"x","type":"y"}`, "type: occurs twice"},
		{`{"type":"x","data":{"a":1,"a":2}}`, "data.a: occurs twice"},
		{`[{"type":"x","data":{"a":1,"a":2}}]`, "[0].data.a: occurs twice"},
		{`{"type":"x","data":{"a.b":1,"a":{"b":2}}}`, "data.a.b: occurs twice (nested names are joined with dots)"},
		{`{"type":"x","data":{"":1}}`, "data: has a field without a name"},
		{`{"type":""}`, "type: must not be empty"},
		{`{"type":7}`, "type: is a number: must be a text"},
		{`{"type":null}`, "type: is null: must be a text"},
		{`{"type":"brew finished"}`, "type: has a space or control character at 5"},
		{`{"type":"` + strings.Repeat("t", 65) + `"}`, "type: has 65 bytes: at most 64 are allowed"},
		{`{"type":"x","id":""}`, "id: must not be empty"},
		{`{"type":"x","id":["a"]}`, "id: is an array: must be a text"},
		{`{"type":"x","id":"` + strings.Repeat("i", 129) + `"}`, "id: has 129 bytes: at most 128 are allowed"},
		{`{"type":"x","ts":1777629600}`, `ts: is a number: must be a text such as "2026-05-01T10:00:00Z"`},
		{`{"type":"x","ts":"2026-05-01T10:00:00"}`, `ts: is no RFC 3339 time with a zone, such as "2026-05-01T10:00:00Z"`},
		{`{"type":"x","ts":"2026-02-30T10:00:00Z"}`, `ts: is no RFC 3339 time with a zone, such as "2026-05-01T10:00:00Z"`},
		{`{"type":"x","ts":"yesterday"}`, `ts: is no RFC 3339 time with a zone, such as "2026-05-01T10:00:00Z"`},
		{`{"type":"x","seq":-1}`, "seq: must be a whole number from 0 to 9223372036854775807"},
		{`{"type":"x","seq":1.5}`, "seq: must be a whole number from 0 to 9223372036854775807"},
		{`{"type":"x","seq":"7"}`, "seq: must be a whole number from 0 to 9223372036854775807"},
		{`{"type":"x","seq":9223372036854775808}`, "seq: must be a whole number from 0 to 9223372036854775807"},
		{`{"type":"x","boot":4294967296}`, "boot: must be a whole number from 0 to 4294967295"},
		{`{"type":"x","timestamp":1}`, "timestamp: is no field of an event: use id, ts, type, seq, boot, data"},
		{`{"type":"x","` + strings.Repeat("k", 80) + `":1}`, strings.Repeat("k", 64) + "…: is no field of an event: use id, ts, type, seq, boot, data"},
		{`{"type":"x","data":[1]}`, "data: is an array: must be an object"},
		{`{"type":"x","data":null}`, "data: is null: must be an object"},
		{`{"type":"x","data":{"a":1e400}}`, "data.a: is a number out of range"},
		{`{"type":"x","data":{"a":"` + long + `"}}`, "data.a: has 5000 bytes: at most 4096 are allowed"},
		{`{"type":"x","data":{"` + strings.Repeat("k", 129) + `":1}}`, "data." + strings.Repeat("k", 64) + "…: has a name of 129 bytes: at most 128 are allowed"},
		{many, "data: holds more than 128 values"},
		{`{"type":"x","data":{"a":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}}`, "data.a.0.0.0.0.0.0.0: is nested deeper than 8 levels"},
		{`{"type":"x","data":{"a":` + strings.Repeat(`{"b":`, 9) + "1" + strings.Repeat("}", 9) + `}}`, "data.a.b.b.b.b.b.b.b: is nested deeper than 8 levels"},
		{"[" + strings.Repeat(`{"type":"x"},`, 1000) + `{"type":"x"}]`, "payload: holds more than 1000 events"},
		{`{"type":"x","data":{"a":"` + strings.Repeat("y", 256<<10) + `"}}`, "payload: has 262172 bytes: at most 262144 are allowed"},
		{`{"type":"brew_finished","data":{"water_ml":"38"}}`, `data.water_ml: is a text: product "coffee" declares it as int`},
		{`{"type":"brew_finished","data":{"water_ml":38.5}}`, `data.water_ml: is a number: product "coffee" declares it as int`},
		{`[{"type":"x"},{"type":"brew_finished","data":{"done":1}}]`, `[1].data.done: is a number: product "coffee" declares it as bool`},
	} {
		checkBad(t, benchCoffee, c.payload, c.want)
	}
}

func TestBadProtobuf(t *testing.T) {
	event := func(e *touchpointv1.DeviceEvent) string {
		b, err := proto.Marshal(&touchpointv1.DeviceEvents{Events: []*touchpointv1.DeviceEvent{{Type: "ok"}, e}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	broken := "is no valid protobuf message of type touchpoint.v1.DeviceEvents"
	seq := uint64(1) << 63
	for _, c := range []struct{ payload, want string }{
		{"\x12", "payload: " + broken},
		{"\x12\x7fabc", "payload: " + broken},
		{"\x12\x02\x0a\x7f", "[0]: " + broken},
		{"\x12\x03\x1a\x01x\x15", "payload: " + broken},
		{"\x12\x02\x18\x01", "[0]: field 3 has the wrong wire type"},
		{"\x12\x03\x1a\x01\xff", "[0].type: is not valid UTF-8"},
		{"\x12\x08\x1a\x01x\x32\x03\x0a\x7fa", "[0].data: " + broken},
		{event(&touchpointv1.DeviceEvent{}), `[1].type: is missing: name what happened, such as "brew_finished"`},
		{event(&touchpointv1.DeviceEvent{Type: "a b"}), "[1].type: has a space or control character at 2"},
		{event(&touchpointv1.DeviceEvent{Type: "x", Id: strings.Repeat("i", 129)}), "[1].id: has 129 bytes: at most 128 are allowed"},
		{event(&touchpointv1.DeviceEvent{Type: "x", Seq: &seq}), "[1].seq: must be a whole number from 0 to 9223372036854775807"},
		{event(&touchpointv1.DeviceEvent{Type: "x", Data: map[string]*touchpointv1.DeviceValue{"": {}}}), "[1].data: has a field without a name"},
		{event(&touchpointv1.DeviceEvent{Type: "x", Data: map[string]*touchpointv1.DeviceValue{
			"a": {Kind: &touchpointv1.DeviceValue_StringValue{StringValue: strings.Repeat("s", 4097)}}}}), "[1].data.a: has 4097 bytes: at most 4096 are allowed"},
		{"\x12\x10\x1a\x01x\x32\x05\x0a\x01a\x12\x00\x32\x04\x0a\x01a\x12", "[0].data: " + broken},
	} {
		checkBad(t, benchCoffee, c.payload, c.want)
	}
}

func TestBadReceiptsAndGreetings(t *testing.T) {
	states := "use delivered, displayed, opened, clicked, dismissed, expired or failed"
	receipts := "touchpoint/v1/coffee/d/messages/" + goodID + "/receipts"
	hello := "touchpoint/v1/coffee/d/messages/hello"
	for _, c := range []struct{ topic, payload, want string }{
		{receipts, ``, "payload: ends in the midst of the JSON text, after 0 bytes"},
		{receipts, `{}`, "state: is missing: " + states},
		{receipts, `[]`, "payload: is an array: must be an object"},
		{receipts, `"displayed"`, "payload: is a text: must be an object"},
		{receipts, `{"state":"decided"}`, "state: is no state that a device reports: " + states},
		{receipts, `{"state":"seen"}`, "state: is no state that a device reports: " + states},
		{receipts, `{"state":1}`, "state: is a number: must be a text"},
		{receipts, `{"state":"displayed","at":"now"}`, `at: is no RFC 3339 time with a zone, such as "2026-05-01T10:00:00Z"`},
		{receipts, `{"state":"displayed","when":1}`, "when: is no field of a receipt: use state, at, action"},
		{receipts, `{"state":"displayed"}}`, "payload: goes on after the end of the JSON value"},
		{hello, `{"shown":"m_1"}`, "shown: is a text: must be an array of message ids"},
		{hello, `{"shown":["m_1"]}`, "shown[0]: is no message id of the form m_ followed by 26 characters"},
		{hello, `{"shown":[7]}`, "shown[0]: is a number: must be a text"},
		{hello, `{"here":true}`, "here: is no field of a greeting: use shown"},
		{hello, `{"shown":[`, "shown: ends in the midst of the JSON text, after 10 bytes"},
		{hello, `{"shown":["` + strings.Repeat(goodID+`","`, 256) + goodID + `"]}`, "shown: holds more than 256 ids"},
	} {
		checkBad(t, c.topic, c.payload, c.want)
	}
}

func TestStrictness(t *testing.T) {
	checkBad(t, "touchpoint/v1/sealed-car/d/events", `{"type":"crash"}`, `type: is no event type that product "sealed-car" declares`)
	checkBad(t, "touchpoint/v1/sealed-car/d/events", `{"type":"trip","data":{"km":1,"mood":2}}`, `data.mood: is no field that product "sealed-car" declares for this event type`)
	r, err := devices.NewRegistry(true, devices.Product{Model: "coffee"})
	if err != nil {
		t.Fatal(err)
	}
	var up devices.Uplink
	err = devices.NewDecoder(r, devices.DefaultLimits()).Decode("touchpoint/v1/tea/d/events", []byte(`{"type":"x"}`), received, &up)
	if want := `topic.product: "tea" is not registered, and the registry is strict`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func checkBad(t *testing.T, topic, payload, want string) {
	t.Helper()
	var up devices.Uplink
	err := decoder(t).Decode(topic, []byte(payload), received, &up)
	switch {
	case err == nil:
		t.Errorf("%q %.60q: no error, want %s", topic, payload, want)
	case err.Error() != want:
		t.Errorf("%q %.60q:\n got %s\nwant %s", topic, payload, err, want)
	case gateway.KindOf(err) != gateway.Invalid:
		t.Errorf("%q: kind %v", topic, gateway.KindOf(err))
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"k` + strconv.Itoa(i) + `":1`)
	}
	return b.String()
}

func TestBadRegistries(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"products: {a b: {}}", "products.a b: has a character at 2 that is not allowed: use letters, digits, '-', '_' and '.'"},
		{"products: {a: {upload_interval: soon}}", `products.a.upload_interval: "soon" is no duration: use a text such as "8h"`},
		{"products: {a: {upload_interval: -1h}}", "products.a.upload_interval: must be from 0 to 90 days"},
		{"products: {a: {offline_buffer: 9000h}}", "products.a.offline_buffer: must be from 0 to 366 days"},
		{"products: {a: {personal: ['']}}", `products.a.personal: "" is no field: use a name such as "position" or "trip.start"`},
		{"products: {a: {strict: true}}", "products.a.strict: is set but no events are declared: every event would be refused"},
		{"products: {a: {events: {x: {f: number}}}}", `products.a.events.x.f: "number" is no type: use int, float, string or bool`},
		{"products: {a: {events: {x: {f: int}}, categories: {y.f: usage}}}", `products.a.categories: "y.f" names no declared event type`},
		{"products: {a: {categories: {x: customer}}}", "products.a.categories.x: is for what is known of the customer: take another word, such as usage"},
		{"products: {a: {display: {buttons: -1}}}", "products.a.display: must not hold negative numbers"},
	} {
		if _, err := devices.LoadRegistry([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	for _, text := range []string{"product: {}", "products: {a: {colour: red}}", "products: [a]", ": :"} {
		if _, err := devices.LoadRegistry([]byte(text)); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}
	if r, err := devices.LoadRegistry(nil); err != nil || r.Strict() || len(r.Models()) != 0 {
		t.Errorf("an empty registry: %v", err)
	}
}
