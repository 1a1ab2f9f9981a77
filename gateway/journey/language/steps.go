package language

// Steps are the keys of a step.
var Steps = []Key{
	{Name: "id", Type: Name, Required: true, Doc: "Stable: enrollments, reports and migrations name the step by it.", Example: "remind"},
	{Name: "send", Type: Object, Kind: "step", Keys: send, Doc: "Decides one message."},
	{Name: "wait", Type: Object, Kind: "step", Keys: []Key{
		{Name: "for", Type: Duration, Kind: "wait", Doc: "For a while.", Example: "3d"},
		{Name: "until_event", Type: Event, Kind: "wait", Doc: "Until such an event comes.", Example: "descaling_finished"},
		{Name: "where", Type: Condition, Doc: "With until_event: only those for which this holds."},
		{Name: "timeout", Type: Duration, Doc: "With until_event: how long at most; required.", Example: "7d"},
		{Name: "on_timeout", Type: Step, Doc: "With until_event: where to go then, if not to the next step.", Example: "remind"},
		{Name: "until_local_time", Type: LocalTime, Kind: "wait", Doc: "Until this time of day in the customer's zone.", Example: `"08:00"`},
		{Name: "days", Type: Text, List: true, Choices: weekdays, Doc: "With until_local_time: on one of these days.", Example: "[sat]"},
	}, Doc: "Rests. Exits and goals are looked at meanwhile."},
	{Name: "branch", Type: Object, List: true, Kind: "step", Keys: []Key{
		{Name: "when", Type: Condition, Kind: "arm", Doc: "The first arm whose condition holds is taken.", Example: "trait.brews > 100"},
		{Name: "go", Type: Step, Doc: "With when: where to go.", Example: "remind"},
		{Name: "otherwise", Type: Step, Kind: "arm", Doc: "In the last arm: where to go when none holds; else the next step.", Example: "end"},
	}, Doc: "Goes where a condition says."},
	{Name: "split", Type: Object, List: true, Kind: "step", Keys: []Key{
		{Name: "arm", Type: Text, Required: true, Doc: "Its name in reports.", Example: "short"},
		{Name: "percent", Type: Number, Low: 0, High: 100, Required: true, Doc: "Its share; all together make 100.", Example: "50"},
		{Name: "go", Type: Step, Doc: "Where to go, if not to the next step."},
	}, Doc: "Goes by chance, always the same way for one customer."},
	{Name: "set", Type: Object, Kind: "step", Keys: []Key{{Name: "*", Type: Value, Doc: "The attribute's new value; nothing deletes it.", Example: "true"}}, Doc: "Sets attributes of the customer, read as customer.NAME."},
	{Name: "start_journey", Type: Name, Kind: "step", Doc: "Starts another journey for the same customer; its own checks decide.", Example: "care"},
	{Name: "stop_journey", Type: Name, Kind: "step", Doc: "Ends his runs of another journey.", Example: "tips"},
	{Name: "task", Type: Object, Kind: "step", Keys: []Key{
		{Name: "assignee", Type: Name, Required: true, Doc: "Who does it: a role or a team.", Example: "support"},
		{Name: "due", Type: Duration, Doc: "How long there is time; without it there is no date.", Example: "2d"},
		{Name: "texts", Type: Object, Required: true, Doc: "What is to be done, per locale (en, de, de-CH).",
			Keys: []Key{{Name: "*", Type: Object, Doc: "The text in one locale.", Keys: []Key{
				{Name: "title", Type: Template, Required: true, Doc: "The headline.", Example: "Call about the descaling"},
				{Name: "body", Type: Template, Doc: "The text.", Example: "{{ trait.brews }} brews, no answer to two messages."},
			}}}},
	}, Doc: "Asks something of the staff; it reaches no customer and uses no cap up. Not for the control group."},
	{Name: "end", Type: Nothing, Kind: "step", Doc: "Ends the enrollment."},
	{Name: "next", Type: Step, Doc: "Where to go afterwards, if not to the next step of the list.", Example: "end"},
}

var send = []Key{
	{Name: "recipient", Type: Text, Choices: []string{"owner", "users", "group", "dealer", "staff"}, Doc: "Who is addressed: owner (the default) is the customer of the enrollment, users are all who use the device (he, too), group his household or account (he, too), dealer and staff who sold it or look after it. The consent, caps, quiet hours, channels and language of each of them decide; the display of the device is the owner's. The enrollment goes on at once; what the others do converts nothing.", Example: "dealer"},
	{Name: "channels", Type: Text, List: true, Doc: "Channels that may be used; the customer's own order decides. Any when empty. of_case stands for the channel on which he complained.", Example: "[product, webhook]"},
	{Name: "expires_after", Type: Duration, Doc: "The message's life.", Example: "3d"},
	{Name: "tags", Type: Name, List: true, Doc: "As above, beside the journey's.", Example: "[tip]"},
	{Name: "quiet_hours", Type: Object, List: true, Keys: quietHours, Doc: "As above, for this message."},
	{Name: "context", Type: Object, Keys: gate, Doc: "As above, for this message instead of the journey's."},
	{Name: "fallback_after", Type: Duration, Doc: "How long it waits for a receipt before it is taken back and goes to the next channel.", Example: "2h"},
	{Name: "texts", Type: Object, Required: true, Doc: "What it says, per locale (en, de, de-CH). Without the customer's locale its language is shown, then English.",
		Keys: []Key{{Name: "*", Type: Object, Doc: "The text in one locale.", Keys: []Key{
			{Name: "title", Type: Template, Required: true, Doc: "The headline.", Example: "Time to descale"},
			{Name: "body", Type: Template, Doc: "The text.", Example: "{{ trait.brews }} cups in 30 days."},
			{Name: "actions", Type: Object, List: true, Doc: "Buttons.", Keys: []Key{
				{Name: "id", Type: Text, Required: true, Doc: "Receipts name the button by it.", Example: "start"},
				{Name: "label", Type: Template, Required: true, Doc: "What the button shows.", Example: "Start now"},
			}},
		}}}},
}
