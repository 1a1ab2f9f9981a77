// Package e2e holds the tests of the whole product: a gateway with all its
// parts, real servers where they are external, devices that keep the device
// contract, and the API or the command line from outside.
package e2e
