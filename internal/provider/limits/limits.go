// Package limits says how long the texts of a channel may be, by the names of its providers. It links no SDK, for the programs that show messages and send none.
package limits

import (
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/aws"
	"ringup.dev/ringup/internal/provider/twilio"
	"ringup.dev/ringup/internal/provider/whatsapp"
)

// longest is each provider's Traits.MaxText, by channel and name.
var longest = map[message.Channel]map[string]message.Limit{
	message.SMS:      {twilio.Name: twilio.MaxText, aws.Name: aws.MaxSMS},
	message.WhatsApp: {twilio.Name: twilio.MaxText, whatsapp.Name: whatsapp.MaxText},
}

// MaxText returns how long a text may be that any of a channel's providers may carry.
func MaxText(channel message.Channel, providers []string) (least message.Limit) {
	for _, name := range providers {
		least = least.Least(longest[channel][name])
	}
	return least
}
