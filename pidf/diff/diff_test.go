package diff_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/diff"
)

func file(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name + ".xml")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// squeezed makes white space that a person would not see as a change equal.
func squeezed(b []byte) string {
	s := strings.Join(strings.Fields(string(b)), " ")
	return strings.NewReplacer("> <", "><").Replace(s)
}

// TestRFC5262 applies the example of section 6. The document printed there as
// the result differs in two ways from what the update says: in the text of the
// note, and in white space around what was added.
func TestRFC5262(t *testing.T) {
	got, err := diff.Apply(file(t, "rfc5262-6-full"), file(t, "rfc5262-6-diff"))
	if err != nil {
		t.Fatal(err)
	}
	printed := bytes.Replace(file(t, "rfc5262-6-result"), []byte("tuple and note element"), []byte("tuple and person element"), 1)
	if squeezed(got) != squeezed(printed) {
		t.Errorf("got %s\nwant %s", got, printed)
	}
	presence, err := diff.Presence(got)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pidf.Parse(presence); err != nil {
		t.Error(err)
	}
	again, err := diff.Full(presence, 568)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := diff.Equivalent(again, got); !same || err != nil {
		t.Errorf("Full(Presence(d)) is not d: %v", err)
	}
}

// TestRFC5262Create makes the update of the example anew.
func TestRFC5262Create(t *testing.T) {
	old, new := file(t, "rfc5262-6-full"), file(t, "rfc5262-6-result")
	update, err := diff.Create(old, new)
	if err != nil {
		t.Fatal(err)
	}
	checkLeads(t, old, update, new)
	u, err := diff.Parse(update)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := u.Version(); v != 568 || !ok || u.Full() || u.Entity() != "pres:someone@example.com" || u.Len() != 4 {
		t.Errorf("got version %d, %d operations: %s", v, u.Len(), update)
	}
	if len(update) > len(file(t, "rfc5262-6-diff")) {
		t.Errorf("update is longer than that of the RFC: %s", update)
	}
}

func checkLeads(t *testing.T, old, update, new []byte) {
	t.Helper()
	got, err := diff.Apply(old, update)
	if err != nil {
		t.Fatalf("%v\nold    %s\nupdate %s\nnew    %s", err, old, update, new)
	}
	if same, err := diff.Equivalent(got, new); !same {
		t.Fatalf("%v\nold    %s\nupdate %s\ngot    %s\nnew    %s", err, old, update, got, new)
	}
}

// TestCreateApply is the property of the package over random documents, written
// in two styles, and tells how often a diff was possible.
func TestCreateApply(t *testing.T) {
	diffs, full := 0, 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 5262))
		e := randomTree(r, 3)
		f := mutate(r, e)
		// Enough that stays the same, so that a diff is the smaller choice.
		same := &elem{raw: "<z>" + strings.Repeat("unchanged ", 1000) + "</z>"}
		e.kids, f.kids = append(e.kids, same), append(f.kids, same)
		style, version := r.IntN(2), r.IntN(2)
		old := randomDoc(e, style, version*7)
		new := randomDoc(f, (style+int(seed%5)/4)%2, version*8)
		update, err := diff.Create(old, new)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkLeads(t, old, update, new)
		u, err := diff.Parse(update)
		if err != nil {
			t.Fatal(err)
		}
		if u.Full() {
			full++
		} else {
			diffs++
		}
	}
	t.Logf("%d diffs, %d full documents", diffs, full)
	if full > 0 {
		t.Errorf("%d diffs, %d full documents", diffs, full)
	}
}

