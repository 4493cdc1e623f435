package pidf_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/kith-im/kith/pidf"
)

// pieces are what FuzzPieces builds documents of: each octet of its input
// picks one. Some open an element and are closed at the end.
var pieces = [...]struct{ text, end string }{
	{`<tuple id="a">`, `</tuple>`}, {`<p:tuple id="b" xml:lang="fr">`, `</p:tuple>`}, {`<tuple id="c" xmlns="urn:f:f">`, `</tuple>`},
	{`<dm:person id="p">`, `</dm:person>`}, {`<dm:person xmlns:dm="urn:g:g" id="p">`, `</dm:person>`}, {`<dm:device id="d">`, `</dm:device>`},
	{`<status>`, `</status>`}, {`<e:wrap xmlns="">`, `</e:wrap>`}, {`<r:activities id="x" z="1">`, `</r:activities>`},
	{`<r:activities from="2001-10-27T16:49:29.5+01:00" e:z="">`, `</r:activities>`}, {`<r:mood>`, `</r:mood>`},
	{`<r:sphere>`, `</r:sphere>`}, {`<r:relationship>`, `</r:relationship>`}, {`<r:place-is>`, `</r:place-is>`},
	{text: `<basic>open</basic>`}, {text: `<basic>closed</basic>`}, {text: `<e:basic>closed</e:basic>`},
	{text: `<contact priority="0.50"> im:a@b.c </contact>`}, {text: `<contact priority="7">tel:+1</contact>`}, {text: `<contact/>`},
	{text: "<note xml:lang='de'>a\r\n&lt;b&#13;</note>"}, {text: `<note/>`}, {text: `<dm:note>x ]]&gt; y</dm:note>`},
	{text: `<timestamp>2001-10-27T16:49:29Z</timestamp>`}, {text: `<dm:timestamp>1990-12-31T23:59:60-00:00</dm:timestamp>`},
	{text: `<dm:deviceID>urn:a:b</dm:deviceID>`}, {text: `<dm:deviceID>mac:1</dm:deviceID>`},
	{text: `<c:display-name xml:lang="ko">k</c:display-name>`}, {text: `<c:display-name>n</c:display-name>`}, {text: `<c:icon>data:,</c:icon>`},
	{text: `<r:class>  a  b </r:class>`}, {text: `<r:user-input idle-threshold="600" id="u">idle</r:user-input>`}, {text: `<r:user-input>away</r:user-input>`},
	{text: `<r:away/>`}, {text: `<r:lunch/>`}, {text: `<r:unknown/>`}, {text: `<r:other xml:lang="en">o</r:other>`}, {text: `<r:note>n</r:note>`},
	{text: `<r:happy/>`}, {text: `<r:work/>`}, {text: `<r:self/>`}, {text: `<r:newword/>`}, {text: `<r:service-class><r:postal/></r:service-class>`},
	{text: `<e:x a="e:b r:c q:d"/>`}, {text: `<q:x p:mustUnderstand="1"><q:y>q:z</q:y></q:x>`}, {text: `<x xmlns="urn:h:h"><y xmlns=""/></x>`},
	{text: `<e:x><basic>open</basic></e:x>`}, {text: `<z xmlns=""/>`}, {text: `<rel:x xmlns:rel="rel"/>`}, {text: `<lt:bus/>`}, {text: `<lt:other>hut</lt:other>`}, {text: `<r:place-type><lt:bicyle/></r:place-type>`},
	{text: `<r:privacy e:z="1" z="2" p:mustUnderstand="1"><r:text/><r:audio/></r:privacy>`}, {`<r:privacy>`, `</r:privacy>`}, {`<r:place-type xml:lang="fr">`, `</r:place-type>`},
	{text: `<r:place-is><r:audio><r:quiet/></r:audio></r:place-is>`}, {text: `<r:status-icon id="s">data:,</r:status-icon>`},
	{text: `<r:time-offset description="x" xml:lang="en"> -60</r:time-offset>`}, {text: `<r:time-offset>x</r:time-offset>`},
	{text: `<r:service-class><r:electronic/></r:service-class>`}, {`<r:service-class>`, `</r:service-class>`}, {text: `<r:postal/>`},
	{text: `<c:card>u:x</c:card>`}, {text: `<c:sound>x</c:sound>`}, {text: `<ts:timed-status from="2001-10-27T16:49:29Z"><ts:basic>open</ts:basic></ts:timed-status>`},
	{`<ts:timed-status from="2001-10-28T00:00:00Z">`, `</ts:timed-status>`}, {text: `<ts:note>n</ts:note>`},
	{text: `<!-- c -->`}, {text: `text`}, {text: "\n "},
}

// FuzzPieces checks documents that are well-formed and nearly right, which a
// fuzzer of octets seldom reaches. An octet above the pieces closes an element.
func FuzzPieces(f *testing.F) {
	f.Add([]byte{0, 6, 14, 200, 43, 17, 20, 23, 200, 20, 3, 8, 37, 33, 43, 200, 10, 38, 200, 22, 24, 200, 5, 31, 25})
	f.Add([]byte{1, 6, 43, 44, 200, 12, 40, 200, 27, 28, 29, 7, 14, 200, 18, 21, 200, 45, 48})
	f.Add([]byte{3, 9, 37, 34, 36, 43, 200, 8, 35, 200, 11, 39, 200, 11, 43, 200, 30, 31, 13, 33, 200, 22, 200, 4, 21})
	f.Fuzz(checkPieces)
}

// TestPieces runs the same check over random picks, always the same ones.
func TestPieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3863, 4480))
	for range 3000 {
		picks := make([]byte, rnd.IntN(24))
		for i := range picks {
			picks[i] = byte(rnd.IntN(len(pieces) * 4 / 3))
		}
		checkPieces(t, picks)
	}
}

func checkPieces(t *testing.T, picks []byte) {
	var doc bytes.Buffer
	doc.WriteString(`<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf"` +
		` xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"` +
		` xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" xmlns:lt="urn:ietf:params:xml:ns:location-type"` +
		` xmlns:ts="urn:ietf:params:xml:ns:pidf:timed-status" xmlns:e="urn:e:e" xmlns:q="urn:q:q" entity="pres:a@b.c">`)
	var open []string
	for _, n := range picks {
		if int(n) < len(pieces) {
			doc.WriteString(pieces[n].text)
			if end := pieces[n].end; end != "" {
				open = append(open, end)
			}
		} else if len(open) > 0 {
			doc.WriteString(open[len(open)-1])
			open = open[:len(open)-1]
		}
	}
	for len(open) > 0 {
		doc.WriteString(open[len(open)-1])
		open = open[:len(open)-1]
	}
	doc.WriteString("</presence>")
	lenient, err := pidf.ParseLenient(doc.Bytes())
	if err != nil {
		if len(picks) < 25 {
			t.Fatalf("ParseLenient: %v\n%s", err, doc.String())
		}
		return
	}
	checkStable(t, lenient)
	if strict, err := pidf.Parse(doc.Bytes()); err == nil {
		checkStable(t, strict)
	}
}
