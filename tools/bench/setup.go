package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "touchpoint/proto/touchpoint/v1"
)

// setup publishes the journeys of the files named, and gives each device an
// owner, so that messages have someone to go to.
func setup(args []string) error {
	flags := flag.NewFlagSet("setup", flag.ExitOnError)
	addr := flags.String("grpc", "127.0.0.1:7070", "address of the gateway's API")
	devices := flags.Int("devices", 0, "bind this many devices, each to a customer of its own")
	product := flags.String("product", "cm1", "product of the devices")
	limit := flags.Duration("limit", time.Minute, "give up after this long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+*addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, file := range flags.Args() {
		if err := publish(ctx, pb.NewJourneyServiceClient(conn), file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return bind(ctx, pb.NewCustomerServiceClient(conn), *product, *devices)
}

func publish(ctx context.Context, api pb.JourneyServiceClient, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	created, err := api.CreateJourney(ctx, &pb.CreateJourneyRequest{
		Definition: &pb.JourneyDefinition{Form: &pb.JourneyDefinition_Yaml{Yaml: string(text)}},
	})
	if err != nil {
		return err
	}
	_, err = api.PublishJourney(ctx, &pb.PublishJourneyRequest{Name: created.Journey.Name})
	return err
}

// bind uses many calls at a time, since each waits for the disk.
func bind(ctx context.Context, api pb.CustomerServiceClient, product string, devices int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for d := range devices {
		g.Go(func() error {
			customer := &pb.CustomerRef{ExternalId: fmt.Sprintf("bench-%04d", d)}
			_, err := api.BindDevice(ctx, &pb.BindDeviceRequest{
				Device:   &pb.DeviceRef{Product: product, Serial: fmt.Sprintf("dev%04d", d)},
				Customer: customer,
			})
			return err
		})
	}
	return g.Wait()
}