const (
	head = `<p:pidf-diff xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:x="urn:x">`
	tail = `</p:pidf-diff>`
	base = "<?xml version='1.0'?><!-- kept --><presence  xmlns='urn:ietf:params:xml:ns:pidf' entity = 'pres:a@example.com' >\r\n" +
		"<tuple id='a'><status ><basic>open</basic></status></tuple >\n" +
		"<tuple id='b' v='1&amp;2'><!-- one --><note>n&#65;<![CDATA[<]]></note><note>two</note></tuple>\n" +
		"<y:e xmlns:y='urn:x' y:k='v'><?go now?><y:e/></y:e><z  /></presence  ><!-- after -->\n"
)

// TestOperations changes one document by each kind of operation; every octet
// that the operation does not name stays.
func TestOperations(t *testing.T) {
	tests := []struct{ name, ops, from, to string }{
		{"append", `<p:add sel="*/z"><note>1</note></p:add>`, "<z  />", "<z  ><note>1</note></z>"},
		{"append text", `<p:add sel="presence/tuple[1]/status/basic"> &lt;</p:add>`, "open", "open &lt;"},
		{"prepend", `<p:add sel="*/tuple[@id='b']" pos="prepend">t<!--c--></p:add>`, "<!-- one -->", "t<!--c--><!-- one -->"},
		{"before", `<p:add sel="*/tuple[@id=&quot;b&quot;]/note[2]" pos="before"><z/></p:add>`, "<note>two", "<z/><note>two"},
		{"after text", `<p:add sel="*/tuple/note[.='two']/text()" pos="after">!</p:add>`, "two", "two!"},
		{"foreign", `<p:add sel="*/z"><x:e/></p:add>`, "<z  />", `<z  ><x:e xmlns:x="urn:x"/></z>`},
		{"foreign in scope", `<p:add sel="*/x:e/x:e"><x:e xmlns:x="urn:x"/></p:add>`, "<y:e/>", `<y:e><x:e xmlns:x="urn:x"/></y:e>`},
		{"no namespace", `<p:add sel="*/z"><n xmlns=""/></p:add>`, "<z  />", `<z  ><n xmlns=""/></z>`},
		{"attribute", `<p:add sel="*/z" type="@k">a"b</p:add>`, "<z  />", `<z k="a&quot;b"  />`},
		{"attribute with prefix", `<p:add sel="*/z" type="@x:k">1</p:add>`, "<z  />", `<z xmlns:x="urn:x" x:k="1"  />`},
		{"attribute with the prefix there", `<p:add sel="*/x:e" type="@x:m">1</p:add>`, "y:k='v'", `y:k='v' y:m="1"`},
		{"language", `<p:add sel="*/z" type="@xml:lang">en</p:add>`, "<z  />", `<z xml:lang="en"  />`},
		{"declaration", `<p:add sel="*/z" type="namespace::q">urn:q</p:add>`, "<z  />", `<z xmlns:q="urn:q"  />`},
		{"replace element", `<p:replace sel="/presence/z"> <note/> </p:replace>`, "<z  />", "<note/>"},
		{"replace text", `<p:replace sel="*/tuple/status[basic='open']/basic/text()">closed</p:replace>`, ">open", ">closed"},
		{"replace text by nothing", `<p:replace sel="*/tuple/status/basic/text()"></p:replace>`, "open", ""},
		{"replace attribute", `<p:replace sel="*/tuple[2]/@v">3</p:replace>`, "v='1&amp;2'", `v="3"`},
		{"replace comment", `<p:replace sel="*/tuple/comment()"><!--2--></p:replace>`, "<!-- one -->", "<!--2-->"},
		{"replace instruction", `<p:replace sel="*/*/processing-instruction('go')"><?stop?></p:replace>`, "<?go now?>", "<?stop?>"},
		{"replace declaration", `<p:replace sel="*/x:e/namespace::y">urn:other</p:replace>`, "'urn:x'", `"urn:other"`},
		{"remove element", `<p:remove sel="*/tuple[@v='1&amp;2']/note[1]"/>`, "<note>n&#65;<![CDATA[<]]></note>", ""},
		{"remove by value", `<p:remove sel="*/tuple/note[.='nA&lt;']"/>`, "<note>n&#65;<![CDATA[<]]></note>", ""},
		{"remove attribute", `<p:remove sel="*/tuple/@v"/>`, " v='1&amp;2'", ""},
		{"remove white space after", `<p:remove sel="*/tuple[1]" ws="after"/>`, "<tuple id='a'><status ><basic>open</basic></status></tuple >\n", ""},
		{"remove white space before", `<p:remove sel="*/tuple[1]" ws="before"/>`, "\r\n<tuple id='a'><status ><basic>open</basic></status></tuple >", ""},
		{"remove text", `<p:remove sel="*/text()[3]"/>`, "\n<y:e", "<y:e"},
		{"remove comment", `<p:remove sel="*/tuple[2]/comment()[1]"> </p:remove>`, "<!-- one -->", ""},
		{"nothing", ``, "", ""},
		{"any element", `<p:remove sel="*/*[4]"/>`, "<z  />", ""},
		{"prefixes of the update", `<p:remove sel="*/q:e/@q:k" xmlns:q="urn:x"/>`, " y:k='v'", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := strings.Replace(base, tt.from, tt.to, 1)
			got, err := diff.Apply([]byte(base), []byte(head+tt.ops+tail))
			if err != nil || string(got) != want {
				t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
			}
		})
	}
}

