package wire_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
	recordv1 "touchpoint/proto/touchpoint/record/v1"
)

// filler sets every field of a value to something other than zero, each to
// something else, so that a field that the format forgets shows.
type filler struct{ n uint64 }

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Interface().(type) {
	case gateway.Value:
		v.Set(reflect.ValueOf([]gateway.Value{
			gateway.Int(-int64(f.n)), gateway.Float(float64(f.n) + 0.5), gateway.String(fmt.Sprint("s", f.n)),
			gateway.Sealed(fmt.Sprint("sealed\xff", f.n)), gateway.Bool(true), gateway.Bool(false), gateway.Null(), gateway.Int(0), gateway.String(""),
		}[f.n%9]))
		return
	case gateway.Input: // an event or a command, never both
		f.fill(v.FieldByName("Event"))
		f.fill(v.FieldByName("From"))
		return
	case gateway.MessageState:
		v.SetUint(f.n%14 + 1)
		return
	case gateway.Disposition:
		v.SetUint(f.n % 6)
		return
	case gateway.DecisionKind:
		v.SetUint(f.n%6 + 1)
		return
	case gateway.Source, gateway.Limit:
		v.SetUint(f.n%3 + 1)
		return
	case gateway.Brake:
		v.SetUint(f.n%2 + 1)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		n := 2
		if v.Type().Elem().Kind() == reflect.Uint8 {
			n = int(100 + f.n%100) // one-byte and two-byte lengths
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d ü", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(f.n) * 7)
	case reflect.Int64:
		v.SetInt(-1 - int64(f.n)) // times before 1970, too
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(f.n % 251)
		if v.Kind() == reflect.Uint64 {
			v.SetUint(^f.n)
		}
	case reflect.Interface:
	default:
		panic("no rule for " + v.Type().String())
	}
}

func filled[T any](start uint64) T {
	var x T
	f := filler{start}
	f.fill(reflect.ValueOf(&x).Elem())
	return x
}

// commands is one of each kind, every field set.
func commands() []gateway.Command {
	return []gateway.Command{
		gateway.Tick{}, filled[gateway.UpsertCustomer](1), filled[gateway.SetConsent](2), filled[gateway.BindDevice](3),
		filled[gateway.UnbindDevice](4), filled[gateway.ReleaseDevice](5), filled[gateway.AdmitDevice](6),
		filled[gateway.CustomerEvent](7), filled[gateway.EraseCustomer](8), filled[gateway.PublishJourney](9),
		filled[gateway.SetJourneyState](10), filled[gateway.TriggerJourney](11), filled[gateway.Receipt](12),
		filled[gateway.RequestGrant](13), filled[gateway.Grant](14), filled[gateway.ReportMessages](15),
		filled[gateway.SetBrake](16), fillTraits(), filled[gateway.FinishFill](18),
		filled[gateway.JoinGroup](19), filled[gateway.LeaveGroup](20), filled[gateway.ReleaseCustomer](21), filled[gateway.AdmitCustomer](22),
		filled[gateway.AddressRecipient](23), filled[gateway.RecallRecipient](24),
	}
}

func fillTraits() gateway.FillTraits {
	c := filled[gateway.FillTraits](17)
	for i := range c.Events {
		c.Events[i].Event.HasSeq = true
	}
	return c
}

func fullBatch() gateway.Batch {
	b := gateway.Batch{Partition: 12, RecordTime: 1_700_000_000_123, Observed: 1_700_000_000_001}
	for i := range 12 {
		e := filled[gateway.Event](uint64(i) * 31)
		e.HasSeq = true
		b.Inputs = append(b.Inputs, gateway.Input{Event: e})
	}
	for i, c := range commands() {
		b.Inputs = append(b.Inputs, gateway.Input{Command: c, From: gateway.Forwarded{Partition: i, Step: uint64(i), Index: uint32(i * 300)}})
	}
	return append0(b, gateway.Input{Event: gateway.Event{Type: "bare"}}, gateway.Input{Command: gateway.Tick{}}, gateway.Input{Event: gateway.Event{HasSeq: true}})
}

