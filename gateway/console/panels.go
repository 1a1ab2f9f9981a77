package console

import (
	"bytes"
	"cmp"
	"context"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"time"

	"touchpoint/gateway"
	"touchpoint/gateway/explain"
)

// panel is a part of the page that changes by itself: the template
// "panel-<name>" over what view returns.
type panel struct {
	name  string
	every time.Duration
	due   func() bool // when set, it must agree, too
	view  func(ctx context.Context) (any, error)
}

func (c *console) panels() []panel {
	return []panel{
		{"clock", time.Second, nil, c.clockView},
		{"ready", time.Second, nil, c.readyView},
		{"guarantees", 10 * time.Second, nil, c.guaranteesView},
		{"live", 0, c.live.isDirty, c.liveView},
		{"messages", time.Second / 2, nil, c.messagesView},
		{"journeys", time.Second, nil, c.journeysView},
		{"reasons", 2 * time.Second, nil, c.reasonsView},
		{"letters", 5 * time.Second, nil, c.lettersView},
		{"engine", 2 * time.Second, nil, c.engineView},
	}
}

// renderPanel looks and renders. A part that does not answer leaves a sentence
// in its panel and the others alone.
func (c *console) renderPanel(ctx context.Context, p panel) template.HTML {
	look, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	data, err := p.view(look)
	name := "panel-" + p.name
	if err != nil {
		if ctx.Err() == nil {
			c.Logger.Warn("console: a panel cannot be filled", "panel", p.name, "error", err)
		}
		name = "unavailable"
	}
	var b bytes.Buffer
	if err := c.pages.ExecuteTemplate(&b, name, data); err != nil {
		c.Logger.Error("console: a panel cannot be rendered", "panel", p.name, "error", err)
	}
	return template.HTML(b.String()) // #nosec G203: the template has escaped it
}

