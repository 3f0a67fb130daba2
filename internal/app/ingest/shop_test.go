package ingest

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/shop"
	"ringup.dev/ringup/internal/message"
)

// TestShop: the countries that may be written to come from ALLOWED_COUNTRIES, or from DEFAULT_REGION and the default recipients; a recipient that is
// listed twice is logged.
func TestShop(t *testing.T) {
	t.Parallel()
	const american, german, mexican = message.Address("+12025550143"), message.Address("+4915123456789"), message.Address("+525512345678")
	for name, tt := range map[string]struct {
		env   map[string]string
		may   []message.Address
		not   []message.Address
		twice bool
	}{
		"by default":     {nil, []message.Address{american, "+1234567890"}, []message.Address{german, mexican}, false},
		"staff abroad":   {map[string]string{"WHATSAPP_DEFAULT_RECIPIENTS": "+525512345679,+5215512345679"}, []message.Address{american, mexican}, []message.Address{german}, true},
		"another region": {map[string]string{"DEFAULT_REGION": "DE"}, []message.Address{german}, []message.Address{american}, false},
		"named":          {map[string]string{"ALLOWED_COUNTRIES": "MX,+49"}, []message.Address{german, mexican}, []message.Address{american}, false},
		"every country":  {map[string]string{"ALLOWED_COUNTRIES": "*"}, []message.Address{american, german, mexican}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"REDIS_URL": "redis://localhost", "WEBHOOK_SECRET": "0123456789abcdef", "WEBHOOK_AUTH_TOKEN": "0123456789abcdef"}
			for variable, value := range tt.env {
				env[variable] = value
			}
			c, err := Load(t.Context(), envconfig.MapLookuper(env))
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s, err := shop.New(&c.Staff, c.Address, c.Countries, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range tt.may {
				if err := s.MayWrite(to); err != nil {
					t.Errorf("%s: %v", to.Reveal(), err)
				}
			}
			for _, to := range tt.not {
				if s.MayWrite(to) == nil {
					t.Errorf("%s may be written to", to.Reveal())
				}
			}
			if said := strings.Contains(log.String(), "default recipient listed twice"); said != tt.twice || strings.Contains(log.String(), "12345679") {
				t.Errorf("the log: %s", log.String())
			}
		})
	}
	if _, err := Load(t.Context(), envconfig.MapLookuper(map[string]string{"ALLOWED_COUNTRIES": "Germany"})); err == nil || !strings.Contains(err.Error(), `ALLOWED_COUNTRIES has "Germany"`) {
		t.Errorf("%v", err)
	}
}
