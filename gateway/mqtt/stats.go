package mqtt

import "sync/atomic"

type brokerCounters struct {
	received, acked, failed, qos0, down, dropped, refused atomic.Uint64
}

// BrokerStats are counts of the embedded broker since its start.
type BrokerStats struct {
	Clients  int64  // connected now
	Received uint64 // uplink messages with QoS 1 or 2
	Acked    uint64 // of them acknowledged
	Failed   uint64 // of them not taken: the client was closed and sends again
	QoS0     uint64 // uplink messages without acknowledgement
	Down     uint64 // messages sent down
	Dropped  uint64 // not forwarded to clients that do not read
	Refused  uint64 // connections with a wrong user or password
}

// Stats returns a snapshot of the counters.
func (b *Broker) Stats() BrokerStats {
	c := &b.count
	return BrokerStats{
		Clients: atomic.LoadInt64(&b.server.Info.ClientsConnected), Received: c.received.Load(), Acked: c.acked.Load(),
		Failed: c.failed.Load(), QoS0: c.qos0.Load(), Down: c.down.Load(), Dropped: c.dropped.Load(), Refused: c.refused.Load(),
	}
}

type sessionCounters struct {
	received, duplicates, acked, failed, qos0, dropped, retained, strange, full, lost, down atomic.Uint64
}

// SessionStats are counts of all connections to an external broker.
type SessionStats struct {
	Received   uint64 // messages with QoS 1 or 2
	Duplicates uint64 // of them marked as sent again
	Acked      uint64 // acknowledged, markers included
	Failed     uint64 // not taken: the connection was dropped so that they come again
	QoS0       uint64 // taken without acknowledgement
	Dropped    uint64 // QoS 0 messages for which the queue had no room
	Retained   uint64 // retained copies, which are no new events
	Strange    uint64 // on topics that are no uplink
	Full       uint64 // times that the queue was full for QoS 1: the window is set too low
	Lost       uint64 // connections
	Down       uint64 // messages sent down
	Queued     int    // waiting now
}

// Stats returns a snapshot of the counters.
func (s *Sessions) Stats() SessionStats {
	c := &s.count
	queued := 0
	for _, one := range s.sessions {
		queued += len(one.queue)
	}
	return SessionStats{
		Received: c.received.Load(), Duplicates: c.duplicates.Load(), Acked: c.acked.Load(), Failed: c.failed.Load(),
		QoS0: c.qos0.Load(), Dropped: c.dropped.Load(), Retained: c.retained.Load(), Strange: c.strange.Load(),
		Full: c.full.Load(), Lost: c.lost.Load(), Down: c.down.Load(), Queued: queued,
	}
}
