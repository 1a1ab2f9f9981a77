// Package device is the channel to the product itself: messages over MQTT to
// the device's own topic.
//
// A message is handed over when the device is present: it is connected, sent
// something within the last minutes, or said hello. Until then the message
// waits with delivery. A message counts as handed over when the broker has
// acknowledged it; delivery keeps it until the device reports a display, and
// hands it over again when the device says hello without having shown it.
package device
