package pidf_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kith-im/kith/pidf"
)

// unexplained marks a disagreement of no class.
const unexplained = "UNEXPLAINED: "

// rule names a class of disagreements: what Parse or another reader says
// matches pattern, and holds, if not nil, is true of the document.
type rule struct {
	class, pattern string
	holds          func(doc string) bool
}

// beyondXML are refusals of Parse before it reads a vocabulary, where both
// others see well-formed XML, or one of them does.
var beyondXML = []rule{
	{class: "limit", pattern: `^(too many attributes|elements are nested too deeply|document is too large)$`},
	{class: "encoding", pattern: `^encoding .* is not supported|^XML version is not 1.0$`},
	{class: "DOCTYPE", pattern: `^DOCTYPE and other declarations are refused$`},
	{class: "libxml2 stops at NUL", pattern: `^control character$`, holds: func(doc string) bool { return strings.Contains(doc, "\x00") }},
}

// stricter are refusals of Parse where the schema is satisfied.
var stricter = []rule{
	{class: "entity", pattern: `^3863 4\.1\.1: entity is not the pres: URI`},
	{class: "no declaration", pattern: `^3863 4\.1: no XML declaration$`},
	{class: "empty status", pattern: `^3863 4\.1\.3: status without any value$`},
	{class: "contact", pattern: `^3863 4\.1\.5: contact is (empty|not an absolute URI)$`},
	{class: "time", pattern: `^(3863 4\.1\.7|4479 5): timestamp is not in the format`},
	{class: "device id", pattern: `^4479 5: deviceID is not a URI$`},
	{class: "libxml2 and wildcards", pattern: `: .* is out of order$`},
}

// laxer are complaints of xmllint about documents that Parse accepts.
var laxer = []rule{
	{class: "any string as id", pattern: `\{urn:ietf:params:xml:ns:pidf(:data-model)?\}(tuple|person|device)', attribute 'id': .*'xs:ID'`},
	{class: "ids of RPID", pattern: `\{urn:ietf:params:xml:ns:pidf:rpid\}[a-z-]+', attribute 'id': .*'xs:ID'`},
	{class: "priority", pattern: `\{urn:ietf:params:xml:ns:pidf\}contact', attribute 'priority': `},
	{class: "language around notes", pattern: `\}(presence|tuple|person|device)', attribute '\{http://www.w3.org/XML/1998/namespace\}lang': The attribute .* is not allowed`},
	{class: "empty language", pattern: `\{http://www.w3.org/XML/1998/namespace\}lang': '' is not a valid value`},
	{class: "time of RFC 3339", pattern: `'[^']*(:60(\.[0-9]+)?(Z|[+-])|[+-](1[4-9]|2[0-3]):)[^']*' is not a valid value of the atomic type 'xs:dateTime'`},
	{class: "lunch", pattern: `\{urn:ietf:params:xml:ns:pidf:rpid\}(lunch|[a-z-]+)': This element is not expected`, holds: func(doc string) bool { return strings.Contains(doc, "lunch") }},
	{class: "sphere as text", pattern: `\{urn:ietf:params:xml:ns:pidf:rpid\}sphere': Character content`},
	{class: "order of privacy", pattern: `\{urn:ietf:params:xml:ns:pidf:rpid\}(audio|text|video)': This element is not expected`, holds: func(doc string) bool { return strings.Contains(doc, "privacy") }},
	{class: "new word of RPID", pattern: `\{urn:ietf:params:xml:ns:pidf:rpid\}[^}]*': This element is not expected`},
	{class: "libxml2 and empty CDATA", pattern: `Character content|Element content`, holds: func(doc string) bool { return strings.Contains(doc, "<![CDATA[]]>") }},
	{class: "namespace that is no URI", pattern: ``, holds: relativeNamespace},
}

// relativeNamespace reports whether doc binds a namespace that is no absolute
// URI: Parse then leaves out the elements that use it.
func relativeNamespace(doc string) bool {
	return slices.ContainsFunc(bound.FindAllStringSubmatch(doc, -1), func(m []string) bool {
		uri := m[2][1 : len(m[2])-1]
		return uri != "" && !absolute.MatchString(uri)
	})
}

// match returns the class of the first rule for what was said of doc.
func match(rules []rule, said, doc string) string {
	for _, r := range rules {
		if regexp.MustCompile(r.pattern).MatchString(said) && (r.holds == nil || r.holds(doc)) {
			return r.class
		}
	}
	return ""
}

