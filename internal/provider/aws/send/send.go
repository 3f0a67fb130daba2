// Package send sends SMS through Amazon SNS and e-mail through Amazon SES v2.
package send

import (
	"context"
	"errors"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/provider/transport"
)

// Config has the account. Without an access key the SDK looks in its usual places: a shared file, a web identity token, a pod's or an
// instance's role.
type Config struct {
	// Region of the AWS account, as eu-west-1.
	Region string `env:"AWS_REGION"`
	// AccessKeyID of an AWS user; without it the SDK looks for a role.
	AccessKeyID secret.String `env:"AWS_ACCESS_KEY_ID"`
	// SecretAccessKey that belongs to AWS_ACCESS_KEY_ID.
	SecretAccessKey secret.String `env:"AWS_SECRET_ACCESS_KEY"`
	// SessionToken of temporary AWS credentials.
	SessionToken secret.String `env:"AWS_SESSION_TOKEN"`
	// EndpointURL of a proxy or an emulator in the place of AWS.
	EndpointURL string `env:"AWS_ENDPOINT_URL"`
}

// load makes the SDK's configuration. The error has every setting that cannot work, each with its variable. Nothing is asked for over
// the network yet: credentials that come from there do with the first send or probe.
func (c *Config) load(client *transport.Client) (aws.Config, error) {
	var errs []error
	if c.Region == "" {
		errs = append(errs, errors.New("AWS_REGION is empty: set the account's region, as eu-west-1"))
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		errs = append(errs, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both, or neither to use a role"))
	}
	endpoint, err := client.BaseURL("AWS_ENDPOINT_URL", c.EndpointURL, "")
	if err := errors.Join(append(errs, err)...); err != nil {
		return aws.Config{}, err
	}
	options := []func(*config.LoadOptions) error{
		config.WithRegion(c.Region),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if c.AccessKeyID != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKeyID.Reveal(), c.SecretAccessKey.Reveal(), c.SessionToken.Reveal())))
	}
	if endpoint != nil {
		options = append(options, config.WithBaseEndpoint(endpoint.String()))
	}
	loaded, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return aws.Config{}, errors.New("the AWS_… variables and files cannot be read: look at AWS_PROFILE, AWS_CONFIG_FILE and AWS_CA_BUNDLE")
	}
	return loaded, nil
}

// checkEndpoint checks the address that a client of the SDK uses in the place of AWS, nil for none. The SDK knows more variables than
// AWS_ENDPOINT_URL, and the lines of a profile.
func (c *Config) checkEndpoint(client *transport.Client, variable string, used *string) error {
	if used == nil || *used == c.EndpointURL {
		return nil // load has checked it
	}
	_, err := client.BaseURL(variable+", or endpoint_url in AWS_CONFIG_FILE,", *used, "")
	return err
}

// noBase: the SDK itself knows of another endpoint, and has to, since it signs the host.
var noBase *url.URL

// classify classifies by the error code. An answer that is not in the service's own form, by which own knows it, is another program's.
func classify(call *transport.Call, err error, own func(*transport.Call) bool, codes func(code, text string) (failure.Error, bool)) *failure.Error {
	if call.Failure != nil {
		return call.Failure
	}
	if !call.Sent() {
		return unsent(err)
	}
	var answer smithy.APIError
	if !errors.As(err, &answer) || call.Status < 300 || !own(call) {
		return call.Foreign()
	}
	code := answer.ErrorCode()
	if meaning, known := codes(code, answer.ErrorMessage()); known {
		return call.Known(meaning, code)
	}
	return call.Refused(failure.Code(code))
}

// unsent is the error of a request that was not made: its input was refused by the SDK, or no credentials could be had.
func unsent(err error) *failure.Error {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &failure.Error{Class: failure.Transient, Reason: failure.ReasonTimeout, Detail: "no credentials in time"}
	default:
		return &failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials,
			Detail: "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod a role"}
	}
}
