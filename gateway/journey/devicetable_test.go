package journey

import (
	"testing"

	"pgregory.net/rapid"

	"touchpoint/gateway"
)

// TestDeviceTable holds the table against a map, at all sizes on its way up and
// down.
func TestDeviceTable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var table deviceTable
		model := map[gateway.DeviceID]*device{}
		if rapid.Bool().Draw(rt, "reserved") {
			table.reserve(rapid.IntRange(0, 40).Draw(rt, "n"))
		}
		ids := rapid.SliceOfN(rapid.Uint64Range(1, 60), 1, 200).Draw(rt, "ids")
		for _, n := range ids {
			id := gateway.DeviceID(n)
			if model[id] != nil && n%3 != 0 {
				table.remove(id)
				delete(model, id)
			} else {
				model[id] = &device{id: id}
				table.put(model[id])
			}
			for id := gateway.DeviceID(1); id <= 61; id++ {
				if table.get(id) != model[id] {
					rt.Fatalf("device %d: %v, want %v", id, table.get(id), model[id])
				}
			}
		}
		if table.used != len(model) || len(table.sorted()) != len(model) {
			rt.Fatalf("%d devices, want %d", table.used, len(model))
		}
	})
}
