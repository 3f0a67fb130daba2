// Package aws is Amazon's SNS, for SMS, and SES, for e-mail: what their error codes mean, how a job's id is written as the tags of an e-mail, and
// the callback by which SES's events come. Package send below it sends.
package aws

import "ringup.dev/ringup/internal/message"

// Name is the catalog's, for both.
const Name = "aws"

// MaxSMS is the longest text that SNS takes for one Publish: 1,600 characters by the API's reference (API_Publish), 1,600 bytes by the developer guide ("Publishing to a
// mobile phone") and the FAQ. One that is within both is taken whichever holds.
var MaxSMS = message.Limit{Units: 1600, Bytes: 1600}
