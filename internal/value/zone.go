package value

import (
	_ "embed"
	"fmt"
	"strings"
)

// zoneTable has, after a heading, a line for each name of a time zone: the name in small letters, a tab, and the IANA name. The names are IANA's own, and those that
// Windows has (windowsZones.xml of the Unicode CLDR).
//
//go:embed zones.txt
var zoneTable string

// named looks a name up, in any case. The table is searched as it lies: that takes two microseconds, and a map of it would stay in memory.
func named(name string) (iana string, ok bool) {
	if name == "" || strings.ContainsAny(name, "\t\n") {
		return "", false
	}
	_, rest, found := strings.Cut(zoneTable, "\n"+strings.ToLower(name)+"\t")
	iana, _, _ = strings.Cut(rest, "\n")
	return iana, found
}

// quarters are zones whose distance from UTC is no whole number of hours, by the distance in minutes. A distance that only one place has, at
// least for a part of the year, stands for that place; of the others, those that do not change their clocks.
var quarters = map[int]string{
	-9*60 - 30: "Pacific/Marquesas", -3*60 - 30: "America/St_Johns", -2*60 - 30: "America/St_Johns", 3*60 + 30: "Asia/Tehran", 4*60 + 30: "Asia/Kabul",
	5*60 + 30: "Asia/Kolkata", 5*60 + 45: "Asia/Kathmandu", 6*60 + 30: "Asia/Yangon", 8*60 + 45: "Australia/Eucla", 9*60 + 30: "Australia/Darwin",
	10*60 + 30: "Australia/Adelaide", 12*60 + 45: "Pacific/Chatham", 13*60 + 45: "Pacific/Chatham",
}

// abbreviations are those of zones that stand for one place or for places with the same clock, and are no names of IANA's. PST, BST and IST stand for several.
var abbreviations = map[string]string{
	"EDT": "America/New_York", "CDT": "America/Chicago", "MDT": "America/Denver", "PDT": "America/Los_Angeles", "AKST": "America/Anchorage",
	"AKDT": "America/Anchorage", "CEST": "Europe/Berlin", "EEST": "Europe/Athens", "JST": "Asia/Tokyo", "KST": "Asia/Seoul", "AEST": "Australia/Brisbane",
	"AEDT": "Australia/Sydney", "NZST": "Pacific/Auckland", "NZDT": "Pacific/Auckland",
}

// Zone returns the IANA name of a time zone that is written as such in any case, by the name that Windows has for it or a well-known abbreviation, or as its distance
// from UTC: +09:00, UTC-5, GMT+0530, or as Windows shows it, (UTC+09:00) Osaka, Sapporo, Tokyo. ok is false for any other text.
func Zone(text string) (iana string, ok bool) {
	text = strings.TrimSpace(text)
	// The names of the table are ASCII; others need not be looked for, however long they are.
	if len(text) <= maxZoneName {
		if iana, ok = named(text); ok {
			return iana, true
		}
		if iana, ok = named(strings.ReplaceAll(text, " ", "_")); ok { // America/New York
			return iana, true
		}
		if iana, ok = abbreviations[strings.ToUpper(text)]; ok {
			return iana, true
		}
	}
	if shown, _, found := strings.Cut(text, ")"); found && strings.HasPrefix(shown, "(") {
		text = shown[1:]
	}
	if len(text) > len("UTC+00:00") {
		return "", false
	}
	text = strings.ToUpper(text)
	if text == "Z" || text == "UTC" { // as in (UTC) Coordinated Universal Time
		return "UTC", true
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "UTC"), "GMT")
	if len(text) == 2 || len(text) == 5 && text[2] == ':' { // +9, +9:30
		text = text[:1] + "0" + text[1:]
	}
	minutes, ok := distance(text)
	switch {
	case !ok:
		return "", false
	case minutes == 0:
		return "UTC", true
	case minutes%60 != 0:
		iana, ok = quarters[minutes]
		return iana, ok
	case minutes < -12*60 || minutes > 14*60:
		return "", false
	}
	// The signs of these names are the other way round.
	return fmt.Sprintf("Etc/GMT%+d", -minutes/60), true
}

// maxZoneName is longer than any name of the table.
const maxZoneName = 40
