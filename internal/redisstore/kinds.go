package redisstore

import (
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// contents say what a key has of a person.
type contents string

const (
	hasPerson   contents = "a person"          // addresses, names, what was bought
	hasName     contents = "a name"            // a keyed hash of a person, or a masked address
	hasOperator contents = "an operator"       // the name that an operator gave, or the operator's own words
	hasNobody   contents = "nothing of anyone" // ids, numbers, times
)

// ends says what ends that, if hasNobody asks to be forgotten.
type ends string

const (
	withJob       ends = "its job"        // sent, given up (MAX_ATTEMPTS, MESSAGE_TTL) or deleted
	withRetention ends = "RETENTION"      // and a greatest number
	withTime      ends = "its time"       // an expiry in Redis
	withWish      ends = "another wish"   // the person's, or an operator's
	never         ends = "nothing has to" // of nobody
)

// keyKind is a kind of key: what stands behind its base, up to the next colon.
type keyKind struct {
	name  string
	holds contents
	ends  ends
	walk  queue.State // the step of Forget; "" where there is no person
}

// channelKinds are the keys of a channel. Those with a step are in the order in which Forget walks them: that of a job's life, so that one which moves on meanwhile is
// met in its next state.
//
// Besides, programs write logs, metrics, traces and answers, which have no more of a person than a masked address (system.TestNothingIsGivenAway), and no files
// (archtest.TestProgramsWriteNoFiles). Ids are hasNobody's: a till that makes one of a customer's number has it in every log.
var channelKinds = []keyKind{
	{"inflight", hasPerson, withJob, queue.InFlight},
	{"retry", hasPerson, withJob, queue.Retrying},
	{"queue", hasPerson, withJob, queue.Waiting},
	{"held", hasPerson, withJob, queue.Scheduled},
	{"failed", hasPerson, withRetention, queue.Failed},
	{"completed", hasPerson, withRetention, queue.Completed},
	{"moves", hasPerson, withJob, inMoves},
	{"kept", hasPerson, withTime, inCopies},
	{"body", hasPerson, withJob, inBodies},
	{"outbox", hasPerson, withRetention, inOutbox},
	{"suppressed", hasPerson, withWish, onSuppressed}, // an address where 0.1.0 wrote it; else a name
	{"alias", hasName, withTime, onSuppressed},

	{"recent", hasName, withTime, ""}, // deleted with a job
	{"lifted", hasName, withWish, ""},
	{"reports", hasName, withJob, ""}, // of 0.1.0: an address, until ingest has read it, a second later
	{"seen", hasName, withTime, ""},   // a repetition by the till is known by it
	{"found", hasName, withTime, ""},  // four bytes of a keyed hash for each term
	{"minutes", hasNobody, withTime, ""}, {"marks", hasNobody, withTime, ""}, {"hours", hasNobody, withTime, ""},
	{"sale", hasNobody, withTime, ""},
	{"log", hasNobody, withTime, ""},
	{"message", hasNobody, withTime, ""},
	{"moved", hasNobody, withTime, ""},
	{"told", hasNobody, withTime, ""},
	{"audit", hasOperator, withRetention, ""},
	{"halted", hasOperator, withWish, ""},
	{"cost", hasNobody, never, ""}, {"optouts", hasNobody, never, ""}, {"state", hasNobody, never, ""}, {"wake", hasNobody, never, ""}, {"totals", hasNobody, never, ""}, {"workers", hasNobody, never, ""}, {"programs", hasNobody, withTime, ""},
	{"reporter", hasNobody, never, ""}, {"privacy", hasNobody, never, ""}, {"none", hasNobody, never, ""},
}

// senderKinds are the keys of the senders' webhooks.
var senderKinds = []keyKind{
	{"aside", hasPerson, withRetention, inAside},
	{"latest", hasPerson, withRetention, inDeliveries},  // a header is the sender's own
	{"refused", hasPerson, withRetention, inDeliveries}, // or a stranger's
	{"index", hasNobody, withRetention, ""}, {"replay", hasNobody, never, ""}, {"said", hasNobody, withTime, ""}, {"counts", hasNobody, never, ""},
}

// adminKinds are the keys of the operators' pages.
var adminKinds = []keyKind{
	{"session", hasOperator, withTime, ""},
}

// forgetStep is one list or set that is walked.
type forgetStep struct {
	channel message.Channel
	state   queue.State
	list    int  // of waiting jobs: the priority
	again   bool // walked before; nothing is counted twice
	moving  bool // the members whose times are being moved (clock.lua)
}

// forgetSteps are the kinds that may hold a person: first the webhooks that are set aside, which a replay makes jobs of. Jobs also come back from retry to their lists, so retry is walked on either side of them; and jobs in flight
// are named before and after.
var forgetSteps = func() (steps []forgetStep) {
	walked := map[forgetStep]bool{}
	add := func(step forgetStep) {
		if !walked[step] {
			walked[step] = true
			steps = append(steps, step)
		}
	}
	for _, k := range senderKinds {
		if k.walk != "" {
			add(forgetStep{state: k.walk})
		}
	}
	for _, c := range message.Queues {
		add(forgetStep{channel: c, state: queue.Retrying, moving: true})
		add(forgetStep{channel: c, state: queue.Scheduled, moving: true})
		for _, k := range channelKinds {
			switch k.walk {
			case "":
			case queue.Waiting:
				for p := 1; p <= 4; p++ {
					add(forgetStep{channel: c, state: k.walk, list: p})
				}
			case queue.Scheduled:
				add(forgetStep{channel: c, state: k.walk})
				add(forgetStep{channel: c, state: queue.Retrying, again: true})
				add(forgetStep{channel: c, state: queue.InFlight, again: true})
			default:
				add(forgetStep{channel: c, state: k.walk})
			}
		}
	}
	return steps
}()
