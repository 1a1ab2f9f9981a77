package wire

import "touchpoint/gateway"

func (m *reader) upsert() (c gateway.UpsertCustomer) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Mask = append(c.Mask, m.text())
		case 3<<3 | typeBytes:
			c.Locale = m.text()
		case 4<<3 | typeBytes:
			c.TimeZone = m.text()
		case 5<<3 | typeBytes:
			c.Country = m.text()
		case 6<<3 | typeBytes:
			c.Channels = append(c.Channels, m.text())
		case 7<<3 | typeBytes:
			c.Reachable = append(c.Reachable, m.text())
		case 8<<3 | typeBytes:
			c.Attributes = append(c.Attributes, gateway.Property{})
			m.property(&c.Attributes[len(c.Attributes)-1])
		case 9<<3 | typeVarint:
			c.Test = m.bool()
		case 10<<3 | typeVarint:
			c.CapCount = m.int()
		case 11<<3 | typeVarint:
			c.CapWindow = int64(m.varint())
		case 40<<3 | typeBytes:
			n := m.nested()
			c.QuietHours = append(c.QuietHours, n.quiet())
			m.bad = m.bad || n.bad
		default:
			m.skip(t)
		}
	}
}

func (m *reader) setConsent() (c gateway.SetConsent) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Purpose = gateway.Purpose(m.text())
		case 3<<3 | typeBytes:
			c.Channel = m.text()
		case 4<<3 | typeVarint:
			c.Granted = m.bool()
		case 5<<3 | typeBytes:
			c.Source = m.text()
		case 6<<3 | typeVarint:
			c.At = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) bindDevice() (c gateway.BindDevice) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 2<<3 | typeBytes:
			c.Product = m.text()
		case 3<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 4<<3 | typeBytes:
			c.Role = m.text()
		case 5<<3 | typeVarint:
			c.At = m.time()
		case 6<<3 | typeVarint:
			c.Holder = m.int()
		case 40<<3 | typeBytes:
			c.TimeZone = m.text()
		case 100<<3 | typeVarint:
			c.Holds = m.bool()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) unbindDevice() (c gateway.UnbindDevice) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 2<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 3<<3 | typeVarint:
			c.At = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) releaseDevice() (c gateway.ReleaseDevice) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 2<<3 | typeVarint:
			c.To = m.int()
		case 3<<3 | typeVarint:
			c.At = m.time()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) admitDevice() (c gateway.AdmitDevice) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 2<<3 | typeBytes:
			c.State = m.bytes()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) eraseCustomer() (c gateway.EraseCustomer) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		default:
			m.skip(t)
		}
	}
}

func (m *reader) publishJourney() (c gateway.PublishJourney) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Journey = m.text()
		case 2<<3 | typeVarint:
			c.Version = m.uint32()
		case 3<<3 | typeVarint:
			c.Effective = m.time()
		case 4<<3 | typeBytes:
			c.Definition = m.bytes()
		case 5<<3 | typeBytes:
			c.Existing = m.text()
		case 6<<3 | typeBytes:
			c.Running = m.text()
		case 60<<3 | typeVarint:
			c.Fill = m.bool()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) setJourneyState() (c gateway.SetJourneyState) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Journey = m.text()
		case 2<<3 | typeBytes:
			c.State = gateway.JourneyState(m.text())
		case 3<<3 | typeVarint:
			c.Effective = m.time()
		case 60<<3 | typeVarint:
			c.Withdraw = m.bool()
		case 61<<3 | typeBytes:
			c.Reason = gateway.Reason(m.text())
		case 62<<3 | typeBytes:
			c.Rule = m.text()
		default:
			m.skip(t)
		}
	}
}

func (m *reader) triggerJourney() (c gateway.TriggerJourney) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Journey = m.text()
		case 2<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 3<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 4<<3 | typeBytes:
			c.Key = m.text()
		case 5<<3 | typeBytes:
			c.Properties = append(c.Properties, gateway.Property{})
			m.property(&c.Properties[len(c.Properties)-1])
		default:
			m.skip(t)
		}
	}
}

func (m *reader) receipt() (c gateway.Receipt) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeBytes:
			c.Message = m.id()
		case 2<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 3<<3 | typeFixed64:
			c.Device = gateway.DeviceID(m.fixed64())
		case 4<<3 | typeBytes:
			c.Channel = m.text()
		case 5<<3 | typeVarint:
			c.State = gateway.MessageState(m.code())
		case 6<<3 | typeVarint:
			c.At = m.time()
		case 7<<3 | typeBytes:
			c.Detail = m.text()
		default:
			m.skip(t)
		}
	}
}

// customerEvent decodes the event with the slab of the batch.
func (d *batchDecoder) customerEvent(m *reader) (c gateway.CustomerEvent) {
	for {
		f, t, ok := m.next()
		if !ok {
			return c
		}
		switch f<<3 | t {
		case 1<<3 | typeFixed64:
			c.Customer = gateway.CustomerID(m.fixed64())
		case 2<<3 | typeBytes:
			n := m.nested()
			d.event(&n, &c.Event)
			m.bad = m.bad || n.bad
		default:
			m.skip(t)
		}
	}
}
