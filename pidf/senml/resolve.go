package senml

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// absolute is the smallest time that is not relative to now (RFC 8428 section
// 4.5.3); forever is the end of the year 9999.
const (
	absolute = 1 << 28
	forever  = 253402300800
)

// base is the base fields in force.
type base struct {
	name, unit       string
	hasUnit          bool
	time, value, sum float64
	hasValue, hasSum bool
	version          int
}

// take notes the base fields of r.
func (b *base) take(r *Record) {
	if r.BaseName != nil {
		b.name = *r.BaseName
	}
	if r.BaseUnit != nil {
		b.unit, b.hasUnit = *r.BaseUnit, true
	}
	if r.BaseTime != nil {
		b.time = *r.BaseTime
	}
	if r.BaseValue != nil {
		b.value, b.hasValue = *r.BaseValue, true
	}
	if r.BaseSum != nil {
		b.sum, b.hasSum = *r.BaseSum, true
	}
}

// onlyBase reports whether r measures nothing.
func (r *Record) onlyBase() bool {
	return r.Name == "" && r.Unit == nil && r.Time == 0 && r.UpdateTime == nil && r.Sum == nil && r.values() == 0 &&
		(r.BaseName != nil || r.BaseUnit != nil || r.BaseTime != nil || r.BaseValue != nil || r.BaseSum != nil || r.BaseVersion != nil)
}

func (r *Record) values() (n int) {
	for _, has := range [...]bool{r.Value != nil, r.String != nil, r.Bool != nil, r.Data != nil} {
		if has {
			n++
		}
	}
	return n
}

// apply returns r without base fields, its time still as it is.
func (b *base) apply(r *Record) Record {
	out := *r
	out.BaseName, out.BaseUnit, out.BaseTime, out.BaseValue, out.BaseSum, out.BaseVersion = nil, nil, nil, nil, nil, nil
	if b.version != Version {
		out.BaseVersion = new(b.version)
	}
	out.Name = b.name + r.Name
	if r.Unit == nil && b.hasUnit {
		out.Unit = new(b.unit)
	}
	out.Time += b.time
	if r.Value != nil {
		out.Value = new(*r.Value + b.value)
	} else if b.hasValue && r.values() == 0 && r.Sum == nil {
		out.Value = new(b.value)
	}
	if r.Sum != nil {
		out.Sum = new(*r.Sum + b.sum)
	} else if b.hasSum {
		out.Sum = new(b.sum)
	}
	return out
}

// check holds a pack to section 4; i is the record that breaks it.
func (p Pack) check() (i int, err *SyntaxError) {
	fail := func(i int, section, msg string) (int, *SyntaxError) {
		return i, &SyntaxError{Section: "8428 " + section, Msg: msg}
	}
	if len(p) == 0 {
		return fail(0, "7", "pack without records")
	}
	if len(p) > MaxRecords {
		return fail(MaxRecords, "7", "too many records")
	}
	b := base{version: Version}
	for i := range p {
		r := &p[i]
		if v := r.BaseVersion; v != nil {
			switch {
			case *v < 1:
				return fail(i, "4.1", "bver is not positive")
			case *v > Version:
				return fail(i, "4.4", "version is not supported")
			case i > 0 && *v != b.version:
				return fail(i, "4.4", "records have different versions")
			}
			b.version = *v
		}
		if !r.finite() {
			return fail(i, "5", "number is not finite")
		}
		b.take(r)
		if r.onlyBase() {
			continue
		}
		out := b.apply(r)
		switch {
		case r.values() > 1:
			return fail(i, "4.2", "record with more than one value")
		case out.values() == 0 && out.Sum == nil:
			return fail(i, "4.2", "record without value and sum")
		case !isName(out.Name):
			return fail(i, "4.5.1", "name is empty or has other characters than names may have")
		case !out.finite():
			return fail(i, "4.5", "sum of a field and its base field is not finite")
		}
	}
	return 0, nil
}

// finite reports whether all numbers in r are.
func (r *Record) finite() bool {
	for _, f := range [...]*float64{r.BaseTime, r.BaseValue, r.BaseSum, r.UpdateTime, r.Value, r.Sum, &r.Time} {
		if f != nil && !finite(*f) {
			return false
		}
	}
	return true
}

// isName is the syntax of complete names (RFC 8428 section 4.5.1).
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '-' || c == ':' || c == '.' || c == '/' || c == '_'):
		default:
			return false
		}
	}
	return s != ""
}

// Resolve returns the records as section 4.6 of RFC 8428 defines it: without
// base fields, with complete names, absolute times, in chronological order;
// records of one time stay in their order. now is the time to which relative
// ones refer. A base version is in every record if it is not Version. A record
// of base fields only yields none.
//
// A base value is added to a value, or is the value of a record that has neither
// a value nor a sum of its own. The error is a *SyntaxError: p is none that
// Parse would accept, or a time is before July 1978 or after the year 9999.
func (p Pack) Resolve(now time.Time) (Pack, error) {
	if _, err := p.check(); err != nil {
		return nil, err
	}
	seconds := float64(now.Unix()) + float64(now.Nanosecond())/1e9
	b := base{version: Version}
	if v := p[0].BaseVersion; v != nil {
		b.version = *v
	}
	out := Pack{}
	for i := range p {
		b.take(&p[i])
		if p[i].onlyBase() {
			continue
		}
		r := b.apply(&p[i])
		if r.Time < absolute {
			r.Time += seconds
		}
		if r.Time < absolute || r.Time >= forever {
			return nil, &SyntaxError{Section: "8428 4.5.3", Msg: "time of " + r.Name + " is out of range"}
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b Record) int { return cmp.Compare(a.Time, b.Time) })
	return out, nil
}

// At returns the time of a resolved record, in UTC; the zero time if the record
// has a relative time. A double is exact to about a quarter of a microsecond.
func (r *Record) At() time.Time {
	if !(r.Time >= absolute && r.Time < forever) {
		return time.Time{}
	}
	whole, part := math.Modf(r.Time)
	return time.Unix(int64(whole), int64(part*1e9)).UTC()
}
