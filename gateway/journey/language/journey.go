package language

import "slices"

// Journey are the keys of a definition.
var Journey = []Key{
	{Name: "name", Type: Name, Required: true, Doc: "The journey's name, unique in the installation.", Example: "descaling"},
	{Name: "description", Type: Text, Doc: "A sentence for those who read it.", Example: "Asks for descaling after 200 brews."},
	{Name: "purpose", Type: Text, Required: true, Choices: []string{"service", "marketing", "safety"},
		Doc: "Why it may send. service: allowed unless the customer objected; marketing: needs his opt-in and has a holdout; safety: passes consent, caps and quiet hours.", Example: "service"},
	{Name: "trigger", Type: Object, Required: true, Keys: Trigger, Doc: "What starts an enrollment."},
	{Name: "filter", Type: Condition, Doc: "What must hold at the entry.", Example: `customer.country == "DE"`},
	{Name: "reentry", Type: Object, Short: []string{"once", "after_exit", "concurrent_per_key"}, Doc: "When a customer may enter again: once (the default of a milestone), after_exit (else the default), concurrent_per_key (one enrollment per value of key at a time), or {after_exit_and_gap: 30d}.", Example: "after_exit",
		Keys: []Key{{Name: "after_exit_and_gap", Type: Duration, Required: true, Doc: "How long after an exit nobody enters again.", Example: "30d"}}},
	{Name: "key", Type: Text, Doc: "The correlation key of an enrollment: device, or event.PROPERTY.", Example: "device"},
	{Name: "existing", Type: Text, Doc: "What happens at publish to customers who meet the entry already: ignore (the default), enroll, or enroll 500 per day (over the whole installation).", Example: "ignore"},
	entryCap, ramp, forecast, migrate,
	{Name: "traits", Type: Object, Keys: []Key{{Name: "*", Type: Object, Keys: trait, Doc: "A trait, read as trait.NAME in conditions and texts."}}, Doc: "What is counted per customer or device."},
	{Name: "exit", Type: Object, List: true, Keys: []Key{
		{Name: "event", Type: Event, Kind: "exit", Doc: "Ends the enrollment at once, also inside a wait.", Example: "brew_finished"},
		{Name: "where", Type: Condition, Doc: "Only events for which this holds.", Example: "event.water_ml > 100"},
		{Name: "when", Type: Condition, Kind: "exit", Doc: "Ends it as soon as this holds of customer and traits.", Example: "trait.brews > 100"},
	}, Doc: "What ends an enrollment early."},
	{Name: "goal", Type: Object, Keys: []Key{
		{Name: "event", Type: Event, Required: true, Doc: "What success is.", Example: "descaling_finished"},
		{Name: "where", Type: Condition, Doc: "Only events for which this holds."},
		{Name: "within", Type: Duration, Required: true, Doc: "How long after the entry it counts, also after an exit.", Example: "14d"},
	}, Doc: "What success is; one conversion per enrollment."},
	{Name: "holdout", Type: Number, Low: 0, High: 100, Doc: "Share of customers in percent who are left untreated, to measure the effect. Without it the purpose's default holds.", Example: "10"},
	{Name: "holdout_reason", Type: Text, Doc: "Why marketing has no holdout, for those who read it.", Example: "required by law"},
	{Name: "caps", Type: Object, Keys: []Key{
		{Name: "obeys", Type: Bool, Doc: "Whether frequency caps hold for its messages; false for safety, else true.", Example: "true"},
		{Name: "counts", Type: Bool, Doc: "Whether its messages use the caps up.", Example: "true"},
	}, Doc: "What it has to do with frequency caps."},
	{Name: "quiet_hours", Type: Object, List: true, Keys: quietHours, Doc: "Local intervals without messages, beside the project's; the strictest wins."},
	{Name: "priority", Type: Integer, Low: -1000, High: 1000, Doc: "Who wins when several journeys would send at the same time and a cap allows fewer; 0 without it.", Example: "10"},
	{Name: "decision_window", Type: Duration, Doc: "How long its messages wait for competing ones before the best is taken; at most 7d.", Example: "2h"},
	{Name: "tags", Type: Name, List: true, Doc: "Words for its messages that cap rules may name.", Example: "[tip]"},
	{Name: "context", Type: Object, Keys: gate, Doc: "The state of the device in which its messages may be shown; until then they wait, or expire."},
	{Name: "legal_basis", Type: Text, Doc: "For safety, where it is required: what allows it to pass consent, caps and quiet hours. It stands in every decision.", Example: "recall under GPSR, art. 35"},
	{Name: "data", Type: Name, List: true, Doc: "Categories of data that it joins, as the products declare them, and customer for fields of the customer. Who did not consent to data:CATEGORY is left out.", Example: "[usage, customer]"},
	{Name: "max_event_age", Type: Duration, Doc: "An older event triggers nothing; it still counts.", Example: "4h"},
	{Name: "steps", Type: Object, List: true, Required: true, Keys: Steps, Doc: "What happens, in order."},
}

