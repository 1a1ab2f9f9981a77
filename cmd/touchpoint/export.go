package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	pb "touchpoint/proto/touchpoint/v1"
)

func customerExport(c *client) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "export CUSTOMER", Short: "Write all that is stored about a customer, as one JSON document", Args: exactArgs(1),
		Long: "Writes profile, consents, devices, enrollments, decisions, messages, tasks and events of a customer, with the\n" +
			"personal fields opened, as one JSON document. It needs the role crm.",
		Example: "  touchpoint customer export K-100042 --output K-100042.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := c.export(cmd, args[0])
			if err != nil {
				return err
			}
			if file == "" {
				return c.printJSON(all)
			}
			return c.writeExport(file, all)
		},
	}
	cmd.Flags().StringVar(&file, "output", "", "file to write, readable by you alone; absent: the standard output")
	return cmd
}

// export reads the parts into one.
func (c *client) export(cmd *cobra.Command, customer string) (*pb.ExportCustomerResponse, error) {
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	stream, err := pb.NewExportServiceClient(conn).ExportCustomer(c.authorized(cmd.Context()),
		&pb.ExportCustomerRequest{Customer: customerArg(customer)})
	if err != nil {
		return nil, err
	}
	all := &pb.ExportCustomerResponse{}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		proto.Merge(all, part)
	}
}

func (c *client) writeExport(file string, all *pb.ExportCustomerResponse) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	out := c.out
	c.out = f
	err = c.printJSON(all)
	c.out = out
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	c.say("%s: %d devices, %d enrollments, %d decisions, %d messages, %d events", file, len(all.Devices), len(all.Enrollments),
		len(all.Decisions), len(all.Messages), len(all.Events))
	return nil
}
