// Package render turns a decided message into the text that a person reads.
//
// Templates are Liquid, reduced to what a single message needs: output with
// filters, if/unless/case, assign. There are no loops and no files, and no
// filter makes more than a bounded text, so that a template is done in a time
// that its own length limits. A variable without a value is an error: a
// half-filled text is never handed over. Check finds such a variable when a
// journey is published.
//
// Personal fields (customer.name and the like) are read from the vault for the
// one message and kept nowhere.
package render
