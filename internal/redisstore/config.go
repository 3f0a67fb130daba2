package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
)

// Config is where Redis is, and the settings of the queue, which ingest and workers have to agree on.
type Config struct {
	// URL of Redis: redis://user:password@host:port/db, rediss:// with TLS. Used instead of REDIS_HOST and the others.
	URL secret.String `env:"REDIS_URL"`
	// Host of a standalone Redis.
	Host string `env:"REDIS_HOST, default=localhost"`
	// Port of a standalone Redis.
	Port int `env:"REDIS_PORT, default=6379"`
	// Username of an ACL user.
	Username string `env:"REDIS_USERNAME"`
	// Password for Redis.
	Password secret.String `env:"REDIS_PASSWORD"`
	// DB is the number of the database; a cluster has only 0.
	DB int `env:"REDIS_DB, default=0"`
	// Addrs are host:port of the sentinels (with REDIS_SENTINEL_MASTER), or of some nodes of a cluster.
	Addrs []string `env:"REDIS_ADDRS"`
	// SentinelMaster is the name under which the sentinels know the master.
	SentinelMaster string `env:"REDIS_SENTINEL_MASTER"`
	// SentinelUsername of the sentinels themselves.
	SentinelUsername string `env:"REDIS_SENTINEL_USERNAME"`
	// SentinelPassword of the sentinels themselves.
	SentinelPassword secret.String `env:"REDIS_SENTINEL_PASSWORD"`
	// TLS turns TLS on where REDIS_URL does not say it.
	TLS bool `env:"REDIS_TLS, default=false"`
	// CAFile is a PEM file with the authorities that may have signed Redis's certificate; the system's when empty. It is read again for each new connection.
	CAFile string `env:"REDIS_CA_FILE"`

	// PrivacyKey is a random text of at least 16 bytes, the same for all programs. The suppression list and the recipient's limit keep a person by an HMAC
	// under it, and no address. To change it, put the new one before the former one, with a comma between: entries are found by either. Without it a key is
	// made and kept in Redis, which protects no backup of Redis.
	PrivacyKey secret.Keys `env:"PRIVACY_KEY"`
	// Prefix of every key.
	Prefix string `env:"RINGUP_PREFIX, default=ringup"`
	// KEDAKeys is how the keys begin that KEDA looks at, as {ringup, where the manifests of components/keda set it. A program with another RINGUP_PREFIX does not start: the workers would be scaled by another installation's jobs.
	KEDAKeys string `env:"KEDA_KEYS"`
	// DedupeTTL is how long a webhook's id and event type are remembered.
	DedupeTTL time.Duration `env:"DEDUPE_TTL, default=24h"`
	// StatusTTL is how long the state of a webhook's notifications can be asked for.
	StatusTTL time.Duration `env:"STATUS_TTL, default=24h"`
	// MaxQueueDepth is how many jobs may wait on a channel before ingest answers 503; 0 for no bound.
	MaxQueueDepth int `env:"MAX_QUEUE_DEPTH, default=0"`
	// KeepCompleted is how many completed jobs are kept, newest first.
	KeepCompleted int `env:"KEEP_COMPLETED, default=100"`
	// KeepFailed is how many failed jobs are kept, newest first; one that falls off is logged and counted.
	KeepFailed int `env:"KEEP_FAILED, default=50"`
	// Retention is how long failed and completed jobs, the audit log and the sandbox's outbox are kept at most, as 720h; 0 for as long as their
	// numbers allow (KEEP_FAILED, KEEP_COMPLETED).
	Retention time.Duration `env:"RETENTION, default=0s"`
	// MaxCrashes is how many workers a job may take down before it fails.
	MaxCrashes int `env:"MAX_CRASHES, default=5"`
	// OnUncertain says what happens to a job that may have gone out already: resend, or fail (set aside for an operator).
	OnUncertain string `env:"ON_UNCERTAIN, default=resend"`
	// FallbackChannel says which channel takes over, once, a message that cannot be delivered on another one, as whatsapp:sms.
	FallbackChannel map[string]string `env:"FALLBACK_CHANNEL"`
	// FallbackWithin is how old a message may be for another channel to take it over; DEDUPE_TTL at most.
	FallbackWithin time.Duration `env:"FALLBACK_WITHIN, default=15m"`

	// Embedded says that Redis runs in this process (ringup dev): LogWarnings leaves out advice on how to run it.
	Embedded bool
}

