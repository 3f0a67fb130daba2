package verdict

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// now is at night: "02:15".
var now = time.Date(2026, 11, 26, 2, 15, 0, 0, time.UTC)

// usual returns two days in which a channel sends four messages a minute, within a second, of which nearly all arrive.
func usual(name message.Channel) Channel {
	c := Channel{Name: name, State: &queue.ChannelState{
		Breakers: map[string]queue.BreakerState{},
		Workers:  []queue.WorkerState{{ID: "w1", Providers: []string{"twilio", "sns"}, RateLimit: 80}},
	}}
	for at := now.Add(-queue.MinutesKept); at.Before(now); at = at.Add(time.Minute) {
		m := queue.Minute{At: at, Accepted: 4, Sent: 4, Delivered: 4, Looks: 6, Waiting: 2, Oldest: time.Second}
		m.Delays[0] = 4
		if at.Minute() == 0 {
			m.Delivered, m.Undelivered = 3, 1
		}
		c.Minutes = append(c.Minutes, m)
	}
	return c
}

// lately changes the minutes of the last while.
func (c *Channel) lately(d time.Duration, change func(*queue.Minute)) {
	for i := range c.Minutes {
		if !c.Minutes[i].At.Before(now.Add(-d)) {
			change(&c.Minutes[i])
		}
	}
}

func night() State {
	return State{Now: now, Channels: []Channel{usual(message.SMS), usual(message.Email), usual(message.WhatsApp)}}
}

func waits(c *Channel, n int64, oldest time.Duration) {
	c.State.Waiting[0], c.State.Oldest[0] = n, oldest
	c.lately(oldest, func(m *queue.Minute) { m.Looks, m.Waiting, m.Oldest = 6, n, oldest-now.Sub(m.At)+time.Minute })
}

func open(c *Channel, provider, reason string, since time.Duration) {
	c.State.Breakers[provider] = queue.BreakerState{State: queue.BreakerOpen, Until: now.Add(8 * time.Second), Reason: reason}
	c.Marks = append(c.Marks, queue.Mark{At: now.Add(-since), Kind: queue.MarkOpened, What: provider})
}

func nothing(m *queue.Minute) { *m = queue.Minute{At: m.At} }

