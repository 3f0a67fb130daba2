// Package shop reads the environment as the store whose messages are planned, for the programs that do so: it knows the numbering plans, which cost memory.
package shop

import (
	"log/slog"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/store/envstore"
)

// New returns the store of the environment, for the programs that plan messages. Default recipients that are listed twice are logged. The error has every setting that cannot
// work.
func New(staff *envstore.Recipients, region address.Config, countries address.CountriesConfig, log *slog.Logger) (*store.Store, error) {
	shop, err := staff.Store(region.DefaultRegion, address.Read)
	if err != nil {
		return nil, err
	}
	for _, twice := range staff.Twice(region.DefaultRegion, address.Read) {
		log.Warn("default recipient listed twice", "setting", twice)
	}
	allowed, err := address.NewCountries(countries, region.DefaultRegion, shop.Staff())
	if err != nil {
		return nil, err
	}
	shop.MayWrite = allowed.Check
	return shop, nil
}
