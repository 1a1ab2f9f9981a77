// Package webhook is the channel to HTTP endpoints: a CloudEvent in JSON,
// signed as Standard Webhooks prescribe.
//
// The message id is the webhook-id and the CloudEvent's id, the same for each
// attempt: it is the receiver's idempotency key. 2xx means taken. 410 means
// that the endpoint is closed: nothing goes there any more. Redirects are not
// followed, answers are read up to a bound, and neither secrets nor the URL's
// path and query appear in errors.
package webhook
