package story

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

const minute = "2006-01-02 15:04"

func showTime(t gateway.Instant) string {
	if t%60_000 == 0 {
		return t.Time().Format(minute)
	}
	return t.Time().Format("2006-01-02 15:04:05.000")
}

// parseTime reads "2026-05-01 08:00" (UTC), a time of day of the current date,
// or a duration before now ("-2h").
func (s *Session) parseTime(text string) (gateway.Instant, error) {
	if strings.HasPrefix(text, "-") {
		d, err := journey.ParseDuration(text[1:])
		return s.world().Clock() - gateway.Instant(d), err
	}
	for _, layout := range []string{minute, "2006-01-02 15:04:05.000", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return gateway.InstantOf(t), nil
		}
	}
	return 0, fmt.Errorf("%q is no time", text)
}

func (s *Session) timeArg(a args, key string) (gateway.Instant, error) {
	if a.named[key] == "" {
		return 0, nil
	}
	return s.parseTime(a.named[key])
}

func (s *Session) customerPart(c gateway.CustomerID) int {
	return gateway.CustomerSubject(c).Partition(s.partitions)
}

func (s *Session) sendCommand(part int, c gateway.Command) error {
	return s.submit(part, gateway.Input{Command: c})
}

func (s *Session) everywhere(c gateway.Command) error {
	for i := range s.world().Partitions() {
		if err := s.w.Submit(i, gateway.Input{Command: c}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) cmdPartitions(a args) error {
	if s.w != nil {
		return fmt.Errorf("the number of partitions comes first")
	}
	n, err := strconv.Atoi(a.plain[0])
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no number of partitions", a.plain[0])
	}
	s.partitions = n
	return nil
}

func (s *Session) cmdAt(a args) error {
	t, err := s.parseTime(strings.Join(a.plain, " "))
	if err != nil {
		return err
	}
	if s.world().Clock() == 0 {
		s.w.SetClock(t)
		return nil
	}
	return s.w.Advance(t)
}

func (s *Session) cmdAdvance(a args) error {
	d, err := journey.ParseDuration(a.plain[0])
	if err != nil {
		return err
	}
	return s.world().Advance(s.world().Clock() + gateway.Instant(d))
}

// cmdTogether lets what follows happen at one instant, which is over when the
// clock moves on: only then is decided who of those that compete gets a slot.
func (s *Session) cmdTogether(args) error {
	s.together = true
	return nil
}

func (s *Session) cmdObserved(a args) error {
	switch a.plain[0] {
	case "stops":
		s.world().SetObserved(s.w.Clock())
	case "follows":
		s.world().SetObserved(0)
	default:
		t, err := s.parseTime(strings.Join(a.plain, " "))
		if err != nil {
			return err
		}
		s.world().SetObserved(t)
	}
	return nil
}

func (s *Session) cmdPublish(a args) error {
	text, err := s.file(a.plain[0])
	if err != nil {
		return err
	}
	s.world()
	name := strings.TrimSuffix(a.plain[0], ".yaml")
	text = journey.Standalone(text, s.w.Config().Traits)
	if def, err := journey.Compile(text, journey.Env{}); err == nil {
		name = def.Name
	}
	if a.named["dry"] == "true" {
		name = gateway.DryRun(name)
	}
	s.version[name]++
	effective, err := s.timeArg(a, "effective")
	if err != nil {
		return err
	}
	if effective == 0 {
		effective = s.w.Clock()
	}
	return s.everywhere(gateway.PublishJourney{Journey: name, Version: s.version[name], Effective: effective,
		Definition: text, Existing: a.named["existing"], Running: a.named["running"],
		Fill: a.named["fill"] == "true"})
}

func (s *Session) cmdJourney(a args) error {
	states := map[string]gateway.JourneyState{"pause": gateway.JourneyPaused, "resume": gateway.JourneyPublished,
		"archive": gateway.JourneyArchived, "drain": gateway.JourneyDraining}
	state, ok := states[a.plain[1]]
	if !ok {
		return fmt.Errorf("%q is not pause, resume, archive or drain", a.plain[1])
	}
	effective, err := s.timeArg(a, "effective")
	if err != nil {
		return err
	}
	if effective == 0 {
		effective = s.world().Clock()
	}
	return s.everywhere(gateway.SetJourneyState{Journey: a.plain[0], State: state, Effective: effective,
		Withdraw: a.named["withdraw"] == "true"})
}

func (s *Session) cmdCustomer(a args) error {
	c := gateway.CustomerID(s.id(a.plain[0]))
	u := gateway.UpsertCustomer{Customer: c}
	for _, k := range slices.Sorted(maps.Keys(a.named)) {
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
			if err := ownCap(&u, v); err != nil {
				return err
			}
		case "quiet":
			own, err := ownQuiet(raw)
			if err != nil {
				return err
			}
			k, u.QuietHours = "quiet_hours", own
		default:
			u.Attributes = append(u.Attributes, gateway.Property{Key: k, Value: attribute(v)})
			k = "attributes"
		}
		u.Mask = append(u.Mask, k)
	}
	return s.sendCommand(s.customerPart(c), u)
}

