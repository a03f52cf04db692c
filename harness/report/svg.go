package report

import (
	"fmt"
	"html"
	"math"
	"strings"
	"unicode/utf8"
)

// PictureOptions say how a picture is written as SVG.
type PictureOptions struct {
	Language Language
	Marks    Marks
	// embedded pictures go into a page: both languages stand in them, the page brings the colours, and
	// frames and calls can be followed.
	embedded bool
}

// The colours of pictures as CSS. Those of connections differ in lightness too, so that a print without
// colours still tells neighbours apart.
const (
	lightColours = "--bg:#ffffff;--ink:#16181d;--soft:#5b6472;--rail:#c3c9d2;--band:#f3f5f8;--bad:#b3261e;--badbg:#fde7e4;" +
		"--cite:#e7f0fd;--citeink:#0b57ad;--h0:#5b6472;--h1:#0b57ad;--h2:#a34700;--h3:#08734a;--h4:#83369c;--h5:#006a75;--h6:#ad1457;"
	darkColours = "--bg:#15171c;--ink:#e8eaee;--soft:#a3abb8;--rail:#48505d;--band:#1f232b;--bad:#ff8a80;--badbg:#46201f;" +
		"--cite:#17324f;--citeink:#8cc2ff;--h0:#a3abb8;--h1:#79b8ff;--h2:#ffb066;--h3:#62d9a0;--h4:#dba5f5;--h5:#5fd8e4;--h6:#ff8fbd;"
	pictureRules = `text{font-family:system-ui,"Segoe UI","Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;fill:var(--ink)}` +
		`.m{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}` +
		`.soft{fill:var(--soft)}.bad{fill:var(--bad)}.halo{paint-order:stroke;stroke:var(--bg);stroke-width:5px;stroke-linejoin:round}` +
		`.oncite{stroke:var(--cite)}.onbad{stroke:var(--badbg)}`
)

// colourPairs are the colours of a picture by name, light and dark. A light colour that has two names is
// there once.
func colourPairs() (pairs []colourPair) {
	dark := map[string]string{}
	for _, entry := range strings.Split(strings.TrimSuffix(darkColours, ";"), ";") {
		name, value, _ := strings.Cut(entry, ":")
		dark[name] = value
	}
	for _, entry := range strings.Split(strings.TrimSuffix(lightColours, ";"), ";") {
		name, light, _ := strings.Cut(entry, ":")
		pairs = append(pairs, colourPair{"var(" + name + ")", light, dark[name]})
	}
	return pairs
}

type colourPair struct{ name, light, dark string }

// alone puts the light colours themselves in the place of their names: many programs that show or convert
// pictures know no custom properties and would draw everything black. It replaces whole attributes only, which
// text from outside cannot look like, since its quotes are escaped.
func alone(drawing string) string {
	var names []string
	for _, p := range colourPairs() {
		names = append(names, `="`+p.name+`"`, `="`+p.light+`"`, `="fill:`+p.name+`"`, `="fill:`+p.light+`"`)
	}
	return strings.NewReplacer(names...).Replace(drawing)
}

// pictureStyle is the style sheet of a picture that stands alone. In the dark it overrides each light colour
// by the attribute in which it stands.
func pictureStyle() string {
	var override strings.Builder
	var light, dark []string
	seen := map[string]bool{}
	for _, p := range colourPairs() {
		light, dark = append(light, p.name, p.light), append(dark, p.name, p.dark)
		if !seen[p.light] {
			seen[p.light] = true
			fmt.Fprintf(&override, `[fill="%[1]s"]{fill:%[2]s}[stroke="%[1]s"]{stroke:%[2]s}[style="fill:%[1]s"]{fill:%[2]s!important}`, p.light, p.dark)
		}
	}
	rules := func(colours []string) string { return strings.NewReplacer(colours...).Replace(pictureRules) }
	return "<style>" + rules(light) + "@media screen and (prefers-color-scheme:dark){" + rules(dark) + override.String() + "}</style>"
}

// canvas collects the elements of a picture. Whatever text is put on it is made printable and escaped.
type canvas struct {
	strings.Builder
	options PictureOptions
}

// number is a coordinate with at most one decimal.
func number(x float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0")
}

// escape is text from outside as it can stand in an element or in quotes.
func escape(text string) string { return html.EscapeString(oneLine(text)) }

func (c *canvas) add(format string, arguments ...any) { fmt.Fprintf(&c.Builder, format, arguments...) }

// rect is a rectangle; style is a list of attributes written by this package.
func (c *canvas) rect(x, y, w, h float64, style string) {
	c.add(`<rect x="%s" y="%s" width="%s" height="%s" %s/>`, number(x), number(y), number(max(0, w)), number(max(0, h)), style)
}

func (c *canvas) line(x1, y1, x2, y2 float64, style string) {
	c.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" %s/>`, number(x1), number(y1), number(x2), number(y2), style)
}

// tip is an arrow's head at (x, y) for a line that comes from (fromX, fromY).
func (c *canvas) tip(fromX, fromY, x, y float64, style string) {
	dx, dy := unit(x-fromX, y-fromY)
	c.add(`<path d="M%s %sL%s %sL%s %sZ" %s/>`, number(x), number(y),
		number(x-11*dx-5*dy), number(y-11*dy+5*dx), number(x-11*dx+5*dy), number(y-11*dy-5*dx), style)
}

// cross marks where something was lost or broken.
func (c *canvas) cross(x, y, size float64, style string) {
	c.add(`<path d="M%s %sl%s %sm0 -%sl-%s %s" fill="none" stroke-width="3" %s/>`, number(x-size), number(y-size),
		number(2*size), number(2*size), number(2*size), number(2*size), number(2*size), style)
}

