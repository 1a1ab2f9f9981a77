package backtest

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"

	"touchpoint/gateway"
	"touchpoint/gateway/wire"
)

// A recording is a file that holds what a source yields, gzipped; docs/backtest.md
// describes it.
const (
	magic       = "touchpoint recording 1\n"
	frameRecord = 'R' // sequence, then an EventBatch record
	frameRules  = 'S' // partition, then the settings as JSON; before the record that they are of
	frameCheck  = 'C' // check of the record that follows
	frameEnd    = 'E' // number of records
	maxFrame    = 64 << 20
)

// Write writes the source's records to w and returns how many.
func Write(ctx context.Context, w io.Writer, src Source) (records int64, err error) {
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return 0, err
	}
	out := &frames{w: bufio.NewWriterSize(zip, 1<<16)}
	_, out.err = out.w.WriteString(magic)
	err = src.Read(ctx, Range{}, func(r *Record) error {
		if r.Rules != nil {
			out.frame(frameRules, uint64(r.Batch.Partition), r.Rules)
		}
		out.frame(frameCheck, r.Check, nil)
		out.body = wire.AppendBatch(out.body[:0], &r.Batch)
		out.frame(frameRecord, r.Batch.Seq, out.body)
		records++
		return out.err
	})
	if err != nil {
		return records, err
	}
	out.frame(frameEnd, uint64(records), nil)
	return records, errors.Join(out.err, out.w.Flush(), zip.Close())
}

// frames writes frames: kind, length of what follows, number, body.
type frames struct {
	w    *bufio.Writer
	body []byte
	head []byte
	err  error
}

func (f *frames) frame(kind byte, number uint64, body []byte) {
	if f.err != nil {
		return
	}
	var n [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(n[:], number)
	f.head = append(f.head[:0], kind)
	f.head = binary.AppendUvarint(f.head, uint64(size+len(body)))
	f.head = append(f.head, n[:size]...)
	if _, f.err = f.w.Write(f.head); f.err == nil {
		_, f.err = f.w.Write(body)
	}
}

// OpenFile returns the source behind a recording. The file is opened anew for
// every reading.
func OpenFile(path string) Source { return file{path} }

type file struct{ path string }

var errRecording = gateway.Errorf(gateway.Invalid, "the file is no recording, or it is damaged: write it anew with touchpoint history export")

// Read implements Source.
func (f file) Read(ctx context.Context, r Range, fn func(*Record) error) error {
	in, err := os.Open(f.path)
	if err != nil {
		return gateway.Errorf(gateway.NotFound, "%w", err)
	}
	defer in.Close()
	read := &counted{r: in}
	if info, err := in.Stat(); err == nil {
		read.size = max(info.Size(), 1)
	}
	zip, err := gzip.NewReader(bufio.NewReaderSize(read, 1<<16))
	if err != nil {
		return errRecording
	}
	d := &fileReader{r: bufio.NewReaderSize(zip, 1<<16), rules: map[int][]byte{}, want: r}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(d.r, head); err != nil || string(head) != magic {
		return errRecording
	}
	for {
		d.record.Share = read.share()
		end, err := d.next(fn)
		if err != nil || end {
			return err
		}
		if d.records%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// counted counts what was read of a file.
type counted struct {
	r          io.Reader
	done, size int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.done += int64(n)
	return n, err
}

func (c *counted) share() float64 { return float64(c.done) / float64(max(c.size, 1)) }

type fileReader struct {
	r       *bufio.Reader
	record  Record
	rules   map[int][]byte
	want    Range
	records uint64
	body    []byte
}

// next reads one frame; end says that it was the last one.
func (d *fileReader) next(fn func(*Record) error) (end bool, err error) {
	kind, err := d.r.ReadByte()
	if err != nil {
		return false, errRecording
	}
	size, err := binary.ReadUvarint(d.r)
	if err != nil || size > maxFrame {
		return false, errRecording
	}
	d.body = slices.Grow(d.body[:0], int(size))[:size]
	if _, err := io.ReadFull(d.r, d.body); err != nil {
		return false, errRecording
	}
	number, n := binary.Uvarint(d.body)
	if n <= 0 {
		return false, errRecording
	}
	body := d.body[n:]
	switch kind {
	case frameEnd:
		if number != d.records {
			return false, errRecording
		}
		return true, nil
	case frameRules:
		d.rules[int(number)] = slices.Clone(body)
	case frameCheck:
		d.record.Check = number
	case frameRecord:
		d.records++
		return false, d.give(number, body, fn)
	}
	return false, nil // a frame of a later release
}

func (d *fileReader) give(seq uint64, body []byte, fn func(*Record) error) error {
	b := &d.record.Batch
	if err := wire.DecodeBatch(body, b); err != nil {
		return err
	}
	b.Seq = seq
	if len(d.want.Partitions) > 0 && !slices.Contains(d.want.Partitions, b.Partition) {
		return nil
	}
	d.record.Rules = d.rules[b.Partition]
	delete(d.rules, b.Partition)
	err := fn(&d.record)
	d.record.Check = 0
	return err
}
