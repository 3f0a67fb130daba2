package address

import "strings"

// sample is the number of ringup's own samples, behind a +. It is written to, although it is one of the rows below.
const sample = "1234567890"

// rows are what a hand types along the keys.
var rows = []string{"1234567890", "0123456789", "9876543210", "0987654321"}

// minRow is how long a part of a row is at least; shorter numbers are not dialled with an area code anywhere.
const minRow = 7

// isPlaceholder says whether digits were typed for want of a number: one digit over and over, or a row. Few numbers in use are like that, and those
// get the messages of everybody whose number a till's clerk did not know.
func isPlaceholder(digits string) bool {
	if len(digits) >= 3 && strings.Count(digits, digits[:1]) == len(digits) {
		return true
	}
	for _, row := range rows {
		if len(digits) >= minRow && strings.HasPrefix(row, digits) {
			return true
		}
	}
	return false
}
