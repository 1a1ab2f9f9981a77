package ingest

import (
	"time"

	"github.com/cenkalti/backoff/v5"

	"touchpoint/gateway"
	"touchpoint/gateway/failpoint"
)

// pauses returns the back-off between tries: short at first, with jitter.
func (i *Ingest) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = min(10*time.Millisecond, i.RetryMax)
	b.MaxInterval = i.RetryMax
	return b
}

// commit appends a chunk and answers its inputs. It returns when the chunk is
// durable, set aside for want of space, or given up.
func (p *partition) commit(c *chunk) {
	if len(p.held) > 0 { // the log is full: only commands pass
		if c = p.holdEvents(c); c == nil {
			return
		}
	}
	p.batch.Partition = p.number
	p.batch.RecordTime = p.i.Clock.Now()
	p.batch.Inputs = c.inputs
	p.batch.Observed = c.observed
	if len(p.held) > 0 {
		p.batch.Observed = p.claimed // older events are not in the log yet
	}
	seq, err := p.append()
	switch {
	case err == nil:
		p.claimed = p.batch.Observed
		failpoint.Hit("ingest.appended")
		p.answer(c, seq, nil)
		p.recycle(c)
	case gateway.KindOf(err) == gateway.Exhausted:
		p.i.count.refused.Add(1)
		p.i.Logger.Error("the log of events is full: device events wait unacknowledged", "partition", p.number, "error", err)
		if rest := p.holdEvents(c); rest != nil {
			p.commit(rest)
		}
	case gateway.KindOf(err) == gateway.Invalid && len(c.inputs) > 1:
		a, b := p.split(c)
		p.commit(a)
		p.commit(b)
	default:
		p.giveUp(c, err)
	}
}

// append tries until the batch is durable or can never be.
func (p *partition) append() (seq uint64, err error) {
	var pauses *backoff.ExponentialBackOff
	for {
		if err = p.i.Vault.Sync(p.i.ctx); err == nil {
			if seq, err = p.i.Log.AppendEvents(p.i.ctx, &p.batch); err == nil {
				p.i.count.batches.Add(1)
				return seq, nil
			}
		}
		switch gateway.KindOf(err) {
		case gateway.Unavailable, gateway.OutcomeUnknown:
		default:
			return 0, err
		}
		if p.i.ctx.Err() != nil {
			return 0, err
		}
		if pauses == nil {
			pauses = p.i.pauses()
			p.i.Logger.Warn("the log of events is not reachable: trying again", "partition", p.number, "error", err)
		}
		p.i.count.retries.Add(1)
		p.timer.Reset(pauses.NextBackOff())
		select {
		case <-p.timer.C:
		case <-p.i.ctx.Done():
			p.timer.Stop()
			return 0, err
		}
	}
}

// answer tells everyone who waits for inputs of the chunk what became of them.
func (p *partition) answer(c *chunk, seq uint64, err error) {
	p.settle(c, err == nil)
	at := gateway.Position{Partition: p.number, Seq: seq}
	for n := range c.metas {
		m := &c.metas[n]
		if m.failed != nil && err != nil {
			*m.failed = true
		}
		if m.ack != nil {
			m.ack(err == nil && (m.failed == nil || !*m.failed))
		}
		if m.waiter != nil {
			m.waiter.result(m.index, at, err)
		}
	}
}

// settle counts the inputs of a chunk and gives their room back.
func (p *partition) settle(c *chunk, stored bool) {
	var events, receipts, commands uint64
	var room int64
	for n := range c.inputs {
		switch c.inputs[n].Command.(type) {
		case nil:
			events++
		case gateway.Receipt:
			receipts++
			commands++
		default:
			commands++
		}
		room += c.metas[n].room
	}
	if room > 0 {
		p.i.room.Release(room)
		p.i.count.queuedBytes.Add(-room)
	}
	if stored {
		p.i.count.events.Add(events)
		p.i.count.receipts.Add(receipts)
		p.i.count.commands.Add(commands)
	}
}

// holdEvents sets the device events of a chunk aside until the log has space
// again and returns the rest (commands, and events that another partition
// forwards), nil when there is none. An event of the API is
// refused instead: its sender can be told.
func (p *partition) holdEvents(c *chunk) *chunk {
	rest, held, refused := &chunk{observed: c.observed}, &chunk{observed: c.observed}, new(chunk)
	for n := range c.inputs {
		to := rest
		if in := &c.inputs[n]; in.Command == nil && in.From.Step == 0 {
			if to = held; c.metas[n].waiter != nil {
				to = refused
			}
		}
		to.push(&c.inputs[n], c.metas[n])
	}
	if len(refused.inputs) > 0 {
		p.answer(refused, 0, gateway.Errorf(gateway.Exhausted, "the log of events is full: try again later"))
		p.recycle(refused)
	}
	if len(held.inputs) > 0 {
		p.held = append(p.held, held)
	}
	if len(rest.inputs) == 0 {
		return nil
	}
	return rest
}

// commitHeld tries the oldest events that wait for space.
func (p *partition) commitHeld() {
	held := p.held
	p.held = nil
	for n, c := range held {
		p.commit(c)
		if len(p.held) > 0 {
			p.held = append(p.held, held[n+1:]...)
			return
		}
	}
}

// split cuts a chunk in two.
func (p *partition) split(c *chunk) (a, b *chunk) {
	a, b = &chunk{observed: p.claimed}, &chunk{observed: c.observed}
	for n := range c.inputs {
		to := a
		if n >= len(c.inputs)/2 {
			to = b
		}
		to.push(&c.inputs[n], c.metas[n])
	}
	return a, b
}

func (c *chunk) push(in *gateway.Input, m meta) {
	c.inputs = append(c.inputs, *in)
	c.metas = append(c.metas, m)
	c.bytes += m.size
}

// giveUp ends inputs that cannot be stored. Nobody is told that they were: a
// device sends them again, a caller sees the error.
func (p *partition) giveUp(c *chunk, err error) {
	p.i.Logger.Error("inputs could not be appended and were not acknowledged",
		"partition", p.number, "inputs", len(c.inputs), "error", err)
	p.answer(c, 0, err)
	p.recycle(c)
}
