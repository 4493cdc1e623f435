package senml

import (
	"encoding/base64"
	"strconv"

	"github.com/kith-im/kith/internal/xmlscan"
	"github.com/kith-im/kith/pidf"
)

// Marshal writes the pack as a document in UTF-8. Numbers have the fewest digits
// that give the same double. Equal values give equal octets. It fails, with a
// *SyntaxError, if Parse would not accept the result.
func (p Pack) Marshal() ([]byte, error) {
	b, err := p.append([]byte(`<?xml version="1.0" encoding="UTF-8"?>`))
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	if len(b) > MaxSize {
		return nil, tooLarge()
	}
	return b, nil
}

func tooLarge() error {
	return &SyntaxError{Section: "8428 7", Msg: "pack is too large"}
}

// Element writes the pack as an extension for a tuple. It fails as Marshal does.
func (p Pack) Element() (pidf.Element, error) {
	b, err := p.append(nil)
	if err != nil {
		return pidf.Element{}, err
	}
	if len(b) > MaxSize {
		return pidf.Element{}, tooLarge()
	}
	return pidf.Element{NS: Namespace, Name: "sensml", Raw: b}, nil
}

// append writes the sensml element.
func (p Pack) append(b []byte) ([]byte, error) {
	if _, err := p.check(); err != nil {
		return nil, err
	}
	b = append(b, `<sensml xmlns="`+Namespace+`">`...)
	for i := range p {
		r := &p[i]
		for _, s := range [...]*string{r.BaseName, r.BaseUnit, &r.Name, r.Unit, r.String} {
			if s != nil && !xmlscan.IsText(*s) {
				return nil, &SyntaxError{Section: "8428 7", Msg: "text holds characters that XML excludes"}
			}
		}
		b = append(b, "<senml"...)
		b = r.appendBase(b)
		if r.Name != "" {
			b = text(b, "n", &r.Name)
		}
		b = text(b, "u", r.Unit)
		b = number(b, "v", r.Value)
		b = text(b, "vs", r.String)
		if r.Bool != nil {
			b = text(b, "vb", new(strconv.FormatBool(*r.Bool)))
		}
		if r.Data != nil {
			b = text(b, "vd", new(base64.RawURLEncoding.EncodeToString(r.Data)))
		}
		b = number(b, "s", r.Sum)
		if r.Time != 0 {
			b = number(b, "t", &r.Time)
		}
		b = number(b, "ut", r.UpdateTime)
		b = append(b, "/>"...)
	}
	return append(b, "</sensml>"...), nil
}

func (r *Record) appendBase(b []byte) []byte {
	b = text(b, "bn", r.BaseName)
	b = number(b, "bt", r.BaseTime)
	b = text(b, "bu", r.BaseUnit)
	b = number(b, "bv", r.BaseValue)
	b = number(b, "bs", r.BaseSum)
	if r.BaseVersion != nil {
		b = text(b, "bver", new(strconv.Itoa(*r.BaseVersion)))
	}
	return b
}

func text(b []byte, name string, s *string) []byte {
	if s == nil {
		return b
	}
	b = append(append(append(b, ' '), name...), `="`...)
	return append(xmlscan.AppendEscaped(b, *s, true), '"')
}

func number(b []byte, name string, f *float64) []byte {
	if f == nil {
		return b
	}
	b = append(append(append(b, ' '), name...), `="`...)
	return append(strconv.AppendFloat(b, *f, 'g', -1, 64), '"')
}
