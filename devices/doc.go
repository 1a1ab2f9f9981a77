// Package devices turns what products say into the words of the gateway: bytes
// on a topic become events, receipts and greetings. It also keeps the registry
// of products: what a model can show, which of its fields are personal, how
// long it buffers when it is offline.
//
// Decoding is a function of topic, payload, receive time and registry alone:
// nothing here reads a clock, a file or the network. One dialect is spoken so
// far, the own one, in JSON and protobuf; docs of its topics are at Topic.
package devices
