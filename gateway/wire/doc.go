// Package wire turns the words of the gateway into the bytes of its logs and
// back. It is the only place that does.
//
// The format is protobuf (proto/touchpoint/record/v1); encoder and decoder are
// written by hand, because they stand on the hot path: encoding allocates
// nothing, decoding a batch allocates one string for all texts and one slice
// for all properties. Every record ends in a CRC-32C of what precedes it.
package wire
