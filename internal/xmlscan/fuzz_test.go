package xmlscan_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmlscan"
)

// oracle reads src with encoding/xml, which is more lenient, and writes the
// names, attributes and text that it finds, in document order.
func oracle(src string) (string, error) {
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(src))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			fmt.Fprintf(&b, "<{%s}%s", tok.Name.Space, tok.Name.Local)
			for _, a := range tok.Attr {
				if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
					fmt.Fprintf(&b, " {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value)
				}
			}
			b.WriteByte('>')
		case xml.EndElement:
			b.WriteString("</>")
		}
	}
}

func ours(b *strings.Builder, d *xmlscan.Doc, e *xmlscan.Elem) {
	fmt.Fprintf(b, "<{%s}%s", e.Space, e.Name)
	for _, a := range d.Attrs(e) {
		fmt.Fprintf(b, " {%s}%s=%q", a.Space, a.Name, a.Value)
	}
	b.WriteByte('>')
	for c := d.First(e); c != nil; c = d.Next(c) {
		ours(b, d, c)
	}
	b.WriteString("</>")
}

// FuzzParse: no panic; nil with an error; encoding/xml sees the same elements
// and attributes; and every element stands for itself: the octets that
// AppendRaw gives are those of the source but for declarations after the name,
// and read alone they make the same tree.
func FuzzParse(f *testing.F) {
	for _, src := range []string{
		"<a/>", "<?xml version='1.0' encoding='UTF-8'?>\r\n<p:a xmlns:p='u' p:b='&lt;\n'><c xmlns='v'>t<![CDATA[x]]></c>&#65;<p:d/></p:a><!-- c -->",
		"\ufeff<a xmlns:q='w'><b t='q:z'/><c xml:lang='en'><d><e/></d></c></a>", "<a>]]></a>", "<a b='1' b='2'/>", "<é·>\r</é·>",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		doc, err := xmlscan.Parse(src, whole)
		if (doc == nil) == (err == nil) {
			t.Fatalf("got %v, %v", doc, err)
		}
		if err != nil {
			return
		}
		var b strings.Builder
		ours(&b, doc, doc.Root())
		// encoding/xml follows an older edition in its names and knows no byte
		// order mark, and it does not normalise white space in values.
		want, err := oracle(strings.TrimPrefix(string(src), "\ufeff"))
		if err != nil {
			if !strings.Contains(err.Error(), "invalid XML name") {
				t.Fatalf("encoding/xml refuses %q: %v", src, err)
			}
		} else if got := b.String(); got != want && !strings.ContainsAny(string(src), "\r\n\t") {
			t.Fatalf("%q:\ngot  %s\nwant %s", src, got, want)
		}
		for i := range doc.Within(doc.Root()) {
			alone(t, doc, &doc.Within(doc.Root())[i])
		}
	})
}

func alone(t *testing.T, doc *xmlscan.Doc, e *xmlscan.Elem) {
	raw, source := string(doc.AppendRaw(nil, e)), doc.Source(e)
	head := 1
	for head < len(source) && !strings.ContainsRune(" \t\r\n/>", rune(source[head])) {
		head++
	}
	if !strings.HasPrefix(raw, source[:head]) || !strings.HasSuffix(raw, source[head:]) {
		t.Fatalf("octets changed: %q from %q", raw, source)
	}
	part, err := xmlscan.Parse([]byte(raw), xmlscan.Options{MaxSize: 1 << 20, Fragment: true})
	if err != nil {
		if !strings.Contains(err.Error(), "too many attributes") {
			t.Fatalf("%q alone: %v", raw, err)
		}
		return
	}
	var got, want strings.Builder
	dump(&got, part, part.Root())
	dump(&want, doc, e)
	if got.String() != want.String() {
		t.Fatalf("%q alone is %s, was %s", raw, got.String(), want.String())
	}
}
