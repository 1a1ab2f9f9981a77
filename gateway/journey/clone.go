package journey

import (
	"slices"
	"strings"

	"touchpoint/gateway"
)

// Texts of a record share one backing array; what stays in state is cloned, so
// that it does not keep the whole record alive.

func clone(s string) string { return strings.Clone(s) }

func cloneStrings(v []string) []string {
	out := slices.Clone(v)
	for i := range out {
		out[i] = clone(out[i])
	}
	return out
}

func cloneValue(v gateway.Value) gateway.Value {
	switch v.Kind() {
	case gateway.KindString:
		return gateway.String(clone(v.AsString()))
	case gateway.KindSealed:
		return gateway.Sealed(clone(v.AsString()))
	}
	return v
}

func cloneProperties(v gateway.Properties) gateway.Properties {
	out := slices.Clone(v)
	for i := range out {
		out[i] = gateway.Property{Key: clone(out[i].Key), Value: cloneValue(out[i].Value)}
	}
	return out
}

// cloneInput clones an input that is held.
func cloneInput(in *gateway.Input) gateway.Input {
	out := *in
	out.From = gateway.Forwarded{}
	out.Event = cloneEvent(&in.Event)
	switch c := in.Command.(type) {
	case gateway.BindDevice:
		c.Product, c.Role, c.TimeZone = clone(c.Product), clone(c.Role), clone(c.TimeZone)
		out.Command = c
	case gateway.Receipt:
		c.Channel, c.Detail = clone(c.Channel), clone(c.Detail)
		out.Command = c
	default:
		out.Command = cloneCommand(c)
	}
	return out
}

func cloneEvent(ev *gateway.Event) gateway.Event {
	out := *ev
	out.ID, out.Type, out.Product = clone(ev.ID), clone(ev.Type), clone(ev.Product)
	out.Properties = cloneProperties(ev.Properties)
	return out
}
