package history

import (
	"context"
	"os"
	"slices"

	"touchpoint/gateway"
)

// scanRun is how many points Scan sorts in memory at a time.
const scanRun = 100_000

// Scan implements Store. InfluxDB keeps points by device and time of occurrence,
// so the order of application is made here: the points are sorted in runs, which
// go to a temporary file and are merged. Memory stays bounded however long the
// history is.
func (x *Influx) Scan(ctx context.Context, r ScanRange, fn func(*Point) error) error {
	s := &sorter{max: scanRun}
	defer s.close()
	// Nothing is applied before it occurs, so the range also bounds that.
	_, stop := (&Filter{To: r.To}).bounds()
	add := func(p *Point) error {
		if !r.takes(p) {
			return nil
		}
		return s.add(*p)
	}
	if err := x.points(ctx, &seriesFilter{any: true}, &Filter{}, minFluxTime, stop, add); err != nil {
		return err
	}
	if r.Inputs {
		var f flux
		f.from(x.o.Bucket, inputMeasurement, minFluxTime, stop)
		if err := x.records(ctx, &f, nil, add); err != nil {
			return err
		}
	}
	sources, err := s.sources()
	if err != nil {
		return err
	}
	return merge(ctx, sources, fn)
}

// sorter sorts points on disk, in blocks of one partition each.
type sorter struct {
	max    int
	points []Point
	file   *os.File
	size   int64
	runs   []map[int][]extent // blocks of each run, by partition
	writer blockWriter
	data   []byte
}

type extent struct {
	at   int64
	size int
}

func (s *sorter) add(p Point) error {
	s.points = append(s.points, p)
	if len(s.points) < s.max {
		return nil
	}
	return s.spill()
}

func (s *sorter) sort() {
	slices.SortFunc(s.points, func(a, b Point) int {
		switch {
		case scanBefore(&a, &b):
			return -1
		case scanBefore(&b, &a):
			return 1
		}
		return 0
	})
}

// spill writes the points in memory as a run.
func (s *sorter) spill() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "touchpoint-scan-*"); err != nil {
			return gateway.Errorf(gateway.Unavailable, "a file to sort the history in: %w", err)
		}
	}
	s.sort()
	run := map[int][]extent{}
	var g grouping
	g.sort(s.points)
	for _, part := range g.parts {
		for chunk := range slices.Chunk(part.points, blockPoints) {
			s.writer.reset()
			for _, i := range chunk {
				s.writer.add(&s.points[i])
			}
			s.data = s.writer.appendTo(s.data[:0])
			if _, err := s.file.WriteAt(s.data, s.size); err != nil {
				return gateway.Errorf(gateway.Unavailable, "sorting the history: %w", err)
			}
			run[part.partition] = append(run[part.partition], extent{s.size, len(s.data)})
			s.size += int64(len(s.data))
		}
	}
	s.runs = append(s.runs, run)
	clear(s.points)
	s.points = s.points[:0]
	return nil
}

// sources are the sorted runs.
func (s *sorter) sources() ([]pointSource, error) {
	if len(s.runs) == 0 {
		s.sort()
		return []pointSource{&memorySource{s.points}}, nil
	}
	if err := s.spill(); err != nil {
		return nil, err
	}
	var list []pointSource
	for _, run := range s.runs {
		for partition, blocks := range run {
			list = append(list, &runSource{file: s.file, partition: partition, blocks: blocks})
		}
	}
	return list, nil
}

func (s *sorter) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

// memorySource yields sorted points.
type memorySource struct{ points []Point }

func (m *memorySource) next(_ context.Context, p *Point) (bool, error) {
	if len(m.points) == 0 {
		return false, nil
	}
	*p, m.points = m.points[0], m.points[1:]
	return true, nil
}

// runSource yields the points of one partition of a run.
type runSource struct {
	file      *os.File
	partition int
	blocks    []extent
	reader    blockReader
	data      []byte
}

func (r *runSource) next(ctx context.Context, p *Point) (bool, error) {
	for {
		ok, err := r.reader.next(p)
		if ok || err != nil {
			return ok, err
		}
		if len(r.blocks) == 0 {
			return false, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		b := r.blocks[0]
		r.blocks = r.blocks[1:]
		r.data = slices.Grow(r.data[:0], b.size)[:b.size]
		if _, err := r.file.ReadAt(r.data, b.at); err != nil {
			return false, gateway.Errorf(gateway.Unavailable, "sorting the history: %w", err)
		}
		if err := r.reader.open(r.data); err != nil {
			return false, err
		}
	}
}
