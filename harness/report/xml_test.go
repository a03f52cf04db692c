package report

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// wellFormed reads a picture as strict XML.
func wellFormed(svg string) error {
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestBrokenXMLIsNoticed(t *testing.T) {
	for _, bad := range []string{"<svg><g></svg>", "<svg>\x00</svg>", `<svg a="<"></svg>`, "<svg>&nbsp;</svg>"} {
		if wellFormed(bad) == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
