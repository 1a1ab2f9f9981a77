package journey

import "touchpoint/gateway"

// ProductChannel is the channel that shows a message on the device itself.
const ProductChannel = productChannel

// View is what a partition knows of a customer, to look at. It shares nothing
// that changes.
type View struct {
	Devices     []gateway.DeviceID // that he has now
	Attributes  gateway.Properties
	Traits      []TraitView
	Enrollments []gateway.Enrollment
	Messages    []MessageView
	Stages      []gateway.StageVisit // oldest first, the last is the present one
	Segments    []string
}

// TraitView is the value of a trait of an active journey. Device is 0 for a
// trait per customer.
type TraitView struct {
	Journey, Name string
	Device        gateway.DeviceID
	Value         gateway.Value
	Known         bool
}

// MessageView is a message that the partition remembers.
type MessageView struct {
	ID    gateway.MessageID
	State gateway.MessageState
}

// View returns what is known of a customer; false when nothing is. It changes
// nothing.
func (p *Partition) View(id gateway.CustomerID) (View, bool) {
	c := p.customers[id]
	if c == nil {
		return View{}, false
	}
	v := View{Attributes: c.attributes}
	v.Devices = append(v.Devices, c.devices...)
	for _, j := range p.journeys {
		v.Traits = p.viewTraits(v.Traits, c, j)
	}
	if k := c.class(p); k != nil {
		v.Stages, v.Segments = k.view(), p.classRules.segmentNames(k.segments)
	}
	for _, e := range c.enrollments {
		v.Enrollments = append(v.Enrollments, e.view())
	}
	for _, m := range c.messages {
		v.Messages = append(v.Messages, MessageView{m.id, m.state})
	}
	return v, true
}

// viewTraits appends the named traits of a journey's active version; one per
// device is shown of the first device.
func (p *Partition) viewTraits(to []TraitView, c *customer, j *journey) []TraitView {
	if j.active == nil {
		return to
	}
	for _, t := range j.active.def.traits {
		if t.name == "" {
			continue
		}
		tv := TraitView{Journey: j.name, Name: t.name}
		if t.perDev && len(c.devices) > 0 {
			tv.Device = c.devices[0]
		}
		tv.Value, tv.Known = p.traitValue(c, j.active, tv.Device, t.name)
		to = append(to, tv)
	}
	return to
}

// Active reports whether a version of a journey is the one that new enrollments
// run on.
func (p *Partition) Active(name string, version uint32) bool {
	j := p.journeyNamed(name)
	return j != nil && j.active != nil && j.active.number == version
}

// Holds reports whether the partition holds a device.
func (p *Partition) Holds(d gateway.DeviceID) bool { return p.devices.get(d) != nil }

// ParseValue reads a value as definitions write it: a number, else text.
func ParseValue(text string) gateway.Value { return scalar(text) }

// Closest returns the word of the list that a misspelled one was probably meant
// to be, "" when none is near.
func Closest(word string, list []string) string { return closest(word, list) }
