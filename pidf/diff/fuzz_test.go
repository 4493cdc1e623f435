package diff_test

import (
	"errors"
	"testing"

	"github.com/kith-im/kith/pidf/diff"
)

// FuzzApply: no panic; nil with an error that names a code and a line; what
// comes out is a document again, to which an update without operations does
// nothing.
func FuzzApply(f *testing.F) {
	full := file(f, "rfc5262-6-full")
	f.Add(full, file(f, "rfc5262-6-diff"))
	f.Add([]byte(base), full)
	for _, ops := range []string{
		`<p:add sel="*/z" type="@x:k">1</p:add>`, `<p:replace sel="*/tuple/comment()"><!--2--></p:replace>`,
		`<p:remove sel="*/tuple[@v='1&amp;2']/note[.='two']" ws="both"/>`, `<p:replace sel="*/x:e/namespace::y">urn:other</p:replace>`,
		`<p:add sel="/presence/*[3]/processing-instruction('go')" pos="before">]]<q xmlns=""/></p:add>`,
	} {
		f.Add([]byte(base), []byte(head+ops+tail))
	}
	f.Fuzz(func(t *testing.T, old, update []byte) {
		if same, err := diff.Apply(old, []byte(head+tail)); err == nil && string(same) != string(old) {
			t.Fatalf("nothing to do: got %s, want %s", same, old)
		}
		got, err := diff.Apply(old, update)
		if err != nil {
			if x, ok := errors.AsType[*diff.Error](err); got != nil || !ok || x.Code == "" || x.Line < 1 {
				t.Fatalf("got %s, %v", got, err)
			}
			return
		}
		again, err := diff.Apply(got, []byte(head+tail))
		if err != nil {
			if u, perr := diff.Parse(update); perr == nil && u.Full() {
				return // the content of a full document is the caller's to judge
			}
			t.Fatalf("%v: %s", err, got)
		}
		if string(again) != string(got) {
			t.Fatalf("got %s, want %s", again, got)
		}
	})
}

// FuzzCreate: for any two documents that Create takes, Apply leads from one to
// the other.
func FuzzCreate(f *testing.F) {
	f.Add(file(f, "rfc5262-6-full"), file(f, "rfc5262-6-result"))
	f.Add([]byte(base), []byte(`<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@example.com'><z/></presence>`))
	f.Fuzz(func(t *testing.T, old, new []byte) {
		update, err := diff.Create(old, new)
		if err != nil {
			if _, ok := errors.AsType[*diff.Error](err); update != nil || !ok {
				t.Fatalf("got %s, %v", update, err)
			}
			return
		}
		checkLeads(t, old, update, new)
	})
}
