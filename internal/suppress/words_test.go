package suppress

import (
	"strings"
	"testing"
)

func builtIn(t testing.TB) *Words {
	t.Helper()
	w, err := NewWords(WordsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWords(t *testing.T) {
	t.Parallel()
	const neither = Kind("")
	for text, want := range map[string]Kind{
		"STOP": OptOut, "stop": OptOut, " Stop.\n": OptOut, "«STOP!»": OptOut, "STOP 🛑": OptOut, "Stop  all": OptOut,
		"ＳＴＯＰ": OptOut, "st\u200bop": OptOut, "UNSUBSCRIBE": OptOut, "Opt-Out": OptOut,
		"Arrêt": OptOut, "ARRET": OptOut, "arre\u0302t": OptOut, "Désinscription": OptOut, "baja": OptOut,
		"Abmelden!": OptOut, "STOPP": OptOut, "annulla": OptOut, "Sair": OptOut, "Uitschrijven": OptOut,
		"S.T.O.P.": OptOut, "S T O P": OptOut, "stop-all": OptOut, "un-subscribe": OptOut, "opt_out": OptOut, "OPTOUT": OptOut, "REVOKE": OptOut, "ARRETE": OptOut, "arrett": OptOut,
		"STOP STOP": OptOut, "stop! stop!! STOP": OptOut, "\"Stop\"": OptOut, "*STOP*": OptOut, "stop stop start": neither, "st art": OptIn, "HELP STOP": neither,
		"wypisz": OptOut, "Rezygnuje": OptOut, "СТОП": OptOut, "إيقاف": OptOut, "停止": OptOut, "수신거부": OptOut,
		"START": OptIn, "unstop": OptIn, "Alta": OptIn, "wznow": OptIn, "S’abonner": OptIn, "s'abonner": OptIn,
		"": neither, "?": neither, "please stop": neither, "Stop sending me the wrong receipt": neither, "bus stop": neither, "stopped": neither, "yes": neither,
		"HELP": neither, "\xff\xfe": neither,
		strings.Repeat("stop ", 30): OptOut, "STOP" + strings.Repeat("!", 300): OptOut, "STOP" + strings.Repeat("\n", 300): OptOut, strings.Repeat("stop ", 10_000): neither,
	} {
		if got, _ := builtIn(t).Meaning(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestBuiltInWords: each says one thing, and is found as it is written.
func TestBuiltInWords(t *testing.T) {
	t.Parallel()
	w := builtIn(t)
	for kind, list := range map[Kind][]string{OptOut: stopWords, OptIn: startWords} {
		for _, word := range list {
			if got, _ := w.Meaning(strings.ToUpper(word)); got != kind {
				t.Errorf("%q: %q, want %q", word, got, kind)
			}
		}
	}
}

func TestOwnWords(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stop, start []string
		want        map[string]Kind
		err         string
	}{
		"beside the built-in": {[]string{"+Schluß jetzt", "fini"}, nil,
			map[string]Kind{"schluss jetzt": OptOut, "Fini": OptOut, "stop": OptOut, "start": OptIn}, ""},
		"in their place": {[]string{"fini", "ende"}, []string{"los"},
			map[string]Kind{"fini": OptOut, "ende": OptOut, "stop": "", "los": OptIn, "start": ""}, ""},
		"one of the other list":       {[]string{"start"}, nil, nil, `"start"`},
		"the same in both":            {[]string{"+ja"}, []string{"+Já!"}, nil, `"+Já!"`},
		"longer than a word can be":   {[]string{strings.Repeat("x", maxWord+1)}, nil, nil, "STOP_WORDS"},
		"nothing that can be typed":   {nil, []string{"👍"}, nil, "START_WORDS"},
		"a plus and nothing after it": {[]string{"+"}, nil, nil, "STOP_WORDS"},
	} {
		w, err := NewWords(WordsConfig{Stop: tt.stop, Start: tt.start})
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", name, err, tt.err)
			continue
		}
		for text, want := range tt.want {
			if got, _ := w.Meaning(text); got != want {
				t.Errorf("%s: %q is %q, want %q", name, text, got, want)
			}
		}
	}
}

// FuzzWords: a message that is a word stays one however it is written, and a folded one is as it should be.
func FuzzWords(f *testing.F) {
	w := builtIn(f)
	for _, text := range []string{"STOP", " Arrêt! ", "ＳＴＯＰ", "إيقاف", "수신거부", "\u1e9e\u0130", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		folded := fold(text)
		if again := fold(folded); again != folded {
			t.Errorf("%q is folded to %q, and that to %q", text, folded, again)
		}
		kind, found := w.Meaning(text)
		if found != (kind == OptOut || kind == OptIn) {
			t.Errorf("%q: %q, %t", text, kind, found)
		}
		if around, _ := w.Meaning("  ¡" + text + "! "); len(text)+6 <= maxMessage && around != kind {
			t.Errorf("%q is %q, and with marks around it %q", text, kind, around)
		}
	})
}
