package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kith-im/kith/identity"
)

func address(t *testing.T, local string) identity.Address {
	t.Helper()
	keys, err := identity.ParseAddress(local + "@example.org")
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestDecide(t *testing.T) {
	bob := address(t, "bob")
	for _, test := range []struct {
		rules string
		is    Relation
		what  Action
		want  Decision
	}{
		{Default, Contact, Watch, Allow},
		{Default, Contact, Fetch, Allow},
		{Default, Contact, Send, Allow},
		{Default, Stranger, Watch, Ask},
		{Default, Stranger, Fetch, Deny},
		{Default, Stranger, Send, Deny},
		{"", Contact, Send, Deny},
		{"allow anyone send", Stranger, Send, Allow},
		{"allow anyone send\ndeny im:bob@example.org send", Contact, Send, Deny},
		{"deny bob@example.org send\nallow anyone send", Contact, Send, Allow},
		{"# comment\n\n  allow   contacts\twatch send  ", Contact, Fetch, Deny},
		{"allow pres:alice@example.org watch", Contact, Watch, Deny},
	} {
		r, err := Parse(test.rules)
		if err != nil {
			t.Errorf("%q: %v", test.rules, err)
			continue
		}
		if got := r.Decide(bob, test.is, test.what); got != test.want {
			t.Errorf("%q: relation %v, action %v: got %v, want %v", test.rules, test.is, test.what, got, test.want)
		}
	}
	var none Rules
	if none.Decide(bob, Contact, Watch) != Deny {
		t.Error("no rules do not deny")
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"allow contacts":                                  "line 1: a rule needs",
		"\nmaybe contacts send":                           "line 2: \"maybe\"",
		"allow friends send":                              "not contacts, strangers, anyone or an address",
		"allow contacts talk":                             "\"talk\" is not",
		"ask strangers watch send":                        "only watch can be asked for",
		strings.Repeat("allow anyone send\n", MaxRules+1): "more than",
	} {
		r, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || r != nil {
			t.Errorf("%.40q: got %v, %v; want an error with %q", text, r, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Default)
	f.Add("deny im:a@example.org send")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if (r == nil) == (err == nil) {
			t.Errorf("got %v, %v", r, err)
		}
	})
}

func ExampleParse() {
	rules, err := Parse("allow contacts watch fetch send\nask strangers watch\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	who, _ := identity.ParseAddress("im:bob@example.org")
	fmt.Println(rules.Decide(who, Stranger, Watch) == Ask)
	// Output: true
}
