package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"touchpoint/gateway"
)

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

func TestPageIsCompleteWithoutScript(t *testing.T) {
	p := newParts()
	p.counts = map[string]int64{"displayed": 1200, "clicked": 34, "handed_over": 7, "decided": 1, "held_out": 90, "expired": 3, "failed": 2}
	p.journeys = []Journey{{
		Name: "welcome", Description: "Greets.", Purpose: "service", Version: 3, State: gateway.JourneyPublished, HasGoal: true,
		Steps:   []Step{{"hello", "send"}, {"rest", "wait"}},
		Entered: 1337, Converted: 400, Inside: map[string]int64{"rest": 21, "gone": 2},
		Messages: map[string]int64{"displayed": 1200}, Ended: map[string]int64{"completed": 1314},
	}}
	p.reasons = []ReasonCount{
		{gateway.DecisionEntry, gateway.ReasonEnrolled, "welcome", 50}, {gateway.DecisionSend, gateway.ReasonSent, "welcome", 40},
		{gateway.DecisionSend, gateway.ReasonCapped, "welcome", 9}, {gateway.DecisionEntry, gateway.ReasonNoConsent, "we-miss-you", 12},
		{gateway.DecisionExit, gateway.ReasonCompleted, "welcome", 99},
	}
	p.letters = []DeadLetter{{At: start, Device: 7, Topic: "touchpoint/v1/coffee/+/events", Reason: "type: is missing"}}
	p.events = []Event{{Type: "brew_finished", Device: 7, At: start, Key: "1"}}
	p.messages = []gateway.Message{{ID: gateway.MessageID{1}, Journey: "welcome", Step: "hello", Device: 7, DecidedAt: start, State: gateway.MessageDisplayed}}
	p.decisions = []gateway.Decision{{Kind: gateway.DecisionSend, Reason: gateway.ReasonCapped, Journey: "welcome", Step: "hello", Device: 7, At: start}}
	s := serve(t, options(p))
	text := body(t, s.URL+"/")
	for _, want := range []string{
		"coffee house", "13:05:09", "virtual time", ">ready<", "1,337", "1,234", // displayed and clicked
		"version 3", "Greets.", "Goal reached", "earlier version", "passed the last step 1,314",
		"The customer has not agreed to such messages", "mostly in we-miss-you", "Of the latest 111 decisions",
		"type: is missing", "brew finished", "enough messages", "6</b> records wait", "12,345", "on disk before it is acknowledged",
		gateway.DeviceID(7).String(),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(text, "style=") || strings.Contains(text, "onclick") {
		t.Error("inline style or script is against the page's own policy")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestPageEscapesWhatOthersWrote(t *testing.T) {
	p := newParts()
	p.journeys = []Journey{{Name: hostile, Description: hostile, Purpose: hostile, State: hostile,
		Steps: []Step{{hostile, "send"}}, Inside: map[string]int64{hostile + "2": 1}, Ended: map[string]int64{hostile: 1}}}
	p.reasons = []ReasonCount{{gateway.DecisionSend, hostile, hostile, 1}}
	p.letters = []DeadLetter{{Topic: hostile, Reason: hostile}}
	p.events = []Event{{Type: hostile, Key: hostile}}
	p.messages = []gateway.Message{{ID: gateway.MessageID{1}, Journey: hostile, Step: hostile}}
	p.decisions = []gateway.Decision{{Reason: hostile, Journey: hostile, Step: hostile}}
	p.notReady = []string{hostile}
	o := options(p)
	o.Name, o.Version = hostile, hostile
	s := serve(t, o)
	text := body(t, s.URL+"/")
	if strings.Contains(text, "<script>alert") || strings.Contains(text, "<img src=x") {
		t.Errorf("what others wrote became part of the page:\n%s", text)
	}
	if n := strings.Count(text, "&lt;script&gt;alert(1)"); n < 12 {
		t.Errorf("the page shows the hostile text %d times only", n)
	}
	for name, html := range openStream(t, s).update() {
		if strings.Contains(html, "<script>") || strings.Contains(html, "<img") {
			t.Errorf("panel %s: %s", name, html)
		}
	}
}

func TestEveryAnswerHasSecurityHeaders(t *testing.T) {
	s := serve(t, options(newParts()))
	for _, path := range []string{"/", "/assets/style.css", "/assets/console.js", "/assets/icon.svg", "/live", "/login", "/nothing"} {
		req, _ := http.NewRequestWithContext(within(t), "GET", s.URL+path, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, resp.Header)
		}
	}
}

func TestAPartThatFailsLeavesTheOthers(t *testing.T) {
	p := newParts()
	p.broken = errAway
	p.counts["displayed"] = 77
	text := body(t, serve(t, options(p)).URL+"/")
	if !strings.Contains(text, "history does not answer") || !strings.Contains(text, "<b>77</b>") {
		t.Errorf("page:\n%s", text)
	}
}

func TestWithoutTokensOnlyLoopbackNamesAreAnswered(t *testing.T) {
	h, err := New(options(newParts()))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"localhost:7080": 200, "127.0.0.1:7080": 200, "[::1]:7080": 200, "127.0.0.1": 200, "[::1]": 200,
		"rebound.example.com:7080": 421, "192.0.2.1": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	for key, change := range map[string]func(*Options){
		"console.clock": func(o *Options) { o.Clock = nil }, "console.feed": func(o *Options) { o.Feed = nil },
		"console.max_streams":  func(o *Options) { o.MaxStreams = -1 },
		"console.interval":     func(o *Options) { o.Interval = -1 },
		"console.session_life": func(o *Options) { o.SessionLife = -1 },
	} {
		o := options(newParts())
		change(&o)
		_, err := New(o)
		if err == nil || !strings.HasPrefix(err.Error(), key) || gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for r, w := range reasonWords {
		if w.short == "" || w.long == "" || w.tone == "" || len(w.short) > 24 {
			t.Errorf("%s: %+v", r, w)
		}
	}
	if w := wordsOf(gateway.DecisionSend, "brand_new"); w.short != "brand new" {
		t.Errorf("a reason without words: %+v", w)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := number(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for _, c := range [][3]int64{{0, 10, 0}, {1, 1000, 1}, {5, 10, 50}, {12, 10, 100}, {3, 0, 0}} {
		if got := share(c[0], c[1]); got != c[2] {
			t.Errorf("share(%d, %d) = %d", c[0], c[1], got)
		}
	}
}
