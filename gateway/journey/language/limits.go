package language

// The keys of limits over the whole installation.
var (
	entryCap = Key{Name: "entry_cap", Type: Object, Keys: []Key{
		{Name: "max", Type: Integer, Required: true, Low: 1, High: 1e9, Doc: "How many may enter.", Example: "500"},
		{Name: "per", Type: Duration, Doc: "The length of a rolling window; without per and calendar the cap holds for ever.", Example: "7d"},
		{Name: "calendar", Type: Text, Choices: []string{"day", "week", "month"}, Doc: "A window of the calendar instead, in the project's zone.", Example: "day"},
	}, Doc: "How many may enter over the whole installation; customers marked test do not count."}
	ramp = Key{Name: "ramp", Type: Object, Keys: []Key{
		{Name: "start", Type: Number, Required: true, Low: 0, High: 100, Doc: "Share of customers in percent that may enter at first.", Example: "5"},
		{Name: "then", Type: Object, List: true, Keys: []Key{
			{Name: "after", Type: Duration, Required: true, Doc: "How long after the publication.", Example: "1d"},
			{Name: "share", Type: Number, Required: true, Low: 0, High: 100, Doc: "The share that may enter from then on.", Example: "25"},
		}, Doc: "How the share grows."},
	}, Doc: "Lets in a growing share of the customers. A customer's place in it never changes; a crossed threshold or milestone is made good when the ramp reaches him."}
	forecast = Key{Name: "forecast", Type: Object, Keys: []Key{
		{Name: "messages_per_day", Type: Integer, Required: true, Low: 1, High: 1e9, Doc: "How many messages are expected in 24 hours, over the whole installation.", Example: "1000"},
		{Name: "factor", Type: Number, Low: 1, High: 1000, Doc: "The journey pauses itself when it sends more than so many times the forecast; 3 without it.", Example: "3"},
	}, Doc: "What the journey is expected to send: far beyond it, it pauses itself."}
	migrate = Key{Name: "migrate", Type: Object, Keys: []Key{
		{Name: "*", Type: Step, Doc: "Where the enrollments of a removed step go on.", Example: "rest"},
	}, Doc: "For running: migrate: each step of the version before that is gone, and where its enrollments go on."}
)
