package language

import (
	"fmt"
	"strings"
)

// Reference writes the keys as Markdown, a table per map.
func Reference() string {
	var b strings.Builder
	tables(&b, "", Journey)
	return b.String()
}

// tables writes the table of a map, then those of the maps inside.
func tables(b *strings.Builder, path string, keys []Key) {
	title := "`" + path + "`"
	if path == "" {
		title = "The journey"
	}
	fmt.Fprintf(b, "### %s\n\n| key | holds | meaning | example |\n| --- | --- | --- | --- |\n", title)
	for _, k := range keys {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", k.cell(), k.holds(), cell(k.Doc), code(k.Example))
	}
	b.WriteString("\n")
	for _, k := range keys {
		if k.Keys == nil || len(k.Keys) == 1 && k.Keys[0].Name == "*" && k.Keys[0].Keys == nil {
			continue
		}
		inside, below := k.Keys, strings.TrimPrefix(path+"."+k.Name, ".")
		if k.List {
			below += "[]"
		}
		if len(inside) == 1 && inside[0].Name == "*" {
			inside, below = inside[0].Keys, below+".NAME"
		}
		if path != "" && k.Name == "quiet_hours" { // the same as above
			continue
		}
		tables(b, below, inside)
	}
}

func (k Key) cell() string {
	name := "`" + k.Name + "`"
	if k.Required {
		name += " (required)"
	}
	if k.Kind != "" {
		name += " ¹"
	}
	return name
}

func (k Key) holds() string {
	out := string(k.Type)
	switch {
	case k.Choices != nil:
		out = "`" + strings.Join(k.Choices, "`, `") + "`"
	case k.Short != nil:
		out = "`" + strings.Join(k.Short, "`, `") + "` or a map"
	case k.Or != "":
		out = string(k.Or) + " or map"
	}
	if k.List {
		out = "list of: " + out
	}
	return out
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + cell(text) + "`"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
