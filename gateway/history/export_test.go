package history

// ShrinkSegments makes segments, blocks and index pages so small that tests
// meet their ends.
func (s *SQLite) ShrinkSegments() {
	s.sizes = sizes{segmentPoints: 20, segmentBlocks: 7, blockPoints: 8, pageEntries: 3}
}

// Segments returns how many segments there are and how many blocks.
func (s *SQLite) Segments() (segments, blocks int, err error) {
	err = s.db.Read.QueryRow(`SELECT (SELECT count(*) FROM segment), (SELECT count(*) FROM block)`).Scan(&segments, &blocks)
	return segments, blocks, err
}

// EncodeBlock encodes points of one partition as a block.
func EncodeBlock(points ...Point) []byte {
	var w blockWriter
	w.reset()
	for i := range points {
		w.add(&points[i])
	}
	return w.appendTo(nil)
}

// DecodeBlock is its inverse.
func DecodeBlock(data []byte) (points []Point, err error) {
	var r blockReader
	if err := r.open(data); err != nil {
		return nil, err
	}
	for {
		var p Point
		ok, err := r.next(&p)
		if err != nil || !ok {
			return points, err
		}
		points = append(points, p)
	}
}
