package explain

import (
	"os"
	"regexp"
	"testing"
	"time"

	"touchpoint/gateway"
)

// TestEveryReasonHasWords in every language; so has every state of a message.
func TestEveryReasonHasWords(t *testing.T) {
	text, err := os.ReadFile("../reason.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Reason = "(\w+)"`).FindAllStringSubmatch(string(text), -1)
	if len(codes) < 40 {
		t.Fatal("reasons are missing")
	}
	for _, m := range codes {
		w, ok := reasons[gateway.Reason(m[1])]
		if !ok || w.en == "" || w.de == "" || w.en == w.de {
			t.Errorf("%s: %+v: write it in words in gateway/explain/reasons.go", m[1], w)
		}
	}
	if len(reasons) != len(codes) {
		t.Errorf("%d reasons have words, %d exist", len(reasons), len(codes))
	}
	for s := gateway.MessageUnknown; s == 0 || s.String() != "unknown"; s++ {
		if w, ok := states[s.String()]; !ok || w.en == "" || w.de == "" {
			t.Errorf("state %s has no words", s)
		}
	}
}

// TestHeadline: the answer in one sentence.
func TestHeadline(t *testing.T) {
	at := gateway.Instant(1_777_622_400_000)
	tests := []struct {
		x      gateway.Explanation
		en, de string
	}{
		{gateway.Explanation{Journey: "care", Verdict: gateway.ReasonNoConsent},
			"→ care: not inside, and would not be let in now: the consent is missing.", "→ care: nicht darin und käme jetzt auch nicht hinein: die Einwilligung fehlt."},
		{gateway.Explanation{Journey: "care", Verdict: gateway.ReasonEnrolled, Checks: []gateway.ExplainCheck{{Name: gateway.CheckTrigger, Result: gateway.CheckFails}}},
			"→ care: not inside; nothing is against it, but what starts it has not come.", "→ care: nicht darin; nichts spricht dagegen, aber der Auslöser kam nicht."},
		{gateway.Explanation{Journey: "care", Checks: []gateway.ExplainCheck{{Name: gateway.CheckEnrollment, Step: "rest", Until: at}}},
			"→ care: inside, at step rest, waits until 2026-05-01 10:00.", "→ care: läuft, bei Schritt rest, wartet bis 01.05.2026 10:00."},
		{gateway.Explanation{Journey: "care", Checks: []gateway.ExplainCheck{{Name: gateway.CheckJourney, Result: gateway.CheckFails, Reason: gateway.ReasonNotActive, Rule: "unknown"}}},
			"→ care: not inside: the journey is not live.", "→ care: nicht darin: die Journey ist nicht aktiv."},
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		for lang, want := range map[string]string{"en": tt.en, "de": tt.de} {
			if got := Tell(tt.x, lang, berlin)[0].String(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	}
}