// fallback returns the channel that takes over messages that cannot be delivered on this one.
func (c *Config) fallback(channel message.Channel) (message.Channel, bool) {
	to, configured := c.FallbackChannel[string(channel)]
	return message.Channel(to), configured
}

// FallsBack says whether another channel takes over messages that cannot be delivered on this one.
func (c *Config) FallsBack(channel message.Channel) bool {
	_, configured := c.fallback(channel)
	return configured
}

// The values of ON_UNCERTAIN.
const (
	Resend        = "resend"
	FailUncertain = "fail"
)

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := c.options(); err != nil {
		errs = append(errs, err)
	}
	if c.Prefix == "" || strings.ContainsAny(c.Prefix, "{} \t\r\n*?[]") {
		bad("RINGUP_PREFIX is %q: set a word without braces, spaces or glob characters", c.Prefix)
	}
	if c.KEDAKeys != "" && c.KEDAKeys != "{"+c.Prefix {
		bad("KEDA_KEYS is %q, and RINGUP_PREFIX %q: KEDA would look at other keys; list k8s/components/keda/prefix under transformers in the overlay that sets RINGUP_PREFIX", c.KEDAKeys, c.Prefix)
	}
	if c.DedupeTTL < time.Second {
		bad("DEDUPE_TTL is %s: set at least 1s", c.DedupeTTL)
	}
	if c.StatusTTL < time.Second {
		bad("STATUS_TTL is %s: set at least 1s", c.StatusTTL)
	}
	if c.MaxQueueDepth < 0 {
		bad("MAX_QUEUE_DEPTH is %d: set 0 (no bound) or more", c.MaxQueueDepth)
	}
	if c.KeepCompleted < 0 {
		bad("KEEP_COMPLETED is %d: set 0 or more", c.KeepCompleted)
	}
	if c.KeepFailed < 1 {
		bad("KEEP_FAILED is %d: set 1 or more", c.KeepFailed)
	}
	if c.Retention != 0 && c.Retention < time.Minute {
		bad("RETENTION is %s: set at least 1m, or 0s for no limit", c.Retention)
	}
	if c.MaxCrashes < 1 || c.MaxCrashes > 250 {
		bad("MAX_CRASHES is %d: set 1 to 250", c.MaxCrashes)
	}
	if c.OnUncertain != Resend && c.OnUncertain != FailUncertain {
		bad("ON_UNCERTAIN is %q: set resend or fail", c.OnUncertain)
	}
	for from, to := range c.FallbackChannel {
		// Both write to numbers.
		if (from != "whatsapp" || to != "sms") && (from != "sms" || to != "whatsapp") {
			bad("FALLBACK_CHANNEL has %s:%s: set whatsapp:sms, or sms:whatsapp", from, to)
		}
	}
	if len(c.FallbackChannel) > 1 {
		bad("FALLBACK_CHANNEL has both ways: set one of whatsapp:sms, sms:whatsapp")
	}
	if len(c.FallbackChannel) > 0 && c.FallbackWithin <= 0 {
		bad("FALLBACK_WITHIN is %s: set a time above 0, as 15m", c.FallbackWithin)
	}
	return errors.Join(errs...)
}

const (
	// readTimeout is when a connection counts as dead whose answer has not come.
	readTimeout = 30 * time.Second
	// longestWait is how long a worker blocks at most: Redis answers that nothing came before the connection counts as dead, however slow the network is.
	longestWait = readTimeout / 2
)

