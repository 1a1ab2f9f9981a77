package eventlog

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"touchpoint/gateway"
)

// writeFormat writes the sample directory of the present format. A directory
// of a released format is never written again: releases to come must read it.
var writeFormat = flag.Bool("write-format", false, "write testdata/v1.tar.gz if it is missing")

const v1 = "testdata/v1.tar.gz"

func v1Options(dir string) Options {
	return Options{Name: "sample", Dir: dir, Partitions: 4, Streams: 2, MaxBytes: 16 << 20, VirtualClock: true, ClockOrigin: 1_735_689_600_000}
}

func v1Batch() *gateway.Batch {
	at := gateway.Instant(1_735_689_600_000)
	p := gateway.Properties{{Key: "n", Value: gateway.Int(-3)}, {Key: "s", Value: gateway.Sealed("\x00\xff")}, {Key: "t", Value: gateway.String("ü")}}
	in := []gateway.Input{{Event: gateway.Event{
		ID: "ev-1", Type: "brew_finished", Device: 1 << 60, Product: "espresso-one", Customer: 5, Boot: 2, Seq: 0, HasSeq: true,
		OccurredAt: at, DeviceTime: at + 1, ReceivedAt: at + 2, Source: gateway.SourceMQTT, Properties: p, PayloadHash: 99,
	}}}
	for _, c := range []gateway.Command{
		gateway.Tick{},
		gateway.UpsertCustomer{Customer: 5, Mask: []string{"locale"}, Locale: "de", TimeZone: "Europe/Berlin", Country: "DE", Channels: []string{"product"}, Reachable: []string{"email"}, Attributes: p, Test: true, CapCount: 2, CapWindow: 1000},
		gateway.SetConsent{Customer: 5, Purpose: gateway.PurposeMarketing, Channel: "email", Granted: true, Source: "shop", At: at},
		gateway.BindDevice{Device: 7, Product: "espresso-one", Customer: 5, Role: "owner", At: at, Holder: 3},
		gateway.UnbindDevice{Device: 7, Customer: 5, At: at},
		gateway.ReleaseDevice{Device: 7, To: 2, At: at},
		gateway.AdmitDevice{Device: 7, State: []byte{1, 2, 3}},
		gateway.CustomerEvent{Customer: 5, Event: gateway.Event{Type: "call", Properties: p}},
		gateway.EraseCustomer{Customer: 5},
		gateway.PublishJourney{Journey: "welcome", Version: 3, Effective: at, Definition: []byte("name: welcome"), Existing: "ignore", Running: "pin"},
		gateway.SetJourneyState{Journey: "welcome", State: gateway.JourneyPaused, Effective: at},
		gateway.TriggerJourney{Journey: "welcome", Customer: 5, Device: 7, Key: "k", Properties: p},
		gateway.Receipt{Message: gateway.MessageID{1, 2}, Customer: 5, Device: 7, Channel: "product", State: gateway.MessageDisplayed, At: at, Detail: "d"},
	} {
		in = append(in, gateway.Input{Command: c, From: gateway.Forwarded{Partition: 1, Step: 8, Index: 2}})
	}
	return &gateway.Batch{Partition: 2, RecordTime: at + 3, Observed: at + 1, Inputs: in}
}

func v1Step() *gateway.Step {
	at := gateway.Instant(1_735_689_600_000)
	return &gateway.Step{
		Partition: 2, Number: 1, Owner: 1, Applied: []gateway.Applied{{Seq: 1, Inputs: 14, At: at}}, Now: at, Observed: at - 1, More: true,
		Outcomes: []gateway.Outcome{{Disposition: gateway.Held, Customer: 5}, {Disposition: gateway.TooOld}},
		Changes:  []byte("changes"),
		Late:     []gateway.LateEvent{{Event: gateway.Event{Type: "late"}, Outcome: gateway.Outcome{Customer: 5}, AppliedAt: at}},
		Messages: []gateway.Message{{
			ID: gateway.MessageID{9}, Enrollment: gateway.EnrollmentID{8}, Journey: "welcome", Version: 3, Step: "hello", Visit: 1, Customer: 5, Device: 7,
			Product: "espresso-one", Channel: "product", Fallback: []string{"email"}, Purpose: gateway.PurposeService, Template: "t", Locale: "de",
			Values: gateway.Properties{{Key: "n", Value: gateway.Float(1.5)}}, Holdout: true, DecidedAt: at, NotBefore: at, NotAfter: at + 1, ExpiresAt: at + 2,
			Cause: "ev-1", CauseReceivedAt: at, State: gateway.MessageHeldOut,
		}},
		Updates:    []gateway.MessageUpdate{{Message: gateway.MessageID{9}, Customer: 5, Device: 7, Journey: "welcome", Channel: "product", State: gateway.MessageExpired, At: at, Detail: "d"}},
		Decisions:  []gateway.Decision{{At: at, Kind: gateway.DecisionSend, Reason: gateway.ReasonCapped, Journey: "welcome", Version: 3, Step: "hello", Customer: 5, Device: 7, Enrollment: gateway.EnrollmentID{8}, Message: gateway.MessageID{9}, EventID: "ev-1", Rule: "r", Values: gateway.Properties{{Key: "b", Value: gateway.Bool(false)}}}},
		Entered:    []gateway.Enrollment{{ID: gateway.EnrollmentID{8}, Journey: "welcome", Version: 3, Customer: 5, Device: 7, Key: "k", Step: "hello", Arm: "treated", EnteredAt: at, ChangedAt: at, EndedAt: at, EndReason: gateway.ReasonGoal, Converted: true, WaitsUntil: at}},
		Profiles:   []gateway.CustomerProfile{{Customer: 5, Locale: "de", TimeZone: "Europe/Berlin", Country: "DE", Channels: []string{"product"}, Consents: []gateway.Consent{{Purpose: gateway.PurposeService, Channel: "email", Granted: true, Source: "shop", At: at}}, Test: true, ChangedAt: at}},
		Ownerships: []gateway.Ownership{{Device: 7, Product: "espresso-one", Customer: 5, Role: "owner", From: at, To: at + 1}},
		Forwards:   []gateway.Forward{{To: 3, Input: gateway.Input{Command: gateway.ReleaseDevice{Device: 7, To: 2, At: at}}}},
		Routes:     []gateway.Route{{Device: 7, Partition: 2, Customer: 5}},
		Erased:     []gateway.CustomerID{6},
		Journeys:   []gateway.JourneyStatus{{Journey: "welcome", Version: 3, State: gateway.JourneyPublished, At: at, Definition: []byte("name: welcome")}},
	}
}

