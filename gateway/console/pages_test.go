package console

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"touchpoint/gateway"
	"touchpoint/gateway/effect"
)

const anna = gateway.CustomerID(7)

// things are what the pages of one thing show.
type things struct {
	journey  JourneyDetail
	customer Customer
	tasks    []Task
	checks   []gateway.ExplainCheck
	err      error
}

func (t *things) Journey(_ context.Context, name string) (JourneyDetail, error) {
	if t.err == nil && name != t.journey.Name {
		return t.journey, gateway.Errorf(gateway.NotFound, "There is no journey %q that was published.", name)
	}
	return t.journey, t.err
}

func (t *things) Graph(context.Context, string) ([]byte, error) {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), t.err
}
func (t *things) StyleHash() string { return "'sha256-abc='" }

func (t *things) Find(_ context.Context, text string) (gateway.CustomerID, error) {
	if text != "K-1" {
		return 0, gateway.Errorf(gateway.NotFound, "nobody")
	}
	return anna, t.err
}

func (t *things) Customer(_ context.Context, c gateway.CustomerID) (Customer, error) {
	if t.err == nil && c != anna {
		return Customer{}, gateway.Errorf(gateway.NotFound, "there is no customer %v", c)
	}
	return t.customer, t.err
}

func (t *things) Explain(_ context.Context, c gateway.CustomerID, journey string) (gateway.Explanation, error) {
	return gateway.Explanation{Customer: c, Journey: journey, Version: 2, Known: true, Verdict: gateway.ReasonNoConsent, Checks: t.checks}, t.err
}

func (t *things) Tasks(context.Context, string, int) ([]Task, bool, error) {
	return t.tasks, false, t.err
}

const day = gateway.Instant(86_400_000)

