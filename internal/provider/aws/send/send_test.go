package send_test

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	amazon "ringup.dev/ringup/internal/provider/aws"
	"ringup.dev/ringup/internal/provider/aws/send"
	"ringup.dev/ringup/internal/provider/providertest"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/test/emulator"
)

func config(url, key string) send.Config {
	return send.Config{Region: emulator.AWSRegion, AccessKeyID: emulator.AWSAccessKeyID, SecretAccessKey: secret.String(key), EndpointURL: url}
}

func classify(status int, code, text string, want failure.Error) providertest.Failure {
	return providertest.Failure{Answer: emulator.Refusal{Status: status, Code: code, Text: text}, Want: want}
}

// What the codes mean.
var (
	recipient   = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	content     = failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent}
	request     = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}
	optedOut    = failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true}
	throttled   = failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}
	outage      = failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
	credentials = failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}
	suspended   = failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended}
	quota       = failure.Error{Class: failure.Account, Reason: failure.ReasonQuota}
	sender      = failure.Error{Class: failure.Account, Reason: failure.ReasonSender}
)

// common are the codes of both services.
func common() []providertest.Failure {
	return []providertest.Failure{
		classify(403, "InvalidClientTokenId", "The security token included in the request is invalid.", credentials),
		classify(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.", credentials),
		classify(403, "ExpiredToken", "The security token included in the request is expired", credentials),
		classify(403, "AccessDeniedException", "User is not authorized", credentials),
		classify(503, "ServiceUnavailable", "Service is unable to handle request.", outage),
		classify(500, "InternalFailure", "", outage),
		classify(400, "SomethingNew", "", request),
		classify(403, "SomethingNew", "", credentials),
		classify(500, "SomethingNew", "", outage),
		classify(400, "RequestTimeout", "Your socket connection was not read from or written to within the timeout period.", outage),
		classify(408, "RequestTimeoutException", "", outage),
		classify(403, "RequestTimeTooSkewed", "", credentials),
	}
}

func TestSNS(t *testing.T) {
	t.Parallel()
	providertest.Run(t, sns())
}

func FuzzSNSAnswer(f *testing.F) { providertest.Fuzz(f, sns()) }

func sns() providertest.Adapter {
	return providertest.Adapter{
		Dialect: "sns", Channel: message.SMS, Secret: emulator.AWSSecretAccessKey,
		New: func(url, key string, client *transport.Client) (provider.Provider, error) {
			return send.NewSNS(send.SNSConfig{AWS: config(url, key), SenderID: "LunaCoffee"}, client)
		},
		// docs.aws.amazon.com/sns/latest/api/API_Publish.html
		Failures: append(common(),
			classify(400, "InvalidParameter", "Invalid parameter: PhoneNumber Reason: it is not valid to publish to", recipient),
			classify(400, "InvalidParameter", "Invalid parameter: Message too long", content),
			classify(400, "InvalidParameter", "Invalid parameter: Empty message", content),
			classify(400, "InvalidParameter", "Invalid parameter: TopicArn", request),
			classify(400, "ParameterValueInvalid", "Invalid parameter: PhoneNumber", recipient),
			classify(400, "OptedOut", "Phone number is opted out", optedOut),
			classify(400, "Throttled", "Rate exceeded", throttled),
			classify(400, "Throttling", "Rate exceeded", throttled),
		),
	}
}

func TestSES(t *testing.T) {
	t.Parallel()
	providertest.Run(t, ses())
}

func FuzzSESAnswer(f *testing.F) { providertest.Fuzz(f, ses()) }

func ses() providertest.Adapter {
	return providertest.Adapter{
		Dialect: "ses", Channel: message.Email, Correlates: true, Secret: emulator.AWSSecretAccessKey,
		New: func(url, key string, client *transport.Client) (provider.Provider, error) {
			return send.NewSES(send.SESConfig{AWS: config(url, key), From: "Luna Coffee <hello@example.com>"}, client)
		},
		// docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
		Failures: append(common(),
			classify(400, "SendingPausedException", "Email sending is disabled", suspended),
			classify(400, "AccountSuspendedException", "The account is suspended", suspended),
			classify(400, "LimitExceededException", "Too many", quota),
			classify(429, "TooManyRequestsException", "Maximum sending rate exceeded.", throttled),
			classify(400, "ThrottlingException", "Maximum sending rate exceeded.", throttled),
			classify(400, "ThrottlingException", "Daily message quota exceeded.", quota),
			classify(400, "MailFromDomainNotVerifiedException", "Not verified", sender),
			classify(404, "NotFoundException", "Configuration set does not exist", sender),
			classify(400, "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-WEST-1: hello@example.com", sender),
			classify(400, "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-WEST-1: other", recipient),
			classify(400, "MessageRejected", "Message contains a virus", content),
			classify(400, "BadRequestException", "Illegal address", recipient),
			classify(400, "BadRequestException", "Missing final '@domain'", recipient),
			classify(400, "BadRequestException", "Domain contains illegal character", recipient),
			classify(400, "BadRequestException", "Local address contains control or whitespace", recipient),
			classify(400, "BadRequestException", "Email address list too long", request),
			classify(400, "BadRequestException", "Missing subject", request),
		),
	}
}

// TestTheSDKsLists: what the SDK calls passing, and what it calls a limit, is the same here, however SES and SNS come to say it.
func TestTheSDKsLists(t *testing.T) {
	t.Parallel()
	for class, codes := range map[failure.Class]map[string]struct{}{
		failure.Transient: retry.DefaultRetryableErrorCodes, failure.Throttled: retry.DefaultThrottleErrorCodes,
	} {
		for code := range codes {
			if got, known := amazon.SNSCode(code, ""); !known || got.Class != class {
				t.Errorf("SNS: %s is %s, want %s", code, got.Class, class)
			}
			// SES has a code of its own for a quota.
			if got, known := amazon.SESCode(code, "", "a@example.com"); !known || got.Class != class && code != "LimitExceededException" {
				t.Errorf("SES: %s is %s, want %s", code, got.Class, class)
			}
		}
	}
}

// TestConfigurationSet: SES publishes events only where one is named.
func TestConfigurationSet(t *testing.T) {
	t.Parallel()
	provider := emulator.New()
	server := httptest.NewServer(provider)
	defer server.Close()
	for _, set := range []string{"", "ringup"} {
		p, err := send.NewSES(send.SESConfig{AWS: config(server.URL, emulator.AWSSecretAccessKey), From: "hello@example.com", ConfigurationSet: set}, transport.New(1))
		if err != nil {
			t.Fatal(err)
		}
		m := message.Message{JobID: "a:email:1", Channel: message.Email, To: "jane.roe@example.com", Subject: "s", Text: "t", HTML: "h"}
		if _, err := p.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		taken := provider.Messages()
		if got := taken[len(taken)-1].ConfigurationSet; got != set {
			t.Errorf("%q arrived as %q", set, got)
		}
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	broken := send.Config{AccessKeyID: "AKIA", EndpointURL: "amazon"}
	_, smsErr := send.NewSNS(send.SNSConfig{AWS: broken, SenderID: "12345"}, transport.New(1))
	_, emailErr := send.NewSES(send.SESConfig{AWS: broken, From: "nobody"}, transport.New(1))
	for want, err := range map[string]error{"AWS_SNS_SENDER_ID": smsErr, "EMAIL_FROM": emailErr} {
		if err == nil {
			t.Error("accepted")
			continue
		}
		for _, want := range []string{want, "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s is not in: %v", want, err)
			}
		}
	}
}

