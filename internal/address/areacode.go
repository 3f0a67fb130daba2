package address

import (
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// longestFixed returns the length of the longest numbers of fixed lines, by region, of the regions where a prefix is dialled before an area code.
var longestFixed = sync.OnceValue(func() map[string]int {
	longest := map[string]int{}
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return longest // the pattern is part of the program
	}
	for _, region := range all.GetMetadata() {
		for _, length := range region.GetFixedLine().GetPossibleLength() {
			if region.GetNationalPrefix() != "" {
				longest[region.GetId()] = max(longest[region.GetId()], int(length))
			}
		}
	}
	return longest
})

// mayLackAreaCode says whether a valid national number was perhaps typed without its area code. In Germany 5551234 is a number of some town, and also
// a number of Northeim, whose area code is 5551. So a fixed line's number needs the prefix that is dialled before an area code (0, mostly),
// unless it is as long as the longest of the region's numbers.
func mayLackAreaCode(parsed *phonenumbers.PhoneNumber, typed, region string) bool {
	national := phonenumbers.GetNationalSignificantNumber(parsed)
	return typed == national && len(national) < longestFixed()[region] && phonenumbers.GetNumberType(parsed) == phonenumbers.FIXED_LINE
}