// someThings are a journey with an effect, a customer with everything, a task.
func someThings() *things {
	task := Task{Task: gateway.Task{Journey: "rescue", Step: "call", Customer: anna, Assignee: "support", OpenedAt: start - day, DueAt: start + 2*day},
		Title: "Call about the descaling", Body: "204 brews, no answer to two messages."}
	report := effect.CompareArms([]effect.ArmCount{{Arm: "holdout", Enrolled: 900, Exposed: 800, Converted: 160}, {Arm: "treated", Enrolled: 8000, Exposed: 7200, Converted: 2300}}, false)
	report.Mixed = 3
	return &things{
		journey: JourneyDetail{
			Journey: Journey{Name: "descaling", Description: "Reminds of descaling when it is due.", Purpose: "marketing", Version: 3, State: gateway.JourneyPaused,
				PausedBy: "3120 messages in 1d, forecast 1000 times 3", HasGoal: true, Steps: []Step{{"ask", "send"}, {"rest", "wait"}, {"tone", "split"}},
				Entered: 8900, Converted: 2460, Inside: map[string]int64{"rest": 210}, Messages: map[string]int64{"displayed": 6100, "held_out": 800}, Ended: map[string]int64{"goal": 2460, "completed": 6230}},
			Versions: []Version{{3, gateway.JourneyPaused, start}, {2, gateway.JourneyDraining, start - 9*day}, {1, gateway.JourneyFinished, start - 30*day}},
			Reasons:  []ReasonCount{{gateway.DecisionEntry, gateway.ReasonNoConsent, "", 12}, {gateway.DecisionSend, gateway.ReasonCapped, "", 7}},
			Effects: []Effect{{"", report}, {"tone", effect.CompareArms([]effect.ArmCount{{Arm: "friendly", Enrolled: 40, Converted: 9}, {Arm: "short", Enrolled: 44, Converted: 12}}, true)},
				{"hour", effect.CompareArms([]effect.ArmCount{{Arm: "evening", Enrolled: 9000, Converted: 900}, {Arm: "morning", Enrolled: 9000, Converted: 540}, {Arm: "noon", Enrolled: 9000, Converted: 905}}, true)}},
		},
		customer: Customer{
			CustomerProfile: gateway.CustomerProfile{Customer: anna, Locale: "de-DE", TimeZone: "Europe/Berlin", Country: "DE", Channels: []string{"product", "webhook"},
				Consents: []gateway.Consent{{Purpose: "marketing", Granted: true}, {Purpose: "marketing", Channel: "email"}}, CapCount: 2, CapWindow: 7 * int64(day),
				QuietHours: []gateway.QuietInterval{{From: 1320, To: 420, Days: 1 << 6}}, Attributes: gateway.Properties{{Key: "loyalty_points", Value: gateway.Int(150)}}},
			Devices: []gateway.Ownership{{Device: 9, Product: "coffee-1", Role: "owner"}, {Device: 10, Product: "bike-2", Role: "user"}},
			Stages:  []gateway.StageVisit{{Stage: "new", At: start - 90*day}, {Stage: "active", At: start - 60*day}, {Stage: "habitual", At: start - 20*day}}, Segments: []string{"heavy_users", "owners"},
			Group: 3, Members: []Member{{anna, "payer", start - 50*day}, {8, "", start - 40*day}}, Mixed: []string{"descaling"},
			Budget:      []Budget{{"weekly", 2, 2, true, "in 7d"}, {"tips", 1, 4, true, "in a calendar month"}, {"", 1, 2, false, "in 7d"}},
			Enrollments: []gateway.Enrollment{{Journey: "descaling", Version: 3, Step: "rest", Arm: "treated", EnteredAt: start - 2*day, WaitsUntil: start + day}, {Journey: "welcome", Version: 1, Arm: "holdout", EnteredAt: start - 80*day, EndedAt: start - 70*day, EndReason: "completed", Converted: true}},
			Decisions:   []gateway.Decision{{At: start - day, Kind: gateway.DecisionSend, Reason: gateway.ReasonCapped, Journey: "descaling", Version: 3, Step: "ask", Rule: "weekly", Mixed: true}, {At: start - 2*day, Kind: gateway.DecisionEntry, Reason: gateway.ReasonEnrolled, Journey: "descaling", Version: 3, Values: gateway.Properties{{Key: "trait.brews", Value: gateway.Int(204)}}}, {At: start - 80*day, Kind: gateway.DecisionEntry, Reason: gateway.ReasonNoConsent, Journey: "offer", Version: 1, Rule: "marketing"}},
			Tasks:       []Task{task}, Journeys: []string{"descaling", "offer", "welcome"},
		},
		tasks: []Task{task, {Task: gateway.Task{Journey: "rescue", Step: "visit", Customer: 8, Assignee: "dealer", OpenedAt: start - 5*day, DueAt: start - day}, Title: "Visit the customer", Overdue: true}},
		checks: []gateway.ExplainCheck{{Name: gateway.CheckJourney, Result: gateway.CheckHolds},
			{Name: gateway.CheckTrigger, Rule: "threshold", Result: gateway.CheckFails, Values: gateway.Properties{{Key: "event", Value: gateway.String("brew_finished")}, {Key: "trait", Value: gateway.String("count")}, {Key: "value", Value: gateway.Int(7)}, {Key: "at_least", Value: gateway.Int(10)}, {Key: "within", Value: gateway.String("30d")}}},
			{Name: gateway.CheckConsent, Result: gateway.CheckFails, Reason: gateway.ReasonNoConsent, Rule: "marketing"},
			{Name: gateway.CheckFilter, Result: gateway.CheckUnknown, Rule: "customer.points >= 100"}},
	}
}

// has fails the test for each text that a page lacks.
func has(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("the page lacks %q", w)
		}
	}
	if strings.Contains(page, "style=") || strings.Contains(page, "onclick") || strings.Contains(page, "<script>") {
		t.Error("inline style or script is against the page's own policy")
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestJourneyPage(t *testing.T) {
	o := options(newParts())
	o.Details = someThings()
	s := serve(t, o)
	has(t, body(t, s.URL+"/journeys/descaling"), "paused by itself", "3120 messages in 1 day, forecast were 1000 times 3", "/journeys/descaling/graph.svg",
		"control group", "31.9 %", "20.0 %", "better", "more reach the goal than of 100 in the control group", "3 households count in no arm",
		"too little data", "more customers in short", "worse", "Arms of the split “tone”", "class=\"interval good\"", "passed the last step 6,230", "has not agreed")
	req, _ := http.NewRequestWithContext(within(t), "GET", s.URL+"/journeys/descaling/graph.svg", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "style-src 'sha256-abc='") ||
		resp.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("the picture: %v", resp.Header)
	}
}

