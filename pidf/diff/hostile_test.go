package diff_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/pidf/diff"
)

// fill repeats unit between two strings up to size octets.
func fill(first, unit, last string, size int) []byte {
	return []byte(first + strings.Repeat(unit, (size-len(first)-len(last))/len(unit)) + last)
}

const open, shut = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:a@example.com">`, `</presence>`

// TestHostile times updates and documents built to be slow: as large as may be,
// with selectors that look at everything. Without the bound on work the first
// would take minutes.
func TestHostile(t *testing.T) {
	many := func(op string) []byte {
		return fill(head, op, tail, min(diff.MaxSize, len(head+tail)+len(op)*diff.MaxOps))
	}
	var decls strings.Builder
	for i := range 60 {
		fmt.Fprintf(&decls, ` xmlns:n%d="urn:%s"`, i, strings.Repeat("n", 1000))
	}
	wide := fill(open, "<a/>", "<z>x</z>"+shut, diff.MaxSize-20000)
	tests := map[string]struct{ doc, update []byte }{
		"wide selectors":   {wide, many(`<p:add sel="*/*[.='x']"/>`)},
		"wide predicates":  {wide, many(`<p:add sel="*/*[.='x'][.='x'][.='x'][1]"/>`)},
		"deep selectors":   {fill(open+strings.Repeat("<a>", 30), "<a/>", "<z/>"+strings.Repeat("</a>", 30)+shut, diff.MaxSize), many(`<p:add sel="` + strings.Repeat("*/", 31) + `z" type="namespace::a">u</p:add>`)},
		"last child":       {wide, many(`<p:remove sel="*/a[50000]"/>`)},
		"first child":      {wide, many(`<p:add sel="*" pos="prepend"><a/></p:add>`)},
		"growing text":     {fill(open, "a", shut, diff.MaxSize-20000), many(`<p:add sel="*">]]</p:add>`)},
		"declarations":     {wide, fill(strings.Replace(head, ">", decls.String()+">", 1), `<p:add sel="*" pos="prepend"><n1:a/></p:add>`, tail, len(head)+len(decls.String())+40*diff.MaxOps)},
		"values":           {fill(open+"<a>", "a", "</a>"+shut, diff.MaxSize), many(`<p:replace sel="*/*[.='` + strings.Repeat("a", 900) + `']"/>`)},
		"rebound prefixes": {[]byte(strings.Replace(string(wide), " entity", " xmlns:q='u' entity", 1)), many(`<p:replace sel="*/namespace::q">urn:q</p:replace>`)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			got, err := diff.Apply(tt.doc, tt.update)
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if err == nil && len(got) > diff.MaxSize {
				t.Errorf("%d octets", len(got))
			}
			t.Logf("%d octets, %v", len(got), err)
		})
	}
}

// TestHostileCreate times documents with nothing in common.
func TestHostileCreate(t *testing.T) {
	a, b := fill(open, "<a/>", shut, diff.MaxSize-200), fill(open, "<b/>", shut, diff.MaxSize-200)
	c := fill(open, "<a b=''>x</a>", shut, diff.MaxSize-200)
	for _, pair := range [][2][]byte{{a, b}, {a, c}, {c, b}} {
		start := time.Now()
		if _, err := diff.Create(pair[0], pair[1]); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	}
}

// TestLimits: each limit at its value and one beyond.
func TestLimits(t *testing.T) {
	text := func(n int) []byte { return fill(open+"<z>", "x", "</z>"+shut, n) }
	update := head + `<p:add sel="*/z">12345</p:add>` + tail
	if got, err := diff.Apply(text(diff.MaxSize-5), []byte(update)); len(got) != diff.MaxSize {
		t.Errorf("at the limit: %d octets, %v", len(got), err)
	}
	for _, n := range []int{diff.MaxSize - 4, diff.MaxSize + 1} {
		if got, err := diff.Apply(text(n), []byte(update)); got != nil || err == nil {
			t.Errorf("beyond the limit: %d octets, %v", len(got), err)
		}
	}
	if _, err := diff.Parse(fill(head, " ", tail, diff.MaxSize)); err != nil {
		t.Error(err)
	}
	if u, err := diff.Parse(fill(head, " ", tail, diff.MaxSize+1)); u != nil || err == nil {
		t.Errorf("got %v, %v", u, err)
	}
	ops := func(n int) []byte { return []byte(head + strings.Repeat(`<p:add sel="*/z"/>`, n) + tail) }
	if _, err := diff.Apply([]byte(base), ops(diff.MaxOps)); err != nil {
		t.Error(err)
	}
	_, err := diff.Apply([]byte(base), ops(diff.MaxOps+1))
	if x, ok := errors.AsType[*diff.Error](err); !ok || x.Msg != "too many operations" {
		t.Errorf("got %v", err)
	}
	deep := []byte(open + strings.Repeat("<a>", 31) + strings.Repeat("</a>", 31) + shut)
	sel := strings.Repeat("*/", 31) + "*"
	got, err := diff.Apply(deep, []byte(head+`<p:add sel="`+sel+`"><a/></p:add>`+tail))
	if x, ok := errors.AsType[*diff.Error](err); got != nil || !ok || !strings.Contains(x.Msg, "nested too deeply") {
		t.Errorf("got %s, %v", got, err)
	}
}