var (
	line     = regexp.MustCompile(`^[0-9]+(:[0-9]+)?: `)
	badURI   = regexp.MustCompile(`(namespace error|namespace warning) : xmlns(:[^ ]*)?: '.*' is not (a valid URI|absolute)`)
	notWell  = regexp.MustCompile(`(parser|namespace) error`)
	absolute = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:[a-zA-Z0-9;/?:@&=+$,_.!~*'()%-]+$`)
	bound    = regexp.MustCompile(`xmlns(:[^ =]*)?\s*=\s*("[^"]*"|'[^']*')`)
	quoted   = regexp.MustCompile(`=\s*("[^"]*"|'[^']*')`)
	oddName  = regexp.MustCompile(`<[^<>]*[^\x00-\x7f]`)
)

// classes returns how the readers agree, or the classes of disagreement.
func (o *opinion) classes() []string {
	section, said, malformed := "", "", false
	if o.ours != nil {
		section, said = o.ours.Section, o.ours.Msg
		malformed = section == "3863 4.1" && said != "no XML declaration"
	}
	lint := slices.ContainsFunc(o.lint, func(s string) bool { return notWell.MatchString(s) && !badURI.MatchString(s) })
	switch expat := o.expat != ""; {
	case malformed && lint && expat:
		return []string{"agreed: not well-formed"}
	case malformed:
		return []string{cmpOr(match(beyondXML, said, o.doc), unexplained+"refused as "+said)}
	case expat && !lint && oddName.MatchString(quoted.ReplaceAllString(o.doc, "")):
		return []string{"expat and names"}
	case lint || expat:
		return []string{unexplained + "not well-formed for others"}
	case o.ours != nil && !o.valid:
		return []string{"agreed: not valid"}
	case o.ours != nil:
		return []string{cmpOr(match(stricter, section+": "+said, o.doc), unexplained+"refused as "+said)}
	case o.valid:
		return []string{"agreed: valid"}
	}
	return nil // only with the kept elements out of the way
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// laxerClasses says why Parse accepts o, which xmllint calls invalid. without
// is what xmllint says when the elements that Parse keeps unread are taken out.
func laxerClasses(o, without *opinion) (list []string) {
	if len(without.lint) < len(o.lint) {
		list = append(list, "kept unread")
	}
	for _, l := range without.lint {
		if badURI.MatchString(l) {
			list = append(list, "namespace that is no URI")
			continue
		}
		list = append(list, cmpOr(match(laxer, l, o.doc), unexplained+line.ReplaceAllString(l, "")))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// added are the attributes that make an element self-contained.
var added = regexp.MustCompile(`^ (xmlns(:[^ =]*)?|xml:lang)="[^"]*"`)

// withoutKept replaces the elements in doc that Parse keeps as they are by
// another that no schema speaks of.
func withoutKept(t *testing.T, doc string) string {
	kept := elements(mustParse(t, []byte(doc)))
	slices.SortStableFunc(kept, func(a, b pidf.Element) int { return len(b.Raw) - len(a.Raw) }) // outer before inner
	for _, e := range kept {
		raw := string(e.Raw)
		end := strings.IndexAny(raw, " \t\r\n/>")
		for tail := raw[end:]; ; {
			if less, ok := replaceOne(doc, raw[:end]+tail); ok {
				doc = less
				break
			}
			n := len(added.FindString(tail))
			if n == 0 {
				break
			}
			tail = tail[n:]
		}
	}
	return doc
}

// replaceOne replaces the first copy of element that Parse keeps; other copies
// may stand where it reads them.
func replaceOne(doc, element string) (string, bool) {
	const kept = `<kept xmlns="urn:example:kept"/>`
	for from := 0; ; {
		n := strings.Index(doc[from:], element)
		if n < 0 {
			return doc, false
		}
		from += n
		less := doc[:from] + kept + doc[from+len(element):]
		p, err := pidf.Parse([]byte(less))
		if err == nil && countWhole(p, kept) == strings.Count(less, kept) {
			return less, true
		}
		from++
	}
}

// countWhole counts the kept elements that are exactly raw.
func countWhole(p *pidf.Presence, raw string) (n int) {
	for _, e := range elements(p) {
		if string(e.Raw) == raw {
			n++
		}
	}
	return n
}

// TestClasses: the rules compile, and no class is there twice.
func TestClasses(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range slices.Concat(beyondXML, stricter, laxer) {
		if _, err := regexp.Compile(r.pattern); err != nil || seen[r.class] {
			t.Errorf("%s: %v, or twice", r.class, err)
		}
		seen[r.class] = true
	}
	if _, err := pidf.Parse([]byte(withoutKept(t, string(readVector(t, "rfc3863-4.3.1"))))); err != nil {
		t.Error(err)
	}
}
