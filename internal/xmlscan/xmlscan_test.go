package xmlscan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/xmlscan"
)

var whole = xmlscan.Options{MaxSize: 16 << 10}

func parse(tb testing.TB, src string) *xmlscan.Doc {
	tb.Helper()
	doc, err := xmlscan.Parse([]byte(src), whole)
	if err != nil {
		tb.Fatalf("%q: %v", src, err)
	}
	return doc
}

// dump writes the tree of e in one unambiguous form: names expanded, attributes
// in order, text after references and line ends are resolved.
func dump(b *strings.Builder, d *xmlscan.Doc, e *xmlscan.Elem) {
	fmt.Fprintf(b, "{%s}%s", e.Space, e.Name)
	for _, a := range d.Attrs(e) {
		fmt.Fprintf(b, " {%s}%s=%q", a.Space, a.Name, a.Value)
	}
	fmt.Fprintf(b, "(%q", d.Text(e))
	for c := d.First(e); c != nil; c = d.Next(c) {
		b.WriteByte(' ')
		dump(b, d, c)
	}
	b.WriteByte(')')
}

func tree(d *xmlscan.Doc) string {
	var b strings.Builder
	dump(&b, d, d.Root())
	return b.String()
}

func TestAccepts(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"empty element", `<a/>`, `{}a("")`},
		{"byte order mark", "\ufeff<a/>", `{}a("")`},
		{"declaration", `<?xml version='1.0' encoding="uTf-8" standalone = "no" ?><a/>`, `{}a("")`},
		{"default namespace", `<a xmlns="u"><b/><c xmlns=""/></a>`, `{u}a("" {u}b("") {}c(""))`},
		{"default namespace and attributes", `<a xmlns="u" x="1" xmlns:p="u" p:x="2"/>`, `{u}a {}x="1" {u}x="2"("")`},
		{"prefix shadowed", `<p:a xmlns:p="u"><p:b xmlns:p="v"/><p:c/></p:a>`, `{u}a("" {v}b("") {u}c(""))`},
		{"declaration after use", `<p:a p:x="1" xmlns:p="u"/>`, `{u}a {u}x="1"("")`},
		{"prefix xml", `<a xml:lang="en" xmlns:xml="http://www.w3.org/XML/1998/namespace"/>`, `{}a {http://www.w3.org/XML/1998/namespace}lang="en"("")`},
		{"references", `<a b="&lt;&#x41;&#10;&quot;">&amp;&gt;&apos;&#65;&#x1F600;</a>`, `{}a {}b="<A\n\""("&>'A😀")`},
		{"attribute white space", "<a b=\"1\t2\r\n3\n4\r5\"/>", `{}a {}b="1 2 3 4 5"("")`},
		{"line ends", "<a>1\r\n2\r3\n&#13;</a>", `{}a("1\n2\n3\n\r")`},
		{"cdata", "<a>x<![CDATA[<&]]]]><![CDATA[>\r\n]]>y</a>", `{}a("x<&]]>\ny")`},
		{"comments and instructions", "<!-- - --><?p?><a>1<!-- <b> -->2<?q r?>3</a><!----><?s ?>", `{}a("123")`},
		{"text around children", "<a>1<b>2</b>3<c/>4</a>", `{}a("134" {}b("2") {}c(""))`},
		{"names", "<é·-.1 ü='1'><_/></é·-.1 >", `{}é·-.1 {}ü="1"("" {}_(""))`},
		{"greater-than in values", `<a b=">">></a>`, `{}a {}b=">"(">")`},
		{"uri with reference", `<a xmlns="u?a&amp;b"/>`, `{u?a&b}a("")`},
	}
	for _, tt := range tests {
		if got := tree(parse(t, tt.src)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	tests := []struct{ src, want string }{
		{"", "no element"}, {" ", "no element"}, {"x", "text outside"}, {"<a/>x", "text outside"}, {"<a/>&#32;", "text outside"},
		{"<a/><a/>", "second root"}, {"<a>", "ends inside element a"}, {"</a>", "end tag without"}, {"<a></b>", "does not match"},
		{"<a></aa>", "does not match"}, {"<p:a xmlns:p='u' xmlns:q='u'></q:a>", "does not match"}, {"<", "ends inside a tag"}, {"<a", "malformed tag"},
		{"<a b>", "without value"}, {"<a b=>", "without quotes"}, {"<a b='1>", "without end"}, {"<a b='1'c='2'/>", "malformed tag"},
		{"<a b='1' b='2'/>", "duplicate attribute b"}, {"<1a/>", "malformed tag"}, {"<a:/>", "malformed tag"}, {"<:a/>", "malformed tag"},
		{"<a:b:c xmlns:a='u'/>", "malformed tag"}, {"<p:a/>", "undeclared prefix p"}, {"<a p:b='1'/>", "undeclared prefix p"},
		{"<a xmlns:p='u'/><p:b/>", "second root"}, {"<a xmlns:p=''/>", "bound to no namespace"}, {"<a xmlns:xmlns='u'/>", "reserved"},
		{"<a xmlns:xml='u'/>", "reserved"}, {"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", "reserved"},
		{"<a xmlns='http://www.w3.org/2000/xmlns/'/>", "reserved"}, {"<xmlns:a/>", "reserved"}, {"<a xmlns='u' xmlns='v'/>", "declared twice"},
		{"<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>", "duplicate attribute b"}, {"<a>]]></a>", "]]> outside"}, {"<a><![CDATA[</a>", "CDATA without end"},
		{"<a><!-- -- --></a>", "comment"}, {"<a><!-- ---></a>", "comment"}, {"<a><!--></a>", "comment"}, {"<!DOCTYPE a><a/>", "DOCTYPE"}, {"<a><!ENTITY></a>", "DOCTYPE"},
		{"<a>&nbsp;</a>", "unknown entity"}, {"<a>&amp</a>", "unknown entity"}, {"<a>&;</a>", "unknown entity"}, {"<a>&#;</a>", "unknown entity"},
		{"<a>&#x;</a>", "unknown entity"}, {"<a>&#X41;</a>", "unknown entity"}, {"<a>&#-1;</a>", "unknown entity"}, {"<a>&#0;</a>", "unknown entity"},
		{"<a>&#xD800;</a>", "unknown entity"}, {"<a>&#xFFFE;</a>", "unknown entity"}, {"<a>&#x110000;</a>", "unknown entity"}, {"<a>&#99999999999999999999;</a>", "unknown entity"},
		{"<a b='&x;'/>", "unknown entity"}, {"<a b='<'/>", "< in an attribute"}, {"<a>\x0b</a>", "control"}, {"<a>\xff</a>", "not UTF-8"}, {"<a>\uffff</a>", "XML excludes"},
		{"\x00<\x00a\x00/\x00>", "encoding is not UTF-8"}, {"\xfe\xff\x00<", "control"}, {"\xfe\xff", "UTF-16"}, {"<?xml version='1.1'?><a/>", "version is not 1.0"},
		{" <?xml version='1.0'?><a/>", "not at the very start"}, {"<a><?XML x?></a>", "not at the very start"}, {"<?xml?><a/>", "not at the very start"},
		{"<?xml encoding='UTF-8'?><a/>", "malformed XML declaration"}, {"<?xml version='1.0' version='1.0'?><a/>", "malformed XML declaration"},
		{"<?xml version='1.0'encoding='UTF-8'?><a/>", "malformed XML declaration"}, {"<?xml version='1.0' standalone='maybe'?><a/>", "malformed XML declaration"},
		{"<?xml version='1.0' encoding=''?><a/>", "malformed encoding"}, {"<?xml version='1.0' encoding='UTF-16'?><a/>", "not supported"}, {"<?xml version='1.0'", "malformed XML declaration"},
		{"<? x?><a/>", "processing instruction"}, {"<?x<a/>", "processing instruction"}, {"<?p:x ?><a/>", "processing instruction"}, {"<?x", "processing instruction"},
		{deep(33), "nested too deeply"}, {"<a>\ufeff\ufeff", "ends inside"}, {"\ufeff\ufeff<a/>", "text outside"},
	}
	for _, tt := range tests {
		doc, err := xmlscan.Parse([]byte(tt.src), whole)
		x, ok := errors.AsType[*xmlscan.Error](err)
		if !ok || doc != nil || !strings.Contains(x.Msg, tt.want) || x.Line < 1 {
			t.Errorf("%q: got %v, want %s", tt.src, err, tt.want)
		}
	}
	if _, err := xmlscan.Parse([]byte(deep(32)), whole); err != nil {
		t.Error(err)
	}
}

// TestCharacters puts an octet that XML excludes at every place of a document.
func TestCharacters(t *testing.T) {
	const src = "<a b='0123456789'>0123456789\n0123456789\t</a>"
	for i := range len(src) {
		for _, c := range []byte{0, 1, 0x1f, 0x80, 0xff} {
			bad := []byte(src)
			bad[i] = c
			if doc, err := xmlscan.Parse(bad, whole); err == nil || doc != nil {
				t.Errorf("%q is accepted", bad)
			}
		}
	}
	if _, err := xmlscan.Parse([]byte(src), whole); err != nil {
		t.Error(err)
	}
}

func TestSizeAndLine(t *testing.T) {
	src := "<a>\n\n<b></c></a>"
	if _, err := xmlscan.Parse([]byte(src), xmlscan.Options{MaxSize: len(src) - 1}); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
	_, err := xmlscan.Parse([]byte(src), xmlscan.Options{MaxSize: len(src)})
	want := &xmlscan.Error{Offset: 8, Line: 3, Msg: "end tag does not match b"}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAppendRaw(t *testing.T) {
	const around = `<r xmlns="u:d" xmlns:p="u:p" xmlns:q="u:q?&lt;&quot;" xmlns:h="u:h">%s</r>`
	tests := []struct{ name, src, want string }{
		{"default", `<x/>`, `<x xmlns="u:d"/>`},
		{"own default", `<x xmlns="v"><y/></x>`, `<x xmlns="v"><y/></x>`},
		{"prefix", `<p:x  a = '1' ></p:x>`, `<p:x xmlns:p="u:p"  a = '1' ></p:x>`},
		{"inner", `<p:x><y q:z=""/></p:x>`, `<p:x xmlns:p="u:p" xmlns="u:d" xmlns:q="u:q?&lt;&quot;"><y q:z=""/></p:x>`},
		{"shadowed", `<p:x><p:y xmlns:p="v"/></p:x>`, `<p:x xmlns:p="u:p"><p:y xmlns:p="v"/></p:x>`},
		{"own prefix", `<p:x xmlns:p="v"/>`, `<p:x xmlns:p="v"/>`},
		{"value", `<p:x t="q:name">p:x</p:x>`, `<p:x xmlns:p="u:p" xmlns:q="u:q?&lt;&quot;" t="q:name">p:x</p:x>`},
		{"second value", `<p:x t="h:name"/>`, `<p:x xmlns:p="u:p" xmlns:h="u:h" t="h:name"/>`},
		{"no prefix of a value", `<p:x t="qq:name xq:n q :"/>`, `<p:x xmlns:p="u:p" t="qq:name xq:n q :"/>`},
		{"no prefix of a comment", `<p:x><!-- q:name --><?h h:x?></p:x>`, `<p:x xmlns:p="u:p"><!-- q:name --><?h h:x?></p:x>`},
		{"value in references", `<p:x t="&#113;&#58;name">&#x68;<!-- -->:n</p:x>`, `<p:x xmlns:p="u:p" xmlns:q="u:q?&lt;&quot;" xmlns:h="u:h" t="&#113;&#58;name">&#x68;<!-- -->:n</p:x>`},
		{"value between children", `<p:x><p:y/>q:n<p:y/></p:x>`, `<p:x xmlns:p="u:p" xmlns:q="u:q?&lt;&quot;"><p:y/>q:n<p:y/></p:x>`},
		{"value shadowed", `<p:x><p:y xmlns:q="v">q:n</p:y></p:x>`, `<p:x xmlns:p="u:p"><p:y xmlns:q="v">q:n</p:y></p:x>`},
		{"type without prefix", `<p:x xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="t"/>`, `<p:x xmlns:p="u:p" xmlns="u:d" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="t"/>`},
		{"octets kept", "<p:x><![CDATA[\r\n]]>&#65;<!-- c --></p:x>", "<p:x xmlns:p=\"u:p\"><![CDATA[\r\n]]>&#65;<!-- c --></p:x>"},
	}
	for _, tt := range tests {
		doc := parse(t, fmt.Sprintf(around, tt.src))
		if got := string(doc.AppendRaw(nil, doc.First(doc.Root()))); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	doc := parse(t, `<p:r xmlns:p="u"><x><y/></x></p:r>`)
	if got, want := string(doc.AppendRaw(nil, doc.First(doc.Root()))), `<x xmlns=""><y/></x>`; got != want {
		t.Errorf("no namespace: got %s, want %s", got, want)
	}
	doc = parse(t, `<r><x>a</x><x xml:lang="de">a</x><x><y/></x><x a="b"/></r>`)
	var said []string
	for e := doc.First(doc.Root()); e != nil; e = doc.Next(e) {
		said = append(said, string(doc.AppendRawIn(nil, e, "fr")))
	}
	if diff := cmp.Diff([]string{`<x xmlns="" xml:lang="fr">a</x>`, `<x xmlns="" xml:lang="de">a</x>`, `<x xmlns=""><y/></x>`, `<x xmlns="" xml:lang="fr" a="b"/>`}, said); diff != "" {
		t.Errorf("language (-want +got):\n%s", diff)
	}
	doc = parse(t, `<p:r xmlns:p="u"><x><y/></x></p:r>`)
	if !doc.Unbound() || parse(t, `<x xmlns=""/>`).Unbound() {
		t.Error("Unbound does not tell silence from a declaration")
	}
}

func TestTree(t *testing.T) {
	doc := parse(t, "<a>\n <b><c/><d><e/></d></b>\n<f> </f><g>.</g></a>")
	b := doc.First(doc.Root())
	f := doc.Next(b)
	var names []string
	for _, e := range doc.Within(b) {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff([]string{"b", "c", "d", "e"}, names); diff != "" {
		t.Errorf("Within (-want +got):\n%s", diff)
	}
	if doc.Depth(doc.Root()) != 4 || doc.Depth(b) != 3 || doc.Depth(f) != 1 {
		t.Errorf("Depth: got %d, %d, %d", doc.Depth(doc.Root()), doc.Depth(b), doc.Depth(f))
	}
	if doc.Line(b) != 2 || doc.Line(f) != 3 || doc.Source(f) != "<f> </f>" {
		t.Errorf("got line %d, line %d, %q", doc.Line(b), doc.Line(f), doc.Source(f))
	}
	if g := doc.Next(f); f.HasInk() || f.Empty() || !g.HasInk() || !doc.First(b).Empty() || b.Empty() || doc.Next(g) != nil {
		t.Error("HasInk or Empty is wrong")
	}
	if doc.Declared() || !parse(t, "<?xml version='1.0'?><a/>").Declared() {
		t.Error("Declared is wrong")
	}
}

func TestFragment(t *testing.T) {
	frag := xmlscan.Options{MaxSize: 100, Fragment: true}
	for _, src := range []string{" <a/>", "<a/> ", "<a/><!-- -->", "<?p?><a/>", "<?xml version='1.0'?><a/>", "\ufeff<a/>", "<a/><b/>", ""} {
		if _, err := xmlscan.Parse([]byte(src), frag); err == nil {
			t.Errorf("%q is accepted", src)
		}
	}
	if _, err := xmlscan.Parse([]byte("<a> <!-- --><?p?></a>"), frag); err != nil {
		t.Error(err)
	}
}

// TestHostile times documents built to be slow; each would take seconds if any
// step were quadratic in the size.
func TestHostile(t *testing.T) {
	fill := func(head, unit, tail string) string {
		return head + strings.Repeat(unit, (whole.MaxSize-len(head)-len(tail))/len(unit)) + tail
	}
	var binds strings.Builder
	for i := range xmlscan.MaxAttrs {
		fmt.Fprintf(&binds, ` xmlns:p%d="u:%d"`, i, i)
	}
	nest := strings.Repeat("<a"+binds.String()+">", 7)
	tests := map[string]string{
		"open tags":       fill("", "<", ""),
		"children":        fill("<a>", "<a/>", "</a>"),
		"bindings":        fill(nest, "<p0:a/>", strings.Repeat("</a>", 7)),
		"references":      fill("<a>", "&#65;", "</a>"),
		"open comments":   fill("<a>", "<!--", ""),
		"brackets":        fill("<a>", "]]", "</a>"),
		"ampersands":      fill("<a>", "&", ""),
		"line ends":       fill("<a b='", "\r", "'/>"),
		"many attributes": fill("<a>", "<b a='' b='' c='' d='' e='' f='' g='' h='' i='' j='' k=''/>", "</a>"),
	}
	for name, src := range tests {
		start := time.Now()
		doc, err := xmlscan.Parse([]byte(src), whole)
		if err == nil {
			for c := doc.First(doc.Root()); c != nil; c = doc.Next(c) {
				doc.AppendRaw(nil, c)
			}
		}
		if took := time.Since(start); took > 200*time.Millisecond {
			t.Errorf("%s: took %v", name, took)
		}
	}
}
