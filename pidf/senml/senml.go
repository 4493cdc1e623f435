// Package senml reads and writes readings of sensors: SenML packs of RFC 8428
// in the XML form application/senml+xml, alone or as an extension of a presence
// tuple.
//
// Parse and Marshal are for documents; FromElement and Pack.Element for the
// extensions of a tuple. Resolve gives the readings as they are meant: names and
// units complete, times absolute, in chronological order.
//
// # In a presence document
//
// A thing has one tuple for each group of readings that change together. Its
// status says whether its inbox takes messages, as for everybody; the readings
// stand in Tuple.Ext as one sensml element:
//
//	<tuple id="outside">
//	  <status><basic>open</basic></status>
//	  <sensml xmlns="urn:ietf:params:xml:ns:senml">
//	    <senml n="urn:dev:ow:10e2073a01080063" u="Cel" t="1.7950104e+09" v="4.5"/>
//	  </sensml>
//	  <contact>im:station@example.com</contact>
//	  <timestamp>2026-11-18T10:00:00Z</timestamp>
//	</tuple>
//
// So it is valid PIDF (RFC 3863 section 4.2.2), and who does not know SenML
// ignores it. A presence document is kept, forwarded and read later, when "now"
// is another time, so a publisher puts in what Resolve returns (RFC 8428 section
// 4.5.3); a reader that finds relative times nevertheless resolves them with the
// timestamp of the tuple. The element carries no mustUnderstand.
//
// # Limits
//
// MaxSize octets, MaxRecords records, besides those of package pidf on depth and
// attributes; inside a presence document its own limit is the narrower one.
package senml

import (
	"fmt"
)

// Namespace is that of the elements of RFC 8428 section 7.
const Namespace = "urn:ietf:params:xml:ns:senml"

// ContentType is the MIME label of what Marshal writes (RFC 8428 section
// 12.3.5). UTF-8 is the only encoding.
const ContentType = "application/senml+xml"

// Limits of a pack, read or written.
const (
	MaxSize    = 64 << 10 // octets
	MaxRecords = 1024
)

// Version is the version of SenML that this package understands (RFC 8428
// section 4.4). Packs of a lower one are read.
const Version = 10

// Pack is a list of records (RFC 8428 section 4). The base fields of a record
// apply to it and to those after it, until one has the same base field again.
type Pack []Record

// Record is one measurement, or only base fields for those that follow. Nil
// stands for a field that is absent. Numbers are finite.
type Record struct {
	BaseName    *string
	BaseTime    *float64 // seconds
	BaseUnit    *string
	BaseValue   *float64
	BaseSum     *float64
	BaseVersion *int // from 1 to Version, the same in the whole pack; absent is 10

	Name string  // appended to the base name; may be empty
	Unit *string // of the SenML units registry, as "Cel"
	// Time is in seconds: below 1<<28 from now on, negative for the past,
	// otherwise since 1970 in UTC. It is added to the base time.
	Time       float64
	UpdateTime *float64 // the next reading comes within so many seconds

	// At most one of these; exactly one if there is no sum.
	Value  *float64
	String *string
	Bool   *bool
	Data   []byte // nil if absent

	Sum *float64 // integral of the value over time, in Unit times seconds
}

// SyntaxError says where a pack breaks which rule.
type SyntaxError struct {
	Line    int    // counted from 1; 0 for a Pack that was not read
	Section string // of an RFC, as in "8428 4.5.1"
	Msg     string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("senml: %s (RFC %s)", e.Msg, e.Section)
	}
	return fmt.Sprintf("senml: line %d: %s (RFC %s)", e.Line, e.Msg, e.Section)
}
