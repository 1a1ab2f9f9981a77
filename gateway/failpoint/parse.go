package failpoint

import (
	"strconv"
	"strings"
)

// parse reads "name:N"; without a number it is the first hit.
func parse(s string) (name string, n int64) {
	name, count, ok := strings.Cut(s, ":")
	if !ok {
		return name, 1
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	return name, n
}
