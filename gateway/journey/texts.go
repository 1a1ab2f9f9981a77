package journey

// texts keeps what was compiled by its text, so that partitions that run one
// after the other compile each text once. Nil keeps nothing.
type texts struct {
	definitions map[string]*Definition
	rules       map[string]*classRules
}

func newTexts() *texts {
	return &texts{definitions: map[string]*Definition{}, rules: map[string]*classRules{}}
}

// compileAs compiles what was published under a name.
func (t *texts) compileAs(name string, text []byte) (*Definition, error) {
	if t == nil {
		return compileAs(name, text)
	}
	key := name + "\x00" + string(text)
	if def := t.definitions[key]; def != nil {
		return def, nil
	}
	def, err := compileAs(name, text)
	if err == nil {
		t.definitions[key] = def
	}
	return def, err
}

// compileRules compiles the installation's rules. Each partition gets a set of
// its own, over conditions that all share.
func (t *texts) compileRules(text string) (*classRules, error) {
	if t == nil {
		return compileRules(text)
	}
	rs := t.rules[text]
	if rs == nil {
		var err error
		if rs, err = compileRules(text); err != nil {
			return nil, err
		}
		t.rules[text] = rs
	}
	own := *rs
	own.v = &version{journey: &journey{}, def: rs.v.def}
	return &own, nil
}