// TestEndpoints: also an address that the SDK knows from elsewhere is no http:// at another machine.
func TestEndpoints(t *testing.T) {
	profile := t.TempDir() + "/config"
	if err := os.WriteFile(profile, []byte("[default]\nendpoint_url = http://profile.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ variable, value, sns, ses string }{
		{"AWS_ENDPOINT_URL_SNS", "http://proxy.example", "AWS_ENDPOINT_URL_SNS", ""},
		{"AWS_ENDPOINT_URL_SESV2", "http://user:hunter2@proxy.example", "", "AWS_ENDPOINT_URL_SESV2"},
		{"AWS_ENDPOINT_URL_SNS", "https://proxy.example", "", ""},
		{"AWS_ENDPOINT_URL_SNS", "http://localhost:4566", "", ""},
		{"AWS_CONFIG_FILE", profile, "AWS_CONFIG_FILE", "AWS_CONFIG_FILE"},
	} {
		t.Run(c.variable+" "+c.value, func(t *testing.T) {
			t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
			t.Setenv(c.variable, c.value)
			account := send.Config{Region: emulator.AWSRegion, AccessKeyID: emulator.AWSAccessKeyID, SecretAccessKey: "secret"}
			_, smsErr := send.NewSNS(send.SNSConfig{AWS: account}, transport.New(1))
			_, emailErr := send.NewSES(send.SESConfig{AWS: account, From: "hello@example.com"}, transport.New(1))
			for _, one := range []struct {
				err  error
				want string
			}{{smsErr, c.sns}, {emailErr, c.ses}} {
				if (one.err != nil) != (one.want != "") || one.err != nil && (!strings.Contains(one.err.Error(), one.want) || strings.Contains(one.err.Error(), "hunter2")) {
					t.Errorf("%v, want %q", one.err, one.want)
				}
			}
		})
	}
}

// TestNoCredentials: without a key and without a role, nothing is sent and the account is to be mended.
func TestNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	p, err := send.NewSNS(send.SNSConfig{AWS: send.Config{Region: emulator.AWSRegion, EndpointURL: "http://127.0.0.1:9"}}, transport.New(1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Send(t.Context(), message.Message{Channel: message.SMS, To: "+12025550143", Text: "x"})
	if e := failure.AsError(err); e.Class != failure.Account || e.Reason != failure.ReasonCredentials || !strings.Contains(e.Detail, "AWS_ACCESS_KEY_ID") {
		t.Errorf("%v", err)
	}
}
