package journey

import (
	"testing"

	"touchpoint/gateway"
)

// TestRefused: what names nobody, or somebody who is gone, is refused and
// changes nothing.
func TestRefused(t *testing.T) {
	p := NewPartition(Config{})
	apply := func(c gateway.Command) gateway.Outcome {
		var s gateway.Step
		p.Apply(&gateway.Batch{Seq: 1, RecordTime: modelStart, Observed: modelStart, Inputs: []gateway.Input{{Command: c}}}, &s)
		if err := NewPartition(Config{}).Restore(p.AppendSnapshot(nil)); err != nil {
			t.Fatal(err)
		}
		return s.Outcomes[0]
	}
	apply(gateway.BindDevice{Device: 1, Product: "brewer", Customer: 7, Role: "owner", At: modelStart})
	apply(gateway.EraseCustomer{Customer: 9})
	before := string(p.AppendSnapshot(nil))
	for name, c := range map[string]gateway.Command{
		"profile of nobody":            gateway.UpsertCustomer{Mask: []string{"locale"}, Locale: "de"},
		"profile of an erased one":     gateway.UpsertCustomer{Customer: 9, Mask: []string{"locale"}, Locale: "de"},
		"consent of nobody":            gateway.SetConsent{Purpose: gateway.PurposeMarketing, Granted: true},
		"consent of an erased one":     gateway.SetConsent{Customer: 9, Purpose: gateway.PurposeMarketing, Granted: true},
		"bind to nobody":               gateway.BindDevice{Device: 2, Role: "owner"},
		"bind no device":               gateway.BindDevice{Customer: 7, Role: "owner"},
		"bind to an erased one":        gateway.BindDevice{Device: 2, Customer: 9, Role: "owner"},
		"unbind what nobody has":       gateway.UnbindDevice{Device: 2},
		"unbind another's":             gateway.UnbindDevice{Device: 1, Customer: 8},
		"receipt without a message":    gateway.Receipt{State: gateway.MessageDisplayed},
		"receipt of his unknown one":   gateway.Receipt{Message: gateway.MessageID{1}, Customer: 7, State: gateway.MessageDisplayed},
		"receipt of an erased one":     gateway.Receipt{Message: gateway.MessageID{1}, Customer: 9, State: gateway.MessageDisplayed},
		"receipt of a device's":        gateway.Receipt{Message: gateway.MessageID{1}, Device: 1, State: gateway.MessageDisplayed},
		"receipt of an unknown device": gateway.Receipt{Message: gateway.MessageID{1}, Device: 5, State: gateway.MessageDisplayed},
		"device from itself":           gateway.ReleaseDevice{Device: 1, To: 0},
		"device to nowhere":            gateway.ReleaseDevice{Device: 1, To: 1},
		"broken device":                gateway.AdmitDevice{Device: 3, State: []byte{formatVersion, 1}},
		"device of a later version":    gateway.AdmitDevice{Device: 3, State: []byte{99}},
		"erase nobody":                 gateway.EraseCustomer{},
		"trigger an unknown journey":   gateway.TriggerJourney{Journey: "none", Customer: 7},
		"pause an unknown journey":     gateway.SetJourneyState{Journey: "none", State: gateway.JourneyPaused},
		"publish under another name":   gateway.PublishJourney{Journey: "none", Version: 1, Definition: []byte(modelJourneys["third"])},
	} {
		if o := apply(c); o.Disposition != gateway.Refused {
			t.Errorf("%s: %+v", name, o)
		}
		if string(p.AppendSnapshot(nil)) != before {
			t.Fatalf("%s changed the state", name)
		}
	}
}
