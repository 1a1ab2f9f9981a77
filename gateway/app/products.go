package app

import (
	"maps"
	"os"
	"slices"

	"touchpoint/devices"
	"touchpoint/gateway"
	"touchpoint/gateway/journey"
)

// loadProducts reads the product profiles; without a file every model is
// taken as it comes.
func loadProducts(file string) (*devices.Registry, error) {
	if file == "" {
		return devices.OpenRegistry(), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "products: %w", err)
	}
	return devices.LoadRegistry(text)
}

// definitionEnv is what a definition may refer to: the channels, the categories
// of data that the models send, and what their displays can show.
func definitionEnv(channels []string, products *devices.Registry) journey.Env {
	env := journey.Env{Channels: channels, Categories: map[string]string{}}
	for _, model := range products.Models() {
		p := products.Lookup(model)
		maps.Copy(env.Categories, p.Categories)
		d := journey.Display{Product: model, Characters: p.Display.Characters, Buttons: p.Display.Buttons,
			Languages: p.Display.Languages, Shared: p.Display.Shared}
		if p.Events != nil {
			d.Events = slices.Sorted(maps.Keys(p.Events))
		}
		env.Displays = append(env.Displays, d)
	}
	return env
}

// DefinitionEnv is what a definition may refer to under a configuration, for
// tools that have no gateway at hand. Event types that nobody declares are nil
// when the products declare none.
func DefinitionEnv(cfg Config) (journey.Env, error) {
	products, err := loadProducts(cfg.Products)
	if err != nil {
		return journey.Env{}, err
	}
	env := definitionEnv(cfg.channels(), products)
	env.Segments, env.Stages = cfg.Rules.RuleNames()
	env.Traits = cfg.Rules.Traits
	env.Events = declaredEvents(products)
	if env.Events == nil {
		return env, nil
	}
	rules := cfg.Rules.WithDefaults()
	others := slices.Concat([]string{gateway.EventTaskDone}, rules.Suspension.Opened, rules.Suspension.Closed)
	for _, t := range rules.Touchpoints {
		others = append(others, t.Event)
	}
	for _, name := range others { // services send them, with properties of their own
		if _, ok := env.Events[name]; !ok {
			env.Events[name] = journey.EventType{}
		}
	}
	return env, nil
}

// declaredEvents joins what the models declare; nil when none does.
func declaredEvents(products *devices.Registry) map[string]journey.EventType {
	var out map[string]journey.EventType
	for _, model := range products.Models() {
		for name, t := range products.Lookup(model).Events {
			if out == nil {
				out = map[string]journey.EventType{}
			}
			if _, ok := out[name]; !ok {
				out[name] = journey.EventType{Properties: map[string]string{}}
			}
			for field, kind := range t.Fields {
				out[name].Properties[field] = string(kind)
			}
		}
	}
	return out
}

// uploads adds the models that upload in bulk to those that the rules name.
func uploads(named map[string]journey.Upload, products *devices.Registry) map[string]journey.Upload {
	out := maps.Clone(named)
	for _, model := range products.Models() {
		p := products.Lookup(model)
		if p.UploadInterval == 0 {
			continue
		}
		if out == nil {
			out = map[string]journey.Upload{}
		}
		u := journey.Upload{Interval: journey.Duration(p.UploadInterval.Milliseconds())}
		if p.Strict { // else it may send types that are not declared
			u.Events = slices.Sorted(maps.Keys(p.Events))
		}
		out[model] = u
	}
	return out
}
