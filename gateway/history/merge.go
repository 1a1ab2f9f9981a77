package history

import (
	"container/heap"
	"context"
)

// pointSource yields points of one partition in the order of their places.
type pointSource interface {
	// next reads the next point into p; false at the end.
	next(ctx context.Context, p *Point) (bool, error)
}

// merge calls fn for the points of all sources in the order of Scan.
func merge(ctx context.Context, sources []pointSource, fn func(*Point) error) error {
	h := make(mergeHeap, 0, len(sources))
	for _, s := range sources {
		e := &mergeEntry{source: s}
		ok, err := s.next(ctx, &e.point)
		if err != nil {
			return err
		}
		if ok {
			h = append(h, e)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		e := h[0]
		if err := fn(&e.point); err != nil {
			return err
		}
		ok, err := e.source.next(ctx, &e.point)
		switch {
		case err != nil:
			return err
		case ok:
			heap.Fix(&h, 0)
		default:
			heap.Pop(&h)
		}
	}
	return nil
}

type mergeEntry struct {
	source pointSource
	point  Point
}

// mergeHeap has the source with the earliest point on top.
type mergeHeap []*mergeEntry

func (h mergeHeap) Len() int           { return len(h) }
func (h mergeHeap) Less(i, j int) bool { return scanBefore(&h[i].point, &h[j].point) }
func (h mergeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface; the heap only shrinks.
func (h *mergeHeap) Push(x any) { *h = append(*h, x.(*mergeEntry)) }

// Pop implements heap.Interface.
func (h *mergeHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