func append0(b gateway.Batch, in ...gateway.Input) gateway.Batch {
	b.Inputs = append(b.Inputs, in...)
	return b
}

func fullStep(start uint64) gateway.Step {
	s := filled[gateway.Step](start)
	s.Partition = 7
	s.Outcomes = append(s.Outcomes, gateway.Outcome{}, gateway.Outcome{Disposition: gateway.Refused})
	for i := range s.Late {
		s.Late[i].Event.HasSeq = true
	}
	for i, c := range commands() {
		s.Forwards = append(s.Forwards, gateway.Forward{To: i, Input: gateway.Input{Command: c}})
	}
	return s
}

// equal compares domain values; nil and empty lists are the same.
func equal() cmp.Options {
	return cmp.Options{cmpopts.EquateEmpty(), cmp.AllowUnexported(gateway.Value{})}
}

func TestBatchRoundTrip(t *testing.T) {
	want := fullBatch()
	data := wire.AppendBatch([]byte("before"), &want)[len("before"):]
	var got gateway.Batch
	for range 2 { // the second time into a used batch
		if err := wire.DecodeBatch(data, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, equal()); d != "" {
			t.Fatal(d)
		}
	}
	checkGenerated(t, data, new(recordv1.EventBatch), func(again []byte) {
		if err := wire.DecodeBatch(again, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, equal()); d != "" {
			t.Fatal(d)
		}
	})
}

