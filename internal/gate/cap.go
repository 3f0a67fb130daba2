package gate

import (
	"time"

	"ringup.dev/ringup/internal/pricing"
)

// dailyCap holds a message that would go over a daily cap until the next day begins, by UTC. It goes by what reserve says, which is
// pricing.Budget.Reserve.
func dailyCap(reserve func(source string, cost pricing.Micros, now time.Time) (pricing.Cap, bool)) Stage {
	return func(in Input) Verdict {
		reached, over := reserve(in.Source, in.Cost, in.Now)
		if !over {
			return Verdict{}
		}
		name := reached.Name()
		return Verdict{Action: Hold, Until: pricing.DayEnds(in.Now), Reason: DailyCap, Text: "the daily cap of " + name + " is reached", Cap: name}
	}
}
