package wire

import "touchpoint/gateway"

// AppendInput appends one input of a batch, an Input, to dst: what history keeps
// of an input that is no event.
func AppendInput(dst []byte, in *gateway.Input) []byte { return appendInput(dst, in) }

// DecodeInput reads what AppendInput wrote. Texts are new with every call.
func DecodeInput(data []byte, in *gateway.Input) error {
	*in = gateway.Input{}
	d := batchDecoder{}
	d.input(newReader(string(data)), in)
	if d.err == nil && d.bad {
		return gateway.Errorf(gateway.Internal, "input of %d bytes is no record of this format", len(data))
	}
	return d.err
}
