package history

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	ihttp "github.com/influxdata/influxdb-client-go/v2/api/http"

	"touchpoint/gateway"
)

// verdict is what an answer of the server asks for.
type verdict uint8

const (
	done    verdict = iota
	again           // keep, back off, try again
	split           // too large
	bad             // something in it is wrong: find out what
	tooOld          // something in it is beyond the bucket's retention
	refused         // not before someone has changed something
)

// judge is the table of what to do about an answer; see docs/history.md.
func judge(err error) verdict {
	if err == nil {
		return done
	}
	var e *ihttp.Error
	if !errors.As(err, &e) {
		return again
	}
	switch e.StatusCode {
	case 0, http.StatusTooManyRequests, http.StatusRequestTimeout:
		return again // the network, a time limit, or the server asks for patience
	case http.StatusRequestEntityTooLarge:
		return split
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if beyondRetention(e.Message) {
			return tooOld
		}
		return bad
	}
	if e.StatusCode >= 500 {
		return again
	}
	return refused // 401, 403, 404 and whatever else is not for a batch to mend
}

// beyondRetention knows the words of the releases of InfluxDB 2.
func beyondRetention(message string) bool {
	return strings.Contains(message, "outside retention policy") || strings.Contains(message, "beyond retention policy")
}

var droppedCount = regexp.MustCompile(`dropped[ =](\d+)`)

