package backtest

import "touchpoint/gateway"

// A record's check is a hash over whom its events were credited to, in order. The
// run that is made of them must credit them to the same customers: where it
// does not, the recording was made by a core that decides otherwise, and no
// report over it may call itself exact.

// checkSum adds up a check; it is never 0, which stands for "not known".
type checkSum uint64

const checkStart checkSum = 14695981039346656037

func (c checkSum) add(customer gateway.CustomerID) checkSum {
	c ^= checkSum(customer)
	c *= 1099511628211
	return c ^ c>>29
}

func (c checkSum) sum() uint64 { return max(uint64(c), 1) }

// checkOf is the check of what a run made of a record.
func checkOf(b *gateway.Batch, outcomes []gateway.Outcome) uint64 {
	sum := checkStart
	for i := range min(len(b.Inputs), len(outcomes)) {
		if b.Inputs[i].Command != nil {
			continue
		}
		switch outcomes[i].Disposition {
		case gateway.Accepted, gateway.TooOld:
			sum = sum.add(outcomes[i].Customer)
		}
	}
	return sum.sum()
}

// compare counts the records that the run credits otherwise than recorded.
func (n *notes) compare(r *Record, s *gateway.Step) {
	if r.Check == 0 || len(s.Applied) == 0 || checkOf(&r.Batch, s.Outcomes) == r.Check {
		return
	}
	if n.otherwise++; n.otherwise == 1 {
		n.otherwiseAt = r.Batch.RecordTime
	}
}
