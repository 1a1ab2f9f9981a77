package fleet

import "math"

// Rand is a small generator of its own, so that a seed means the same on every
// machine and with every release of the language.
type Rand struct{ state uint64 }

// NewRand returns the generator that belongs to the keys: a seed, then whatever
// names the thing that is drawn for. No draw depends on the order of others.
func NewRand(keys ...uint64) Rand {
	s := uint64(0x9e3779b97f4a7c15)
	for _, k := range keys {
		s = mix(s ^ mix(k+0x632be59bd9b4e019))
	}
	return Rand{s}
}

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Uint64 returns the next 64 bits.
func (r *Rand) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// Float returns a number in [0, 1).
func (r *Rand) Float() float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// Chance reports true with probability p.
func (r *Rand) Chance(p float64) bool { return r.Float() < p }

// N returns a number in [0, n).
func (r *Rand) N(n int) int { return int(r.Uint64() % uint64(n)) }

// Poisson draws a count with the mean, which is small here.
func (r *Rand) Poisson(mean float64) int {
	limit, p, n := math.Exp(-mean), 1.0, 0
	for {
		if p *= r.Float(); p <= limit {
			return n
		}
		n++
	}
}

// pick returns the index of one of the weights.
func (r *Rand) pick(cumulative []float64) int {
	x := r.Float() * cumulative[len(cumulative)-1]
	for i, c := range cumulative {
		if x < c {
			return i
		}
	}
	return len(cumulative) - 1
}
