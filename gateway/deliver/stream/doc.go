// Package stream is the channel to services that take messages over gRPC: a
// JetStream stream with a durable consumer for each name.
//
// A hand-over is done when the message is stored. Its rendered text is sealed
// with the customer's key, so that an erased customer is unreadable there too.
// Each message has its own subject; a second hand-over of the same id finds the
// first one and adds nothing, and taking a message back or erasing a customer
// removes the subject. Whether a message may still be given out is looked at
// again when a consumer asks for it.
package stream
