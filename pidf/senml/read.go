package senml

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
	"github.com/kith-im/kith/pidf"
)

// Parse reads an application/senml+xml document; the error is a *SyntaxError.
//
// Unknown elements and attributes are ignored, but for attributes whose name
// ends in an underscore, which are an error (RFC 8428 section 4.4). Numbers are
// those of XML Schema's double; INF and NaN, which no other form of SenML can
// carry, and numbers beyond the range are refused. A record without value and
// sum is accepted if it has base fields only, as an example of section 5.1.7
// has it.
func Parse(b []byte) (Pack, error) { return parse(b, xmlscan.Options{MaxSize: MaxSize}) }

// FromElement reads a sensml element from the extensions of a tuple. ok is false
// if e is another element; the error is a *SyntaxError, its line that in e.Raw.
func FromElement(e pidf.Element) (p Pack, ok bool, err error) {
	if e.NS != Namespace || e.Name != "sensml" {
		return nil, false, nil
	}
	p, err = parse(e.Raw, xmlscan.Options{MaxSize: MaxSize, Fragment: true})
	return p, true, err
}

func parse(b []byte, opt xmlscan.Options) (Pack, error) {
	x, err := xmlscan.Parse(b, opt)
	if err != nil {
		if e, ok := errors.AsType[*xmlscan.Error](err); ok {
			err = &SyntaxError{Line: e.Line, Section: "8428 7", Msg: e.Msg}
		}
		return nil, err
	}
	root := x.Root()
	if root.Space != Namespace || root.Name != "sensml" {
		return nil, &SyntaxError{Line: x.Line(root), Section: "8428 7", Msg: "root element is not sensml"}
	}
	r := reader{x: x}
	r.ignored(root)
	var p Pack
	var lines []*xmlscan.Elem
	for c := x.First(root); c != nil && r.err == nil; c = x.Next(c) {
		if c.Space != Namespace || c.Name != "senml" {
			r.within(c)
			continue
		}
		if len(p) == MaxRecords {
			r.fail(c, "7", "too many records")
			break
		}
		p, lines = append(p, r.record(c)), append(lines, c)
	}
	if r.err == nil && root.HasInk() {
		r.fail(root, "7", "text in sensml")
	}
	if r.err != nil {
		return nil, r.err
	}
	if i, err := p.check(); err != nil {
		at := root
		if i < len(lines) {
			at = lines[i]
		}
		err.Line = x.Line(at)
		return nil, err
	}
	return p, nil
}

// reader reads records until err is set.
type reader struct {
	x   *xmlscan.Doc
	err error
}

func (r *reader) fail(e *xmlscan.Elem, section, msg string) {
	if r.err == nil {
		r.err = &SyntaxError{Line: r.x.Line(e), Section: "8428 " + section, Msg: msg}
	}
}

// ignored looks at attributes of which none is known.
func (r *reader) ignored(e *xmlscan.Elem) {
	for _, a := range r.x.Attrs(e) {
		r.unknown(e, a.Name)
	}
}

// within looks at an unknown element and what is in it.
func (r *reader) within(e *xmlscan.Elem) {
	list := r.x.Within(e)
	for i := range list {
		r.ignored(&list[i])
	}
}

func (r *reader) unknown(e *xmlscan.Elem, name string) {
	if strings.HasSuffix(name, "_") {
		r.fail(e, "4.4", "field "+name+" must be understood and is not known")
	}
}

func (r *reader) record(e *xmlscan.Elem) (rec Record) {
	for _, a := range r.x.Attrs(e) {
		if a.Space != "" {
			r.unknown(e, a.Name)
			continue
		}
		r.field(e, &rec, a.Name, a.Value)
	}
	for c := r.x.First(e); c != nil; c = r.x.Next(c) {
		r.within(c)
	}
	if e.HasInk() {
		r.fail(e, "7", "text in senml")
	}
	return rec
}

func (r *reader) field(e *xmlscan.Elem, rec *Record, name, value string) {
	switch name {
	case "bn":
		rec.BaseName = &value
	case "bt":
		rec.BaseTime = r.number(e, name, value)
	case "bu":
		rec.BaseUnit = &value
	case "bv":
		rec.BaseValue = r.number(e, name, value)
	case "bs":
		rec.BaseSum = r.number(e, name, value)
	case "bver":
		n, err := strconv.ParseInt(xmlscan.TrimSpace(value), 10, 32)
		if err != nil {
			r.fail(e, "4.1", "bver is not an integer")
		}
		rec.BaseVersion = new(int(n))
	case "n":
		rec.Name = value
	case "u":
		rec.Unit = &value
	case "t":
		rec.Time = *r.number(e, name, value)
	case "ut":
		rec.UpdateTime = r.number(e, name, value)
	case "v":
		rec.Value = r.number(e, name, value)
	case "vs":
		rec.String = &value
	case "vb":
		v := xmlscan.TrimSpace(value)
		if v != "true" && v != "false" && v != "1" && v != "0" {
			r.fail(e, "7", "vb is not a boolean")
		}
		rec.Bool = new(v == "true" || v == "1")
	case "vd":
		data, err := base64.RawURLEncoding.Strict().DecodeString(value)
		if err != nil || strings.ContainsAny(value, "\r\n") {
			r.fail(e, "7", "vd is not base64 for URLs without padding")
		}
		rec.Data = append([]byte{}, data...)
	case "s":
		rec.Sum = r.number(e, name, value)
	default:
		r.unknown(e, name)
	}
}

// number reads an xs:double. It never returns nil.
func (r *reader) number(e *xmlscan.Elem, name, value string) *float64 {
	value = xmlscan.TrimSpace(value)
	f, err := strconv.ParseFloat(value, 64)
	switch {
	case !isDouble(value):
		r.fail(e, "7", name+" is not a number")
	case err != nil || !finite(f):
		r.fail(e, "5", name+" is beyond the range of a double")
	}
	return &f
}

func finite(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }

// isDouble reports whether s is a decimal number, with an exponent or without,
// as XML Schema writes it.
func isDouble(s string) bool {
	i := 0
	digits := func() int {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i - from
	}
	sign := func() {
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
	}
	sign()
	n := digits()
	if i < len(s) && s[i] == '.' {
		i++
		n += digits()
	}
	if n == 0 {
		return false
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		sign()
		if digits() == 0 {
			return false
		}
	}
	return i == len(s)
}
