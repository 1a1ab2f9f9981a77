package devices

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"touchpoint/gateway"
)

// Registry is the fixed set of products that a gateway knows. It does not
// change once made, so any number of decoders may share it.
type Registry struct {
	products map[string]*Product
	strict   bool
}

// NewRegistry makes a registry of products. A strict one refuses messages of
// other products, an open one takes them as they come.
func NewRegistry(strict bool, products ...Product) (*Registry, error) {
	r := &Registry{products: make(map[string]*Product, len(products)), strict: strict}
	for i := range products {
		p := products[i]
		if err := p.validate(); err != nil {
			return nil, err
		}
		if _, twice := r.products[p.Model]; twice {
			return nil, gateway.InvalidField("products."+p.Model, "is declared twice")
		}
		r.products[p.Model] = &p
	}
	return r, nil
}

// OpenRegistry returns a registry that knows no product and takes them all.
func OpenRegistry() *Registry { return &Registry{} }

// Lookup returns what is known of a model, nil for a model that is not registered.
func (r *Registry) Lookup(model string) *Product { return r.products[model] }

// Models returns the registered models in order.
func (r *Registry) Models() []string { return slices.Sorted(maps.Keys(r.products)) }

// Strict reports whether products that are not registered are refused.
func (r *Registry) Strict() bool { return r.strict }

func (p *Product) validate() error {
	at := "products." + p.Model
	if err := checkName(at, p.Model, maxProduct, false); err != nil {
		return err
	}
	if p.OfflineBuffer == 0 {
		p.OfflineBuffer = DefaultOfflineBuffer
	}
	if p.UploadInterval < 0 || p.UploadInterval > 90*24*time.Hour {
		return gateway.InvalidField(at+".upload_interval", "must be from 0 to 90 days")
	}
	if p.OfflineBuffer < 0 || p.OfflineBuffer > 366*24*time.Hour {
		return gateway.InvalidField(at+".offline_buffer", "must be from 0 to 366 days")
	}
	if p.Display.Characters < 0 || p.Display.Buttons < 0 {
		return gateway.InvalidField(at+".display", "must not hold negative numbers")
	}
	for _, name := range p.Personal {
		if name == "" || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
			return gateway.InvalidField(at+".personal", "%q is no field: use a name such as \"position\" or \"trip.start\"", name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.Categories)) {
		category := p.Categories[key]
		if err := checkIdentifier(at+".categories."+key, category, 64); err != nil {
			return err
		}
		event, _, _ := strings.Cut(key, ".")
		if _, ok := p.Events[event]; !ok && p.Events != nil {
			return gateway.InvalidField(at+".categories", "%q names no declared event type", key)
		}
		if category == "customer" {
			return gateway.InvalidField(at+".categories."+key, "is for what is known of the customer: take another word, such as usage")
		}
	}
	if p.Strict && len(p.Events) == 0 {
		return gateway.InvalidField(at+".strict", "is set but no events are declared: every event would be refused")
	}
	for _, typ := range slices.Sorted(maps.Keys(p.Events)) {
		if err := checkIdentifier(at+".events", typ, 64); err != nil {
			return err
		}
		for _, field := range slices.Sorted(maps.Keys(p.Events[typ].Fields)) {
			if t := p.Events[typ].Fields[field]; !t.valid() {
				return gateway.InvalidField(at+".events."+typ+"."+field, "%q is no type: use int, float, string or bool", string(t))
			}
		}
	}
	return nil
}

// registryFile is the form of a registry in YAML.
type registryFile struct {
	Strict   bool                   `yaml:"strict"`
	Products map[string]productFile `yaml:"products"`
}

type productFile struct {
	Display struct {
		Characters int      `yaml:"characters"`
		Buttons    int      `yaml:"buttons"`
		Languages  []string `yaml:"languages"`
		Shared     bool     `yaml:"shared"`
	} `yaml:"display"`
	Personal       []string                        `yaml:"personal"`
	UploadInterval string                          `yaml:"upload_interval"`
	OfflineBuffer  string                          `yaml:"offline_buffer"`
	Strict         bool                            `yaml:"strict"`
	Events         map[string]map[string]FieldType `yaml:"events"`
	Categories     map[string]string               `yaml:"categories"`
}

// LoadRegistry reads a registry from YAML; an unknown key is an error.
//
//	strict: false
//	products:
//	  coffee-1:
//	    display: {characters: 120, buttons: 2, languages: [de, en], shared: true}
//	    personal: [operator.name]
//	    upload_interval: 0s
//	    offline_buffer: 192h
//	    events:
//	      brew_finished: {water_ml: int, temp_c: float, program: string}
//	    categories: {brew_finished: usage, brew_finished.program: preference}
func LoadRegistry(text []byte) (*Registry, error) {
	var f registryFile
	dec := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, &gateway.Error{Kind: gateway.Invalid, Text: "product registry", Err: err}
	}
	products := make([]Product, 0, len(f.Products))
	for _, model := range slices.Sorted(maps.Keys(f.Products)) {
		p, err := f.Products[model].product(model)
		if err != nil {
			return nil, err
		}
		products = append(products, p)
	}
	return NewRegistry(f.Strict, products...)
}

func (f productFile) product(model string) (Product, error) {
	p := Product{Model: model, Personal: f.Personal, Strict: f.Strict, Display: Display(f.Display), Categories: f.Categories}
	for _, d := range []struct {
		key, text string
		to        *time.Duration
	}{{"upload_interval", f.UploadInterval, &p.UploadInterval}, {"offline_buffer", f.OfflineBuffer, &p.OfflineBuffer}} {
		if d.text == "" {
			continue
		}
		v, err := time.ParseDuration(d.text)
		if err != nil {
			return p, gateway.InvalidField("products."+model+"."+d.key, "%q is no duration: use a text such as \"8h\"", d.text)
		}
		*d.to = v
	}
	if len(f.Events) > 0 {
		p.Events = make(map[string]EventType, len(f.Events))
		for typ, fields := range f.Events {
			p.Events[typ] = EventType{Fields: fields}
		}
	}
	return p, nil
}
