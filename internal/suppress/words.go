package suppress

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"ringup.dev/ringup/internal/config"
)

// The built-in words. The English ones are those that Twilio acts on itself (twilio.com/docs/messaging/tutorials/advanced-opt-out). The others
// are the answers that messages in these languages ask for. A word is in one list only, and only where a message of that word alone can
// mean nothing else.
var (
	stopWords = []string{
		"stop", "stop all", "stopall", "unsubscribe", "end", "quit", "cancel", "revoke", "opt out", "optout", "opt-out", // en
		"alto", "baja", "darse de baja", "parar", "cancelar", "detener", // es
		"arrêt", "arrett", "arrête", "arrêter", "arrêtez", "désabonner", "désabonnement", "désinscrire", "désinscription", "se désabonner", // fr
		"stopp", "stoppen", "abmelden", "abbestellen", "austragen", // de
		"ferma", "fermare", "annulla", "cancella", "cancellami", "disiscrivi", "disiscrivimi", "basta", // it
		"pare", "sair", "remover", "descadastrar", // pt
		"afmelden", "uitschrijven", "opzeggen", // nl
		"wypisz", "wypisz mnie", "rezygnuję", "anuluj", "zatrzymaj", // pl
		"avsluta", "avregistrera", "avmeld", "afmeld", "lopeta", // sv no da fi
		"odhlásit", "zrušit", "leiratkozás", "dezabonare", // cs hu ro
		"dur", "iptal", "durdur", // tr
		"стоп", "отписаться", "відписатися", "отпиши", // ru uk bg
		"διακοπή", "διαγραφή", // el
		"قف", "توقف", "إيقاف", "إلغاء", "הסר", "עצור", // ar he
		"停止", "配信停止", "退订", "退訂", "取消订阅", "수신거부", // ja zh ko
	}
	startWords = []string{
		"start", "unstop", "resume", "subscribe", "opt in", "optin", "opt-in", // en
		"alta", "darse de alta", "reanudar", "suscribir", // es
		"reprendre", "démarrer", "réabonner", "s'abonner", // fr
		"starten", "anmelden", // de
		"inizia", "riprendi", "iscrivi", "iscrivimi", // it
		"iniciar", "retomar", "assinar", // pt es
		"aanmelden", "hervatten", // nl
		"wznów", "zapisz", "zapisz mnie", // pl
		"starta", "påmeld", "tilmeld", "aloita", // sv no da fi
		"başla", "başlat", // tr
		"старт", "подписаться", "підписатися", // ru uk
		"έναρξη",        // el
		"ابدأ", "اشترك", // ar
		"再開", "開始", "订阅", "訂閱", "수신", // ja zh ko
	}
)

const (
	// maxWord is the length of the longest word, in bytes.
	maxWord = 100
	// maxMessage is the length of the longest message that is read, in bytes: WhatsApp takes 4,096 characters.
	maxMessage = 4 * 4096
)

// WordsConfig has the shop's own words.
type WordsConfig struct {
	// Stop are what people answer to get no more messages, in the place of the built-in words; with + before the first, beside them.
	Stop []string `env:"STOP_WORDS"`
	// Start are what people answer to get messages again, in the place of the built-in words; with + before the first, beside them.
	Start []string `env:"START_WORDS"`
}

// Validate reports every word that cannot work, with its variable.
func (c *WordsConfig) Validate() error {
	_, err := NewWords(*c)
	return err
}

// Words are the answers that a whole message can be. It is safe for concurrent use.
type Words struct{ kinds map[string]Kind }

// NewWords returns the built-in words, the shop's own, or both. The error has every word that cannot work, with its variable.
func NewWords(c WordsConfig) (*Words, error) {
	w := &Words{kinds: map[string]Kind{}}
	var errs []error
	add := func(variable string, given, builtIn []string, kind Kind) {
		given = config.NonEmpty(given)
		all := given
		if len(given) == 0 || strings.HasPrefix(given[0], "+") {
			all = append(slices.Clone(builtIn), given...)
		}
		for _, word := range all {
			folded := compact(fold(word))
			switch known := w.kinds[folded]; {
			case folded == "", len(word) > maxWord:
				errs = append(errs, fmt.Errorf("%s has %q: set words of letters or digits, of at most %d bytes", variable, word, maxWord))
			case known != "" && known != kind:
				errs = append(errs, fmt.Errorf("STOP_WORDS and START_WORDS, or the built-in words of one, both have %q: leave it in one", word))
			default:
				w.kinds[folded] = kind
			}
		}
	}
	add("STOP_WORDS", c.Stop, stopWords, OptOut)
	add("START_WORDS", c.Start, startWords, OptIn)
	return w, errors.Join(errs...)
}

// Meaning returns the kind of preference that a whole message is; false when it is neither. Case, accents, spaces and marks make no difference
// (S.T.O.P, opt_out), and neither does how often the word is there.
func (w *Words) Meaning(text string) (Kind, bool) {
	if len(text) > maxMessage {
		return "", false
	}
	folded := fold(text)
	if words := strings.FieldsFunc(folded, isMark); len(words) > 1 && len(slices.Compact(words)) == 1 {
		folded = words[0]
	}
	kind, found := w.kinds[compact(folded)]
	return kind, found
}

func isMark(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }

// compact leaves out what is neither a letter nor a digit.
func compact(folded string) string { return strings.Join(strings.FieldsFunc(folded, isMark), "") }

// undecomposed are letters that Unicode does not decompose into a plain letter and an accent.
var undecomposed = strings.NewReplacer("ł", "l", "ø", "o", "đ", "d", "ı", "i", "ß", "ss", "æ", "ae", "œ", "oe")

// fold returns a message in the form in which words are compared: without case, accents and invisible marks, and without the characters
// around it that are not letters or digits. It is "" for a message that has no letter or digit.
func fold(text string) string {
	// Compatibility forms: some keyboards write letters of full width.
	text = norm.NFKD.String(strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Cf) {
			return -1
		}
		return r
	}, text)
	text = undecomposed.Replace(strings.ToLower(text))
	text = strings.TrimFunc(text, isMark)
	return strings.Join(strings.Fields(text), " ")
}
