package consoletest

import (
	"testing"

	"github.com/chromedp/chromedp"

	"touchpoint/gateway/app"
	"touchpoint/gateway/journey"
	pb "touchpoint/proto/touchpoint/v1"
)

// rescue is a journey with a task, a split and a goal.
const rescue = `name: rescue
description: Helps who brews a lot and does not descale.
purpose: service
trigger: {threshold: {count: brew_finished, at_least: 3, within: 30d}}
goal: {event: descaling_finished, within: 14d}
holdout: 50
steps:
  - id: tone
    split: [{arm: friendly, percent: 50, go: ask}, {arm: short, percent: 50, go: ask}]
  - id: ask
    send: {channels: [product], texts: {en: {title: "Time to descale"}}}
  - id: call
    task: {assignee: support, due: 2d, texts: {en: {title: "Call about the descaling", body: "Ask for {{ customer.given_name }}."}}}
  - id: rest
    wait: {for: 14d}
`

// TestThePagesOfOneThing: from the overview to a journey, its customer, the
// explanation in both languages, and the tasks.
func TestThePagesOfOneThing(t *testing.T) {
	r := start(t, func(c *app.Config) {
		c.Partitions = 2
		c.Rules.Traits = map[string]map[string]any{"brews": {"count": "brew_finished", "within": "30d"}}
		c.Rules.Segments = []journey.Rule{{Name: "heavy_users", When: "trait.brews >= 3"}}
		c.Rules.Stages = []journey.Rule{{Name: "active", When: "trait.brews > 0"}, {Name: "new"}}
		c.Rules.Caps = []journey.CapRule{{Name: "weekly", Max: 2, Per: 7 * 86_400_000}}
	})
	r.publish("descaling")
	journeys := pb.NewJourneyServiceClient(r.conn)
	form := &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: rescue}}
	must[*pb.CreateJourneyResponse](t)(journeys.CreateJourney(r.ctx, &pb.CreateJourneyRequest{Definition: form}))
	must[*pb.PublishJourneyResponse](t)(journeys.PublishJourney(r.ctx, &pb.PublishJourneyRequest{Name: "rescue"}))
	for n := range 10 {
		r.bind(n)
	}
	groups := pb.NewGroupServiceClient(r.conn)
	for _, who := range []string{"K-00001", "K-00002"} {
		must[*pb.JoinGroupResponse](t)(groups.JoinGroup(r.ctx, &pb.JoinGroupRequest{Customer: &pb.CustomerRef{ExternalId: who},
			Group: &pb.GroupRef{ExternalId: "H-1"}, Role: "payer"}))
	}
	devices := r.machines()
	for n := range 10 {
		devices.hello(n)
		for range 3 {
			devices.send(n, `{"type":"brew_finished","data":{"water_ml":40}}`)
		}
	}
	devices.send(4, `{"type":"descaling_finished"}`)

	b := open(t, r.ctx)
	root := "http://" + r.HTTP
	b.run(
		chromedp.EmulateViewport(1440, 900),
		chromedp.Navigate(root+"/"),
		see("all are inside", `[...document.querySelectorAll('.journey')].some(j => j.textContent.includes('rescue') && j.querySelector('.n b').textContent === '10')`),
		chromedp.Click(chromedp.CSS(`.heading h3 a[href="/journeys/rescue"]`)),
		see("the journey", `location.pathname === '/journeys/rescue' && document.querySelector('h1').textContent === 'rescue'`),
		see("its picture", `document.querySelector('.picture img').naturalWidth > 200`),
		see("its effect", `document.body.textContent.includes('too little data') && document.querySelectorAll('.arms tbody tr').length >= 4`),
	)
	b.shoot("journey", 1440, "light", 1)
	b.shoot("journey-phone", 390, "dark", 2)
	b.run(
		chromedp.EmulateViewport(1440, 900),
		chromedp.Navigate(root+"/journeys/rescue/graph.svg"),
		see("the picture alone, with its own style", `getComputedStyle(document.querySelector('.way')).fill === 'none'`),
		chromedp.Navigate(root+"/customers"),
		chromedp.SendKeys(chromedp.CSS("#customer"), "K-00001\n"),
		see("the customer", `location.pathname.startsWith('/customers/c_')`),
		see("his household", `document.querySelectorAll('.members li').length === 2 && document.body.textContent.includes('weekly, shared')`),
		see("his stage", `document.querySelector('.stages li').textContent.includes('active')`),
		chromedp.Click(chromedp.CSS(`.choose a[href*="journey=rescue"]`)),
		see("the answer", `document.querySelector('.answer').textContent.startsWith('rescue: inside')`),
	)
	b.shoot("customer", 1440, "light", 1)
	b.shoot("customer-phone", 390, "light", 2)
	b.run(
		chromedp.Click(chromedp.CSS(`.talk a[hreflang="de"]`)),
		see("the answer in German", `document.querySelector('.answer').textContent.startsWith('rescue: läuft')`),
		see("the decisions in German", `document.querySelector('.told').textContent.includes('wurde aufgenommen')`),
		chromedp.Navigate(root+"/tasks"),
		see("the tasks, without names", `document.querySelectorAll('.task').length > 1 && document.body.textContent.includes('Ask for [given name].')`),
	)
	b.shoot("tasks", 1440, "dark", 1)
	b.noErrors()
}
