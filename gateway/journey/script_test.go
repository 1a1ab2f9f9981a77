package journey

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"

	"touchpoint/gateway"
)

var update = flag.Bool("update", false, "rewrite the outputs of testdata/*.txtar")

// TestScripts runs the stories of testdata. A story is a list of commands, one
// a line; what came of each stands indented below it and is compared. See
// testdata/README.md for the commands.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts found", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	st := &story{t: t, files: map[string][]byte{}, names: map[string]uint64{}, partitions: 1}
	var cfg Config
	for i := range ar.Files {
		f := &ar.Files[i]
		switch f.Name {
		case "settings.yaml":
			if err := yaml.UnmarshalWithOptions(f.Data, &cfg, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
		case "story":
			st.cfg = cfg
			got := st.run(string(f.Data))
			if want := string(f.Data); got != want && !*update {
				t.Errorf("%s (run with -update to accept):\n%s", file, lineDiff(want, got))
			}
			f.Data = []byte(got)
		default:
			st.files[f.Name] = f.Data
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// lineDiff shows the first lines that differ.
func lineDiff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant:\n%s\ngot:\n%s", i+1, strings.Join(w[min(i, len(w)):min(i+6, len(w))], "\n"),
				strings.Join(g[min(i, len(g)):min(i+6, len(g))], "\n"))
		}
	}
	return ""
}

// story is the state of one script.
type story struct {
	t          *testing.T
	cfg        Config
	files      map[string][]byte
	names      map[string]uint64
	partitions int
	w          *world
	out        []string
	events     int
	sent       []gateway.Message
	version    map[string]uint32
}

func (s *story) run(text string) string {
	var lines []string
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, " ") { // an output of before
			continue
		}
		lines = append(lines, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.out = nil
		if err := s.command(strings.Fields(line)); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		if s.w != nil {
			s.w.check()
		}
		for _, o := range s.out {
			lines = append(lines, "  "+o)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// world starts on the first command that needs it.
func (s *story) world() *world {
	if s.w == nil {
		s.w = newWorld(s.t, s.cfg, s.partitions)
		s.w.onStep = func(_ *gateway.Batch, st *gateway.Step) { s.report(st) }
		s.version = map[string]uint32{}
	}
	return s.w
}

// args are the words of a command: plain ones and key=value.
type args struct {
	plain []string
	named map[string]string
}

func parseArgs(words []string) args {
	a := args{named: map[string]string{}}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			a.named[k] = strings.ReplaceAll(v, "_", " ")
			continue
		}
		a.plain = append(a.plain, w)
	}
	return a
}

func (s *story) command(words []string) error {
	a := parseArgs(words[1:])
	run, ok := commands[words[0]]
	if !ok {
		return fmt.Errorf("no such command")
	}
	return run(s, a)
}

var commands map[string]func(*story, args) error

func init() {
	commands = map[string]func(*story, args) error{
		"partitions": (*story).cmdPartitions, "at": (*story).cmdAt, "advance": (*story).cmdAdvance,
		"observed": (*story).cmdObserved, "publish": (*story).cmdPublish, "journey": (*story).cmdJourney,
		"customer": (*story).cmdCustomer, "consent": (*story).cmdConsent, "bind": (*story).cmdBind,
		"unbind": (*story).cmdUnbind, "event": (*story).cmdEvent, "receipt": (*story).cmdReceipt,
		"trigger": (*story).cmdTrigger, "erase": (*story).cmdErase, "restart": (*story).cmdRestart,
		"show": (*story).cmdShow, "forwards": (*story).cmdForwards, "home": (*story).cmdHome,
		"unfinished": (*story).cmdUnfinished, "timers": (*story).cmdTimers,
	}
}

func (s *story) id(name string) uint64 {
	id, ok := s.names[name]
	if !ok {
		id = uint64(len(s.names) + 1)
		s.names[name] = id
	}
	return id
}

func (s *story) name(id uint64) string {
	for n, v := range s.names {
		if v == id {
			return n
		}
	}
	if id == 0 {
		return "nobody"
	}
	return fmt.Sprint("#", id)
}

const minute = "2006-01-02 15:04"

func showTime(t gateway.Instant) string {
	if t%60_000 == 0 {
		return t.Time().Format(minute)
	}
	return t.Time().Format("2006-01-02 15:04:05.000")
}

// parseTime reads "2026-05-01 08:00" (UTC), a time of day of the current date,
// or a duration before now ("-2h").
func (s *story) parseTime(text string) (gateway.Instant, error) {
	if strings.HasPrefix(text, "-") {
		d, err := ParseDuration(text[1:])
		return d.before(s.world().clock), err
	}
	for _, layout := range []string{minute, "2006-01-02 15:04:05.000", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return gateway.InstantOf(t), nil
		}
	}
	return 0, fmt.Errorf("%q is no time", text)
}

func (s *story) timeArg(a args, key string) (gateway.Instant, error) {
	if a.named[key] == "" {
		return 0, nil
	}
	return s.parseTime(a.named[key])
}

