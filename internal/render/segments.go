package render

import "unicode/utf16"

// The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, section 6.2.1).
const (
	gsm7      = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extension = "^{}\\[~]|€\f"
)

// septets is how many of a segment's 7-bit places a character takes, by its code; 0, and any beyond €, needs UCS-2.
var septets = func() (m ['€' + 1]uint8) {
	for _, r := range gsm7 {
		m[r] = 1
	}
	for _, r := range extension {
		m[r] = 2
	}
	return m
}()

// Segments returns how many SMS segments a text takes: 160 septets alone or 153 each (the user data header takes seven), or, when
// a character is not in the GSM alphabet, 70 UTF-16 units alone or 67 each. 0 for an empty text.
func Segments(text string) int {
	n := 0
	for _, r := range text {
		if int(r) >= len(septets) || septets[r] == 0 {
			return pages(len(utf16.Encode([]rune(text))), 70, 67)
		}
		n += int(septets[r])
	}
	return pages(n, 160, 153)
}

func pages(n, alone, each int) int {
	switch {
	case n == 0:
		return 0
	case n <= alone:
		return 1
	}
	return (n + each - 1) / each
}
