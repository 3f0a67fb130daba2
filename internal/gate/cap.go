package gate

import "ringup.dev/ringup/internal/pricing"

// dailyCap holds a message that would go over a daily cap until the next day begins, by UTC. It reserves the cost of one that it lets pass.
func dailyCap(budget *pricing.Budget) Stage {
	if budget == nil {
		return nil
	}
	return func(in Input) Verdict {
		reached, over := budget.Reserve(in.Source, in.Cost, in.Now)
		if !over {
			return Verdict{}
		}
		name := reached.Name()
		return Verdict{Action: Hold, Until: pricing.DayEnds(in.Now), Reason: DailyCap, Text: "the daily cap of " + name + " is reached", Cap: name}
	}
}
