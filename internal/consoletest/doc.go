// Package consoletest looks at the console of a real gateway with a real
// browser.
package consoletest