// monoWidth is the width of a column of the fixed-width font, as a part of its size.
const monoWidth = 0.602

// mono is text in the fixed-width font. Its width is set, so that what stands behind it fits whatever font
// the reader has.
func (c *canvas) mono(x, y, size float64, anchor, class, text string) {
	if text == "" {
		return
	}
	class = strings.TrimSpace("m " + class)
	c.add(`<text x="%s" y="%s" class="%s" font-size="%s" xml:space="preserve" textLength="%s" lengthAdjust="spacingAndGlyphs"%s>%s</text>`,
		number(x), number(y), class, number(size), number(monoColumns(text)*monoWidth*size), anchorAttribute(anchor), escape(text))
}

func monoColumns(text string) float64 { return float64(columnsOf(oneLine(text))) }

// label is text in the language of the picture, or in both for a page that can switch.
func (c *canvas) label(x, y, size float64, anchor, class string, text Text) {
	write := func(language, said string) {
		classes := strings.TrimSpace(class + " " + language)
		if classes != "" {
			classes = ` class="` + classes + `"`
		}
		c.add(`<text x="%s" y="%s"%s font-size="%s"%s>%s</text>`, number(x), number(y), classes, number(size), anchorAttribute(anchor), escape(said))
	}
	switch {
	case !c.options.embedded:
		write("", text.In(c.options.Language))
	case text.Zh == "" || text.Zh == text.En:
		write("", text.En)
	default:
		write("en", text.En)
		write("zh", text.Zh)
	}
}

// monoLabel is fixed-width text in the language of the picture, or in both.
func (c *canvas) monoLabel(x, y, size float64, class string, text Text) {
	switch {
	case !c.options.embedded:
		c.mono(x, y, size, "", class, text.In(c.options.Language))
	case text.Zh == "":
		c.mono(x, y, size, "", class, text.En)
	default:
		c.mono(x, y, size, "", class+" en", text.En)
		c.mono(x, y, size, "", class+" zh", text.Zh)
	}
}

func anchorAttribute(anchor string) string {
	if anchor == "" || anchor == "start" {
		return ""
	}
	return ` text-anchor="` + anchor + `"`
}

// labelWidthOf is about how wide a label is in the proportional font.
func labelWidthOf(text string, size float64) float64 {
	wide := columnsOf(text) - utf8.RuneCountInString(text)
	narrow := utf8.RuneCountInString(text) - wide
	return size * (0.57*float64(narrow) + float64(wide))
}

// labelRoom is about the width of the wider of both languages, of the one that is shown where only one is.
func (c *canvas) labelRoom(text Text, size float64) float64 {
	if !c.options.embedded {
		return labelWidthOf(text.In(c.options.Language), size)
	}
	return max(labelWidthOf(text.En, size), labelWidthOf(text.Zh, size))
}

// fill and stroke are the colour of a connection.
func fill(hue int) string   { return fmt.Sprintf(`fill="var(--h%d)"`, hue) }
func stroke(hue int) string { return fmt.Sprintf(`stroke="var(--h%d)"`, hue) }

// chipWidth is that of a descriptor's chip.
func chipWidth(text string, size float64) float64 { return monoColumns(text)*monoWidth*size + size*0.6 }

// chip is a descriptor: filled with the colour of its connection; round and as dark as the text where it
// listens; outlined where it is neither.
func (c *canvas) chip(x, y, size float64, text string, hue int, listening bool) {
	w, h := chipWidth(text, size), size*1.3
	top := y - size*1.0
	switch {
	case listening:
		c.rect(x, top, w, h, `rx="9" fill="var(--ink)"`)
		c.add(`<text x="%s" y="%s" class="m" font-size="%s" style="fill:var(--bg)" font-weight="700" textLength="%s" lengthAdjust="spacingAndGlyphs">%s</text>`,
			number(x+size*0.3), number(y), number(size), number(monoColumns(text)*monoWidth*size), escape(text))
	case hue > 0:
		c.rect(x, top, w, h, `rx="4" `+fill(hue))
		c.add(`<text x="%s" y="%s" class="m" font-size="%s" style="fill:var(--bg)" font-weight="700" textLength="%s" lengthAdjust="spacingAndGlyphs">%s</text>`,
			number(x+size*0.3), number(y), number(size), number(monoColumns(text)*monoWidth*size), escape(text))
	default:
		c.rect(x+.75, top+.75, w-1.5, h-1.5, `rx="4" fill="var(--bg)" stroke="var(--soft)" stroke-width="1.5"`)
		c.mono(x+size*0.3, y, size, "", "", text)
	}
}

// picture wraps the elements into a whole SVG.
func (c *canvas) picture(kind string, width, height float64, title Text) string {
	var b strings.Builder
	name := escape(title.In(c.options.Language))
	role := "img"
	if c.options.embedded {
		role = "group" // its frames and calls can be followed
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" class="picture %s" role="%s" aria-label="%s"`,
		number(width), number(height), kind, role, name)
	if !c.options.embedded {
		fmt.Fprintf(&b, ` width="%s" height="%s"><title>%s</title>%s`, number(width), number(height), name, pictureStyle())
		fmt.Fprintf(&b, `<rect width="%s" height="%s" fill="var(--bg)"/>`, number(width), number(height))
	} else {
		b.WriteByte('>')
	}
	b.WriteString(c.String())
	b.WriteString("</svg>\n")
	if c.options.embedded {
		return b.String()
	}
	return alone(b.String())
}

// unit is the direction of a vector.
func unit(dx, dy float64) (float64, float64) {
	length := math.Hypot(dx, dy)
	if length == 0 {
		return 1, 0
	}
	return dx / length, dy / length
}
