package main

import (
	"github.com/spf13/cobra"

	pb "touchpoint/proto/touchpoint/v1"
)

// pageFlags are the flags of every list.
type pageFlags struct {
	limit   int
	atLeast string
}

func (p *pageFlags) add(cmd *cobra.Command, limit int) {
	cmd.Flags().IntVar(&p.limit, "limit", limit, "at most this many; 0 for all")
	p.addAtLeast(cmd)
}

func (p *pageFlags) addAtLeast(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.atLeast, "at-least", "", "wait for these positions, as a write printed them (3/1042,…)")
}

// positions reads --at-least.
func (p *pageFlags) positions() ([]*pb.Position, error) { return positionArgs(p.atLeast) }

// pageSize is what one call asks for.
const pageSize = 500

// collect reads pages until there are enough items. The second result says
// whether there are more.
func collect[T any](limit int, fetch func(size int32, token string) (items []T, next string, err error)) ([]T, bool, error) {
	var all []T
	token := ""
	for {
		size := int32(pageSize)
		if limit > 0 && limit-len(all) < pageSize {
			size = int32(limit - len(all))
		}
		items, next, err := fetch(size, token)
		if err != nil {
			return nil, false, err
		}
		all = append(all, items...)
		if next == "" || limit > 0 && len(all) >= limit {
			return all, next != "", nil
		}
		token = next
	}
}

// more tells that a list was cut.
func (c *client) more(cut bool, limit int) {
	if cut {
		c.say("… and more than these %d; --limit 0 shows all", limit)
	}
}
