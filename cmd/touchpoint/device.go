package main

import (
	"fmt"

	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// deviceCommand is `touchpoint device`.
func deviceCommand(c *client) *cobra.Command {
	cmd := group("device", "Who has which device")
	cmd.AddCommand(deviceBind(c), deviceUnbind(c), deviceList(c))
	return cmd
}

func deviceBind(c *client) *cobra.Command {
	var role, at, zone string
	cmd := &cobra.Command{
		Use: "bind PRODUCT/SERIAL CUSTOMER", Short: "Give a device to a customer, or note who uses, sold or looks after it", Args: exactArgs(2),
		Example: "  touchpoint device bind barista-3/SN-000042 K-100042\n  touchpoint device bind trail-ebike/SN-000007 D-17 --role dealer",
		Long: "An owner takes the device over. A user, payer, dealer or staff is noted beside him, so that journeys can address them\n" +
			"(recipient: in docs/journeys.md); a user has the device where nobody else does. Users and payers end with the owner's time.",
		RunE: func(cmd *cobra.Command, args []string) error {
			dev, err := deviceArg(args[0])
			if err != nil {
				return err
			}
			r, ok := enum[pb.DeviceRole](pb.DeviceRole_value, "DEVICE_ROLE_", role)
			if !ok {
				return usageError{cmd, fmt.Sprintf("--role %q: owner, user, payer, dealer or staff", role)}
			}
			req := &pb.BindDeviceRequest{Device: dev, Customer: customerArg(args[1]), Role: r, TimeZone: zone}
			if req.At, err = c.instant(cmd.Context(), at); err != nil {
				return err
			}
			api, err := c.customers()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.BindDevice(ctx, req)
			return show(c, resp, err, func(r *pb.BindDeviceResponse) {
				if r1 := req.Role; r1 == pb.DeviceRole_DEVICE_ROLE_OWNER || r1 == pb.DeviceRole_DEVICE_ROLE_UNSPECIFIED {
					c.say("%s (%s) now belongs to %s (position %s)", args[0], r.DeviceId, r.CustomerId, positionText(r.Position))
					return
				}
				c.say("%s is %s of %s (%s) now (position %s)", r.CustomerId, word(req.Role, "DEVICE_ROLE_"), args[0], r.DeviceId, positionText(r.Position))
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", "owner", "what the customer is to it: owner, user, payer, dealer or staff")
	cmd.Flags().StringVar(&zone, "time-zone", "", "where it stands, such as Europe/Berlin; as before when empty")
	cmd.Flags().StringVar(&at, "at", "", "since when, a time or how long ago; now when empty")
	return cmd
}

func deviceUnbind(c *client) *cobra.Command {
	var customer, at string
	cmd := &cobra.Command{
		Use: "unbind PRODUCT/SERIAL", Short: "End the ownership of a device", Args: exactArgs(1),
		Example: "  touchpoint device unbind barista-3/SN-000042",
		RunE: func(cmd *cobra.Command, args []string) error {
			dev, err := deviceArg(args[0])
			if err != nil {
				return err
			}
			req := &pb.UnbindDeviceRequest{Device: dev, Customer: customerArg(customer)}
			if req.At, err = c.instant(cmd.Context(), at); err != nil {
				return err
			}
			api, err := c.customers()
			if err != nil {
				return err
			}
			ctx, cancel := c.within(cmd.Context())
			defer cancel()
			resp, err := api.UnbindDevice(ctx, req)
			return show(c, resp, err, func(r *pb.UnbindDeviceResponse) {
				if customer != "" {
					c.say("%s has to do with %s no more (position %s)", customer, args[0], positionText(r.Position))
					return
				}
				c.say("%s belongs to nobody now (position %s)", args[0], positionText(r.Position))
			})
		},
	}
	cmd.Flags().StringVar(&customer, "customer", "", "only if it is this customer who has it; of one with another role, that ends")
	cmd.Flags().StringVar(&at, "at", "", "since when, a time or how long ago; now when empty")
	return cmd
}

func deviceList(c *client) *cobra.Command {
	req := &pb.ListDevicesRequest{}
	var page pageFlags
	var customer, dev string
	cmd := &cobra.Command{
		Use: "list", Short: "Show devices and who has them", Args: exactArgs(0),
		Example: "  touchpoint device list --customer K-100042 --former",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			req.Customer = customerArg(customer)
			if req.Device, err = deviceArg(dev); err != nil {
				return err
			}
			if req.AtLeast, err = page.positions(); err != nil {
				return err
			}
			api, err := c.customers()
			if err != nil {
				return err
			}
			resp := &pb.ListDevicesResponse{}
			var cut bool
			resp.Devices, cut, err = collect(page.limit, func(size int32, token string) ([]*pb.Device, string, error) {
				req.PageSize, req.PageToken = size, token
				ctx, cancel := c.within(cmd.Context())
				defer cancel()
				r, err := api.ListDevices(ctx, req)
				return r.GetDevices(), r.GetNextPageToken(), err
			})
			return show(c, resp, err, func(r *pb.ListDevicesResponse) {
				c.devices("no device is bound to a customer", r.Devices)
				c.more(cut, page.limit)
			})
		},
	}
	cmd.Flags().StringVar(&customer, "customer", "", "only those of this customer")
	cmd.Flags().StringVar(&dev, "device", "", "only this one, PRODUCT/SERIAL")
	cmd.Flags().BoolVar(&req.WithFormer, "former", false, "with ownerships that ended")
	page.add(cmd, 100)
	return cmd
}

func (c *client) devices(empty string, list []*pb.Device) {
	t := c.table(empty, "DEVICE", "ID", "CUSTOMER", "ROLE", "FROM", "TO")
	for _, d := range list {
		t.row(device(d.Device), d.GetDevice().GetId(), d.CustomerId, word(d.Role, "DEVICE_ROLE_"), when(d.From), when(d.To))
	}
	t.flush()
}