// TestSequence: each operation sees what those before it have made, and text
// that meets text is one node.
func TestSequence(t *testing.T) {
	ops := `<p:remove sel="*/tuple[1]"/><p:remove sel="*/text()[1]"/><p:add sel="*/z">]]</p:add><p:add sel="*/z">&gt;<note/>x</p:add>` +
		`<p:remove sel="*/z/note"/><p:add sel="*/z/text()" pos="after">y</p:add>`
	got, err := diff.Apply([]byte(base), []byte(head+ops+tail))
	if err != nil || !strings.Contains(string(got), "<z  >]]&gt;xy</z></presence  >") || strings.Contains(string(got), "@example.com' >\r\n") {
		t.Errorf("got %s, %v", got, err)
	}
	got, err = diff.Apply([]byte(base), []byte(head+`<p:add sel="*/z">]]</p:add><p:add sel="*/z"><![CDATA[]]>></p:add>`+tail))
	if err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestErrors names every error of RFC 5261 that an update can cause.
func TestErrors(t *testing.T) {
	tests := []struct {
		code diff.Code
		ops  string
	}{
		{diff.UnlocatedNode, `<p:remove sel="*/none"/>`},
		{diff.UnlocatedNode, `<p:remove sel="*/tuple"/>`},
		{diff.UnlocatedNode, `<p:remove sel="tuple"/>`},
		{diff.UnlocatedNode, `<p:remove sel="@id"/>`},
		{diff.UnlocatedNode, `<p:remove sel="*/tuple[3]"/>`},
		{diff.InvalidNamespacePrefix, `<p:remove sel="*/q:tuple"/>`},
		{diff.InvalidNamespacePrefix, `<p:add sel="*/z" type="@q:k">1</p:add>`},
		{diff.InvalidNamespacePrefix, `<p:add sel="*/z" type="namespace::xml">urn:x</p:add>`},
		{diff.InvalidNamespacePrefix, `<p:remove sel="*/x:e/namespace::y"/>`},
		{diff.InvalidNamespaceURI, `<p:add sel="*/z" type="namespace::q"></p:add>`},
		{diff.InvalidNamespaceURI, `<p:replace sel="*/x:e/namespace::y">http://www.w3.org/2000/xmlns/</p:replace>`},
		{diff.InvalidRootElement, `<p:remove sel="*"/>`},
		{diff.InvalidRootElement, `<p:add sel="presence" pos="after"><z/></p:add>`},
		{diff.InvalidRootElement, `<p:replace sel="*"><z/></p:replace>`},
		{diff.InvalidNodeTypes, `<p:replace sel="*/z">text</p:replace>`},
		{diff.InvalidNodeTypes, `<p:replace sel="*/z"><z/><z/></p:replace>`},
		{diff.InvalidNodeTypes, `<p:replace sel="*/z"/>`},
		{diff.InvalidNodeTypes, `<p:replace sel="*/tuple/@v"><z/></p:replace>`},
		{diff.InvalidNodeTypes, `<p:replace sel="*/tuple[2]/note[2]/text()"><z/></p:replace>`},
		{diff.InvalidNodeTypes, `<p:replace sel="*/tuple/comment()">c</p:replace>`},
		{diff.InvalidNodeTypes, `<p:add sel="*/tuple/@v"><z/></p:add>`},
		{diff.InvalidNodeTypes, `<p:add sel="*/tuple/comment()">z</p:add>`},
		{diff.InvalidNodeTypes, `<p:add sel="*/tuple/@v" type="@w">z</p:add>`},
		{diff.InvalidWhitespace, `<p:remove sel="*/z" ws="after"/>`},
		{diff.InvalidWhitespace, `<p:remove sel="*/tuple/note[2]" ws="before"/>`},
		{diff.InvalidWhitespace, `<p:remove sel="*/tuple/@v" ws="both"/>`},
		{diff.InvalidWhitespace, `<p:remove sel="*/text()[1]" ws="both"/>`},
		{diff.InvalidPatchDirective, `<p:add sel="*/z" type="@k" pos="after">1</p:add>`},
		{diff.InvalidPatchDirective, `<p:add sel="*/tuple[2]" type="@v">1</p:add>`},
		{diff.InvalidPatchDirective, `<p:add sel="*/x:e" type="namespace::y">urn:z</p:add>`},
		{diff.InvalidAttributeValue, `<p:add sel="*/z" pos="inside"/>`},
		{diff.InvalidAttributeValue, `<p:add sel="*/z" type="k">1</p:add>`},
		{diff.InvalidAttributeValue, `<p:add sel="*/z" type="">1</p:add>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/z" ws=""/>`},
		{diff.InvalidAttributeValue, `<p:remove sel=""/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="//z"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*//z"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/z/"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/z[0]"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/z[last()]"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/z[@id=a]"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/z[@id='a]"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/@v/z"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/z | */y"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="` + strings.Repeat("*/", 600) + `*"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="` + strings.Repeat("*/", 40) + `*"/>`},
		{diff.InvalidAttributeValue, `<p:remove sel="*/z[1][1][1][1][1]"/>`},
		{diff.InvalidAttributeValue, `<p:replace sel="*/@entity">pres:b@example.com</p:replace>`},
		{diff.UnsupportedIDFunction, `<p:remove sel="id('a')"/>`},
		{diff.InvalidDiffFormat, `<p:remove/>`},
		{diff.InvalidDiffFormat, `<p:remove sel="*/z">1</p:remove>`},
		{diff.InvalidDiffFormat, `<p:remove sel="*/z" pos="after"/>`},
		{diff.InvalidDiffFormat, `<p:move sel="*/z"/>`},
		{diff.InvalidDiffFormat, `<add sel="*/z"/>`},
		{diff.InvalidDiffFormat, `text`},
		{diff.InvalidDiffFormat, strings.Repeat(`<p:add sel="*/z"/>`, diff.MaxOps+1)},
		{diff.InvalidDiffFormat, `<p:remove`},
		{diff.InvalidCharacterSet, "<p:remove sel='\xff'/>"},
	}
	withEntity := strings.Replace(head, " xmlns:p", ` entity="pres:a@example.com" xmlns:p`, 1)
	for _, tt := range tests {
		got, err := diff.Apply([]byte(base), []byte(withEntity+"\n"+tt.ops+tail))
		x, ok := errors.AsType[*diff.Error](err)
		if got != nil || !ok || x.Code != tt.code || x.Line < 1 || x.Line > 2 || x.Section == "" || x.Msg == "" {
			t.Errorf("%.80s: got %v, want %s", tt.ops, err, tt.code)
		}
	}
}

// TestVersions covers the counter of RFC 5262 section 3 and the entity of 3.2.
func TestVersions(t *testing.T) {
	full := func(version, entity string) []byte {
		return fmt.Appendf(nil, `<d:pidf-full xmlns:d="%s" xmlns="urn:ietf:params:xml:ns:pidf" entity="%s"%s/>`, diff.Namespace, entity, version)
	}
	delta := func(attrs string) []byte {
		return fmt.Appendf(nil, `<d:pidf-diff xmlns:d="%s"%s/>`, diff.Namespace, attrs)
	}
	tests := []struct {
		old, update []byte
		want        error
		version     string
	}{
		{full(` version="7"`, "pres:a@b"), delta(` version="8"`), nil, `version="8"`},
		{full(` version="7"`, "pres:a@b"), delta(` version="7"`), diff.ErrStale, ""},
		{full(` version="7"`, "pres:a@b"), delta(` version="9"`), diff.ErrGap, ""},
		{full(` version="4294967295"`, "pres:a@b"), delta(` version="0"`), diff.ErrStale, ""},
		{full(` version="7"`, "pres:a@b"), delta(""), nil, `version="7"`},
		{full("", "pres:a@b"), delta(` version="3"`), nil, `version="3"`},
		{full(` version="7"`, "pres:a@b"), full(` version="70"`, "pres:a@b"), nil, `version="70"`},
		{full(` version="7"`, "pres:a@b"), full(` version="6"`, "pres:a@b"), diff.ErrStale, ""},
		{nil, full(` version="6"`, "pres:a@b"), nil, "<presence"},
	}
	for _, tt := range tests {
		got, err := diff.Apply(tt.old, tt.update)
		if !errors.Is(err, tt.want) || !strings.Contains(string(got), tt.version) {
			t.Errorf("%s, %s: got %s, %v", tt.old, tt.update, got, err)
		}
	}
	for _, bad := range [][]byte{
		delta(` version="4294967296"`), delta(` version="-1"`), delta(` version=""`), delta(` version="1.0"`), delta(` entity="pres:c@d"`), delta(` other=""`),
		full(` version="x"`, "pres:a@b"), full("", "pres:c@d"), []byte(`<d:pidf-full xmlns:d="` + diff.Namespace + `"/>`), []byte("<presence/>"), nil,
	} {
		if got, err := diff.Apply(full("", "pres:a@b"), bad); got != nil || err == nil {
			t.Errorf("%s: got %s", bad, got)
		}
	}
	if _, err := diff.Create(full(` version="7"`, "pres:a@b"), full(` version="7"`, "pres:a@b")); !errors.Is(err, diff.ErrStale) {
		t.Errorf("Create with an old version: got %v", err)
	}
	if _, err := diff.Create(full("", "pres:a@b"), full("", "pres:c@d")); err == nil {
		t.Error("Create across entities succeeds")
	}
	for _, bad := range [][]byte{full(` version="x"`, "pres:a@b"), []byte("<presence xmlns='urn:ietf:params:xml:ns:pidf'/>"), []byte("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@b' version='1'/>")} {
		if got, err := diff.Create(full("", "pres:a@b"), bad); got != nil || err == nil {
			t.Errorf("%s: got %s", bad, got)
		}
		if got, err := diff.Full(bad, 1); got != nil || err == nil {
			t.Errorf("%s: got %s", bad, got)
		}
	}
	got, err := diff.Create(full(` version="7"`, "pres:a@b"), full(` version="9"`, "pres:a@b"))
	if u, err2 := diff.Parse(got); err != nil || err2 != nil || !u.Full() {
		t.Errorf("Create over a gap: got %s, %v", got, err)
	}
}
