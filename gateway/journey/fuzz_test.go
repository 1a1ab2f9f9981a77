package journey

import (
	"os"
	"path/filepath"
	"testing"

	"touchpoint/gateway"
)

// FuzzCompile: whatever the text, an error or a definition that runs.
func FuzzCompile(f *testing.F) {
	files, _ := filepath.Glob("../../deploy/journeys/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(good))
	for _, trigger := range []string{`sequence: {events: [brew_finished, {event: brew_finished, where: event.water_ml > 3}], without: x, within: 1h}`,
		`schedule: {rrule: "FREQ=DAILY;BYHOUR=9,17", start: "2026-05-04 09:00"}`, `segment: {leave: a}`, `stage: {enter: a, from: [b, c]}`} {
		f.Add([]byte("name: a\npurpose: service\ntrigger: {" + trigger + "}\nsteps:\n  - {id: s, start_journey: b}\n  - {id: t, stop_journey: b}\n"))
	}
	for _, text := range modelJourneys {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		def, err := Compile(text, testEnv)
		if err != nil {
			if gateway.KindOf(err) != gateway.Invalid {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if _, err := Compile(text, Env{}); err != nil {
			t.Fatalf("compiles with declared events but not without: %v", err)
		}
		runOnce(t, def.Name, text)
	})
}

// runOnce publishes a definition and sends its events through.
func runOnce(t *testing.T, name string, text []byte) {
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	w.submit(0, gateway.Input{Command: gateway.BindDevice{Device: 1, Product: "brewer", Customer: 1, Role: "owner", At: modelStart}},
		gateway.Input{Command: gateway.PublishJourney{Journey: name, Version: 1, Effective: modelStart, Definition: text}},
		gateway.Input{Command: gateway.SetConsent{Customer: 1, Purpose: gateway.PurposeMarketing, Granted: true}})
	for i := range 3 {
		w.submit(0, gateway.Input{Event: gateway.Event{Type: "brew_finished", Device: 1, Boot: 1, Seq: uint64(i), HasSeq: true,
			OccurredAt: w.clock, ReceivedAt: w.clock, Properties: gateway.Properties{{Key: "water_ml", Value: gateway.Int(200)}}}})
	}
	w.submit(0, gateway.Input{Command: gateway.TriggerJourney{Journey: name, Customer: 1, Device: 1}})
	w.clock += 3 * dayMillis
	w.submit(0, gateway.Input{Command: gateway.Tick{}})
	w.check()
}

// snapshotSeed is a state with something of everything.
func snapshotSeed(t testing.TB) (snapshot, changes []byte) {
	w := newWorld(t, Config{}, 1)
	w.clock = modelStart
	w.onStep = func(_ *gateway.Batch, s *gateway.Step) { changes = append([]byte(nil), s.Changes...) }
	publishAll(w)
	w.submit(0, gateway.Input{Command: gateway.BindDevice{Device: 1, Product: "brewer", Customer: 1, Role: "owner", At: modelStart}},
		gateway.Input{Command: gateway.UpsertCustomer{Customer: 1, Mask: []string{"locale", "attributes"}, Locale: "de",
			Attributes: gateway.Properties{{Key: "vip", Value: gateway.Bool(true)}}}},
		gateway.Input{Command: gateway.SetConsent{Customer: 1, Purpose: gateway.PurposeMarketing, Granted: true}},
		gateway.Input{From: gateway.Forwarded{Partition: 3, Step: 1}, Command: gateway.EraseCustomer{Customer: 9}})
	for i := range 6 {
		w.clock += hour
		w.submit(0, gateway.Input{Event: gateway.Event{Type: "brew", Device: 1, ID: string(rune('a' + i)), OccurredAt: w.clock, ReceivedAt: w.clock,
			Properties: gateway.Properties{{Key: "ml", Value: gateway.Int(200)}}}},
			gateway.Input{Event: gateway.Event{Type: "brew", Device: 1, Boot: 2, Seq: uint64(i * 2), HasSeq: true, OccurredAt: w.clock, ReceivedAt: w.clock}})
	}
	return w.parts[0].AppendSnapshot(nil), changes
}

// FuzzRestore: a broken snapshot is an error, never a panic; a good one encodes
// to itself after one round.
func FuzzRestore(f *testing.F) {
	snapshot, _ := snapshotSeed(f)
	f.Add(snapshot)
	f.Add(NewPartition(Config{}).AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := NewPartition(Config{})
		if p.Restore(data) != nil {
			return
		}
		first := p.AppendSnapshot(nil)
		q := NewPartition(Config{})
		if err := q.Restore(first); err != nil {
			t.Fatal("an own snapshot does not restore")
		}
	})
}

// FuzzReplay: broken changes are an error, never a panic.
func FuzzReplay(f *testing.F) {
	snapshot, changes := snapshotSeed(f)
	f.Add(changes)
	base := NewPartition(Config{})
	if err := base.Restore(snapshot); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := NewPartition(Config{})
		if err := p.Restore(snapshot); err != nil {
			t.Fatal(err)
		}
		if p.Replay(&gateway.Step{Changes: data}) == nil {
			p.AppendSnapshot(nil)
		}
	})
}
