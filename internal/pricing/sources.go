package pricing

import (
	"strings"
	"sync"
)

const (
	// maxSources is how many sources have a label of their own: each is a time series for every metric that it labels.
	maxSources = 100
	// maxLabel is how many bytes of a source's name a label has.
	maxLabel = 64

	otherSources = "other"
	noSource     = "none"
)

// Sources gives the sources of webhooks labels for metrics, bounded in number. It is safe for concurrent use.
type Sources struct {
	mu   sync.RWMutex
	seen map[string]string // each label by itself: its own copy, since the caller's string may be a piece of a whole payload
}

// NewSources returns labels. Sources with caps of their own have theirs, however many they are: a cap counts what one source spends.
func NewSources(c *Caps) *Sources {
	s := &Sources{seen: map[string]string{}}
	if c == nil {
		return s
	}
	for _, ofChannel := range c.sources {
		for source := range ofChannel {
			label := labelOf(source)
			s.seen[label] = label
		}
	}
	return s
}

// labelOf is a source's own label: metrics take no other text than UTF-8.
func labelOf(source string) string {
	return strings.ToValidUTF8(source[:min(len(source), maxLabel)], "")
}

// Label is the source itself for the first hundred that come by, "other" for those after, and "none" for a webhook without one.
func (s *Sources) Label(source string) string {
	if source == "" {
		return noSource
	}
	label := labelOf(source)
	s.mu.RLock()
	own, known := s.seen[label]
	full := len(s.seen) >= maxSources
	s.mu.RUnlock()
	switch {
	case known:
		return own
	case full:
		return otherSources
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if own, known := s.seen[label]; known {
		return own
	}
	if len(s.seen) >= maxSources {
		return otherSources
	}
	own = strings.Clone(label)
	s.seen[own] = own
	return own
}
