package pidf_test

import (
	"math/rand/v2"
	"strings"
)

// mutator makes documents that are nearly right, always the same ones.
type mutator struct{ rnd *rand.Rand }

// one returns a random element of list.
func one[T any](m mutator, list []T) T { return list[m.rnd.IntN(len(list))] }

// mutate changes doc in one to three places.
func (m mutator) mutate(doc string) string {
	for n := one(m, []int{1, 1, 1, 1, 1, 1, 2, 2, 2, 3}); n > 0; n-- {
		change := one(m, []func(string) string{
			m.dropElement, m.repeatElement, m.moveElement, m.renameElement, m.insertSnippet, m.insertSnippet,
			m.changeText, m.changeText, m.changeAttr, m.changeAttr, m.addAttr, m.dropAttr, m.dropTag,
			m.changeOctet, m.changeOctet, m.cut,
		})
		doc = change(doc)
	}
	return doc
}

// span is a piece of a document: from the start of lo to the end of hi.
type span struct{ from, to int }

func (s span) of(doc string) string            { return doc[s.from:s.to] }
func (s span) replace(doc, with string) string { return doc[:s.from] + with + doc[s.to:] }

// tags returns the start and end tags of doc, without regard to comments.
func tags(doc string) (list []span) {
	for i := 0; i < len(doc); i++ {
		if doc[i] != '<' || i+1 < len(doc) && (doc[i+1] == '!' || doc[i+1] == '?') {
			continue
		}
		if n := strings.IndexByte(doc[i:], '>'); n > 0 {
			list = append(list, span{i, i + n + 1})
		}
	}
	return list
}

// elements returns the elements of doc but the root.
func children(doc string) (list []span) {
	var open []int
	for _, t := range tags(doc) {
		switch text := t.of(doc); {
		case strings.HasPrefix(text, "</"):
			if len(open) > 0 {
				list = append(list, span{open[len(open)-1], t.to})
				open = open[:len(open)-1]
			}
		case strings.HasSuffix(text, "/>"):
			list = append(list, t)
		default:
			open = append(open, t.from)
		}
	}
	return list[:max(0, len(list)-1)]
}

// attrs returns the name and the value, within its quotes, of all attributes.
func attrs(doc string) (names, values []span) {
	for _, t := range tags(doc) {
		for i := t.from; i < t.to; i++ {
			if doc[i] != '=' || i+1 >= t.to || doc[i+1] != '"' && doc[i+1] != '\'' {
				continue
			}
			n := strings.IndexByte(doc[i+2:t.to], doc[i+1])
			name := strings.LastIndexAny(doc[t.from:i], " \n\t") + t.from + 1
			if n < 0 || name <= t.from {
				continue
			}
			names, values = append(names, span{name, i}), append(values, span{i + 2, i + 2 + n})
			i += n + 2
		}
	}
	return names, values
}

func (m mutator) dropElement(doc string) string {
	if list := children(doc); len(list) > 0 {
		return one(m, list).replace(doc, "")
	}
	return doc
}

func (m mutator) repeatElement(doc string) string {
	if list := children(doc); len(list) > 0 {
		s := one(m, list)
		return s.replace(doc, s.of(doc)+s.of(doc))
	}
	return doc
}

func (m mutator) moveElement(doc string) string {
	list := children(doc)
	if len(list) < 2 {
		return doc
	}
	s := one(m, list)
	text := s.of(doc)
	doc = s.replace(doc, "")
	return m.insert(doc, text)
}

// insert puts text before a random tag.
func (m mutator) insert(doc, text string) string {
	if list := tags(doc); len(list) > 0 {
		at := one(m, list).from
		return doc[:at] + text + doc[at:]
	}
	return doc
}

func (m mutator) renameElement(doc string) string {
	list := children(doc)
	if len(list) == 0 {
		return doc
	}
	s := one(m, list)
	text := s.of(doc)
	end := strings.IndexAny(text, " \n\t/>")
	if end < 1 {
		return doc
	}
	name, other := text[1:end], one(m, names)
	text = "<" + other + text[end:]
	if tail := "</" + name + ">"; strings.HasSuffix(text, tail) {
		text = strings.TrimSuffix(text, tail) + "</" + other + ">"
	}
	return s.replace(doc, text)
}

