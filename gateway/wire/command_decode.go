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
	m.fill(fixedAt(1, &c.Customer), textAt(2, &c.Purpose), textAt(3, &c.Channel), boolAt(4, &c.Granted), textAt(5, &c.Source),
		timeAt(6, &c.At))
	return c
}

func (m *reader) bindDevice() (c gateway.BindDevice) {
	m.fill(fixedAt(1, &c.Device), textAt(2, &c.Product), fixedAt(3, &c.Customer), textAt(4, &c.Role), timeAt(5, &c.At),
		intAt(6, &c.Holder), textAt(40, &c.TimeZone), boolAt(100, &c.Holds))
	return c
}

func (m *reader) unbindDevice() (c gateway.UnbindDevice) {
	m.fill(fixedAt(1, &c.Device), fixedAt(2, &c.Customer), timeAt(3, &c.At))
	return c
}

func (m *reader) releaseDevice() (c gateway.ReleaseDevice) {
	m.fill(fixedAt(1, &c.Device), intAt(2, &c.To), timeAt(3, &c.At))
	return c
}

func (m *reader) admitDevice() (c gateway.AdmitDevice) {
	m.fill(fixedAt(1, &c.Device), bytesAt(2, &c.State))
	return c
}

func (m *reader) eraseCustomer() (c gateway.EraseCustomer) {
	m.fill(fixedAt(1, &c.Customer))
	return c
}

func (m *reader) publishJourney() (c gateway.PublishJourney) {
	m.fill(textAt(1, &c.Journey), uint32At(2, &c.Version), timeAt(3, &c.Effective), bytesAt(4, &c.Definition),
		textAt(5, &c.Existing), textAt(6, &c.Running), boolAt(60, &c.Fill))
	return c
}

func (m *reader) setJourneyState() (c gateway.SetJourneyState) {
	m.fill(textAt(1, &c.Journey), textAt(2, &c.State), timeAt(3, &c.Effective), boolAt(60, &c.Withdraw), textAt(61, &c.Reason),
		textAt(62, &c.Rule))
	return c
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