// TestNights plays nights, and reads what an operator does who is woken: of the whole, and of the channel where there is one.
func TestNights(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(s *State, sms *Channel)
		level   Level
		want    string
	}{
		"as always": {func(*State, *Channel) {}, Well,
			"All is well: 720 sent in the last hour, 99.5% delivered, by the providers' reports, 95% within 1 s"},
		"the provider is down": {func(_ *State, sms *Channel) {
			sms.State.Halted = queue.Halt{Kind: queue.HaltedBreaker, Why: "twilio: HTTP 503"}
			open(sms, "twilio", "HTTP 503", 2*time.Minute)
			waits(sms, 3512, 12*time.Minute)
		}, Failing, "SMS: Twilio has been down since 02:13 (HTTP 503), 3,512 wait, the oldest for 12 min, next try in 8 s, about 43 s to catch up"},
		"the account is refused": {func(_ *State, sms *Channel) {
			sms.State.Halted = queue.Halt{Kind: queue.HaltedBreaker, Why: "twilio: 20003"}
			open(sms, "twilio", "20003: the credentials are refused", 3*time.Hour)
			waits(sms, 1, 3*time.Hour)
		}, Failing, "SMS: Twilio has been down since 23:15 (20003: the credentials are refused), 1 waits, the oldest for 3 h, next try in 8 s, about 1 s to catch up"},
		"one provider of two is down": {func(_ *State, sms *Channel) { open(sms, "sns", "timeout", time.Minute) },
			Attention, "SMS: Amazon SNS has been down since 02:14 (timeout)"},
		"the provider asks to wait": {func(_ *State, sms *Channel) {
			sms.State.Breakers["twilio"] = queue.BreakerState{State: queue.BreakerThrottled, Until: now.Add(30 * time.Second)}
		}, Attention, "SMS: Twilio asks to wait for 30 s"},
		"every message fails": {func(_ *State, sms *Channel) {
			sms.lately(5*time.Minute, func(m *queue.Minute) { nothing(m); m.Failed = 40 })
			sms.Why = "invalid recipient"
		}, Failing, "SMS: 200 of 200 failed in the last 5 min: invalid recipient"},
		"one message fails": {func(_ *State, sms *Channel) { sms.Minutes[len(sms.Minutes)-1].Failed = 1 }, Attention, "SMS: 1 of 21 failed in the last 5 min"},
		"a wrong template": {func(_ *State, sms *Channel) {
			sms.lately(time.Minute, func(m *queue.Minute) { m.Failed = 9 })
			sms.Why = "template receipt.txt:3: no field Totl"
		}, Attention, "SMS: 9 of 29 failed in the last 5 min: template receipt.txt:3: no field Totl"},
		"failed ones fall off": {func(s *State, sms *Channel) {
			s.KeepFailed = 50
			sms.lately(20*time.Minute, func(m *queue.Minute) { m.Evicted = 10 })
		}, Failing, "SMS: 200 failed messages of the last hour fell off the end of Failed and cannot be sent again: raise KEEP_FAILED (50)"},
		"Redis is full": {func(s *State, _ *Channel) { s.Memory, s.MemoryLimit = 990, 1000 }, Failing,
			"Redis is full (99.0% of its maxmemory): webhooks are refused, and senders repeat them; accepted messages go out"},
		"Redis is away": {func(s *State, _ *Channel) {
			for i := range s.Channels {
				s.Channels[i].State = nil
			}
		}, Unknown, "SMS: Redis does not answer; and 2 other troubles"},
		"a shard is away": {func(_ *State, sms *Channel) { sms.State.Halted = queue.Halt{Kind: queue.HaltedUnknown} }, Unknown, "SMS: Redis does not answer"},
		"no worker": {func(_ *State, sms *Channel) {
			sms.State.Workers = nil
			waits(sms, 12, 4*time.Minute)
		}, Failing, "SMS: no worker runs, 12 wait, the oldest for 4 min"},
		"a ConfigMap edited in place": {func(_ *State, sms *Channel) { sms.State.SettingsDiffer = []string{"pod-7/1"} }, Attention,
			"SMS: programs run with different settings: restart them (pod-7/1)"},
		"edited long ago": {func(_ *State, sms *Channel) { sms.State.SettingsDiffer = []string{"pod-7/1", "pod-8/1", "pod-9/1"} }, Attention,
			"SMS: programs run with different settings: restart them (pod-7/1 and 2 others)"},
		"quiet hours end, and no worker runs yet": {func(_ *State, sms *Channel) {
			sms.State.Workers = nil
			sms.State.Waiting[0], sms.State.Oldest[0] = 500, 9*time.Hour
		}, Well, "All is well"},
		"quiet hours end, and messages go out": {func(_ *State, sms *Channel) {
			sms.lately(time.Hour, nothing)
			sms.lately(time.Hour, func(m *queue.Minute) { m.Looks = 6 })
			sms.State.Waiting[0], sms.State.Oldest[0] = 500, 9*time.Hour
		}, Well, "All is well"},
		"quiet hours ended, and no worker runs": {func(_ *State, sms *Channel) {
			sms.State.Workers = nil
			sms.lately(4*time.Minute, func(m *queue.Minute) { m.Looks, m.Waiting, m.Oldest = 6, 500, 9*time.Hour })
			sms.State.Waiting[0], sms.State.Oldest[0] = 500, 9*time.Hour
		}, Failing, "SMS: no worker runs, 500 wait, the oldest for 9 h"},
		"quiet hours ended, and nobody has looked since": {func(_ *State, sms *Channel) {
			sms.State.Workers, sms.Minutes = nil, nil
			sms.State.Waiting[0], sms.State.Oldest[0] = 500, 9*time.Hour
		}, Failing, "SMS: no worker runs, 500 wait, the oldest for 9 h"},
		"a retry is due, and nobody moves it": {func(_ *State, sms *Channel) {
			sms.State.Workers, sms.State.RetryDue, sms.State.NextRetry = nil, 1, now.Add(-10*time.Minute)
		}, Failing, "SMS: no worker runs, 1 waits"},
		"a provider is gone whose breaker was open": {func(_ *State, sms *Channel) { open(sms, "vonage", "timeout", time.Hour) }, Well, "All is well"},
		"every one of few messages fails": {func(_ *State, sms *Channel) {
			sms.lately(time.Hour, nothing)
			for _, i := range []int{10, 20, 30} {
				sms.Minutes[len(sms.Minutes)-i].Failed = 1
			}
			sms.State.Failed, sms.Why = 3, "account: 20003"
		}, Failing, "SMS: the last 3 failed, since 01:45: account: 20003"},
		"every one of few messages failed, and an operator has seen to them": {func(_ *State, sms *Channel) {
			sms.lately(time.Hour, nothing)
			sms.Minutes[len(sms.Minutes)-10].Failed = 3
		}, Well, "All is well: 480 sent in the last hour, 3 failed, 99.5% delivered"},
		"the details of sales are not fetched": {func(s *State, _ *Channel) {
			c := usual(message.Resolve)
			waits(&c, 9, time.Hour)
			c.State.Workers = nil
			s.Channels = append(s.Channels, c)
		}, Failing, "Details of sales: no worker runs, 9 wait, the oldest for 60 min"},
		"the details of sales are fetched": {func(s *State, _ *Channel) {
			s.Channels = append(s.Channels, usual(message.Resolve))
		}, Well, "All is well: 720 sent in the last hour"},
		"the first worker is coming": {func(_ *State, sms *Channel) {
			sms.State.Workers = nil
			waits(sms, 12, 20*time.Second)
		}, Well, "All is well"},
		"paused, and forgotten": {func(_ *State, sms *Channel) {
			sms.State.Halted = queue.Halt{Kind: queue.HaltedPause, Why: "by ann at 2026-11-25T23:00:00Z: wrong text"}
			waits(sms, 40, 3*time.Hour)
		}, Attention, "SMS: paused by ann at 2026-11-25T23:00:00Z: wrong text, 40 wait, the oldest for 3 h"},
		"a burst of a hundred times the usual, kept up with": {func(_ *State, sms *Channel) {
			sms.lately(time.Minute, func(m *queue.Minute) { m.Accepted = 400 })
			waits(sms, 300, 5*time.Second)
		}, Well, "All is well"},
		"a burst that takes long": {func(_ *State, sms *Channel) {
			sms.lately(3*time.Minute, func(m *queue.Minute) { m.Waiting, m.Oldest = 16000, 2*time.Minute })
			waits(sms, 16000, 3*time.Minute)
		}, Attention, "SMS: messages wait for longer than usual, 16,000 wait, the oldest for 3 min, about 3 min to catch up"},
		"nothing comes in any more": {func(s *State, _ *Channel) {
			for i := range s.Channels {
				s.Channels[i].lately(30*time.Minute, nothing)
			}
		}, Attention, "nothing has been accepted since 01:44; in that time 120 messages were a day before"},
		"closed today, as a week ago": {func(s *State, _ *Channel) {
			for i := range s.Channels {
				s.Channels[i].lately(7*time.Hour, nothing)
				s.Channels[i].State.Hours = map[int64]int64{}
				for ago := 7*24 - 1; ago <= 7*24+24; ago++ {
					s.Channels[i].State.Hours[now.Unix()/3600-int64(ago)] = 0
				}
				s.Channels[i].State.Hours[now.Unix()/3600-7*24-7] = 300 // in which it closed
			}
		}, Well, "All is well: nothing to send in the last hour"},
		"closed today, unlike a week ago": {func(s *State, _ *Channel) {
			for i := range s.Channels {
				s.Channels[i].lately(7*time.Hour, nothing)
				s.Channels[i].State.Hours = map[int64]int64{}
				for ago := 7*24 - 1; ago <= 7*24+24; ago++ {
					s.Channels[i].State.Hours[now.Unix()/3600-int64(ago)] = 40
				}
			}
		}, Attention, "nothing has been accepted since 19:14; in that time 1,680 messages were a day before"},
		"closed at night, as yesterday": {func(s *State, _ *Channel) {
			for i := range s.Channels {
				for j := range s.Channels[i].Minutes {
					if s.Channels[i].Minutes[j].At.Hour() < 6 {
						nothing(&s.Channels[i].Minutes[j])
					}
				}
			}
		}, Well, "All is well: nothing to send in the last hour"},
		"the first day": {func(s *State, _ *Channel) {
			for i := range s.Channels {
				s.Channels[i].Minutes = nil
			}
		}, Well, "All is well: nothing to send in the last hour"},
		"Shopify is refused": {func(s *State, _ *Channel) {
			s.Senders = []queue.SenderState{{Sender: "shopify", Outcomes: map[string]queue.OutcomeCount{
				"accepted": {Count: 9, Last: now.Add(-2 * time.Hour)}, "unauthorized": {Count: 3, Last: now.Add(-time.Minute)},
			}}}
		}, Failing, "Shopify: webhooks are refused (unauthorized), the latest at 02:14"},
		"a stranger posts at Shopify's address": {func(s *State, _ *Channel) {
			s.Senders = []queue.SenderState{{Sender: "shopify", Outcomes: map[string]queue.OutcomeCount{
				"accepted": {Count: 9, Last: now.Add(-time.Minute)}, "unauthorized": {Count: 3000, Last: now.Add(-2 * time.Minute)},
			}}}
		}, Well, "All is well"},
		"Shopify has gone quiet": {func(s *State, _ *Channel) {
			s.Senders = []queue.SenderState{{Sender: "shopify", Outcomes: map[string]queue.OutcomeCount{"accepted": {Count: 9, Last: now.Add(-30 * time.Hour)}},
				Latest: []queue.Delivery{{At: now.Add(-30 * time.Hour)}, {At: now.Add(-31 * time.Hour)}}}}
		}, Attention, "Shopify has posted nothing for 30 h"},
		"webhooks are set aside": {func(s *State, _ *Channel) { s.Aside = 3 }, Attention, "3 webhooks are set aside, since their form is not known: see Senders"},
		"attempts fail, and are made again": {func(_ *State, sms *Channel) {
			sms.lately(5*time.Minute, func(m *queue.Minute) { m.Retried = 30 })
		}, Attention, "SMS: 150 of 170 attempts did not succeed in the last 5 min and are made again"},
		"messages do not arrive": {func(_ *State, sms *Channel) {
			sms.lately(30*time.Minute, func(m *queue.Minute) { m.Delivered, m.Undelivered = 1, 3 })
		}, Attention, "SMS: 90 of 240 were not delivered, by the provider's reports of the last hour"},
		"keys of another program": {func(_ *State, sms *Channel) {
			sms.State.Halted = queue.Halt{Kind: queue.HaltedForeign, Why: "{ringup:sms}:retry"}
		}, Failing, "SMS: nothing is sent: keys of another program have its names: {ringup:sms}:retry"},
		"two at once: the worse one speaks": {func(s *State, sms *Channel) {
			s.Aside = 1
			sms.State.Workers = nil
			waits(sms, 2, time.Hour)
		}, Failing, "SMS: no worker runs, 2 wait, the oldest for 60 min; and 1 other trouble"},
	} {
		t.Run(name, func(t *testing.T) {
			s := night()
			test.happens(&s, &s.Channels[0])
			v := Of(s)
			if v.Level != test.level || !strings.HasPrefix(v.Text, test.want) || test.level != Well && v.Text != test.want {
				t.Errorf("%s: %s\nwant %s: %s", v.Level, v.Text, test.level, test.want)
			}
		})
	}
}