func TestJourneyWithoutGoal(t *testing.T) {
	d := someThings()
	d.journey.HasGoal, d.journey.PausedBy, d.journey.State = false, "", gateway.JourneyPublished
	o := options(newParts())
	o.Details = d
	has(t, body(t, serve(t, o).URL+"/journeys/descaling"), "This journey has no goal", ">live<")
}

func TestCustomerPage(t *testing.T) {
	o := options(newParts())
	o.Details = someThings()
	s := serve(t, o)
	at := s.URL + "/customers/" + anna.String()
	has(t, body(t, at), anna.String(), "habitual", "heavy_users", "weekly, shared", "of 2 used", "Mixed arms in", gateway.CustomerID(8).String(),
		"loyalty points", "22:00 to 07:00 on Sat", "2 messages in 7 days", "Call about the descaling", "in 2 days",
		"descaling v3, step ask: not sent: enough messages were sent already (weekly; members of the group are in different arms)", "goal reached", "marketing, not marketing on email")
	has(t, body(t, at+"?journey=offer"), "offer: not inside, and would not be let in now", "7 of 10 brew_finished in 30 days.", "offer v1: not let in")
	german := body(t, at+"?journey=offer&lang=de")
	has(t, german, "offer: nicht darin und käme jetzt auch nicht hinein", "7 von 10 brew_finished in 30 Tagen.", "offer v1: nicht aufgenommen: die Einwilligung fehlt", `lang="de"`)
	req, _ := http.NewRequestWithContext(within(t), "GET", at+"?journey=offer", nil)
	req.Header.Set("Accept-Language", "fr;q=0.9, de-AT, en;q=0.5")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "nicht aufgenommen") {
		t.Errorf("the browser's language: %v\n%s", err, text)
	}
}

func TestTasksPage(t *testing.T) {
	o := options(newParts())
	o.Details = someThings()
	has(t, body(t, serve(t, o).URL+"/tasks"), "Call about the descaling", "204 brews", "support", "in 2 days", "overdue", "touchpoint task done", "/customers/"+anna.String())
	o.Details = &things{}
	has(t, body(t, serve(t, o).URL+"/tasks"), "Nothing is open")
}

func TestFindACustomer(t *testing.T) {
	o := options(newParts())
	o.Details = someThings()
	s := serve(t, o)
	has(t, body(t, s.URL+"/customers"), "Find a customer")
	for number, want := range map[string]int{"K-1": http.StatusOK, "K-2": http.StatusNotFound} {
		resp, err := http.PostForm(s.URL+"/customers", url.Values{"customer": {" " + number + " "}})
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want || want == http.StatusNotFound && !strings.Contains(string(text), "No customer has this number") ||
			strings.Contains(resp.Request.URL.String(), number) {
			t.Errorf("%s: %d at %s", number, resp.StatusCode, resp.Request.URL)
		}
	}
}

// TestPagesThatAreNot: what is missing, and what does not answer, is said in
// the page's own form and without what went wrong inside.
func TestPagesThatAreNot(t *testing.T) {
	p := newParts()
	o := options(p)
	o.Details = someThings()
	away := options(p)
	away.Details = &things{err: errAway}
	for _, c := range []struct {
		o      Options
		path   string
		status int
		text   string
	}{
		{o, "/journeys/" + url.PathEscape(hostile), 404, "There is no journey"},
		{o, "/customers/" + gateway.CustomerID(99).String(), 404, "there is no customer"},
		{o, "/customers/K-1", 404, "is no customer"},
		{away, "/journeys/descaling", 503, "cannot be read right now"},
		{away, "/tasks", 503, "cannot be read right now"},
		{away, "/customers/" + anna.String(), 503, "cannot be read right now"},
	} {
		resp, err := http.Get(serve(t, c.o).URL + c.path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(text), c.text) || strings.Contains(string(text), "<script>") || strings.Contains(string(text), errAway.Error()) {
			t.Errorf("%s: %d\n%s", c.path, resp.StatusCode, text)
		}
	}
}

func TestPagesNeedALogin(t *testing.T) {
	o := options(newParts())
	o.RequireToken, o.Tokens = true, []Token{{Name: "a", Secret: "s3cret"}}
	s := serve(t, o)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"/journeys/descaling", "/journeys/descaling/graph.svg", "/customers", "/customers/" + anna.String(), "/tasks"} {
		resp, err := client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/login" {
			t.Errorf("%s: %d to %q", path, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}
