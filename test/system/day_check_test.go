package system

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/queue"
)

// looks compares the sent messages and their notifications with the plan.
func (d *day) looks() {
	d.Helper()
	sends, last := map[string]int{}, map[string]string{}
	for _, m := range d.p.Messages() {
		v, part := d.of(&m)
		key := fmt.Sprint(v.n, " ", part)
		sends[key]++
		last[key] = catalogue(m.Provider)
		if to := map[string]string{"sms": v.phone, "whatsapp": v.phone, "email": v.email}[m.Channel]; m.To != to {
			d.Errorf("a message of %s went to %s, not to %s", v.of, m.To, to)
		}
		since := d.suppressed[m.Channel+" "+m.To]
		for i := 0; i < len(since); i += 2 {
			if m.At.After(since[i]) && (i+1 == len(since) || m.At.Before(since[i+1])) {
				d.Errorf("%s: a message on %s %s after the address was suppressed", v.of, m.Channel, m.At.Sub(since[i]))
			}
		}
	}
	for _, v := range d.visits {
		var got queue.Notifications
		if status, answer := d.call(http.MethodGet, fmt.Sprintf("%s/v1/notifications/w%d", d.url, v.n), "token-for-the-tests", ""); status != http.StatusOK || json.Unmarshal([]byte(answer), &got) != nil {
			d.Errorf("%s: HTTP %d %s", v.of, status, answer)
			continue
		}
		found := map[string]queue.Notification{}
		for _, n := range got.Notifications {
			found[n.ID] = n
		}
		for part, f := range v.fates {
			id := fmt.Sprintf("w%d:%s:1", v.n, part)
			if part == "fall-back" {
				id = fmt.Sprintf("w%d:whatsapp:1:sms:1", v.n)
			}
			key := fmt.Sprint(v.n, " ", part)
			want, reports, by := f.want, "yes", cmp.Or(f.by, map[string]string{"email": "sendgrid", "whatsapp": "business"}[part], "twilio")
			if v.afternoon && last[key] == "aws" {
				want, by = queue.StatusSent, "aws"
			}
			if by == "aws" {
				reports = "no"
			}
			if f.sends() == 0 {
				reports, by = "", ""
			}
			n := found[id]
			if n.Status != want || n.Reports != reports || sends[key] != f.sends() || last[key] != by || by != "" && n.Provider != by {
				d.Errorf("%s: %s is %q, sent %d times, last by %q, delivery reports %q; want %q, %d, %q, %q: %+v",
					v.of, id, n.Status, sends[key], last[key], n.Reports, want, f.sends(), by, reports, n.History)
			}
			delete(found, id)
		}
		for id := range found {
			d.Errorf("%s: %s is not planned", v.of, id)
		}
	}
}

// adds compares the programs' metrics with the plan.
func (d *day) adds(ops map[string]int) {
	d.Helper()
	want := map[string]int{}
	for key, n := range d.deliveries {
		f := strings.Fields(key)
		want[fmt.Sprintf(`ringup_deliveries_total{channel="%s",provider="%s",state="%s"}`, f[0], f[1], f[2])] = n
	}
	for key, n := range d.results {
		f := strings.Fields(key)
		want[fmt.Sprintf(`ringup_reports_applied_total{channel="%s",result="%s"}`, f[0], f[1])] = n
	}
	for provider, n := range d.forged {
		want[fmt.Sprintf(`ringup_callbacks_total{outcome="forged",provider="%s"}`, provider)] = n
	}
	for _, channel := range channels {
		want[fmt.Sprintf(`ringup_suppressed_total{channel="%s"}`, channel)] = 0
		for _, why := range []string{"quiet_hours", "recipient_limit", "daily_cap"} {
			want[fmt.Sprintf(`ringup_held_total{channel="%s",reason="%s"}`, channel, why)] = 0
		}
	}
	for _, v := range d.visits {
		for part, f := range v.fates {
			channel := strings.Replace(part, "fall-back", "sms", 1)
			switch f.want {
			case queue.StatusSuppressed:
				want[fmt.Sprintf(`ringup_suppressed_total{channel="%s"}`, channel)]++
			case queue.StatusScheduled:
				want[fmt.Sprintf(`ringup_held_total{channel="%s",reason="%s"}`, channel, f.why)]++
			}
		}
	}
	got := map[string]int{}
	for _, port := range ops {
		status, text := d.call(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", port), "", "")
		if status != http.StatusOK {
			d.Errorf("metrics: HTTP %d", status)
		}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			metric, _, _ := strings.Cut(name, "{")
			switch metric {
			case "ringup_deliveries_total", "ringup_reports_applied_total", "ringup_suppressed_total", "ringup_held_total":
			case "ringup_callbacks_total":
				if !strings.Contains(name, `"forged"`) || strings.Contains(name, `"aws"`) {
					continue
				}
			default:
				continue
			}
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				d.Errorf("%s: %v", line, err)
			}
			got[name] = int(n)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			d.Errorf("%s is %d, want %d", name, got[name], want[name])
		}
		delete(got, name)
	}
	for name, n := range got {
		if n != 0 {
			d.Errorf("%s is %d, want 0", name, n)
		}
	}
}
