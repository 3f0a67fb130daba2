package address

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"ringup.dev/ringup/internal/message"
)

func TestCountries(t *testing.T) {
	t.Parallel()
	const us, canada, jamaica, germany, britain, guernsey, satellite, inmarsat, uifn = "+12025550143", "+16045550143", "+18765550143", "+4915123456789", "+447400123456",
		"+447781123456", "+881612345678", "+870773111632", "+80012345678"
	const sample, unknown, nobodys, premiumUS, premiumDE, sharedDE, personalGB = "+1234567890", "+15550100123", "+2101234567", "+19002345678", "+499001234567", "+491801234567", "+447012345678"
	for name, tt := range map[string]struct {
		allowed    string
		region     string
		recipients []message.Address
		may, not   []message.Address
	}{
		"the region's by default": {"", "US", nil, []message.Address{us, canada, jamaica, sample, unknown, "jane@example.com"},
			[]message.Address{germany, britain, satellite, inmarsat, uifn, nobodys, premiumUS}},
		"another region's":              {"", "DE", nil, []message.Address{germany}, []message.Address{us, sample, premiumDE, sharedDE}},
		"and the default recipients'":   {" , ", "US", []message.Address{germany, satellite, "staff@example.com"}, []message.Address{us, germany, satellite}, []message.Address{britain, inmarsat}},
		"by calling code":               {"+49,44", "US", []message.Address{us}, []message.Address{germany, britain, guernsey}, []message.Address{us, personalGB}},
		"by region":                     {"us,GB", "DE", nil, []message.Address{us, britain, sample, unknown}, []message.Address{canada, jamaica, guernsey, germany}},
		"every country":                 {"*", "US", nil, []message.Address{us, germany, britain, sample, unknown, nobodys}, []message.Address{satellite, inmarsat, uifn, premiumUS, premiumDE}},
		"every country and a satellite": {"*, +881", "US", nil, []message.Address{germany, satellite}, []message.Address{inmarsat}},
		"premium":                       {"*,premium", "US", nil, []message.Address{premiumUS, premiumDE, sharedDE, personalGB}, []message.Address{satellite}},
		"premium beside the region's":   {"premium", "US", nil, []message.Address{premiumUS, us}, []message.Address{premiumDE, germany}},
	} {
		c, err := NewCountries(CountriesConfig{Allowed: strings.Split(tt.allowed, ",")}, tt.region, tt.recipients)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range tt.may {
			if err := c.Check(to); err != nil {
				t.Errorf("%s: %s: %v", name, to.Reveal(), err)
			}
		}
		for _, to := range tt.not {
			if err := c.Check(to); err == nil || !strings.Contains(err.Error(), "ALLOWED_COUNTRIES") || strings.Contains(err.Error(), to.Reveal()) || len(err.Error()) > 255 {
				t.Errorf("%s: %s: %v", name, to.Reveal(), err)
			}
		}
	}
}

// TestCheckSaysWhatToAdd: with what the refusal of a region's number names it may be written to.
func TestCheckSaysWhatToAdd(t *testing.T) {
	t.Parallel()
	for region := range phonenumbers.GetSupportedRegions() {
		example := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
		if example == nil {
			continue
		}
		to := message.Address(phonenumbers.Format(example, phonenumbers.E164))
		none, err := NewCountries(CountriesConfig{Allowed: []string{"+881"}}, "US", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, said, found := strings.Cut(none.Check(to).Error(), "add ")
		said, _, _ = strings.Cut(said, " to ALLOWED_COUNTRIES")
		for _, entry := range strings.Split(said, " or ") {
			c, err := NewCountries(CountriesConfig{Allowed: []string{entry}}, "US", nil)
			if !found || err != nil || c.Check(to) != nil {
				t.Errorf("%s: %q: %v, %v", region, entry, err, c.Check(to))
			}
		}
	}
}

func TestCountriesConfig(t *testing.T) {
	t.Parallel()
	c := CountriesConfig{Allowed: []string{"+1", "Germany", "+999", "XX", "0"}}
	err := c.Validate()
	for _, want := range []string{`"Germany"`, `"+999"`, `"XX"`, `"0"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("there is no %s in %v", want, err)
		}
	}
	if err := (&CountriesConfig{}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestPremiums: each region's example of a premium-rate number is skipped, and its example of a mobile number is not.
func TestPremiums(t *testing.T) {
	t.Parallel()
	c, err := NewCountries(CountriesConfig{Allowed: []string{"*"}}, "US", nil)
	if err != nil {
		t.Fatal(err)
	}
	for region := range phonenumbers.GetSupportedRegions() {
		for kind, skipped := range map[phonenumbers.PhoneNumberType]bool{
			phonenumbers.PREMIUM_RATE: true, phonenumbers.SHARED_COST: true, phonenumbers.PERSONAL_NUMBER: true, phonenumbers.MOBILE: false,
		} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			to := message.Address(phonenumbers.Format(example, phonenumbers.E164))
			if err := c.Check(to); (err != nil) != skipped {
				t.Errorf("%s, %s: %v", region, to.Reveal(), err)
			}
		}
	}
	if len(premiums()) < 100 {
		t.Errorf("%d calling codes have premium-rate numbers", len(premiums()))
	}
}
