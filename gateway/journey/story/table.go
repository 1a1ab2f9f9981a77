package story

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"touchpoint/gateway/journey"
)

var none = []string{}

// commands is the language of stories. A new one takes a line here, its
// function in a file of its own, and a row in testdata/README.md.
var commands = map[string]command{
	"partitions": {(*Session).cmdPartitions, "partitions NUMBER", 1, none},
	"at":         {(*Session).cmdAt, "at 2026-05-01 08:00", 1, none},
	"advance":    {(*Session).cmdAdvance, "advance 3d", 1, none},
	"together":   {(*Session).cmdTogether, "together", 0, none},
	"observed":   {(*Session).cmdObserved, "observed stops|follows|TIME", 1, none},
	"publish":    {(*Session).cmdPublish, "publish FILE [effective=TIME] [running=pin|migrate|restart] [existing=ignore|enroll|enroll_500_per_day] [fill=true] [dry=true]", 1, []string{"effective", "running", "existing", "fill", "dry"}},
	"journey":    {(*Session).cmdJourney, "journey NAME pause|resume|archive|drain [effective=TIME] [withdraw=true]", 2, []string{"effective", "withdraw"}},
	"customer":   {(*Session).cmdCustomer, "customer NAME [locale= zone= country= channels=a,b reachable=a,b test=true cap=1/7d quiet=22:00-07:00@fri] [attribute=value]", 1, nil},
	"consent":    {(*Session).cmdConsent, "consent NAME PURPOSE granted|revoked [channel=] [at=TIME]", 3, []string{"channel", "at"}},
	"bind":       {(*Session).cmdBind, "bind DEVICE NAME [at=TIME] [role=] [product=] [zone=]", 2, []string{"at", "role", "product", "holder", "zone"}},
	"unbind":     {(*Session).cmdUnbind, "unbind DEVICE [NAME] [at=TIME]", 1, []string{"at", "to"}},
	"people":     {(*Session).cmdPeople, "people DEVICE", 1, none},
	"event":      {(*Session).cmdEvent, "event TYPE device=DEVICE|customer=NAME [id=] [occurred=TIME] [times=20 every=1h] [property=value]", 1, nil},
	"receipt":    {(*Session).cmdReceipt, "receipt STATE [message=m1] [by=device [to=PARTITION]] [at=TIME]", 1, []string{"message", "by", "to", "at"}},
	"done":       {(*Session).cmdDone, "done TASK [outcome=]", 1, []string{"outcome"}},
	"trigger":    {(*Session).cmdTrigger, "trigger JOURNEY NAME [key=] [device=] [property=value]", 2, nil},
	"erase":      {(*Session).cmdErase, "erase NAME", 1, none},
	"join":       {(*Session).cmdJoin, "join NAME GROUP [role=] [at=TIME]", 2, []string{"role", "at"}},
	"leave":      {(*Session).cmdLeave, "leave NAME [at=TIME]", 1, []string{"at"}},
	"restart":    {(*Session).cmdRestart, "restart [settings=FILE [fill=true]]", 0, []string{"settings", "fill"}},
	"outage":     {(*Session).cmdOutage, "outage 3d", 1, none},
	"show":       {(*Session).cmdShow, "show NAME", 1, none},
	"explain":    {(*Session).cmdExplain, "explain NAME JOURNEY [lang=de]", 2, []string{"lang"}},
	"preview":    {(*Session).cmdPreview, "preview FILE [running=pin|migrate|restart]", 1, []string{"running"}},
	"budget":     {(*Session).cmdBudget, "budget NAME", 1, none},
	"decided":    {(*Session).cmdDecided, "decided NAME [lang=de]", 1, []string{"lang"}},
	"forwards":   {(*Session).cmdForwards, "forwards wait|go", 1, none},
	"via":        {(*Session).cmdVia, "via PARTITION|home", 1, none},
	"home":       {(*Session).cmdHome, "home NAME…", 1, none},
	"unfinished": {(*Session).cmdUnfinished, "unfinished", 0, none},
	"brake":      {(*Session).cmdBrake, "brake on|off [reason=]", 1, []string{"reason"}},
	"fill":       {(*Session).cmdFill, "fill JOURNEY|rules [since=TIME] [stop=half]", 1, []string{"since", "stop"}},
	"timers":     {(*Session).cmdTimers, "timers", 0, none},
}

// Usage lists the commands, a line each.
func Usage() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		lines = append(lines, commands[name].usage)
	}
	return lines
}

func unknownCommand(word string) error {
	if near := journey.Closest(word, slices.Sorted(maps.Keys(commands))); near != "" {
		return fmt.Errorf("%q is no command; did you mean %q?", word, near)
	}
	return fmt.Errorf("%q is no command; there are %s", word, strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
}
