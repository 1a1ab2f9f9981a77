package app

import (
	"os"

	"touchpoint/devices"
	"touchpoint/gateway"
)

// loadProducts reads the product profiles; without a file every model is
// taken as it comes.
func loadProducts(file string) (*devices.Registry, error) {
	if file == "" {
		return devices.OpenRegistry(), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, gateway.Errorf(gateway.Invalid, "products: %w", err)
	}
	return devices.LoadRegistry(text)
}
