// Package mqtt is where devices are met: Broker is an MQTT broker inside the
// gateway, Sessions are connections to brokers outside. Both hand over what
// devices publish and acknowledge it only when they are told that it is
// durable; both carry messages down to devices; both say up to which time
// their intake is complete.
//
// The Broker takes publishes on uplink topics out of the ordinary road of a
// broker: there is no PUBACK and nobody is forwarded to until the handler says
// that the message is stored. All other topics are those of a normal broker.
//
// Sessions keep the broker's copy until then: sessions are persistent,
// acknowledgements manual and in the order of receipt. A marker that the
// session sends to itself comes back behind the backlog, which proves that
// nothing older is missing.
package mqtt
