package journey

import (
	"slices"
	"strings"
)

// recipient reads whom a send step addresses.
func (c *compiler) recipient(s *step, o *object) {
	name := o.choice("recipient", audienceNames[toOwner], audienceNames[:]...)
	s.send.recipient = audience(max(slices.Index(audienceNames[:], name), 0))
}

// reach refuses a step that can reach nobody, whoever the people are: the display
// of a device is its holder's.
func (c *compiler) reach(s *step, o *object) {
	to := s.send.recipient
	if to == toOwner {
		return
	}
	named := s.send.channels
	others := slices.DeleteFunc(slices.Clone(named), func(ch string) bool { return ch == productChannel })
	role := audienceNames[to]
	switch {
	case !to.includesOwner() && len(others) < len(named):
		o.fault("channels", "%q does not reach the %s: a display shows what is for who has the device; name another channel, such as %s",
			productChannel, role, strings.Join(c.otherChannels(), " or "))
	case to.includesOwner() && len(named) > 0 && len(others) == 0:
		o.fault("channels", "reach the owner alone: one display shows a message once; name a channel for the others, such as %s, or leave out recipient",
			strings.Join(c.otherChannels(), " or "))
	case len(named) == 0 && c.env.Channels != nil && !slices.ContainsFunc(c.env.Channels, func(ch string) bool { return ch != productChannel }):
		o.fault("recipient", "%s cannot be reached: %q is the only channel there is, and the display of a device is its owner's", role, productChannel)
	}
}

// otherChannels are those that reach people without the device.
func (c *compiler) otherChannels() (list []string) {
	for _, ch := range c.env.Channels {
		if ch != productChannel {
			list = append(list, ch)
		}
	}
	if len(list) == 0 {
		return []string{"email", "webhook"}
	}
	return list
}
