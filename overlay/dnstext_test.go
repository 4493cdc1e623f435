package overlay

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// R3861-8-label-syntax: a label begins with an underscore, and what follows is a
// name of letters, digits and inner hyphens with at least one letter, of at most
// 63 octets in all (RFC 2782, RFC 3861 section 8). R3861-3-protocol-label: the
// document says the same label.
func TestLabels(t *testing.T) {
	doc, err := os.ReadFile("../doc/spec/dns.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{protoLabel, textLabel, "_im", "_pres"} {
		name, ok := strings.CutPrefix(label, "_")
		const letters = "abcdefghijklmnopqrstuvwxyz"
		if !ok || name == "" || len(label) > 63 || name[0] == '-' || name[len(name)-1] == '-' ||
			strings.Trim(name, letters+"0123456789-") != "" || !strings.ContainsAny(name, letters) {
			t.Errorf("%q is no label", label)
		}
		if !strings.Contains(string(doc), "`"+label+"`") {
			t.Errorf("doc/spec/dns.md does not speak of %s", label)
		}
	}
	for _, template := range []string{"Instant Messaging SRV Protocol Label registry", "Presence SRV Protocol Label registry"} { // R3861-8-registries
		if !strings.Contains(string(doc), template) {
			t.Errorf("doc/spec/dns.md has no template for the %s", template)
		}
	}
}

// The example in the document is what ZoneRecords prints, for known keys.
func TestDocumentedRecords(t *testing.T) {
	doc, err := os.ReadFile("../doc/spec/dns.md")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := ZoneRecords("example.com", publicKey(1), []ZoneTarget{{Host: "chat.example.com", Peers: []string{peerID(t, 2).String()}}})
	if err != nil {
		t.Fatal(err)
	}
	if example := "    " + strings.Join(lines, "\n    ") + "\n"; !strings.Contains(string(doc), example) {
		t.Errorf("doc/spec/dns.md lacks\n%s", example)
	}
}

func TestZoneName(t *testing.T) {
	label := strings.Repeat("a", 63)
	for s, want := range map[string]string{
		"example.com":        "example.com",
		"EXAMPLE.Com.":       "example.com",
		"xn--bcher-kva.test": "xn--bcher-kva.test",
		"1.2.3.a":            "1.2.3.a",
		"a.alto":             "a.alto",
		label + ".test":      label + ".test",
		strings.Repeat("a.", domainLimit/2-1) + "aa":  strings.Repeat("a.", domainLimit/2-1) + "aa",
		strings.Repeat("a.", domainLimit/2-1) + "aaa": "",
	} {
		if got, ok := zoneName(s); got != want || ok != (want != "") {
			t.Errorf("%.80q: got %q, %v, want %q", s, got, ok, want)
		}
	}
	if n := len("_pres." + protoLabel + "." + strings.Repeat("a", domainLimit) + "."); n > 254 {
		t.Errorf("the labels make %d octets of the longest domain", n)
	}
}

func FuzzParseText(f *testing.F) {
	k, p := named(f, 1), peerID(f, 1).String()
	for _, s := range []string{
		"", "v=kith1", "v=kith1; k=" + k, "v=kith1;p=" + p + ";p=" + p, " v=kith1 ;; = ;k= " + k + " ; x=y", "v=kith1; k=" + k[:61],
		"v=kith1; k=%6b" + k[1:], "v=kith1; k=" + k + "; k=" + named(f, 2), "v=kith10; k=x", "v=spf1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := parseText(s)
		if err != nil {
			if text.key != nil || text.peers != nil {
				t.Fatalf("got %+v with %v", text, err)
			}
			return
		}
		if len(text.peers) > targetPeers {
			t.Fatalf("%d devices", len(text.peers))
		}
		written := textMark
		if text.key != nil {
			name, err := keyName(text.key)
			if err != nil {
				t.Fatal(err)
			}
			written += "; k=" + name
		}
		for _, id := range text.peers {
			written += "; p=" + id.String()
		}
		again, err := parseText(written)
		if err != nil || !again.key.Equal(text.key) || !slices.Equal(again.peers, text.peers) {
			t.Fatalf("wrote %q, got %+v, %v, want %+v", written, again, err, text)
		}
	})
}

func FuzzZoneName(f *testing.F) {
	for _, s := range []string{"example.com", "A.B.", "a..b", "192.0.2.1", "k.kith.alt", "\u212a.test", strings.Repeat("a.", 130)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := zoneName(s)
		if !ok {
			if name != "" {
				t.Fatalf("got %q, refused", name)
			}
			return
		}
		if again, ok := zoneName(name); !ok || again != name || !strings.EqualFold(strings.TrimSuffix(s, "."), name) {
			t.Fatalf("%q became %q, then %q", s, name, again)
		}
	})
}
