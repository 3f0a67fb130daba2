package address

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"

	"ringup.dev/ringup/internal/message"
)

// CountriesConfig says which countries' numbers may be written to.
type CountriesConfig struct {
	// Allowed are the countries whose numbers may be written to: a calling code (+49), a country by ISO 3166-1 (DE), or * for every country. Empty: the
	// calling codes of DEFAULT_REGION and of the default recipients. Satellite networks need their code (+881), premium-rate numbers the word
	// premium.
	Allowed []string `env:"ALLOWED_COUNTRIES"`
}

// Validate reports every entry that is no country.
func (c *CountriesConfig) Validate() error {
	_, err := NewCountries(*c, "", nil)
	return err
}

const (
	everyCountry = "*"
	premiumRate  = "premium"
	// noRegion is the library's region of a calling code that is no country's, as a satellite network's.
	noRegion = "001"
)

// Countries are those whose numbers may be written to. It is safe for concurrent use.
type Countries struct {
	all, premium bool
	codes        map[int]bool
	regions      map[string]bool
}

// NewCountries reads a list of countries. Of an empty one it takes the calling codes of a region and of some addresses, so that the numbers that
// are typed every day can be written to, and those at whose cost others earn cannot. The error has every entry that is no country.
func NewCountries(c CountriesConfig, region string, recipients []message.Address) (*Countries, error) {
	out := &Countries{codes: map[int]bool{}, regions: map[string]bool{}}
	var errs []error
	for _, entry := range c.Allowed {
		entry = strings.TrimSpace(entry)
		code, err := strconv.Atoi(strings.TrimPrefix(entry, "+"))
		known := callingCodes()[code]
		switch country := strings.ToUpper(entry); {
		case entry == "":
		case entry == everyCountry:
			out.all = true
		case strings.EqualFold(entry, premiumRate):
			out.premium = true
		case err == nil && known:
			out.codes[code] = true
		case phonenumbers.GetCountryCodeForRegion(country) != 0:
			out.regions[country] = true
		default:
			errs = append(errs, fmt.Errorf("ALLOWED_COUNTRIES has %q: set calling codes, as +49, countries by ISO 3166-1, as DE, premium, or * for every country", entry))
		}
	}
	if !out.all && len(out.codes)+len(out.regions) == 0 {
		out.codes[phonenumbers.GetCountryCodeForRegion(region)] = true
		for _, to := range recipients {
			if parsed, err := phonenumbers.Parse(to.Reveal(), ""); err == nil {
				out.codes[int(parsed.GetCountryCode())] = true
			}
		}
	}
	return out, errors.Join(errs...)
}

// Check says whether a number may be written to: nil, or an error that names what to add to ALLOWED_COUNTRIES. An e-mail address is of no
// country, and may. A number that its country's plan does not know is every region's with its calling code.
func (c *Countries) Check(to message.Address) error {
	if !strings.HasPrefix(to.Reveal(), "+") {
		return nil
	}
	code, national := callingCode(to.Reveal()[1:])
	if code == 0 {
		if c.all {
			return nil
		}
		return errors.New("no country has its calling code: add * to ALLOWED_COUNTRIES to write to it all the same")
	}
	if !c.codes[code] {
		region := ""
		if parsed, err := phonenumbers.Parse(to.Reveal(), ""); err == nil {
			region = phonenumbers.GetRegionCodeForNumber(parsed)
		}
		if !c.has(code, region) {
			name := "+" + strconv.Itoa(code)
			if region != "" && region != noRegion {
				name += " or " + region
			}
			return fmt.Errorf("a number of a country that is not allowed: add %s to ALLOWED_COUNTRIES", name)
		}
	}
	if premium := premiums()[code]; premium != nil && !c.premium && premium.MatchString(national) {
		return fmt.Errorf("a premium-rate number: add %s to ALLOWED_COUNTRIES to write to it all the same", premiumRate)
	}
	return nil
}

// callingCode takes a number apart; 0 where no country has its code. No code is the beginning of another one.
func callingCode(digits string) (code int, national string) {
	for n := 1; n <= 3 && n <= len(digits); n++ {
		if code, err := strconv.Atoi(digits[:n]); err == nil && callingCodes()[code] {
			return code, digits[n:]
		}
	}
	return 0, ""
}

var callingCodes = sync.OnceValue(phonenumbers.GetSupportedCallingCodes)

// premiums has the premium-rate, shared-cost and personal numbers of each calling code, those of all its regions in one pattern: to ask the library for
// a number's type takes ten times as long, since it looks for the number's region first.
var premiums = sync.OnceValue(func() map[int]*regexp.Regexp {
	patterns := map[int][]string{}
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return nil // the table is part of the program
	}
	for _, region := range all.GetMetadata() {
		for _, kind := range []*phonenumbers.PhoneNumberDesc{region.GetPremiumRate(), region.GetSharedCost(), region.GetPersonalNumber()} {
			code, pattern := int(region.GetCountryCode()), kind.GetNationalNumberPattern()
			if pattern != "" && !slices.Contains(patterns[code], pattern) {
				patterns[code] = append(patterns[code], pattern)
			}
		}
	}
	out := map[int]*regexp.Regexp{}
	for code, of := range patterns {
		if one, err := regexp.Compile("^(?:" + strings.Join(of, "|") + ")$"); err == nil {
			out[code] = one
		}
	}
	return out
})

// has says whether a number's region is allowed; region is "" where the plan does not know the number.
func (c *Countries) has(code int, region string) bool {
	if region != "" && region != noRegion {
		return c.all || c.regions[region]
	}
	for _, one := range phonenumbers.GetRegionCodesForCountryCode(code) {
		if one != noRegion && (c.all || c.regions[one]) {
			return true
		}
	}
	return false
}