// render answers with a whole page.
func (c *console) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := c.pages.ExecuteTemplate(&b, name, data); err != nil {
		c.Logger.Error("console: the page cannot be rendered", "error", err)
		http.Error(w, "The page cannot be shown; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

type clockView struct {
	Now     gateway.Instant
	Virtual bool
}

func (c *console) clockView(context.Context) (any, error) {
	return clockView{c.Clock.Now(), c.Clock.Virtual()}, nil
}

func (c *console) readyView(context.Context) (any, error) { return c.Status.NotReady(), nil }

func (c *console) guaranteesView(context.Context) (any, error) { return c.Status.Guarantees(), nil }

func (c *console) liveView(context.Context) (any, error) { return c.live.lanes(), nil }

// tile is one big number.
type tile struct {
	Name, Word, Tone string
	N                int64
	Of               int64 // what it is a share of; 0 = none
}

type messagesView struct {
	Tiles    []tile
	Sentence string // for those who listen
}

// tally sums the states that mean at least as much as a tile says: a message
// that was displayed was handed over, too.
func tally(counts map[string]int64, states ...gateway.MessageState) (n int64) {
	for _, s := range states {
		n += counts[s.String()]
	}
	return n
}

func (c *console) messagesView(ctx context.Context) (any, error) {
	counts, err := c.Messages.MessageCounts(ctx)
	if err != nil {
		return nil, err
	}
	return tilesOf(counts), nil
}

func tilesOf(counts map[string]int64) messagesView {
	var decided int64
	for _, n := range counts {
		decided += n
	}
	displayed := tally(counts, gateway.MessageDisplayed, gateway.MessageOpened, gateway.MessageClicked, gateway.MessageDismissed)
	handed := displayed + tally(counts, gateway.MessageHandedOver, gateway.MessageRedelivered, gateway.MessageDelivered)
	waiting := tally(counts, gateway.MessageDecided, gateway.MessageAttempted, gateway.MessageMissedWindow)
	held := tally(counts, gateway.MessageHeldOut)
	v := messagesView{Tiles: []tile{
		{"Decided", "all messages so far", "plain", decided, 0},
		{"Handed over", "a product or service took it", "wait", handed, decided},
		{"Displayed", "a person has seen it", "good", displayed, decided},
		{"On their way", "not handed over yet", "wait", waiting, decided},
		{"Held out", "control group: not sent on purpose", "off", held, decided},
		{"Expired", "too late to be of use", "off", tally(counts, gateway.MessageExpired), decided},
		{"Failed", "delivery gave up", "bad", tally(counts, gateway.MessageFailed), decided},
		{"Withdrawn", "taken back before it was shown", "off", tally(counts, gateway.MessageWithdrawn), decided},
	}}
	v.Sentence = number(decided) + " messages decided, " + number(displayed) + " displayed."
	return v
}

// maxJourneys bounds the page.
const maxJourneys = 40

type journeysView struct {
	Journeys []journeyView
	More     int
}

type journeyView struct {
	Journey
	Bars     []bar
	Messages []tile
	Left     []tile
}

// bar is one line of a journey's funnel.
type bar struct {
	Name, Kind, Word string
	N, Of            int64
	Tone             string
}

func (c *console) journeysView(ctx context.Context) (any, error) {
	list, err := c.Journeys.Journeys(ctx)
	if err != nil {
		return nil, err
	}
	v := journeysView{More: max(0, len(list)-maxJourneys)}
	for _, j := range list[:min(len(list), maxJourneys)] {
		j.PausedBy = explain.Rule(j.PausedBy, "en", c.Zone)
		v.Journeys = append(v.Journeys, viewOf(j))
	}
	return v, nil
}

func viewOf(j Journey) journeyView {
	v := journeyView{Journey: j}
	v.Bars = append(v.Bars, bar{"Entered", "", "entered so far", j.Entered, j.Entered, "plain"})
	known := map[string]bool{}
	for _, s := range j.Steps {
		known[s.ID] = true
		v.Bars = append(v.Bars, bar{s.ID, s.Kind, "here now", j.Inside[s.ID], j.Entered, "wait"})
	}
	for _, id := range slices.Sorted(maps.Keys(j.Inside)) {
		if !known[id] && id != "" && j.Inside[id] > 0 {
			v.Bars = append(v.Bars, bar{id, "earlier version", "here now", j.Inside[id], j.Entered, "wait"})
		}
	}
	v.Bars = append(v.Bars, bar{"Left", "", "are through", j.left(), j.Entered, "left"})
	if j.HasGoal {
		v.Bars = append(v.Bars, bar{"Goal reached", "", "did what it is for", j.Converted, j.Entered, "good"})
	}
	for _, s := range []gateway.MessageState{
		gateway.MessageDecided, gateway.MessageAttempted, gateway.MessageHandedOver, gateway.MessageRedelivered,
		gateway.MessageDelivered, gateway.MessageDisplayed, gateway.MessageOpened, gateway.MessageClicked,
		gateway.MessageDismissed, gateway.MessageHeldOut, gateway.MessageMissedWindow, gateway.MessageExpired,
		gateway.MessageFailed, gateway.MessageWithdrawn,
	} {
		if n := j.Messages[s.String()]; n > 0 {
			v.Messages = append(v.Messages, tile{Name: stateWord(s), Tone: stateTone(s), N: n})
		}
	}
	for _, r := range slices.Sorted(maps.Keys(j.Ended)) {
		if n := j.Ended[r]; n > 0 {
			v.Left = append(v.Left, tile{Name: wordsOf(gateway.DecisionExit, gateway.Reason(r)).short, N: n})
		}
	}
	return v
}

// left is how many are no longer inside, for whatever reason.
func (j *Journey) left() (n int64) {
	for _, one := range j.Ended {
		n += one
	}
	return n
}

// maxReasons bounds the reasons that are named one by one.
const maxReasons = 7

type reasonsView struct {
	Looked, Sent int64 // entries and sends decided upon; of them a message was decided
	Reasons      []reasonView
}

type reasonView struct {
	Code, Word string
	N, Most    int64
	Where      string // the journey that it concerns most
}

func (c *console) reasonsView(ctx context.Context) (any, error) {
	counts, err := c.Decisions.Reasons(ctx)
	if err != nil {
		return nil, err
	}
	return rankReasons(counts), nil
}

// rankReasons keeps the reasons against a message: entries refused, and sends
// that did not come about.
func rankReasons(counts []ReasonCount) reasonsView {
	var v reasonsView
	index := map[gateway.Reason]int{}
	most := map[gateway.Reason]int64{}
	for _, n := range counts {
		if n.Kind != gateway.DecisionEntry && n.Kind != gateway.DecisionSend {
			continue
		}
		v.Looked += n.N
		switch n.Reason {
		case gateway.ReasonSent:
			v.Sent += n.N
			continue
		case gateway.ReasonEnrolled, gateway.ReasonReplayed:
			continue
		}
		i, ok := index[n.Reason]
		if !ok {
			i = len(v.Reasons)
			index[n.Reason] = i
			v.Reasons = append(v.Reasons, reasonView{Code: string(n.Reason), Word: wordsOf(n.Kind, n.Reason).long})
		}
		r := &v.Reasons[i]
		r.N += n.N
		if n.N > most[n.Reason] {
			most[n.Reason], r.Where = n.N, n.Journey
		}
	}
	slices.SortFunc(v.Reasons, func(a, b reasonView) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Code, b.Code))
	})
	v.Reasons = v.Reasons[:min(len(v.Reasons), maxReasons)]
	for i := range v.Reasons {
		v.Reasons[i].Most = v.Reasons[0].N
	}
	return v
}

type lettersView struct {
	N      int
	More   bool
	Latest []DeadLetter
}

func (c *console) lettersView(ctx context.Context) (any, error) {
	list, more, err := c.DeadLetters.DeadLetters(ctx)
	return lettersView{len(list), more, list[:min(len(list), 5)]}, err
}

type engineView struct {
	Partitions []Partition
	Behind     uint64 // records not decided upon yet
	Down       int
	Totals     Totals
}

func (c *console) engineView(ctx context.Context) (any, error) {
	list, err := c.Engine.Partitions(ctx)
	v := engineView{Partitions: list, Totals: c.Engine.Totals()}
	for _, p := range list {
		v.Behind += p.Behind()
		if !p.Live {
			v.Down++
		}
	}
	return v, err
}

// Behind is how many records wait to be decided upon.
func (p Partition) Behind() uint64 {
	if p.Applied >= p.Last {
		return 0
	}
	return p.Last - p.Applied
}

// Share is the part that is decided upon, of 100.
func (p Partition) Share() int64 {
	if p.Last == 0 {
		return 100
	}
	return share(int64(p.Last-p.Behind()), int64(p.Last))
}
