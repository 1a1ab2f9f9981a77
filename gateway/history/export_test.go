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
