package render

import (
	"math"
	"strconv"
)

const (
	white, black = "#ffffff", "#101828"
	linear       = 0.04045 // below it, sRGB is linear (IEC 61966-2-1)
)

// colors returns the color of an e-mail's head, and that of the text on it: black or white, whichever has more contrast (WCAG 2.2, 1.4.3). One of them has
// at least 4.4 to 1. Without a color the head is white.
func colors(of string) (color, text string) {
	if of == "" {
		return white, black
	}
	l := luminance(of)
	if (1+0.05)/(l+0.05) >= (l+0.05)/(luminance(black)+0.05) {
		return of, white
	}
	return of, black
}

// luminance is the relative luminance of #rrggbb (WCAG 2.2), 0 to 1.
func luminance(color string) float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8)
		if err != nil {
			return 1
		}
		c := float64(n) / 255
		if c <= linear {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
