package render

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/message"
)

//go:embed templates
var builtIn embed.FS

const (
	// layoutFile is the frame of e-mails, and oldLayout its name in 0.1.0.
	layoutFile, oldLayout = "frame.email.html", "layout.email.html"
	// subjectFile is the frame of the subjects of e-mails.
	subjectFile = "frame.email.subject"
)

// localePart is the form of a locale in a file's name.
const localePart = `([a-z]{2,3}(?:-[A-Za-z]{2,4})*)`

// The forms of the names of files; each can be a key of a ConfigMap.
var (
	textName = regexp.MustCompile(`^(` + alternatives(occasions) + `)\.(` + alternatives(message.Channels) + `)\.(customer|staff)\.` + localePart +
		`\.(txt|html|subject|template\.json)$`)
	wordsName = regexp.MustCompile(`^words\.` + localePart + `\.txt$`)
)

// alternatives is a regular expression for one of some names.
func alternatives[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = regexp.QuoteMeta(string(name))
	}
	return strings.Join(texts, "|")
}

// files are the sources of templates.
type files struct {
	frames map[string]source          // by the name of the built-in file
	words  map[string][]source        // by locale; those of TEMPLATES_DIR first
	texts  map[key]map[string]*source // own texts, by part
	own    map[source]bool            // the sources of TEMPLATES_DIR
	parsed map[source]words           // while a renderer is made; then nil
	// itemsInWords says that some words show the items.
	itemsInWords bool
}

// source is a file of templates.
type source struct{ name, text string }

// parts are those of a message on a channel, and the file of the frame of each.
var parts = map[message.Channel]map[string]string{
	message.SMS:      {"txt": "frame.sms.txt"},
	message.WhatsApp: {"txt": "frame.whatsapp.txt"},
	message.Email:    {"subject": subjectFile, "txt": "frame.email.txt", "html": layoutFile},
}

// fileError is an error of a file of TEMPLATES_DIR, or of a built-in one.
type fileError struct {
	file   string
	err    error
	usable bool // the file is used nevertheless, without TEMPLATES_STRICT
}

func (e *fileError) Error() string { return "template " + e.file + ": " + e.err.Error() }

func (e *fileError) Unwrap() error { return e.err }

// readFiles returns the built-in files and those of a directory, without those that are not wanted. The errors name every file that cannot be one.
func readFiles(dir string, without map[string]bool) (*files, []error) {
	f := &files{frames: map[string]source{}, words: map[string][]source{}, texts: map[key]map[string]*source{}, own: map[source]bool{}}
	var errs []error
	if dir != "" {
		own := map[string]string{}
		if err := read(os.DirFS(dir), own); err != nil {
			return nil, []error{fmt.Errorf("TEMPLATES_DIR %s cannot be read: %w", dir, err)}
		}
		for _, name := range slices.Sorted(maps.Keys(own)) {
			if without[name] {
				continue
			}
			f.own[source{name, own[name]}] = true
			if err := f.add(name, own[name]); err != nil {
				errs = append(errs, err)
			}
		}
	}
	ours := map[string]string{}
	sub, err := fs.Sub(builtIn, "templates")
	if err == nil {
		err = read(sub, ours)
	}
	if err != nil {
		return nil, []error{err}
	}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if _, replaced := f.frames[name]; replaced {
			continue
		}
		if err := f.add(name, ours[name]); err != nil {
			errs = append(errs, err)
		}
	}
	return f, errs
}

// read takes the regular files of a folder; names that begin with a dot are a mounted ConfigMap's own. A byte order mark and the line ends of Windows
// go: they would be part of messages.
func read(dir fs.FS, into map[string]string) error {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") || entry.IsDir() {
			continue
		}
		text, err := fs.ReadFile(dir, entry.Name())
		if err != nil {
			return err
		}
		into[filepath.Base(entry.Name())] = strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n")
	}
	return nil
}

// add takes a file by its name.
func (f *files) add(name, text string) error {
	isFrame := name == oldLayout
	for _, frames := range parts {
		for _, frame := range frames {
			isFrame = isFrame || name == frame
		}
	}
	if isFrame {
		into := name
		if name == oldLayout {
			into = layoutFile
		}
		if _, twice := f.frames[into]; twice {
			return &fileError{file: name, err: fmt.Errorf("%s is there, too: delete one of them", layoutFile)}
		}
		f.frames[into] = source{name, text}
		return nil
	}
	if found := wordsName.FindStringSubmatch(name); found != nil {
		locale, known := format.ParseLocale(found[1])
		if !known {
			return &fileError{file: name, err: fmt.Errorf("%s is not a locale that is known", found[1])}
		}
		f.itemsInWords = f.itemsInWords || strings.Contains(text, ".Items")
		f.words[locale.String()] = append(f.words[locale.String()], source{name, text})
		return nil
	}
	found := textName.FindStringSubmatch(name)
	if found == nil {
		return &fileError{file: name, err: fmt.Errorf("the name is not known: set <occasion>.<channel>.<customer|staff>.<locale>.<txt|html|subject|template.json>, "+
			"as pos_save.sms.customer.en.txt, words.<locale>.txt, or a frame, as %s", layoutFile)}
	}
	locale, known := format.ParseLocale(found[4])
	if !known {
		return &fileError{file: name, err: fmt.Errorf("%s is not a locale that is known", found[4])}
	}
	k := key{occasion(found[1]), message.Channel(found[2]), found[3], locale.String()}
	_, ofChannel := parts[k.channel][found[5]]
	if !ofChannel && (found[5] != "template.json" || k.channel != message.WhatsApp) {
		return &fileError{file: name, err: fmt.Errorf("a message on %s has no part .%s", k.channel, found[5])}
	}
	if f.texts[k] == nil {
		f.texts[k] = map[string]*source{}
	}
	if _, twice := f.texts[k][found[5]]; twice {
		return &fileError{file: name, err: fmt.Errorf("another file is for %s, too", locale)}
	}
	f.texts[k][found[5]] = &source{name, text}
	return nil
}
