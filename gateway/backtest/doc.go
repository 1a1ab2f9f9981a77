// Package backtest runs the journey core over what was recorded: the inputs of
// every partition as the history keeps them, in the order and with the times of
// their application.
//
// Decisions are a function of the records, so the same inputs give the same
// ledger: Run without a draft reproduces what was decided, message ids included,
// and ReplayCustomer brings a customer back as he was. Run with a draft says what
// a journey would have done that was never published, beside all others as they
// were; where an input is missing (nobody can know whether a message that was
// never sent would have been read), the report says so.
//
// A Source yields the records: FromHistory reads a history store, OpenFile a
// recorded file.
package backtest
