package generic

import (
	"math/big"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/event"
)

// TestThePage: docs/webhooks.md has every field of a payload, its example is a valid webhook with something in each of them but test and refunded, and the
// example adds up.
func TestThePage(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	var documented []string
	for _, match := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (?:text|number|boolean|object|list)").FindAllStringSubmatch(page, -1) {
		documented = append(documented, match[1])
	}
	want := fields("", reflect.TypeFor[payload]())
	slices.Sort(documented)
	slices.Sort(want)
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("fields (-code +docs/webhooks.md):\n%s", diff)
	}
	_, example, _ := strings.Cut(page, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	got, notes, err := Decode([]byte(example), time.UTC, now)
	if err != nil || notes != nil {
		t.Fatalf("%v %v", notes, err)
	}
	for _, name := range want {
		name = strings.TrimPrefix(strings.TrimPrefix(name, "data."), "items[].")
		if !strings.Contains(example, `"`+name[strings.LastIndexByte(name, '.')+1:]+`"`) && name != "test" && name != "refunded" {
			t.Errorf("the example has no %s", name)
		}
	}
	if lines := sum(t, got); lines != rational(t, got.Sale.Subtotal) {
		t.Errorf("the lines come to %s", lines)
	}
	parts := new(big.Rat)
	for _, part := range []string{got.Sale.Subtotal, got.Sale.Discount, got.Sale.Tax, got.Sale.Tip} {
		parts.Add(parts, exact(t, part))
	}
	if parts.RatString() != rational(t, got.Sale.Total) {
		t.Errorf("the receipt comes to %s", parts)
	}
	if got.Extra != `{"loyaltyPoints": 120}` && got.Extra != `{"loyaltyPoints":120}` {
		t.Errorf("extra fields: %s", got.Extra)
	}
}

// fields returns the paths of the fields of a payload's struct.
func fields(at string, of reflect.Type) (paths []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		paths = append(paths, at+name)
		switch f.Type {
		case reflect.TypeFor[object[data]]():
			paths = append(paths, fields(at+name+".", reflect.TypeFor[data]())...)
		case reflect.TypeFor[list[object[item]]]():
			paths = append(paths, fields(at+name+"[].", reflect.TypeFor[item]())...)
		case reflect.TypeFor[payment]():
			paths = append(paths, at+name+".brand", at+name+".lastFour")
		}
	}
	return paths
}

// TestSamplesAddUp: the lines of every sample come to its subtotal, and with discount, tax and tip to its amount.
func TestSamplesAddUp(t *testing.T) {
	t.Parallel()
	for _, kind := range event.Types {
		e := event.Sample(kind)
		total := new(big.Rat).Sub(exact(t, e.Sale.Subtotal), exact(t, e.Sale.Discount))
		total.Add(total, exact(t, e.Sale.Tax)).Add(total, exact(t, e.Sale.Tip))
		if sum(t, e) != rational(t, e.Sale.Subtotal) || total.RatString() != rational(t, e.Field("amount")) {
			t.Errorf("%s does not add up: %+v", kind, e)
		}
	}
}

// sum returns what the lines of an event come to.
func sum(t *testing.T, e *event.Event) string {
	t.Helper()
	all := new(big.Rat)
	for _, i := range e.Items {
		line := new(big.Rat).Mul(exact(t, i.Quantity), exact(t, i.UnitPrice))
		if i.Total != "" && line.RatString() != rational(t, i.Total) {
			t.Errorf("the line of %s comes to %s", i.Name, line)
		}
		all.Add(all, line)
	}
	return all.RatString()
}

func rational(t *testing.T, text string) string {
	t.Helper()
	return exact(t, text).RatString()
}

func exact(t *testing.T, text string) *big.Rat {
	t.Helper()
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	return n
}
