package gate

import (
	_ "embed"
	"strings"
)

// table has a line for each prefix, in the order of the texts: the prefix, a space, and the zones with commas between. It is searched where
// it lies in the program. The library it comes from (github.com/nyaruka/phonenumbers, MIT; the data is google/libphonenumber's, Apache-2.0)
// keeps 1.5 MB of numbering plans in memory and takes 5 ms to start, for which every worker would pay, with quiet hours or without.
//
//go:embed zones.txt
var table string

// longestPrefix is the longest that the table has.
const longestPrefix = 9

// find returns the zones of a prefix, with commas between.
func find(prefix string) (names string, found bool) {
	// Of the lines between low and high, both at the begin of one, the one that contains the middle is compared.
	low, high := strings.IndexByte(table, '\n')+1, len(table)
	for low < high {
		middle := low + (high-low)/2
		begin := low + strings.LastIndexByte(table[low:middle], '\n') + 1
		end := begin + strings.IndexByte(table[begin:], '\n') + 1
		known, zones, _ := strings.Cut(table[begin:end-1], " ")
		switch {
		case known == prefix:
			return zones, true
		case known < prefix:
			low = end
		default:
			high = begin
		}
	}
	return "", false
}

// zonesOf returns the names of the zones that a number may be in; none for an e-mail address, and for a prefix that the table does not have.
func zonesOf(number string) []string {
	digits, is := strings.CutPrefix(number, "+")
	if !is {
		return nil
	}
	for n := min(len(digits), longestPrefix); n > 0; n-- {
		if names, found := find(digits[:n]); found {
			return strings.Split(names, ",")
		}
	}
	return nil
}
