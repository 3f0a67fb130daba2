package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
)

type inner struct {
	Pauses []time.Duration          `env:"PAUSES, default=2s,4s"`
	Limits map[string]time.Duration `env:"LIMITS"`
}

type outer struct {
	Port  int     `env:"PORT, default=3000"`
	Rate  float64 `env:"RATE, default=1.5"`
	Fast  bool    `env:"FAST"`
	Name  string  `env:"NAME, default=luna"`
	Inner inner
}

func TestEveryUnreadableVariableIsNamed(t *testing.T) {
	t.Parallel()
	var c outer
	err := config.Read(t.Context(), envconfig.MapLookuper(map[string]string{
		"PORT": "http", "RATE": "fast", "FAST": "yes!", "PAUSES": "2s,soon", "LIMITS": "pos_save:never", "NAME": "x",
	}), &c)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`PORT is "http": set a whole number`, `RATE is "fast": set a number`, `FAST is "yes!": set true or false`,
		`PAUSES is "2s,soon": set a list with commas between, each a time`, `LIMITS is "pos_save:never": set a list of name:value`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 5 {
		t.Errorf("%d problems, want 5:\n%v", n, err)
	}
}

func TestEmptyIsUnset(t *testing.T) {
	t.Parallel()
	var c outer
	if err := config.Read(t.Context(), envconfig.MapLookuper(map[string]string{"PORT": "", "NAME": "", "RATE": "2"}), &c); err != nil {
		t.Fatal(err)
	}
	if c.Port != 3000 || c.Name != "luna" || c.Rate != 2 || len(c.Inner.Pauses) != 2 {
		t.Errorf("%+v", c)
	}
}

func TestAMistakeInTheStructEnds(t *testing.T) {
	t.Parallel()
	var c struct {
		A string `env:"A, bogus"`
	}
	if err := config.Read(t.Context(), envconfig.MapLookuper(map[string]string{"A": "1"}), &c); err == nil {
		t.Error("accepted")
	}
}