func (m mutator) insertSnippet(doc string) string { return m.insert(doc, one(m, snippets)) }

func (m mutator) changeText(doc string) string {
	list := tags(doc)
	if len(list) < 2 {
		return doc
	}
	i := m.rnd.IntN(len(list) - 1)
	return span{list[i].to, max(list[i].to, list[i+1].from)}.replace(doc, one(m, texts))
}

func (m mutator) changeAttr(doc string) string {
	if _, list := attrs(doc); len(list) > 0 {
		return one(m, list).replace(doc, one(m, texts))
	}
	return doc
}

func (m mutator) addAttr(doc string) string {
	list := tags(doc)
	if len(list) == 0 {
		return doc
	}
	t := one(m, list)
	if end := strings.IndexAny(t.of(doc)[1:], " \n\t/>"); end > 0 {
		at := t.from + 1 + end
		return doc[:at] + " " + one(m, attributes) + doc[at:]
	}
	return doc
}

func (m mutator) dropAttr(doc string) string {
	names, values := attrs(doc)
	if len(names) == 0 {
		return doc
	}
	i := m.rnd.IntN(len(names))
	return span{names[i].from, values[i].to + 1}.replace(doc, "")
}

func (m mutator) dropTag(doc string) string {
	if list := tags(doc); len(list) > 0 {
		return one(m, list).replace(doc, "")
	}
	return doc
}

func (m mutator) changeOctet(doc string) string {
	if doc == "" {
		return doc
	}
	i := m.rnd.IntN(len(doc))
	return span{i, i + m.rnd.IntN(2)}.replace(doc, one(m, octets))
}

func (m mutator) cut(doc string) string { return doc[:len(doc)-m.rnd.IntN(1+len(doc)/8)] }

