package callback

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"ringup.dev/ringup/internal/suppress"
)

// The built-in words. The English ones are those that Twilio acts on itself (twilio.com/docs/messaging/tutorials/advanced-opt-out); the others
// are what messages in these languages ask people to answer. A word stands in one list only, and only where it says nothing else when it is
// the whole message.
var (
	stopWords = []string{
		"stop", "stop all", "stopall", "unsubscribe", "end", "quit", "cancel", "revoke", "opt out", "optout", "opt-out", // en
		"alto", "baja", "darse de baja", "parar", "cancelar", "detener", // es
		"arrêt", "arrêter", "arrêtez", "désabonner", "désabonnement", "désinscrire", "désinscription", "se désabonner", // fr
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

// maxWord is how long a message can be, in bytes, that is a word of a list and nothing else.
const maxWord = 100

// words knows what a whole message can mean.
type words struct{ kinds map[string]suppress.Kind }

// newWords returns the built-in words, or those that take their place, or both. Errors name the variable.
func newWords(stop, start []string) (*words, error) {
	w := &words{kinds: map[string]suppress.Kind{}}
	var errs []error
	add := func(variable string, given, builtIn []string, kind suppress.Kind) {
		given = trimmed(given)
		all := given
		if len(given) == 0 || strings.HasPrefix(given[0], "+") {
			all = append(slices.Clone(builtIn), given...)
		}
		for _, word := range all {
			folded := fold(word)
			switch known := w.kinds[folded]; {
			case folded == "":
				errs = append(errs, fmt.Errorf("%s has %q: set words of letters or digits, of at most %d bytes", variable, word, maxWord))
			case known != "" && known != kind:
				errs = append(errs, fmt.Errorf("STOP_WORDS and START_WORDS, or the built-in words of one, both have %q: leave it in one", word))
			default:
				w.kinds[folded] = kind
			}
		}
	}
	add("STOP_WORDS", stop, stopWords, suppress.OptOut)
	add("START_WORDS", start, startWords, suppress.OptIn)
	return w, errors.Join(errs...)
}

// meaning says what a whole message asks for; false when it asks for neither.
func (w *words) meaning(text string) (suppress.Kind, bool) {
	kind, found := w.kinds[fold(text)]
	return kind, found
}

// undecomposed are letters that Unicode does not take apart into a plain one and its accent.
var undecomposed = strings.NewReplacer("ł", "l", "ø", "o", "đ", "d", "ı", "i", "ß", "ss", "æ", "ae", "œ", "oe")

// fold writes a message as words are compared: without case, accents, marks that nobody sees, and whatever is around it. It is "" for one
// that is too long to be a word, or has none.
func fold(text string) string {
	if len(text) > maxWord {
		return ""
	}
	// Compatibility forms: some keyboards write letters of full width.
	text = norm.NFKD.String(strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Cf) {
			return -1
		}
		return r
	}, text)
	text = undecomposed.Replace(strings.ToLower(text))
	text = strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	return strings.Join(strings.Fields(text), " ")
}
