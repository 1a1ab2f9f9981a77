package console

import (
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// hub renders the panels once for all who look, and only while someone does.
// It keeps the newest text of each panel: a slow reader skips what lies
// between and holds up nobody.
type hub struct {
	c      *console
	panels []panel

	mu      sync.Mutex
	shown   map[string]shown
	version uint64
	moved   chan struct{} // closed when the version goes up
	streams int
	cancel  context.CancelFunc
	fresh   time.Time // when all panels were rendered last without a stream

	reading sync.Mutex // one reader at a time renders for a plain page
}

// shown is a panel's text and the version in which it changed.
type shown struct {
	html    template.HTML
	version uint64
}

const (
	heartbeat  = 15 * time.Second // a comment that shows a dead connection
	writeLimit = 10 * time.Second // a reader slower than that is let go
	freshFor   = time.Second      // how long a plain page is served again
)

func newHub(c *console) *hub {
	return &hub{c: c, panels: c.panels(), shown: map[string]shown{}, moved: make(chan struct{})}
}

// join counts a stream in; false when there are enough. The first one starts
// the rendering.
func (h *hub) join() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams >= h.c.MaxStreams {
		return false
	}
	h.streams++
	if h.streams == 1 {
		var ctx context.Context
		ctx, h.cancel = context.WithCancel(context.Background())
		go h.run(ctx)
	}
	return true
}

// leave counts a stream out; the last one ends the rendering.
func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams--
	if h.streams == 0 {
		h.cancel()
	}
}

// run renders what is due until ctx ends. The feed and the history are read
// beside it, so that a slow one delays itself alone.
func (h *hub) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { h.follow(ctx) })
	wg.Go(func() { h.pollEvents(ctx) })
	due := make([]time.Time, len(h.panels))
	tick := time.NewTicker(h.c.Interval)
	defer tick.Stop()
	for {
		now := time.Now()
		changed := map[string]template.HTML{}
		for i, p := range h.panels {
			if now.Before(due[i]) || p.due != nil && !p.due() {
				continue
			}
			due[i] = now.Add(p.every)
			changed[p.name] = h.c.renderPanel(ctx, p)
		}
		h.publish(changed)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// follow applies the changes of the feed to the lanes; at its start, and
// whenever some were lost, it reads them anew.
func (h *hub) follow(ctx context.Context) {
	again := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for {
			select {
			case <-again:
			case <-ctx.Done():
				return
			}
			if err := h.c.seed(ctx); err != nil && ctx.Err() == nil {
				h.c.Logger.Warn("console: the latest messages and decisions cannot be read", "error", err)
			}
		}
	})
	err := h.c.Feed.Watch(ctx, func(ch Change) {
		if h.c.live.apply(ch) {
			select {
			case again <- struct{}{}:
			default:
			}
		}
	})
	if err != nil && ctx.Err() == nil {
		h.c.Logger.Warn("console: changes are no longer told", "error", err)
	}
}

func (h *hub) pollEvents(ctx context.Context) {
	every := time.NewTicker(4 * h.c.Interval)
	defer every.Stop()
	for {
		_ = h.c.readEvents(ctx) // an outage is shown on the page
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

// publish stores the panels whose text differs and wakes the streams.
func (h *hub) publish(panels map[string]template.HTML) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := h.version + 1
	for name, html := range panels {
		if old, ok := h.shown[name]; !ok || old.html != html {
			h.shown[name] = shown{html, next}
			h.version = next
		}
	}
	if h.version == next {
		close(h.moved)
		h.moved = make(chan struct{})
	}
}

// since returns the panels that changed after a version, that version's
// successor, and a channel that is closed when there is a newer one.
func (h *hub) since(version uint64) (map[string]template.HTML, uint64, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	panels := map[string]template.HTML{}
	for name, s := range h.shown {
		if s.version > version {
			panels[name] = s.html
		}
	}
	return panels, h.version, h.moved
}

// snapshot returns all panels for a plain page. While no stream is open they
// are rendered for it, once a second however many ask.
func (h *hub) snapshot(ctx context.Context) map[string]template.HTML {
	h.reading.Lock()
	defer h.reading.Unlock()
	h.mu.Lock()
	usable := h.streams > 0 && len(h.shown) == len(h.panels) || time.Since(h.fresh) < freshFor
	h.mu.Unlock()
	if !usable {
		h.renderAll(ctx)
	}
	panels, _, _ := h.since(0)
	return panels
}

func (h *hub) renderAll(ctx context.Context) {
	// Not the visitor's own context: others wait for the result, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*lookTimeout)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.c.readEvents(ctx) })
	if err := h.c.seed(ctx); err != nil {
		h.c.Logger.Warn("console: the latest messages and decisions cannot be read", "error", err)
	}
	wg.Wait()
	all := map[string]template.HTML{}
	for _, p := range h.panels {
		all[p.name] = h.c.renderPanel(ctx, p)
	}
	h.publish(all)
	h.mu.Lock()
	h.fresh = time.Now()
	h.mu.Unlock()
}

// serveLive is the event stream: one event "panels" per change, whose data is
// a JSON object of panel name to its new text.
func (c *console) serveLive(w http.ResponseWriter, r *http.Request) {
	if !c.hub.join() {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "Enough live views are open: reload the page for the present state.", http.StatusServiceUnavailable)
		return
	}
	defer c.hub.leave()
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	out := stream{w: w, control: http.NewResponseController(w)}
	if !out.send("retry: 2000\n\n") {
		return
	}
	c.follow(r.Context(), &out)
}

// follow sends what changed until the reader goes or the gateway stops. The hub
// sets the pace; what changes while a write takes its time goes into the next.
func (c *console) follow(ctx context.Context, out *stream) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var seen uint64
	for {
		panels, version, moved := c.hub.since(seen)
		if seen = version; len(panels) > 0 {
			data, err := json.Marshal(panels)
			if err != nil || !out.send("event: panels\nid: "+strconv.FormatUint(version, 10)+"\ndata: "+string(data)+"\n\n") {
				return
			}
		}
		select {
		case <-moved:
		case <-beat.C:
			if !out.send(": still here\n\n") {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// stream writes to one reader, each time with a limit.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *stream) send(text string) bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit)) // a writer in tests has none
	if _, err := s.w.Write([]byte(text)); err != nil {
		return false
	}
	return s.control.Flush() == nil
}
