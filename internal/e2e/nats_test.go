package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"touchpoint/internal/testservers"
	pb "touchpoint/proto/touchpoint/v1"
)

const welcome = `
name: welcome
purpose: service
trigger:
  milestone: {event: brew_finished, nth: 1}
steps:
  - id: greet
    send: {channels: [product], expires_after: 2d, texts: {en: {title: Welcome}}}
`

const everyThree = `
name: every-three
purpose: service
trigger:
  threshold: {count: brew_finished, every: 3, within: 30d, per: device}
reentry: concurrent_per_key
key: device
steps:
  - id: tell
    send: {channels: [product], expires_after: 2d, texts: {en: {title: Three more}}}
`

// TestExternalNATS runs the gateway on a log of another server and kills it: the
// log is all that it needs to go on.
func TestExternalNATS(t *testing.T) {
	nats := testservers.NATS(t, testservers.NATSOptions{SyncAlways: true})
	g := startOutside(t, fmt.Sprintf("log: {nats: ['%s']}\n", nats.URL))
	g.customer("K-1")
	g.bind("SN-1", "K-1")
	g.publish(welcome, everyThree)
	m := powerOn(t, g.mqtt, "SN-1")
	m.brew(g.ctx, 1, "")
	g.displayed(m, 1)
	m.brew(g.ctx, 2, "")
	m.brew(g.ctx, 3, "") // calls for the second message
	g.end(syscall.SIGKILL)
	g.start()
	g.displayed(m, 2)
	for k := 4; k <= 6; k++ {
		m.brew(g.ctx, k, "")
	}
	g.displayed(m, 3)
	if all := g.listMessages(&pb.ListMessagesRequest{AtLeast: g.now()}); len(all) != 3 {
		t.Errorf("%d messages were decided, 6 brews call for 3", len(all))
	}
	eventually(t, "6 events in the history", func() bool { return len(g.listEvents(&pb.EventFilter{})) >= 6 })
	if n := len(g.listEvents(&pb.EventFilter{})); n != 6 {
		t.Errorf("%d events are stored, 6 were sent", n)
	}
	if n, _ := m.displays(); n != 3 {
		t.Errorf("%d messages shown", n)
	}
}