// Trigger are the keys of trigger.
var Trigger = []Key{
	{Name: "event", Type: Event, Kind: "trigger", Doc: "Every such event.", Example: "brew_finished"},
	{Name: "where", Type: Condition, Doc: "With event: only those for which this holds.", Example: "event.water_ml > 100"},
	{Name: "threshold", Type: Object, Kind: "trigger", Keys: threshold, Doc: "A count or a sum over a sliding window reaches a value."},
	{Name: "milestone", Type: Object, Kind: "trigger", Keys: []Key{
		{Name: "event", Type: Event, Required: true, Doc: "What is counted, for ever.", Example: "brew_finished"},
		{Name: "nth", Type: Integer, Low: 1, High: 1e9, Doc: "The first (the default) or the Nth one.", Example: "1000"},
		{Name: "where", Type: Condition, Doc: "Only events for which this holds are counted."},
		per,
	}, Doc: "The Nth event, once."},
	{Name: "absence", Type: Object, Kind: "trigger", Keys: []Key{
		{Name: "event", Type: Event, Required: true, Doc: "What did not happen.", Example: "brew_finished"},
		{Name: "for", Type: Duration, Required: true, Doc: "For how long; only time that was observed counts.", Example: "14d"},
		{Name: "where", Type: Condition, Doc: "Only events for which this holds end the silence."},
	}, Doc: "No such event for a while."},
	{Name: "silence", Type: Object, Kind: "trigger", Keys: []Key{
		{Name: "event", Type: Event, Doc: "What was not heard; without it, nothing at all from any device of the customer.", Example: "ride_finished"},
		{Name: "for", Type: Duration, Required: true, Doc: "For how long, offline or not.", Example: "30d"},
		{Name: "where", Type: Condition, Doc: "With event: only events for which this holds end the silence."},
	}, Doc: "Nothing was heard for a while: like absence, but a device that may yet upload is not waited for."},
	{Name: "sequence", Type: Object, Kind: "trigger", Keys: []Key{
		{Name: "events", Type: Object, List: true, Required: true, Or: Event, Keys: []Key{
			{Name: "event", Type: Event, Required: true, Doc: "One event of the row.", Example: "error_raised"},
			{Name: "where", Type: Condition, Doc: "Only those for which this holds."},
		}, Doc: "What comes one after the other."},
		{Name: "without", Type: Object, List: true, Or: Event, Doc: "What must not come in between.", Keys: []Key{
			{Name: "event", Type: Event, Required: true, Doc: "One such event.", Example: "support_called"},
			{Name: "where", Type: Condition, Doc: "Only those for which this holds."},
		}},
		{Name: "within", Type: Duration, Required: true, Doc: "From the first to the last.", Example: "2d"},
		per,
	}, Doc: "Events in an order within a time."},
	segmentTrigger,
	stageTrigger,
	scheduleTrigger,
	{Name: "api", Type: Nothing, Kind: "trigger", Doc: "A call of TriggerJourney."},
}

var per = Key{Name: "per", Type: Text, Choices: []string{"customer", "device"}, Doc: "Whether each customer (the default) or each device has a count of its own.", Example: "device"}

