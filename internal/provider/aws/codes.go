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

// common are the error codes that both services share (docs.aws.amazon.com, "Common errors" of each API).
var common = map[string]failure.Error{
	"AccessDenied": credential, "AccessDeniedException": credential, "AuthorizationError": credential, "NotAuthorized": credential,
	"UnrecognizedClientException": credential, "InvalidClientTokenId": credential, "SignatureDoesNotMatch": credential,
	"InvalidSignatureException": credential, "IncompleteSignature": credential, "MissingAuthenticationToken": credential,
	"MissingAuthenticationTokenException": credential, "ExpiredToken": credential, "ExpiredTokenException": credential,
	"RequestExpired": credential, "InvalidSecurity": credential, "OptInRequired": credential,

	"Throttling": throttled, "ThrottlingException": throttled, "Throttled": throttled, "ThrottledException": throttled,
	"RequestLimitExceeded": throttled, "TooManyRequestsException": throttled, "SlowDown": throttled,

	"InternalError": outage, "InternalFailure": outage, "InternalServiceErrorException": outage, "InternalServerError": outage,
	"ServiceUnavailable": outage, "ServiceUnavailableException": outage,

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
		if strings.Contains(strings.ToLower(text), "address") {
			return recipient, true
		}
		return request, true
	}
	meaning, known := common[code]
	return meaning, known
}
