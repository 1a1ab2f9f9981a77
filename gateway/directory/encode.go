package directory

import (
	"encoding/json"
	"strconv"
	"strings"

	"touchpoint/gateway"
)

// textList writes a list of texts as JSON, "" for an empty one.
func textList(list []string) string {
	if len(list) == 0 {
		return ""
	}
	b, _ := json.Marshal(list) // texts cannot fail
	return string(b)
}

func parseTextList(s string) (list []string, err error) {
	if s != "" {
		err = json.Unmarshal([]byte(s), &list)
	}
	return list, err
}

// consents writes consents as JSON, "" for none.
func consents(list []gateway.Consent) string {
	if len(list) == 0 {
		return ""
	}
	b, _ := json.Marshal(list)
	return string(b)
}

// quietHours writes a customer's own, "" for none.
func quietHours(list []gateway.QuietInterval) string {
	if len(list) == 0 {
		return ""
	}
	b, _ := json.Marshal(list)
	return string(b)
}

func parseQuietHours(s string) (list []gateway.QuietInterval, err error) {
	if s != "" {
		err = json.Unmarshal([]byte(s), &list)
	}
	return list, err
}

func parseConsents(s string) (list []gateway.Consent, err error) {
	if s != "" {
		err = json.Unmarshal([]byte(s), &list)
	}
	return list, err
}

// sealedValue is how ciphertext is told from text.
type sealedValue struct {
	Sealed string `json:"sealed"`
}

// properties writes properties as a JSON object, "" for none. A float always
// has a point or an exponent, so that it comes back as one; null, NaN and
// infinities are written as null.
func properties(list gateway.Properties) string {
	if len(list) == 0 {
		return ""
	}
	b := []byte{'{'}
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, list[i].Key)
		b = append(b, ':')
		b = appendValue(b, list[i].Value)
	}
	return string(append(b, '}'))
}

func appendText(b []byte, s string) []byte {
	text, _ := json.Marshal(s)
	return append(b, text...)
}

func appendValue(b []byte, v gateway.Value) []byte {
	switch v.Kind() {
	case gateway.KindBool:
		return strconv.AppendBool(b, v.AsBool())
	case gateway.KindInt:
		return strconv.AppendInt(b, v.AsInt(), 10)
	case gateway.KindFloat:
		f, _ := v.AsFloat()
		text := strconv.FormatFloat(f, 'g', -1, 64)
		switch {
		case strings.ContainsAny(text, "NI"):
			text = "null"
		case !strings.ContainsAny(text, ".e"):
			text += ".0"
		}
		return append(b, text...)
	case gateway.KindString:
		return appendText(b, v.AsString())
	case gateway.KindSealed:
		text, _ := json.Marshal(sealedValue{v.AsString()})
		return append(b, text...)
	}
	return append(b, "null"...)
}

func parseProperties(s string) (gateway.Properties, error) {
	if s == "" {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var list gateway.Properties
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		v, err := parseValue(raw)
		if err != nil {
			return nil, err
		}
		list = append(list, gateway.Property{Key: key.(string), Value: v})
	}
	return list, nil
}

func parseValue(raw json.RawMessage) (gateway.Value, error) {
	switch raw[0] {
	case 'n':
		return gateway.Null(), nil
	case 't', 'f':
		return gateway.Bool(raw[0] == 't'), nil
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return gateway.String(s), err
	case '{':
		var s sealedValue
		err := json.Unmarshal(raw, &s)
		return gateway.Sealed(s.Sealed), err
	}
	text := string(raw)
	if strings.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(text, 64)
		return gateway.Float(f), err
	}
	i, err := strconv.ParseInt(text, 10, 64)
	return gateway.Int(i), err
}
