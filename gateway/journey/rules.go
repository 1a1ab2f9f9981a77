package journey

import (
	"encoding/json"

	"github.com/cespare/xxhash/v2"

	"touchpoint/gateway"
)

// Decisions depend on the settings, too. So a step notes them: the first one of a
// partition, the first one under other settings, and one a day, so that whoever
// has only the younger part of the history knows them as well.

// Rules is what Step.Rules holds, as JSON.
type Rules struct {
	// First says that the partition was empty before: what follows is all that
	// it was ever given.
	First bool `json:"first,omitempty"`
	// Config are the settings, without what changes no decision.
	Config Config `json:"config"`
}

// ParseRules reads Step.Rules.
func ParseRules(text []byte) (r Rules, err error) {
	if err := json.Unmarshal(text, &r); err != nil {
		return r, gateway.Errorf(gateway.Internal, "rules that this release cannot read: %w", err)
	}
	return r, nil
}

// rules are the settings of a partition and what was last noted of them.
type rules struct {
	print uint64 // fingerprint of the settings that it runs with
	noted uint64 // state: fingerprint of those noted last, 0 when none were
	day   int64  // state: on which day
}

// encodeRules writes the settings down as JSON.
func (c Config) encodeRules(first bool) []byte {
	c.Partition, c.TimersPerStep = 0, 0 // they change no decision
	text, err := json.Marshal(Rules{First: first, Config: c})
	if err != nil {
		panic(err) // plain data
	}
	return text
}

// fingerprint tells settings apart.
func (c Config) fingerprint() uint64 { return max(xxhash.Sum64(c.encodeRules(false)), 1) }

// noteRules notes the settings when that is due at the time of a record.
func (p *Partition) noteRules(applied gateway.Instant) {
	r := &p.rules
	day := int64(applied) / dayMillis
	if r.noted == r.print && r.day == day {
		return
	}
	p.out.Rules = p.cfg.encodeRules(r.noted == 0)
	do(p, rulesChange{r.print, day})
}

type rulesChange struct {
	print uint64
	day   int64
}

func (c rulesChange) encode(e *encoder) {
	e.byte(opRules)
	e.fixed(c.print)
	e.int(c.day)
}

func (c rulesChange) apply(p *Partition) { p.rules.noted, p.rules.day = c.print, c.day }

// String is the text that equal rules share.
func (r Rules) String() string { return string(r.Config.encodeRules(r.First)) }

// Warm begins to keep the counters of a definition that is not published yet, so
// that they are up to date when it is. A definition that cannot be run is an
// error.
func (p *Partition) Warm(definition []byte) error {
	def, err := Compile(definition, Env{})
	if err != nil || p.journeyNamed(def.Name) != nil {
		return err
	}
	p.begin(new(gateway.Step))
	do(p, publishChange{name: clone(def.Name), text: definition, def: def})
	p.end()
	return nil
}

// StepNames returns the ids of the steps in their order.
func (d *Definition) StepNames() []string {
	names := make([]string, 0, len(d.steps))
	for i := range d.steps {
		names = append(names, d.steps[i].id)
	}
	return names
}
