package cli

import (
	"io"
	"os"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/verdict"
)

// colored says whether a writer is a terminal that shows colours; NO_COLOR turns them off (no-color.org).
func colored(w io.Writer, env envconfig.Lookuper) bool {
	file, isFile := w.(*os.File)
	if !isFile {
		return false
	}
	info, err := file.Stat()
	if off, _ := env.Lookup("NO_COLOR"); err != nil || off != "" {
		return false
	}
	term, _ := env.Lookup("TERM")
	return info.Mode()&os.ModeCharDevice != 0 && term != "dumb"
}

// levelColors are of the same length, so that columns stay straight.
var levelColors = map[verdict.Level]string{verdict.Well: "\x1b[32m", verdict.Attention: "\x1b[33m", verdict.Failing: "\x1b[31m", verdict.Unknown: "\x1b[35m"}

// paint colours a text by a level.
func paint(text string, level verdict.Level, color bool) string {
	if !color {
		return text
	}
	return levelColors[level] + text + "\x1b[0m"
}
