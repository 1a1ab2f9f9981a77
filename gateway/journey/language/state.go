package language

// Keys that look at where a customer stands.

var segmentTrigger = Key{Name: "segment", Type: Object, Kind: "trigger", Keys: []Key{
	{Name: "enter", Type: Name, Kind: "segment", Doc: "Starts when a customer comes into the segment.", Example: "heavy_users"},
	{Name: "leave", Type: Name, Kind: "segment", Doc: "Starts when he leaves it.", Example: "heavy_users"},
}, Doc: "A customer enters or leaves a segment of the installation's rules."}

var stageTrigger = Key{Name: "stage", Type: Object, Kind: "trigger", Keys: []Key{
	{Name: "enter", Type: Name, Required: true, Doc: "The stage that he comes to.", Example: "dormant"},
	{Name: "from", Type: Name, List: true, Doc: "Only from these stages; any without it.", Example: "[active]"},
}, Doc: "A customer comes to a stage of the installation's rules."}

var scheduleTrigger = Key{Name: "schedule", Type: Object, Kind: "trigger", Keys: []Key{
	{Name: "rrule", Type: Text, Required: true, Doc: "When, as an RRULE (RFC 5545) of the local clock; at most hourly.", Example: "FREQ=WEEKLY;BYDAY=MO"},
	{Name: "start", Type: Text, Required: true, Doc: "The first possible time in the customer's zone; it gives the time of day.", Example: `"2026-05-04 09:00"`},
	{Name: "where", Type: Condition, Doc: "Only customers for whom this holds; the others are counted.", Example: `customer.country == "DE"`},
}, Doc: "A time of the customer's own clock, for every customer."}