// TestNeverWell: whatever else is so, the verdict is not well while messages fail, fall off, wait for long, or nobody can say.
func TestNeverWell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := night()
		for i := range s.Channels {
			c := &s.Channels[i]
			if rapid.Bool().Draw(t, "waits") {
				waits(c, rapid.Int64Range(1, 1e6).Draw(t, "n"), time.Duration(rapid.IntRange(0, 50).Draw(t, "seconds"))*time.Second)
			}
			if rapid.Bool().Draw(t, "new") {
				c.Minutes = nil
			}
			if rapid.Bool().Draw(t, "no worker") {
				c.State.Workers = nil
			}
		}
		c := &s.Channels[rapid.IntRange(0, 2).Draw(t, "channel")]
		last := queue.Minute{At: now.Add(-time.Duration(rapid.IntRange(0, 4).Draw(t, "ago")) * time.Minute), Sent: rapid.Int64Range(0, 1e6).Draw(t, "sent")}
		n := rapid.Int64Range(1, 1e6).Draw(t, "how many")
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			last.Failed = n
		case 1:
			last.Evicted = n
		case 2:
			waits(c, n, waitCeiling+time.Duration(rapid.Int64Range(1, 1e6).Draw(t, "longer"))*time.Second)
		case 3:
			c.State = nil
		case 4:
			s.Aside = int(n)
		}
		c.Minutes = append(c.Minutes, last)
		v := Of(s)
		if v.Level == Well || strings.HasPrefix(v.Text, "All is well") {
			t.Fatalf("%s: %s", v.Level, v.Text)
		}
		for _, one := range v.Channels {
			if one.Level > v.Level {
				t.Fatalf("%s is %s, and the whole %s", one.Channel, one.Level, v.Level)
			}
		}
	})
}

func TestLevelAsText(t *testing.T) {
	for level := Well; level <= Unknown; level++ {
		text, err := json.Marshal(level)
		var back Level
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back != level {
			t.Errorf("%d: %s, %d, %v", level, text, back, err)
		}
	}
	var l Level
	if err := json.Unmarshal([]byte(`"of a later version"`), &l); err != nil || l != Unknown {
		t.Errorf("%v, %v: a level that is not known must not be taken for well", l, err)
	}
}
