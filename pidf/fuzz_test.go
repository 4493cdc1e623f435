package pidf_test

import (
	"errors"
	"testing"

	"github.com/kith-im/kith/pidf"
)

// FuzzParse: no panic; nil with an error; what is accepted and can be written
// is stable, and ParseLenient accepts it too.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := pidf.Parse(doc)
		if err != nil {
			if _, ok := errors.AsType[*pidf.SyntaxError](err); p != nil || !ok {
				t.Fatalf("got %v, %v", p, err)
			}
			return
		}
		checkStable(t, p)
		if _, err := pidf.ParseLenient(doc); err != nil {
			t.Fatalf("ParseLenient refuses what Parse accepts: %v", err)
		}
		for _, e := range elements(p) {
			e.Understood(func(_, name string) bool { return name == "x" })
		}
	})
}

// FuzzParseLenient: no panic; nil with an error; what can be written is valid
// for the strict reader and stable.
func FuzzParseLenient(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := pidf.ParseLenient(doc)
		if (p == nil) == (err == nil) {
			t.Fatalf("got %v, %v", p, err)
		}
		if err == nil {
			checkStable(t, p)
		}
	})
}
