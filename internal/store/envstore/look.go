package envstore

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"ringup.dev/ringup/internal/store"
)

// look returns how e-mails look.
func (b Brand) look() store.Brand {
	return store.Brand{
		Logo: b.BusinessLogoURL, Color: b.BusinessColor, Address: b.BusinessAddress, TaxNumber: b.BusinessTaxNumber, Support: b.BusinessSupport, ReplyTo: b.BusinessReplyTo,
	}
}

// color is the form of BUSINESS_COLOR.
var color = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// validateLook reports every setting of the look that cannot work, each with its variable.
func (b Brand) validateLook() error {
	var errs []error
	if b.BusinessLogoURL != "" {
		if u, err := url.Parse(b.BusinessLogoURL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			errs = append(errs, errors.New("BUSINESS_LOGO_URL is not an address that begins with https://: set one; mail programs show no others"))
		}
	}
	if b.BusinessColor != "" && !color.MatchString(b.BusinessColor) {
		errs = append(errs, fmt.Errorf("BUSINESS_COLOR is %q: set # and six hexadecimal digits, as #0b5fff", b.BusinessColor))
	}
	if b.BusinessReplyTo != "" {
		if to, err := mail.ParseAddress(b.BusinessReplyTo); err != nil || to.Address != b.BusinessReplyTo {
			errs = append(errs, fmt.Errorf("BUSINESS_REPLY_TO is %q: set an e-mail address, as hello@example.com", b.BusinessReplyTo))
		}
	}
	for _, line := range []struct{ variable, value string }{
		{"BUSINESS_NAME", b.BusinessName}, {"BUSINESS_ADDRESS", b.BusinessAddress}, {"BUSINESS_TAX_NUMBER", b.BusinessTaxNumber}, {"BUSINESS_SUPPORT", b.BusinessSupport},
	} {
		if strings.ContainsFunc(line.value, unicode.IsControl) {
			errs = append(errs, fmt.Errorf("%s has a line break or a tab: set one line", line.variable))
		}
	}
	return errors.Join(errs...)
}