// A directory that the first format wrote opens, reads and goes on.
func TestFirstFormatIsRead(t *testing.T) {
	if _, err := os.Stat(v1); *writeFormat && errors.Is(err, fs.ErrNotExist) {
		writeV1(t)
	}
	dir := t.TempDir()
	unpackTo(t, dir)
	l, err := Open(within(t, 20*time.Second), v1Options(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { closeLog(t, l) }()
	ctx := within(t, 20*time.Second)
	same := cmp.Options{cmpopts.EquateEmpty(), cmp.AllowUnexported(gateway.Value{})}

	events, err := l.ReadEvents(ctx, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	var b gateway.Batch
	wantBatch := v1Batch()
	for wantBatch.Seq = 1; wantBatch.Seq <= 2; wantBatch.Seq++ {
		if err := events.Next(ctx, &b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(wantBatch, &b, same); d != "" {
			t.Fatal(d)
		}
	}
	steps, err := l.ReadSteps(ctx, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer steps.Close()
	var s gateway.Step
	wantStep := v1Step()
	for wantStep.Number = 1; wantStep.Number <= 2; wantStep.Number++ {
		wantStep.Seq = wantStep.Number
		if err := steps.Next(ctx, &s); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(wantStep, &s, same); d != "" {
			t.Fatal(d)
		}
	}
	snapshot, err := l.LoadSnapshot(ctx, 2)
	if err != nil || snapshot.StepNumber != 2 || string(snapshot.Data) != string(noise(chunkSize/64)) {
		t.Fatal(snapshot, err)
	}
	letters, _, err := l.DeadLetters(ctx, "", 5)
	if err != nil || len(letters) != 1 || string(letters[0].Payload) != "sealed" || letters[0].ReplayedAt != 7 {
		t.Fatal(letters, err)
	}
	table, err := l.Bucket(ctx, "vault")
	if err != nil {
		t.Fatal(err)
	}
	if v, _, err := table.Get(ctx, "k.1"); err != nil || string(v) != "value" {
		t.Fatal(v, err)
	}
	if f := l.Followers()["history"]; f == nil || f[2] != (Position{EventSeq: 1, StepSeq: 1}) {
		t.Fatal(f)
	}
	c, err := l.Claim(ctx, 2)
	if err != nil || c.Epoch() != 2 {
		t.Fatal(c, err)
	}
	next := v1Step()
	next.Number = 3
	if _, err := l.AppendStep(ctx, next, 2); err != nil {
		t.Fatal(err)
	}
}

func writeV1(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	ctx := within(t, 20*time.Second)
	l, err := Open(ctx, v1Options(dir))
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = l.Claim(ctx, 2)
	must(err)
	prev := uint64(0)
	for n := range uint64(2) {
		_, err = l.AppendEvents(ctx, v1Batch())
		must(err)
		s := v1Step()
		s.Number = n + 1
		prev, err = l.AppendStep(ctx, s, prev)
		must(err)
		must(l.SaveSnapshot(ctx, 2, prev, n+1, n+1, noise(chunkSize/64)))
	}
	letter := DeadLetter{At: 3, Topic: "t", Reason: "invalid", Payload: []byte("sealed"), Violations: []gateway.Violation{{Field: "f", Text: "x"}}}
	must(l.AppendDeadLetter(ctx, &letter))
	must(l.MarkReplayed(ctx, letter.ID, 7))
	table, err := l.Bucket(ctx, "vault")
	must(err)
	_, err = table.Create(ctx, "k.1", []byte("value"))
	must(err)
	must(l.SetFollower(ctx, "history", 2, 1, 1))
	closeLog(t, l)
	packFrom(t, dir)
}

func packFrom(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(v1)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func unpackTo(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(v1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(r)
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
