package deliver

import (
	"context"
	"errors"
	"strings"

	"touchpoint/gateway"
	"touchpoint/gateway/failpoint"
)

// dedup finds a message that this process has handed over already, such as
// after a partition was lost and won again: only its record is repeated.
func (d *Delivery) dedup(_ context.Context, a *attempt) verdict {
	if a.handed || a.out.Again {
		return verdict{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.recent.has(a.it.m.ID, a.out.Channel) {
		d.stats.Duplicates++
		return verdict{what: handed}
	}
	return verdict{}
}

// window keeps a message inside its allowed interval and its life.
func (d *Delivery) window(_ context.Context, a *attempt) verdict {
	m, now := a.out.Message, a.out.Now
	switch expires := d.expiry(m); {
	case a.handed && now >= expires.Add(d.opts.ReceiptGrace):
		return verdict{what: ends, state: gateway.MessageExpired, detail: "no display was reported"}
	case a.handed && a.out.Again && now < expires && m.NotAfter != 0 && now >= m.NotAfter:
		return verdict{what: ends, state: gateway.MessageMissedWindow, detail: "not displayed inside its window"}
	case a.handed && (!a.out.Again || now >= expires):
		return verdict{what: waits, until: expires.Add(d.opts.ReceiptGrace)}
	case now >= expires:
		return verdict{what: ends, state: gateway.MessageExpired}
	case m.NotAfter != 0 && now >= m.NotAfter:
		return verdict{what: ends, state: gateway.MessageMissedWindow}
	case now < m.NotBefore:
		return verdict{what: waits, until: m.NotBefore}
	}
	return verdict{}
}

// consent asks delivery's own table once more.
func (d *Delivery) consent(_ context.Context, a *attempt) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := a.out.Message
	if !d.allows(m.Customer, m.Purpose, a.out.Channel) {
		return verdict{what: ends, state: gateway.MessageWithdrawn, detail: string(gateway.ReasonNoConsent)}
	}
	return verdict{}
}

// render makes the text.
func (d *Delivery) render(ctx context.Context, a *attempt) verdict {
	content, err := d.opts.Renderer.Render(ctx, a.out.Message)
	switch {
	case err == nil:
		a.out.Content = content
		return verdict{}
	case final(err):
		return verdict{what: ends, state: gateway.MessageFailed, detail: detail(err)}
	}
	return verdict{what: fails, err: err}
}

// holdout ends the message of a customer who is deliberately left untreated,
// after all that the others' messages go through.
func (d *Delivery) holdout(_ context.Context, a *attempt) verdict {
	if a.out.Message.Holdout {
		return verdict{what: ends, state: gateway.MessageHeldOut}
	}
	return verdict{}
}

// rate keeps the channel below its limit. The slot is taken once, however
// often the message waits afterwards.
func (d *Delivery) rate(_ context.Context, a *attempt) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.lane.limit == nil || a.it.rated {
		a.it.rated = false // the next attempt takes its own
		return verdict{}
	}
	now := a.out.Now.Time()
	delay := a.lane.limit.ReserveN(now, 1).DelayFrom(now)
	if delay <= 0 {
		return verdict{}
	}
	a.it.rated = true
	return verdict{what: waits, until: a.out.Now.Add(delay + 999_999)} // never early by a cut millisecond
}

// announce records the attempt before it begins where a second one would be
// worse than none.
func (d *Delivery) announce(ctx context.Context, a *attempt) verdict {
	if !a.lane.route.GiveUpOnUnknown {
		return verdict{}
	}
	if a.unknown {
		return verdict{what: ends, state: gateway.MessageFailed, detail: "it is not known whether an earlier hand-over happened"}
	}
	in := d.receipt(a.it, gateway.MessageAttempted, "")
	if _, err := d.opts.Submit.Submit(ctx, a.it.partition(), in); err != nil {
		return verdict{what: fails, err: err}
	}
	return verdict{}
}

// handOver gives the message to its channel.
func (d *Delivery) handOver(ctx context.Context, a *attempt) verdict {
	if ctx.Err() != nil { // taken back while it was rendered
		return verdict{what: fails, err: ctx.Err()}
	}
	a.reached = true
	err := a.lane.route.Channel.HandOver(ctx, &a.out)
	switch {
	case err == nil:
		failpoint.Hit("deliver.handed_over")
		return verdict{}
	case errors.Is(err, ErrAbsent):
		a.reached = false
		if a.handed {
			return verdict{what: waits, until: d.deadlineOf(a)}
		}
		return verdict{what: parks}
	case final(err):
		return verdict{what: ends, state: gateway.MessageFailed, detail: detail(err)}
	case a.lane.route.GiveUpOnUnknown && (gateway.KindOf(err) == gateway.OutcomeUnknown || ctx.Err() != nil):
		return verdict{what: ends, state: gateway.MessageFailed, detail: "it is not known whether the hand-over happened"}
	}
	return verdict{what: fails, err: err}
}

func (d *Delivery) deadlineOf(a *attempt) gateway.Instant {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.deadline(a.it)
}

// maxDetail bounds the words of a record.
const maxDetail = 256

func detail(err error) string {
	s := err.Error()
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "")
	}
	return s
}
