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
