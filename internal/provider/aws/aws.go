// Package aws is Amazon's SNS, for SMS, and SES, for e-mail: what their error codes mean, how a job's id is written as the tags of an e-mail, and
// the callback by which SES's events come. Package send below it sends.
package aws

// Name is the catalog's, for both.
const Name = "aws"

// MaxSMS is the longest text that SNS takes for one Publish (docs.aws.amazon.com/sns, "Publishing to a mobile phone").
const MaxSMS = 1600