// ownCap reads "1/7d".
func ownCap(u *gateway.UpsertCustomer, text string) (err error) {
	n, per, _ := strings.Cut(text, "/")
	if u.CapCount, err = strconv.Atoi(n); err != nil {
		return fmt.Errorf("cap=%s: write a number and a duration, such as 1/7d", text)
	}
	d, err := journey.ParseDuration(per)
	u.CapWindow = int64(d)
	return err
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
	return journey.ParseValue(v)
}

func (s *Session) cmdConsent(a args) error {
	c := gateway.CustomerID(s.id(a.plain[0]))
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	return s.sendCommand(s.customerPart(c), gateway.SetConsent{Customer: c, Purpose: gateway.Purpose(a.plain[1]),
		Channel: a.named["channel"], Granted: a.plain[2] == "granted", Source: "app", At: at})
}

func (s *Session) cmdBind(a args) error {
	d, c := gateway.DeviceID(s.id(a.plain[0])), gateway.CustomerID(s.id(a.plain[1]))
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	product := cmp.Or(a.named["product"], s.products[d], "brewer")
	s.products[d] = product
	if product == "none" { // who binds it does not know
		product, s.products[d] = "", ""
	}
	holder := gateway.DeviceSubject(d).Partition(s.partitions)
	if holder, err = a.int("holder", holder); err != nil {
		return err
	}
	return s.sendCommand(s.customerPart(c), gateway.BindDevice{Device: d, Product: product, Customer: c,
		Role: cmp.Or(a.named["role"], "owner"), At: at, Holder: holder, TimeZone: strings.ReplaceAll(a.named["zone"], " ", "_")})
}

// holder finds the partition that has the device; intake's router knows it.
func (s *Session) holder(d gateway.DeviceID, a args) int {
	if p := a.named["to"]; p != "" {
		n, _ := strconv.Atoi(p)
		return n
	}
	for i, p := range s.world().Partitions() {
		if p.Holds(d) {
			return i
		}
	}
	return gateway.DeviceSubject(d).Partition(s.partitions)
}

func (s *Session) cmdUnbind(a args) error {
	d := gateway.DeviceID(s.id(a.plain[0]))
	at, err := s.timeArg(a, "at")
	if err != nil {
		return err
	}
	var c gateway.CustomerID
	if len(a.plain) > 1 {
		c = gateway.CustomerID(s.id(a.plain[1]))
	}
	return s.sendCommand(s.holder(d, a), gateway.UnbindDevice{Device: d, Customer: c, At: at})
}

