package aws

import (
	"strings"

	"ringup.dev/ringup/internal/failure"
)

// The meanings of the codes.
var (
	recipient  = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	content    = failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent}
	request    = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}
	outage     = failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
	throttled  = failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}
	credential = failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}
	suspended  = failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended}
	quota      = failure.Error{Class: failure.Account, Reason: failure.ReasonQuota}
	sender     = failure.Error{Class: failure.Account, Reason: failure.ReasonSender}
)

// common are the error codes that both services share (docs.aws.amazon.com, "Common errors" of each API, 2026-11-23). Which errors pass, and which
// are limits, is the SDK's list (aws/retry); TestTheSDKsLists compares them.
var common = map[string]failure.Error{
	"AccessDenied": credential, "AccessDeniedException": credential, "AuthorizationError": credential, "NotAuthorized": credential,
	"UnrecognizedClientException": credential, "InvalidClientTokenId": credential, "SignatureDoesNotMatch": credential,
	"InvalidSignatureException": credential, "IncompleteSignature": credential, "MissingAuthenticationToken": credential,
	"MissingAuthenticationTokenException": credential, "ExpiredToken": credential, "ExpiredTokenException": credential,
	"RequestExpired": credential, "RequestTimeTooSkewed": credential, "InvalidSecurity": credential, "OptInRequired": credential,

	"Throttling": throttled, "ThrottlingException": throttled, "Throttled": throttled, "ThrottledException": throttled,
	"RequestLimitExceeded": throttled, "TooManyRequestsException": throttled, "SlowDown": throttled, "RequestThrottled": throttled,
	"RequestThrottledException": throttled, "ProvisionedThroughputExceededException": throttled, "BandwidthLimitExceeded": throttled,
	"LimitExceededException": throttled, "EC2ThrottledException": throttled, "PriorRequestNotComplete": throttled,
	"TransactionInProgressException": throttled,

	"InternalError": outage, "InternalFailure": outage, "InternalServiceErrorException": outage, "InternalServerError": outage,
	"ServiceUnavailable": outage, "ServiceUnavailableException": outage,
	// 400, of a request that came too slowly.
	"RequestTimeout": outage, "RequestTimeoutException": outage,

	"ValidationError": request, "ValidationException": request,
}

// SNSCode says what a code means in an answer of SNS (docs.aws.amazon.com/sns/latest/api/API_Publish.html). Some codes mean several things, which
// only the text tells apart. It is false for an unknown code, which goes by the HTTP status.
func SNSCode(code, text string) (failure.Error, bool) {
	switch code {
	case "InvalidParameter", "InvalidParameterException", "ParameterValueInvalid", "InvalidParameterValue", "InvalidParameterValueException":
		if strings.Contains(text, "PhoneNumber") {
			return recipient, true
		}
		if strings.Contains(text, "Message too long") || strings.Contains(text, "Empty message") {
			return content, true
		}
		return request, true
	case "OptedOut", "OptedOutException":
		return failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true}, true
	case "UserError", "VerificationException":
		return recipient, true
	}
	meaning, known := common[code]
	return meaning, known
}

// SESCode says what a code means in an answer of SES (docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html), as SNSCode does; from is
// the address that e-mails come from.
func SESCode(code, text, from string) (failure.Error, bool) {
	switch code {
	case "SendingPausedException", "AccountSuspendedException":
		return suspended, true
	case "LimitExceededException":
		return quota, true
	case "ThrottlingException", "Throttling", "TooManyRequestsException":
		if strings.Contains(text, "Daily message quota exceeded") {
			return quota, true
		}
		return throttled, true
	case "MailFromDomainNotVerifiedException":
		return sender, true
	case "NotFoundException":
		meaning := sender
		meaning.Detail = "AWS_SES_CONFIGURATION_SET names one that does not exist"
		return meaning, true
	case "MessageRejected":
		if !strings.Contains(text, "not verified") {
			return content, true
		}
		// It names the identities that failed: outside production, recipients have to be verified too.
		if strings.Contains(strings.ToLower(text), strings.ToLower(from)) {
			return sender, true
		}
		return recipient, true
	case "BadRequestException":
		return badRequest(strings.ToLower(text)), true
	}
	meaning, known := common[code]
	return meaning, known
}

// badRequest says what SES's text of a bad request is about. SES documents none of the texts; these are those that it is known to answer
// (2026-11-23).
func badRequest(text string) failure.Error {
	if strings.Contains(text, "address list too long") {
		return request
	}
	for _, part := range []string{"address", "missing final '@domain'", "domain contains illegal character", "domain starts with dot", "domain ends with dot",
		"domain contains dot-dot", "local part contains", "local part starts with dot", "local part ends with dot", "missing '@'"} {
		if strings.Contains(text, part) {
			return recipient
		}
	}
	return request
}