// What mutations put in.
var (
	octets = strings.Split("< > & \" ' / = ! ? : ; # ] [ - x 0 \t \n \r \x00 \x07 \x7f \xc3 \xff \u00e9 \u00b7 \u0300 \u2028 \ufeff \ufffe \U0001f600", " ")
	names  = strings.Fields("presence tuple status basic contact note timestamp e:x e:basic dm:person dm:device dm:deviceID dm:note dm:timestamp " +
		"r:activities r:mood r:note r:away r:other r:unknown r:class r:user-input r:sphere r:home r:privacy r:place-is r:audio r:relationship " +
		"r:service-class r:postal r:status-icon r:time-offset lt:bus lt:other c:card c:display-name c:icon ts:timed-status ts:basic q:undeclared x")
	texts = []string{
		"", " ", "open", "closed", "Open", " open ", "<![CDATA[open]]>", "op<!-- -->en", "&#111;pen", "&lt;", "&amp;amp;", "&nbsp;", "&#0;", "&#xD800;", "&#x1F600;", "a & b", "]]>",
		"2001-10-27T16:49:29Z", "2001-10-27T16:49:29.5+01:00", "2001-10-27t16:49:29z", "2001-10-27T16:49:29", "2001-10-27T24:00:00Z", "12001-10-27T16:49:29Z",
		" 2001-10-27T16:49:29Z ", "1990-12-31T23:59:60Z", "2001-10-27T16:49:29+14:01", "2001-10-27T16:49:29-00:00", "2001-02-29T00:00:00Z", "0000-01-01T00:00:00Z", "2001-10-27",
		"pres:a@example.com", "pres:example.com", "sip:a@example.com", "PRES:a@example.com", "pres:a@example.com?b", "im:a@example.com", "a b", "a#b", "http://example.com/#a", "%", "é", "data:,",
		"en", "en-US", "en_US", "123456789", "t1", "p1", "a b", "1", "0", "0.5", "05", ".5", "0.1234", "1.5", "-0.5", "1e0", "true", "active", "idle", "-300", "1441", "word",
		"urn:ietf:params:xml:ns:pidf", "urn:ietf:params:xml:ns:pidf:rpid", "urn:ietf:params:xml:ns:pidf:data-model", "urn:example:other", "rel", "http://www.w3.org/XML/1998/namespace",
	}
	attributes = []string{
		`xml:lang="en"`, `xml:lang=""`, `xml:lang="en_US"`, `xml:space="preserve"`, `id="z1"`, `id=""`, `entity="pres:b@example.com"`, `priority="0.5"`, `e:a="1"`, `q:a="1"`, `a="1"`, `a="<"`,
		`xmlns="urn:example:other"`, `xmlns=""`, `xmlns:e="urn:example:e2"`, `xmlns:e=""`, `xmlns:xml="urn:x:x"`, `xmlns:q="urn:ietf:params:xml:ns:pidf:rpid"`, `mustUnderstand="1"`, `p:mustUnderstand="true"`,
		`p:mustUnderstand="maybe"`, `from="2001-10-27T16:49:29Z"`, `until="soon"`, `idle-threshold="600"`, `idle-threshold="0"`, `last-input="2001-10-27T16:49:29Z"`, `description="x"`,
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a:b c"`, `xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"`,
	}
	snippets = []string{
		`<e:x/>`, `<e:x a="b">c</e:x>`, `<e:x><e:y/><basic>open</basic></e:x>`, `<x/>`, `<x xmlns=""/>`, `<x xmlns="urn:example:other"/>`, `<q:x/>`, `<!-- comment -->`, `<!-- a -- b -->`, `<?target data?>`, `<?xml version="1.0"?>`,
		`<![CDATA[]]>`, `<![CDATA[ x ]]>`, `text`, ` `, "\n", `&#32;`, `&amp;`, `<!DOCTYPE presence>`, `<note>n</note>`, `<note xml:lang="de">n</note>`, `<note><e:x/></note>`, `<basic>open</basic>`,
		`<contact priority="0.5">im:a@example.com</contact>`, `<contact/>`, `<contact>tel:+1</contact>`, `<timestamp>2001-10-27T16:49:29Z</timestamp>`, `<status/>`, `<status><basic>closed</basic></status>`, `<status><e:x/></status>`,
		`<tuple id="z2"><status><basic>open</basic></status></tuple>`, `<tuple id="t1"><status><basic>open</basic></status></tuple>`, `<tuple/>`, `<dm:person id="z3"/>`, `<dm:person/>`, `<dm:person id="z4"><dm:note>n</dm:note></dm:person>`,
		`<dm:device id="z5"><dm:deviceID>urn:a:b</dm:deviceID></dm:device>`, `<dm:device id="z6"/>`, `<dm:deviceID>urn:a:b</dm:deviceID>`, `<dm:deviceID/>`, `<dm:note>n</dm:note>`, `<dm:timestamp>2001-10-27T16:49:29Z</dm:timestamp>`,
		`<r:activities><r:away/></r:activities>`, `<r:activities><r:away/><r:note>n</r:note></r:activities>`, `<r:mood/>`, `<r:class>c</r:class>`, `<r:user-input>idle</r:user-input>`, `<r:user-input/>`, `<r:sphere>s</r:sphere>`, `<r:away/>`, `<r:note>n</r:note>`,
		`<r:privacy><r:text/><r:audio/></r:privacy>`, `<r:place-type><lt:bus/></r:place-type>`, `<r:place-type/>`, `<r:time-offset>x</r:time-offset>`, `<r:service-class><r:postal/></r:service-class>`, `<r:status-icon>data:,</r:status-icon>`,
		`<c:display-name>d</c:display-name>`, `<c:card>u:x</c:card>`, `<c:card><e:x/></c:card>`, `<ts:timed-status from="2001-10-27T16:49:29Z"><ts:basic>open</ts:basic></ts:timed-status>`, `<ts:timed-status/>`,
	}
)