func (s *story) customerPart(c gateway.CustomerID) int {
	return gateway.CustomerSubject(c).Partition(s.partitions)
}

func (s *story) sendCommand(part int, c gateway.Command) error {
	s.world().submit(part, gateway.Input{Command: c})
	return nil
}

func (s *story) everywhere(c gateway.Command) error {
	for i := range s.world().parts {
		s.w.submit(i, gateway.Input{Command: c})
	}
	return nil
}

func (s *story) cmdPartitions(a args) (err error) {
	s.partitions, err = strconv.Atoi(a.plain[0])
	return err
}

func (s *story) cmdAt(a args) error {
	t, err := s.parseTime(strings.Join(a.plain, " "))
	if err != nil {
		return err
	}
	if s.world().clock == 0 {
		s.w.clock = t
		return nil
	}
	s.w.advance(t)
	return nil
}

func (s *story) cmdAdvance(a args) error {
	d, err := ParseDuration(a.plain[0])
	s.world().advance(d.after(s.w.clock))
	return err
}

func (s *story) cmdObserved(a args) (err error) {
	switch a.plain[0] {
	case "stops":
		s.world().observed = s.w.clock
	case "follows":
		s.world().observed = 0
	default:
		s.world().observed, err = s.parseTime(strings.Join(a.plain, " "))
	}
	return err
}

func (s *story) cmdPublish(a args) error {
	text, ok := s.files[a.plain[0]]
	if !ok {
		var err error
		if text, err = os.ReadFile(filepath.Join("../../deploy/journeys", a.plain[0])); err != nil {
			return err
		}
	}
	s.world()
	name := strings.TrimSuffix(a.plain[0], ".yaml")
	if def, err := Compile(text, Env{}); err == nil {
		name = def.Name
	}
	s.version[name]++
	effective, err := s.timeArg(a, "effective")
	if err != nil {
		return err
	}
	if effective == 0 {
		effective = s.w.clock
	}
	return s.everywhere(gateway.PublishJourney{Journey: name, Version: s.version[name], Effective: effective,
		Definition: text, Existing: a.named["existing"], Running: a.named["running"]})
}

func (s *story) cmdJourney(a args) error {
	states := map[string]gateway.JourneyState{"pause": gateway.JourneyPaused, "resume": gateway.JourneyPublished,
		"archive": gateway.JourneyArchived, "drain": gateway.JourneyDraining}
	effective, err := s.timeArg(a, "effective")
	if err != nil {
		return err
	}
	if effective == 0 {
		effective = s.world().clock
	}
	return s.everywhere(gateway.SetJourneyState{Journey: a.plain[0], State: states[a.plain[1]], Effective: effective})
}

