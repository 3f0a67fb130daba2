package gate

// recipientLimit holds, or by RECIPIENT_LIMIT_ACTION drops, a message to a customer who got RECIPIENT_LIMIT messages within an hour. The
// claim has counted.
func recipientLimit(action string) Stage {
	const text = "the customer got RECIPIENT_LIMIT messages within an hour"
	return func(in Input) Verdict {
		switch {
		case in.LimitedUntil.IsZero():
			return Verdict{}
		case action == LimitDrop:
			return Verdict{Action: Drop, Reason: RecipientLimit, Text: text}
		}
		return Verdict{Action: Hold, Until: in.LimitedUntil, Reason: RecipientLimit, Text: text}
	}
}