// options turns the settings into go-redis's.
func (c *Config) options() (*redis.UniversalOptions, error) {
	o := &redis.UniversalOptions{
		Username: c.Username, Password: c.Password.Reveal(), DB: c.DB,
		MasterName: c.SentinelMaster,
		Addrs:      c.Addrs, IsClusterMode: len(c.Addrs) > 0 && c.SentinelMaster == "",
		DialTimeout: 2 * time.Second, DialerRetries: 1, WriteTimeout: 2 * time.Second, PoolTimeout: 3 * time.Second,
		// Every call has a deadline of its own; this only has to be longer than a worker blocks for.
		ReadTimeout: readTimeout,
		// Callers repeat what may be repeated: a claim whose answer was lost must not run twice.
		MaxRetries: -1, ContextTimeoutEnabled: true, DisableIdentity: true,
		// RESP2 is what every supported version and the embedded server speak.
		Protocol:                 2,
		PipelinePoolSize:         -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if url := c.URL.Reveal(); url != "" {
		if len(c.Addrs) > 0 {
			return nil, errors.New("REDIS_URL and REDIS_ADDRS are both set: keep REDIS_URL for a standalone Redis, REDIS_ADDRS for Sentinel or Cluster")
		}
		u, err := redis.ParseURL(url)
		if err != nil {
			// The library's text may quote the URL, password and all.
			return nil, errors.New("REDIS_URL cannot be read: set redis://[user:password@]host[:port][/db], or rediss:// for TLS")
		}
		o.Addrs, o.Username, o.Password, o.DB = []string{u.Addr}, u.Username, u.Password, u.DB
		if u.TLSConfig != nil {
			o.TLSConfig = u.TLSConfig
		}
	} else if len(c.Addrs) == 0 {
		if c.SentinelMaster != "" {
			return nil, errors.New("REDIS_SENTINEL_MASTER is set without REDIS_ADDRS: set the sentinels' addresses, as host:26379,host:26379")
		}
		if c.Host != "" && !isHost(c.Host) {
			// Neither here nor below is the value printed: where a whole URL was set, it has the password.
			return nil, errors.New("REDIS_HOST is no host name and no IP address: set it as redis.example.com, without a scheme, a user or a port (REDIS_PORT), or set REDIS_URL")
		}
		if c.Port < 1 || c.Port > 65535 {
			return nil, fmt.Errorf("REDIS_PORT is %d: set a port, as 6379", c.Port)
		}
		if !isHost(c.Host) {
			return nil, errors.New("REDIS_HOST is not the name or address of a host: set it as redis.example.com, its port as REDIS_PORT; or set REDIS_URL")
		}
		o.Addrs = []string{net.JoinHostPort(c.Host, strconv.Itoa(c.Port))}
	}
	for i, addr := range c.Addrs {
		host, port, err := net.SplitHostPort(addr)
		if number, _ := strconv.Atoi(port); err != nil || !isHost(host) || number < 1 || number > 65535 {
			return nil, fmt.Errorf("REDIS_ADDRS: number %d is not of the form host:port: set them separated by commas, as redis-0:6379,redis-1:6379", i+1)
		}
	}
	if o.IsClusterMode && c.DB != 0 {
		return nil, fmt.Errorf("REDIS_DB is %d: a cluster has only database 0", c.DB)
	}
	if c.CAFile != "" {
		if o.TLSConfig == nil {
			return nil, errors.New("REDIS_CA_FILE is set, but TLS is off: use rediss:// in REDIS_URL, or set REDIS_TLS=true")
		}
		pool, err := c.authorities()
		if err != nil {
			return nil, err
		}
		o.TLSConfig.RootCAs = pool
	}
	return o, nil
}

// hostName is labels of letters, digits, - and _.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// isHost says whether a text is a host's name, or an IP address without brackets. Another one can never be connected to: it may have a scheme, a port or a
// password in it, so that no error shows it.
func isHost(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil || len(text) <= 253 && hostName.MatchString(text)
}

// authorities reads REDIS_CA_FILE.
func (c *Config) authorities() (*x509.CertPool, error) {
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("REDIS_CA_FILE cannot be read: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("REDIS_CA_FILE %s has no PEM certificate", c.CAFile)
	}
	return pool, nil
}
