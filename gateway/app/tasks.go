package app

import (
	"context"

	"touchpoint/gateway"
	"touchpoint/gateway/directory"
	"touchpoint/gateway/rpc"
)

// tasks are those of the read model, with their texts.
type tasks struct{ g *Gateway }

func (t tasks) Tasks(ctx context.Context, q rpc.TaskQuery) (rpc.Page[gateway.Task], error) {
	page, err := t.g.directory.Tasks(ctx, directory.TaskQuery(q))
	return rpc.Page[gateway.Task](page), err
}

// TaskText fills in the text like that of a message.
func (t tasks) TaskText(ctx context.Context, task *gateway.Task, locale string) (title, body string, err error) {
	c, err := t.g.renderer.Render(ctx, &gateway.Message{Journey: task.Journey, Version: task.Version, Template: task.Step,
		Customer: task.Customer, Device: task.Device, Locale: locale, Values: task.Values})
	return c.Title, c.Body, err
}
