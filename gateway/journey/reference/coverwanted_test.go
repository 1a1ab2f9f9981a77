package reference

// usual occurs in at least one world of a hundred.
const usual = `
action advance
action again
action api
action bind
action consent
action customer
action done
action erase
action event
action follow
action journey
action publish
action receipt
action restart
action stop
action tick
action unbind
conversion conversion
entry already_enrolled
entry blocked_late
entry condition_unavailable
entry enrolled
entry entry_cap
entry filtered
entry loop
entry no_consent
entry no_customer
entry not_active
entry paused
entry ramp
entry reentry_gap
entry reentry_once
entry replayed
entry too_late_to_act
entry unknown_trait
entry unobserved
exit completed
exit exit_criterion
message attempted
message clicked
message delivered
message dismissed
message displayed
message expired
message failed
message handed_over
message held_out
message missed_window
message on email
message on product
message on webhook
message opened
message redelivered
message withdrawn
send capped
send expired
send held
send holdout
send no_receipt
send sent
send unreachable
sequence of 3
sequence of 4
step branch
step condition_unavailable
step elapsed
step end
step send
step set
step split
step start_journey
step started
step stop_journey
step stopped
step task
step timed_out
step unobserved
step wait_event
step wait_for
step wait_local
task open
trait count
trait distinct
trait first
trait last
trait max
trait mean
trait min
trait p50
trait p90
trait slope
trait sum
trigger absence
trigger api
trigger event
trigger milestone
trigger schedule
trigger segment
trigger sequence
trigger silence
trigger stage
trigger threshold
`

// rare occurs in at least one world of two thousand.
const rare = `
conversion goal
entry objected
entry too_old_to_dedup
exit erased
journey forecast
exit goal
exit stopped
exit unbound
send no_consent
send quiet_hours
send suspended
step arrived
step holdout
task done
task withdrawn
`