// cmdEvent: event TYPE device=d1 [customer=anna] [id=…] [occurred=…] [seq=7 boot=1]
// [times=200 every=1h] properties…
func (s *Session) cmdEvent(a args) error {
	s.world()
	times, err := a.int("times", 1)
	if err != nil {
		return err
	}
	every := journey.Duration(0)
	if v := a.named["every"]; v != "" {
		d, err := journey.ParseDuration(v)
		if err != nil {
			return err
		}
		every = d
	}
	for i := range times {
		if i > 0 && every > 0 {
			if err := s.w.Advance(s.w.Clock() + gateway.Instant(every)); err != nil {
				return err
			}
		}
		if err := s.oneEvent(a); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) oneEvent(a args) error {
	s.events++
	ev := gateway.Event{Type: a.plain[0], OccurredAt: s.w.Clock(), ReceivedAt: s.w.Clock(), Product: "brewer"}
	part := 0
	for _, k := range slices.Sorted(maps.Keys(a.named)) {
		v := a.named[k]
		switch k {
		case "device":
			ev.Device = gateway.DeviceID(s.id(v))
			ev.Product = cmp.Or(s.products[ev.Device], ev.Product)
			part = s.holder(ev.Device, a)
		case "customer":
			ev.Customer, ev.Product = gateway.CustomerID(s.id(v)), ""
			part = s.customerPart(ev.Customer)
		case "product":
			ev.Product = v
		case "times", "every", "to":
		case "id", "seq", "boot", "hash", "occurred":
			if err := s.identify(&ev, k, a); err != nil {
				return err
			}
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
	return s.submit(part, gateway.Input{Event: ev})
}

// identify reads what tells events apart.
func (s *Session) identify(ev *gateway.Event, key string, a args) error {
	if key == "id" {
		ev.ID = a.named[key]
		return nil
	}
	if key == "occurred" {
		t, err := s.parseTime(a.named[key])
		ev.OccurredAt = t
		return err
	}
	n, err := a.int(key, 0)
	switch key {
	case "seq":
		ev.Seq, ev.HasSeq = uint64(n), true
	case "boot":
		ev.Boot = uint32(n)
	case "hash":
		ev.PayloadHash = uint64(n)
	}
	return err
}

func (s *Session) cmdReceipt(a args) error {
	state, ok := gateway.ParseMessageState(a.plain[0])
	if !ok {
		return fmt.Errorf("%q is no state of a message, such as delivered, displayed or failed", a.plain[0])
	}
	n := len(s.sent)
	if v := a.named["message"]; v != "" {
		n, _ = strconv.Atoi(strings.TrimPrefix(v, "m")) // 0 is no message either
	}
	if n < 1 || n > len(s.sent) {
		return fmt.Errorf("no such message; %d were sent, named m1, m2 …", len(s.sent))
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

func (s *Session) cmdTrigger(a args) error {
	c := gateway.CustomerID(s.id(a.plain[1]))
	t := gateway.TriggerJourney{Journey: a.plain[0], Customer: c, Key: a.named["key"]}
	if d := a.named["device"]; d != "" {
		t.Device = gateway.DeviceID(s.id(d))
	}
	for _, k := range slices.Sorted(maps.Keys(a.named)) {
		if k != "key" && k != "device" {
			t.Properties = append(t.Properties, gateway.Property{Key: k, Value: attribute(a.named[k])})
		}
	}
	return s.sendCommand(s.customerPart(c), t)
}

func (s *Session) cmdErase(a args) error {
	c := gateway.CustomerID(s.id(a.plain[0]))
	return s.sendCommand(s.customerPart(c), gateway.EraseCustomer{Customer: c})
}

func (s *Session) cmdRestart(a args) error {
	if name := a.named["settings"]; name != "" {
		text, err := s.file(name)
		if err != nil {
			return err
		}
		cfg, err := readConfig(text)
		if err != nil {
			return err
		}
		cfg.FillRules = a.named["fill"] == "true"
		s.world().SetConfig(cfg)
	}
	return s.world().Restart()
}

func (s *Session) cmdForwards(a args) error {
	return s.world().HoldForwards(a.plain[0] == "wait")
}

// ownQuiet reads "22:00-07:00" or "22:00-07:00@fri,sat".
func ownQuiet(text string) ([]gateway.QuietInterval, error) {
	hours, days, _ := strings.Cut(text, "@")
	from, to, ok := strings.Cut(hours, "-")
	start, err1 := journey.ParseLocalTime(from)
	end, err2 := journey.ParseLocalTime(to)
	if !ok || err1 != nil || err2 != nil {
		return nil, fmt.Errorf("quiet=%s: write quiet=22:00-07:00, or quiet=22:00-07:00@fri,sat", text)
	}
	q := gateway.QuietInterval{From: int(start), To: int(end)}
	for _, name := range strings.FieldsFunc(days, func(r rune) bool { return r == ',' }) {
		var d journey.Weekday
		if err := d.UnmarshalText([]byte(name)); err != nil {
			return nil, err
		}
		q.Days |= 1 << d
	}
	return []gateway.QuietInterval{q}, nil
}

// cmdOutage lets time pass in which the gateway does not run: no timer fires.
func (s *Session) cmdOutage(a args) error {
	d, err := journey.ParseDuration(a.plain[0])
	if err != nil {
		return err
	}
	s.world().SetClock(s.w.Clock() + gateway.Instant(d))
	return nil
}