func TestStepRoundTrip(t *testing.T) {
	var got gateway.Step
	for start := range uint64(9) {
		want := fullStep(start)
		want.Seq = 0
		data := wire.AppendStep(nil, &want, 4711)
		prev, err := wire.DecodeStep(data, &got)
		if err != nil || prev != 4711 {
			t.Fatal(prev, err)
		}
		if d := cmp.Diff(want, got, equal()); d != "" {
			t.Fatal(d)
		}
		checkGenerated(t, data, new(recordv1.Step), func(again []byte) {
			if _, err := wire.DecodeStep(again, &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, equal()); d != "" {
				t.Fatal(d)
			}
		})
	}
	// And into a used step of other contents.
	small := gateway.Step{Number: 1, Outcomes: []gateway.Outcome{{Disposition: gateway.Duplicate}}}
	if _, err := wire.DecodeStep(wire.AppendStep(nil, &small, 0), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(small, got, equal()); d != "" {
		t.Fatal(d)
	}
}

// checkGenerated reads the record with the generated code, which must know all
// its fields, writes it with the generated code and has the result checked.
func checkGenerated(t *testing.T, data []byte, m proto.Message, check func([]byte)) {
	t.Helper()
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	if unknown := m.ProtoReflect().GetUnknown(); len(unknown) > 0 {
		t.Fatalf("fields that the schema does not have: %x", unknown)
	}
	m.ProtoReflect().Clear(m.ProtoReflect().Descriptor().Fields().ByName("crc"))
	again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again = protowire.AppendFixed32(protowire.AppendTag(again, 15, protowire.Fixed32Type), wire.Checksum(again))
	check(again)
}

func TestSmallRecordsRoundTrip(t *testing.T) {
	letter := filled[wire.DeadLetter](3)
	letter.ID, letter.ReplayedAt = 0, 0
	for i := range letter.Violations {
		letter.Violations[i].Step, letter.Violations[i].Line = "", 0
	}
	gotLetter, err := wire.DecodeDeadLetter(wire.AppendDeadLetter(nil, &letter))
	if d := cmp.Diff(letter, gotLetter); d != "" || err != nil {
		t.Error(d, err)
	}
	manifest := filled[wire.SnapshotManifest](50)
	gotManifest, err := wire.DecodeManifest(wire.AppendManifest(nil, &manifest))
	if d := cmp.Diff(manifest, gotManifest); d != "" || err != nil {
		t.Error(d, err)
	}
	installation := filled[wire.Installation](60)
	gotInstallation, err := wire.DecodeInstallation(wire.AppendInstallation(nil, &installation))
	if d := cmp.Diff(installation, gotInstallation); d != "" || err != nil {
		t.Error(d, err)
	}
	claim := filled[wire.Claim](1)
	gotClaim, err := wire.DecodeClaim(wire.AppendClaim(nil, &claim))
	if gotClaim != claim || err != nil {
		t.Error(gotClaim, err)
	}
	position := filled[wire.FollowerPosition](1)
	gotPosition, err := wire.DecodePosition(wire.AppendPosition(nil, position))
	if gotPosition != position || err != nil {
		t.Error(gotPosition, err)
	}
	for _, c := range []struct {
		data []byte
		m    proto.Message
	}{
		{wire.AppendDeadLetter(nil, &letter), new(recordv1.DeadLetter)},
		{wire.AppendManifest(nil, &manifest), new(recordv1.SnapshotManifest)},
		{wire.AppendInstallation(nil, &installation), new(recordv1.Installation)},
		{wire.AppendClaim(nil, &claim), new(recordv1.Claim)},
		{wire.AppendPosition(nil, position), new(recordv1.FollowerPosition)},
	} {
		if err := proto.Unmarshal(c.data, c.m); err != nil || len(c.m.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("%T: %v", c.m, err)
		}
	}
}

// The generated enumerations must give the numbers that the vocabulary has.
func TestEnumerations(t *testing.T) {
	for name, pair := range map[string][2]int32{
		"withdrawn": {int32(gateway.MessageWithdrawn), int32(recordv1.MessageState_MESSAGE_STATE_WITHDRAWN)},
		"displayed": {int32(gateway.MessageDisplayed), int32(recordv1.MessageState_MESSAGE_STATE_DISPLAYED)},
		"refused":   {int32(gateway.Refused) + 1, int32(recordv1.Disposition_DISPOSITION_REFUSED)},
		"accepted":  {int32(gateway.Accepted) + 1, int32(recordv1.Disposition_DISPOSITION_ACCEPTED)},
		"journey":   {int32(gateway.DecisionJourney), int32(recordv1.DecisionKind_DECISION_KIND_JOURNEY)},
		"system":    {int32(gateway.SourceSystem), int32(recordv1.Source_SOURCE_SYSTEM)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %d here, %d in the schema", name, pair[0], pair[1])
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	want := fullBatch()
	data := wire.AppendBatch(nil, &want)
	var got gateway.Batch
	for i := range data {
		bad := append([]byte(nil), data...)
		bad[i] ^= 0x10
		if wire.DecodeBatch(bad, &got) == nil {
			t.Fatalf("a flipped bit in byte %d of %d was not found", i, len(data))
		}
		if wire.DecodeBatch(data[:i], &got) == nil {
			t.Fatalf("a record cut after byte %d of %d was not found", i, len(data))
		}
	}
}

// A kind of input that a later release added must not pass as an empty event.
func TestUnknownInputIsRefused(t *testing.T) {
	in := protowire.AppendBytes(protowire.AppendTag(nil, 21, protowire.BytesType), []byte("new"))
	data := protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), in)
	data = protowire.AppendFixed32(protowire.AppendTag(data, 15, protowire.Fixed32Type), wire.Checksum(data))
	var got gateway.Batch
	if err := wire.DecodeBatch(data, &got); err == nil {
		t.Error("an input of an unknown kind was read as", got.Inputs)
	}
}

// The properties of one event are its own: an append to them changes no other.
func TestPropertiesDoNotShare(t *testing.T) {
	want := fullBatch()
	var got gateway.Batch
	if err := wire.DecodeBatch(wire.AppendBatch(nil, &want), &got); err != nil {
		t.Fatal(err)
	}
	first := got.Inputs[0].Event.Properties
	_ = append(first, gateway.Property{Key: "intruder"})
	if d := cmp.Diff(want, got, equal()); d != "" {
		t.Fatal(d)
	}
}
