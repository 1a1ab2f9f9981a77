package rpc

import (
	"context"
	"errors"
	"strings"

	"touchpoint/gateway"
	pb "touchpoint/proto/touchpoint/v1"
)

// invalidError returns err as an Invalid error of ours, nil when it is none.
func invalidError(err error) *gateway.Error {
	var gerr *gateway.Error
	if errors.As(err, &gerr) && gerr.Kind == gateway.Invalid {
		return gerr
	}
	return nil
}

func extraName(key string) (string, bool) { return strings.CutPrefix(key, "extra.") }

// resolver turns references into internal ids, whose form was checked before.
type resolver struct{ vault Vault }

// findDevice resolves a device that must be known; 0 for no reference.
func (r resolver) findDevice(ctx context.Context, field string, ref *pb.DeviceRef) (gateway.DeviceID, error) {
	switch {
	case ref.GetId() != "":
		return gateway.ParseDeviceID(ref.Id)
	case ref.GetSerial() == "":
		return 0, nil
	}
	d, err := r.vault.LookupDevice(ctx, ref.Product, ref.Serial)
	if gateway.KindOf(err) == gateway.NotFound {
		return 0, notFound(field, "no event came from this device and it is bound to nobody; check product and serial")
	}
	return d, err
}

// device resolves a device and makes it known when it is not; product is "" when
// it was named by id.
func (r resolver) device(ctx context.Context, ref *pb.DeviceRef) (d gateway.DeviceID, product string, err error) {
	switch {
	case ref.GetId() != "":
		if d, err = gateway.ParseDeviceID(ref.Id); err == nil {
			product, _, err = r.vault.DeviceName(ctx, d)
		}
		return d, product, err
	case ref.GetSerial() == "":
		return 0, "", nil
	}
	d, err = r.vault.Device(ctx, ref.Product, ref.Serial)
	return d, ref.Product, err
}

// findCustomer resolves a customer who must be known; 0 for no reference.
func (r resolver) findCustomer(ctx context.Context, field string, ref *pb.CustomerRef) (gateway.CustomerID, error) {
	switch {
	case ref.GetId() != "":
		return gateway.ParseCustomerID(ref.Id)
	case ref.GetExternalId() == "":
		return 0, nil
	}
	c, err := r.vault.LookupCustomer(ctx, gateway.Personal(ref.ExternalId))
	if gateway.KindOf(err) == gateway.NotFound {
		return 0, notFound(field, "no customer has this external_id; create one (UpsertCustomer, touchpoint customer upsert)")
	}
	return c, err
}

// customer resolves a customer and creates one for an unknown external id.
func (r resolver) customer(ctx context.Context, ref *pb.CustomerRef) (c gateway.CustomerID, created bool, err error) {
	if ref.GetId() != "" {
		c, err = gateway.ParseCustomerID(ref.Id)
		return c, false, err
	}
	return r.vault.Customer(ctx, gateway.Personal(ref.GetExternalId()))
}

// known reports NotFound for an id of the right form that nobody has.
func (r resolver) known(ctx context.Context, field string, c gateway.CustomerID) error {
	_, err := r.vault.CustomerName(ctx, c)
	if gateway.KindOf(err) == gateway.NotFound {
		return notFound(field, "no customer has this id, or the customer was erased")
	}
	return err
}

// deviceRef names a device for an answer; without a mapping it has its id alone.
func (r resolver) deviceRef(ctx context.Context, d gateway.DeviceID) *pb.DeviceRef {
	if d == 0 {
		return nil
	}
	ref := &pb.DeviceRef{Id: d.String()}
	if product, serial, err := r.vault.DeviceName(ctx, d); err == nil {
		ref.Product, ref.Serial = product, serial
	}
	return ref
}