var threshold = slices.Concat([]Key{
	{Name: "trait", Type: Name, Kind: "watched", Doc: "A trait of the journey that is watched.", Example: "battery"},
}, watched("watched"), []Key{
	{Name: "at_least", Type: Number, Low: -1e12, High: 1e12, Kind: "bound", Doc: "Fires when the value reaches it; again only after it fell below.", Example: "200"},
	{Name: "every", Type: Number, Low: 1e-6, High: 1e9, Kind: "bound", Doc: "With count or sum: fires each time so many came; what was counted is used up.", Example: "100"},
	{Name: "at_most", Type: Number, Low: -1e12, High: 1e12, Kind: "bound", Doc: "Fires when the value falls to it; not with count and sum."},
	{Name: "above", Type: Number, Low: -1e12, High: 1e12, Kind: "bound", Doc: "Fires when the value rises above it; not with count and sum.", Example: "96"},
	{Name: "below", Type: Number, Low: -1e12, High: 1e12, Kind: "bound", Doc: "Fires when the value falls below it; not with count and sum.", Example: "0.8"},
	{Name: "unless", Type: Event, Doc: "Does not fire when this event came within the window.", Example: "descaling_finished"},
	within, where, per,
})

var trait = append(watched("trait"), within, where, per)

var (
	within = Key{Name: "within", Type: Duration, Doc: "Length of the sliding window; required for sum, mean, min, max, slope, percentiles and thresholds of count and sum, else for ever.", Example: "30d"}
	where  = Key{Name: "where", Type: Condition, Doc: "Only events for which this holds.", Example: "event.water_ml > 100"}
)

// watched are what a trait can be.
func watched(kind string) []Key {
	return []Key{
		{Name: "count", Type: Event, Kind: kind, Doc: "How many came.", Example: "brew_finished"},
		{Name: "sum", Type: Property, Kind: kind, Doc: "Their sum.", Example: "brew_finished.water_ml"},
		{Name: "mean", Type: Property, Kind: kind, Doc: "Their mean.", Example: "brew_finished.water_ml"},
		{Name: "min", Type: Property, Kind: kind, Doc: "The smallest.", Example: "ride_finished.battery_percent"},
		{Name: "max", Type: Property, Kind: kind, Doc: "The largest.", Example: "wash_finished.temperature_c"},
		{Name: "first", Type: Event, Kind: kind, Doc: "When the first came.", Example: "brew_finished"},
		{Name: "last", Type: Event, Kind: kind, Doc: "When the latest came; with a property, its latest value.", Example: "trip_finished.mileage_km"},
		{Name: "slope", Type: Property, Kind: kind, Doc: "How fast the value rises (falls when negative) per day: the line of least squares.", Example: "ride_finished.battery_health"},
		{Name: "distinct", Type: Property, Kind: kind, Doc: "How many different values came.", Example: "wash_finished.program"},
		{Name: "p90", Pattern: `^p[1-9][0-9]?$`, Type: Property, Kind: kind, Doc: "A percentile: p1 to p99; p50 is the median.", Example: "brew_finished.temperature_c"},
	}
}

var quietHours = []Key{
	{Name: "from", Type: LocalTime, Required: true, Doc: "Start, in the recipient's zone.", Example: `"22:00"`},
	{Name: "to", Type: LocalTime, Required: true, Doc: "End; may lie behind midnight.", Example: `"07:00"`},
	{Name: "days", Type: Text, List: true, Choices: weekdays, Doc: "Days on which it starts; all when empty.", Example: "[sat, sun]"},
	{Name: "channels", Type: Text, List: true, Doc: "Channels for which it holds; all when empty."},
	{Name: "on_hit", Type: Text, Choices: []string{"hold", "discard"}, Doc: "hold: send at the first allowed instant; discard: drop the message, the customer goes on.", Example: "hold"},
}

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

var gate = []Key{
	{Name: "when", Type: Condition, Required: true, Doc: "Must hold of device.state, which is idle or a name of device_states in the settings.", Example: `device.state == "idle"`},
	{Name: "unknown", Type: Text, Required: true, Choices: []string{"send", "hold"}, Doc: "What happens while nothing is known of the device's state.", Example: "send"},
	{Name: "channels", Type: Text, List: true, Doc: "Only these channels wait; all when empty.", Example: "[product]"},
}