func (s *story) cmdCustomer(a args) error {
	c := gateway.CustomerID(s.id(a.plain[0]))
	u := gateway.UpsertCustomer{Customer: c}
	for _, k := range slices.Sorted(mapKeys(a.named)) {
		v := a.named[k]
		raw := strings.ReplaceAll(v, " ", "_")
		switch k {
		case "locale":
			u.Locale = v
		case "zone":
			k, u.TimeZone = "time_zone", raw
		case "country":
			u.Country = v
		case "channels":
			u.Channels = strings.Split(raw, ",")
		case "reachable":
			u.Reachable = strings.Split(raw, ",")
		case "test":
			u.Test = v == "true"
		case "cap":
			n, per, _ := strings.Cut(v, "/")
			u.CapCount, _ = strconv.Atoi(n)
			d, err := ParseDuration(per)
			if err != nil {
				return err
			}
			u.CapWindow = int64(d)
		default:
			u.Attributes = append(u.Attributes, gateway.Property{Key: k, Value: attribute(v)})
			k = "attributes"
		}
		u.Mask = append(u.Mask, k)
	}
	return s.sendCommand(s.customerPart(c), u)
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func attribute(v string) gateway.Value {
	switch v {
	case "null":
		return gateway.Null()
	case "true", "false":
		return gateway.Bool(v == "true")
	case "sealed":
		return gateway.Sealed("ciphertext")
	}
	return scalar(v)
}

func (s *story) cmdConsent(a args) error {
	c := gateway.CustomerID(s.id(a.plain[0]))
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	return s.sendCommand(s.customerPart(c), gateway.SetConsent{Customer: c, Purpose: gateway.Purpose(a.plain[1]),
		Channel: a.named["channel"], Granted: a.plain[2] == "granted", Source: "app", At: at})
}

func (s *story) cmdBind(a args) error {
	d, c := gateway.DeviceID(s.id(a.plain[0])), gateway.CustomerID(s.id(a.plain[1]))
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	product := a.named["product"]
	if product == "" {
		product = "brewer"
	}
	holder := gateway.DeviceSubject(d).Partition(s.partitions)
	if h := a.named["holder"]; h != "" {
		holder, _ = strconv.Atoi(h)
	}
	return s.sendCommand(s.customerPart(c), gateway.BindDevice{Device: d, Product: product, Customer: c,
		Role: cmpOr(a.named["role"], "owner"), At: at, Holder: holder})
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// holder finds the partition that has the device; intake's router knows it.
func (s *story) holder(d gateway.DeviceID, a args) int {
	if p := a.named["to"]; p != "" {
		n, _ := strconv.Atoi(p)
		return n
	}
	for i, p := range s.world().parts {
		if p.devices[d] != nil {
			return i
		}
	}
	return gateway.DeviceSubject(d).Partition(s.partitions)
}

func (s *story) cmdUnbind(a args) error {
	d := gateway.DeviceID(s.id(a.plain[0]))
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	return s.sendCommand(s.holder(d, a), gateway.UnbindDevice{Device: d, At: at})
}

// cmdEvent: event TYPE device=d1 [customer=anna] [id=…] [occurred=…] [seq=7 boot=1]
// [times=200 every=1h] properties…
func (s *story) cmdEvent(a args) error {
	s.world()
	times, every := 1, Duration(0)
	if a.named["times"] != "" {
		times, _ = strconv.Atoi(a.named["times"])
	}
	if v := a.named["every"]; v != "" {
		d, err := ParseDuration(v)
		if err != nil {
			return err
		}
		every = d
	}
	for i := range times {
		if i > 0 && every > 0 {
			s.w.advance(every.after(s.w.clock))
		}
		if err := s.oneEvent(a); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) oneEvent(a args) error {
	s.events++
	ev := gateway.Event{Type: a.plain[0], OccurredAt: s.w.clock, ReceivedAt: s.w.clock, Product: "brewer"}
	part := 0
	for _, k := range slices.Sorted(mapKeys(a.named)) {
		v := a.named[k]
		switch k {
		case "device":
			ev.Device = gateway.DeviceID(s.id(v))
			part = s.holder(ev.Device, a)
		case "customer":
			ev.Customer, ev.Product = gateway.CustomerID(s.id(v)), ""
			part = s.customerPart(ev.Customer)
		case "id":
			ev.ID = v
		case "seq":
			ev.Seq, _ = strconv.ParseUint(v, 10, 64)
			ev.HasSeq = true
		case "boot":
			n, _ := strconv.Atoi(v)
			ev.Boot = uint32(n)
		case "occurred":
			t, err := s.parseTime(v)
			if err != nil {
				return err
			}
			ev.OccurredAt = t
		case "times", "every", "to":
		case "product":
			ev.Product = v
		case "hash":
			n, _ := strconv.Atoi(v)
			ev.PayloadHash = uint64(n)
		default:
			ev.Properties = append(ev.Properties, gateway.Property{Key: k, Value: attribute(v)})
		}
	}
	if ev.ID == "" && !ev.HasSeq && ev.PayloadHash == 0 {
		ev.ID = fmt.Sprint("e", s.events)
	}
	if ev.ID == "none" {
		ev.ID = ""
	}
	s.w.submit(part, gateway.Input{Event: ev})
	return nil
}

func (s *story) cmdReceipt(a args) error {
	state, ok := gateway.ParseMessageState(a.plain[0])
	if !ok {
		return fmt.Errorf("no such state")
	}
	n := len(s.sent)
	if v := a.named["message"]; v != "" {
		n, _ = strconv.Atoi(strings.TrimPrefix(v, "m"))
	}
	if n < 1 || n > len(s.sent) {
		return fmt.Errorf("no such message")
	}
	m := s.sent[n-1]
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	r := gateway.Receipt{Message: m.ID, Customer: m.Customer, Device: m.Device, Channel: m.Channel, State: state, At: at}
	part := s.customerPart(m.Customer)
	if a.named["by"] == "device" {
		r.Customer = 0
		part = s.holder(m.Device, a)
	}
	return s.sendCommand(part, r)
}

func (s *story) cmdTrigger(a args) error {
	c := gateway.CustomerID(s.id(a.plain[1]))
	t := gateway.TriggerJourney{Journey: a.plain[0], Customer: c, Key: a.named["key"]}
	if d := a.named["device"]; d != "" {
		t.Device = gateway.DeviceID(s.id(d))
	}
	for _, k := range slices.Sorted(mapKeys(a.named)) {
		if k != "key" && k != "device" {
			t.Properties = append(t.Properties, gateway.Property{Key: k, Value: attribute(a.named[k])})
		}
	}
	return s.sendCommand(s.customerPart(c), t)
}

func (s *story) cmdErase(a args) error {
	c := gateway.CustomerID(s.id(a.plain[0]))
	return s.sendCommand(s.customerPart(c), gateway.EraseCustomer{Customer: c})
}

func (s *story) cmdRestart(args) error {
	s.world().restart()
	return nil
}

func (s *story) cmdForwards(a args) error {
	s.world().held = a.plain[0] == "wait"
	s.w.carry()
	return nil
}