// dropped returns how many points the server says it has dropped, 0 when it
// does not say.
func dropped(message string) int {
	m := droppedCount.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// send writes lines until each is written or rejected; rejected tells whether
// one was. It returns an error only when ctx ends or dead letters fail.
func (x *Influx) send(ctx context.Context, lines []line) (rejected bool, err error) {
	answer, err := x.post(ctx, lines)
	if err != nil {
		return false, err
	}
	message := ""
	if answer != nil {
		message = answer.Message
	}
	verdict := done
	if answer != nil {
		verdict = judge(answer)
	}
	switch {
	case verdict == done:
		return false, nil
	case len(lines) == 1, verdict != split && dropped(message) == len(lines):
		return true, x.reject(ctx, lines, verdict, message)
	case verdict == tooOld:
		return x.sendApart(ctx, lines, dropped(message))
	}
	half := len(lines) / 2
	first, err := x.send(ctx, lines[:half])
	if err != nil {
		return first, err
	}
	second, err := x.send(ctx, lines[half:])
	return first || second, err
}

// sendApart sends the oldest lines, which are the suspects, apart from the
// others: they are most likely dropped together, in one request.
func (x *Influx) sendApart(ctx context.Context, lines []line, n int) (bool, error) {
	if n <= 0 || n >= len(lines) {
		n = len(lines) / 2
	}
	sorted := slices.Clone(lines)
	slices.SortStableFunc(sorted, func(a, b line) int {
		return int(a.at() - b.at())
	})
	first, err := x.send(ctx, sorted[:n])
	if err != nil {
		return first, err
	}
	second, err := x.send(ctx, sorted[n:])
	return first || second, err
}

// at returns the time of a line's point in milliseconds; our own lines have none
// and count as the latest.
func (l *line) at() gateway.Instant {
	if l.point == nil {
		return 1 << 60
	}
	return l.point.Event.OccurredAt
}

// post writes lines as one request, again and again while the server is away,
// patience is asked for or access is refused. The answer is nil for success, or
// an error that is about the lines.
func (x *Influx) post(ctx context.Context, lines []line) (*ihttp.Error, error) {
	body := x.body(lines)
	for attempt := 0; ; attempt++ {
		err := x.writeOnce(ctx, body)
		verdict := judge(err)
		if verdict == done || verdict == split || verdict == bad || verdict == tooOld {
			x.setHealth(nil)
			var e *ihttp.Error
			errors.As(err, &e)
			return e, nil
		}
		if ctx.Err() != nil {
			return nil, gateway.Errorf(gateway.Unavailable, "InfluxDB did not take points in time: %w", ctx.Err())
		}
		wait := x.backOff(attempt, err)
		if verdict == refused {
			x.setHealth(x.refusal(err))
			wait = x.o.RefusedRetry
			if x.o.TokenFile != "" {
				before := *x.token.Load()
				if rerr := x.readToken(); rerr != nil {
					x.o.Logger.Warn("history: the token file cannot be read", "error", rerr)
				} else if *x.token.Load() != before {
					wait = 0
				}
			}
		} else {
			x.setHealth(&gateway.Error{Kind: gateway.Unavailable, Text: "InfluxDB is away", Err: err})
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-x.kick:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func (x *Influx) writeOnce(ctx context.Context, body string) error {
	ctx, cancel := context.WithTimeout(ctx, x.o.Timeout)
	defer cancel()
	return x.write.WriteRecord(ctx, body)
}

// refusal is the alarm: someone has to do something, and what.
func (x *Influx) refusal(err error) *gateway.Error {
	var e *ihttp.Error
	errors.As(err, &e)
	switch e.StatusCode {
	case http.StatusUnauthorized:
		return &gateway.Error{Kind: gateway.Unauthenticated, Err: err,
			Text: "InfluxDB refuses the token: give a valid one in history.influx.token or its file"}
	case http.StatusForbidden:
		return &gateway.Error{Kind: gateway.PermissionDenied, Err: err,
			Text: "the token must be allowed to read and write the bucket " + strconv.Quote(x.o.Bucket)}
	case http.StatusNotFound:
		return &gateway.Error{Kind: gateway.NotFound, Err: err,
			Text: "InfluxDB has no bucket " + strconv.Quote(x.o.Bucket) + " in the organization " + strconv.Quote(x.o.Org) + ": create it"}
	}
	return &gateway.Error{Kind: gateway.Unavailable, Err: err, Text: "InfluxDB refuses to be written to"}
}

// body joins the lines into the text of a request. It is a copy: the transport
// may still read it when a request has failed.
func (x *Influx) body(lines []line) string {
	contiguous := true
	size := 0
	for i, l := range lines {
		size += l.to - l.from
		contiguous = contiguous && (i == 0 || lines[i-1].to == l.from)
	}
	if contiguous {
		return string(x.enc.buf[lines[0].from:lines[len(lines)-1].to])
	}
	var b strings.Builder
	b.Grow(size)
	for _, l := range lines {
		b.Write(x.enc.buf[l.from:l.to])
	}
	return b.String()
}

// backOff is the time until the next attempt: what the server asks for, else
// longer and longer, with chance in it so that gateways do not come together.
func (x *Influx) backOff(attempt int, err error) time.Duration {
	var e *ihttp.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return min(time.Duration(e.RetryAfter)*time.Second, 10*time.Minute)
	}
	d := x.o.RetryMin << min(attempt, 16)
	if d > x.o.RetryMax || d <= 0 {
		d = x.o.RetryMax
	}
	return d/2 + rand.N(d/2+1)
}

// maxReason bounds the reason of a dead letter.
const maxReason = 500

// reject gives lines that the server does not take to the dead letters.
func (x *Influx) reject(ctx context.Context, lines []line, v verdict, message string) error {
	reason := message
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	switch v {
	case tooOld:
		reason = "too old: beyond the retention of the history"
	case split:
		reason = "too large for the history"
	}
	var list []Rejected
	for _, l := range lines {
		if l.point != nil {
			list = append(list, Rejected{*l.point, reason})
		}
	}
	if len(list) == 0 {
		return nil
	}
	// The server's words may quote a line, so they are for the dead letter alone.
	x.o.Logger.Warn("history: InfluxDB does not take some points, they are dead letters", "points", len(list), "too_old", v == tooOld)
	return x.o.DeadLetters.Reject(ctx, list)
}
