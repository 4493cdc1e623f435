package identity

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// table reads a file of tab-separated lines.
func table(t testing.TB, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := s.Text(); line != "" && line[0] != '#' {
			rows = append(rows, strings.Split(line, "\t"))
		}
	}
	return rows
}

func TestParseAddress(t *testing.T) {
	for _, row := range table(t, "address-good.txt") {
		a, err := ParseAddress(row[0])
		if err != nil || a.String() != row[1] {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", row[0], a, err, row[1])
		}
		for _, s := range []string{a.IM(), a.Pres(), a.String()} {
			if again, err := ParseAddress(s); again != a {
				t.Errorf("ParseAddress(%q) = %q, %v; want %q", s, again, err, a)
			}
		}
	}
	for _, row := range table(t, "address-bad.txt") {
		if a, err := ParseAddress(row[0]); err == nil || !a.IsZero() {
			t.Errorf("ParseAddress(%q) = %q, want an error: %s", row[0], a, row[1])
		}
	}
}

func TestAddressLimits(t *testing.T) {
	for _, test := range []struct {
		name  string
		input string
		good  bool
	}{
		{"local 64", strings.Repeat("a", 64) + "@example.com", true},
		{"local 65", strings.Repeat("a", 65) + "@example.com", false},
		{"label 63", "a@" + strings.Repeat("b", 63) + ".com", true},
		{"label 64", "a@" + strings.Repeat("b", 64) + ".com", false},
		{"domain 253", "a@" + strings.Repeat("b.", 126) + "c", true},
		{"domain 255", "a@" + strings.Repeat("b.", 127) + "c", false},
		{"huge", strings.Repeat("%61", 1<<20) + "@example.com", false},
	} {
		if _, err := ParseAddress(test.input); (err == nil) != test.good {
			t.Errorf("%s: error %v", test.name, err)
		}
	}
}

func TestOverlayDomain(t *testing.T) {
	key := testAccount().Public().(ed25519.PublicKey)
	a, err := NewAddress("alice", key)
	if err != nil {
		t.Fatal(err)
	}
	if name, _, _ := strings.Cut(a.Domain(), "."); len(name) != keyNameLen || !strings.HasPrefix(name, "k51qzi5uqu5d") {
		t.Errorf("domain %s", a.Domain())
	}
	got, ok := a.DomainKey()
	if !ok || !got.Equal(key) {
		t.Errorf("DomainKey = %x, %v; want %x", got, ok, key)
	}
	if dns, _ := ParseAddress("a@example.com"); func() bool { _, ok := dns.DomainKey(); return ok }() {
		t.Error("a DNS domain has a key")
	}
	if short := a.Short(); !strings.HasPrefix(short, "alice@k51qzi…") || len([]rune(short)) != 6+6+1+4 {
		t.Errorf("Short = %q", short)
	}
	upper, err := ParseAddress("IM:alice@" + strings.ToUpper(a.Domain()))
	if err != nil || upper != a {
		t.Errorf("upper case: %v, %v", upper, err)
	}
}

// TestOverlayDomainPoints offers keys that would have several blinded forms or none.
func TestOverlayDomainPoints(t *testing.T) {
	good := testAccount().Public().(ed25519.PublicKey)
	for name, text := range map[string]string{
		"identity":               "0100000000000000000000000000000000000000000000000000000000000000",
		"order 2":                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 8":                "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"not canonical, y=p+1":   "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"not on the curve":       "0200000000000000000000000000000000000000000000000000000000000000",
		"prime order + order 2":  torsioned(t, good),
		"identity with sign bit": "0100000000000000000000000000000000000000000000000000000000000080",
	} {
		key, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := NewAddress("alice", key); err == nil {
			t.Errorf("%s: NewAddress = %s", name, a)
		}
		n := new(big.Int).SetBytes(append(keyNamePrefix[:], key...))
		if a, err := ParseAddress("alice@k" + n.Text(36) + overlaySuffix); err == nil {
			t.Errorf("%s: ParseAddress = %s", name, a)
		}
	}
	if _, err := NewAddress("alice", good[:31]); err == nil {
		t.Error("short key accepted")
	}
}

// torsioned adds the point of order 2 to a key: both coordinates change sign.
func torsioned(t *testing.T, key ed25519.PublicKey) string {
	t.Helper()
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	y := bytes.Clone(key)
	sign := y[31] & 0x80
	y[31] &^= 0x80
	reverse(y)
	y = new(big.Int).Sub(p, new(big.Int).SetBytes(y)).FillBytes(make([]byte, 32))
	reverse(y)
	y[31] |= sign ^ 0x80 // -x is odd where x is even
	return hex.EncodeToString(y)
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

func TestAddressText(t *testing.T) {
	var a Address
	if err := a.UnmarshalText([]byte("im:Fred@Example.COM")); err != nil || a.String() != "Fred@example.com" {
		t.Fatalf("%v, %v", a, err)
	}
	if err := a.UnmarshalText([]byte("nobody")); err == nil || a.String() != "Fred@example.com" {
		t.Errorf("bad text: %v, %v", a, err)
	}
	if err := a.UnmarshalText(nil); err != nil || !a.IsZero() {
		t.Errorf("empty text: %v, %v", a, err)
	}
	if text, err := a.MarshalText(); err != nil || len(text) != 0 {
		t.Errorf("zero address: %q, %v", text, err)
	}
}

func TestParseLink(t *testing.T) {
	fred, err := ParseAddress("fred@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		input string
		want  Link
		good  bool
	}{
		{"im:fred@example.com", Link{Scheme: "im", Address: fred}, true},
		{"im:fred@example.com?subject=hi&body=a%20b", Link{"im", fred, "hi", "a b"}, true},
		{"PRES:fred@example.com?a=1&b=2", Link{Scheme: "pres", Address: fred}, true},
		{"im:fred@example.com?SUBJECT=a=b", Link{"im", fred, "a=b", ""}, true},
		{"im:fred@example.com?body=%C3%A9%0D%0A", Link{"im", fred, "", "é\r\n"}, true},
		{"im:", Link{Scheme: "im"}, true},
		{"im:?subject=x", Link{Scheme: "im", Subject: "x"}, true},
		{"im:fred@example.com?", Link{}, false},
		{"im:fred@example.com?subject", Link{}, false},
		{"im:fred@example.com?subject=%0A", Link{}, false},
		{"im:fred@example.com?subject=a&subject=b", Link{}, false},
		{"im:fred@example.com?body=a b", Link{}, false},
		{"im:fred@example.com?body=<b>", Link{}, false},
		{"im:fred@example.com?body=\"", Link{}, false},
		{"im:fred@example.com?body=%ff", Link{}, false},
		{"im:fred@example.com?body=%00", Link{}, false},
		{"im:fred@example.com?body=x#y", Link{}, false},
		{"fred@example.com", Link{}, false},
		{"im:fred@example.com?body=" + strings.Repeat("a", maxLink), Link{}, false},
	} {
		got, err := ParseLink(test.input)
		if (err == nil) != test.good || !cmp.Equal(got, test.want, cmp.AllowUnexported(Address{})) {
			t.Errorf("ParseLink(%.80q) = %+v, %v; want %+v", test.input, got, err, test.want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, name := range []string{"address-good.txt", "address-bad.txt"} {
		for _, row := range table(f, name) {
			f.Add(row[0])
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			if !a.IsZero() {
				t.Fatalf("%q beside an error", a)
			}
			return
		}
		for _, form := range []string{a.String(), a.IM(), a.Pres()} {
			if again, err := ParseAddress(form); err != nil || again != a {
				t.Fatalf("%q: %q, %v; want %q", form, again, err, a)
			}
		}
		for _, uri := range sanURIs(a) {
			if scheme, rest := cutScheme(uri.String()); scheme == "" || rest != a.String() {
				t.Fatalf("as a URI: %q", uri)
			}
		}
	})
}

// TestURIs holds each of the two URIs of a principal to its purpose: im: names the inbox and pres: the presentity, nothing else names either, and both lead
// to one record and one account key.
//
// R3859-3.2-presentity-uri, R3859-3.2-watcher-uri, R3859-5.1-a, R3860-3.1-inbox-identifiers, R3860-3.2-im-uri, R3860-5.1-a, R2779-2.1.3
func TestURIs(t *testing.T) {
	fred := mustNew(t, "fred")
	a := fred.Address()
	for _, test := range []struct{ uri, scheme string }{{a.IM(), "im"}, {a.Pres(), "pres"}, {strings.ToUpper(a.IM()[:3]) + a.IM()[3:], "im"}} {
		link, err := ParseLink(test.uri)
		if err != nil || link.Scheme != test.scheme || link.Address != a {
			t.Errorf("%s: %+v, %v", test.uri, link, err)
		}
		typed, err := ParseAddress(test.uri)
		if err != nil {
			t.Fatal(err)
		}
		got, err := RecordKeys(Locator{Address: typed}, testTime)
		if err != nil {
			t.Fatal(err)
		}
		want, err := RecordKeys(Locator{Address: a}, testTime)
		if err != nil || got != want {
			t.Errorf("%s is found elsewhere: %v", test.uri, err)
		}
	}
	for _, scheme := range []string{"mailto:", "sip:", "xmpp:", "", "impp:"} {
		if link, err := ParseLink(scheme + a.String()); err == nil && link.Address == a {
			t.Errorf("%q names %+v", scheme, link)
		}
	}
	card := mustCard(t, fred, 1).Card()
	for _, c := range []*x509.Certificate{card.Account, card.Devices[0].Signing, card.Devices[0].Sealing} {
		if len(c.URIs) != 2 || c.URIs[0].String() != a.IM() || c.URIs[1].String() != a.Pres() {
			t.Errorf("certificate names %v", c.URIs)
		}
	}
}

// TestNextHop holds the first step of a look-up to what the domain says: an overlay domain has its own key, and of a DNS domain the zone must give it
// before anything is looked for.
//
// R3859-3.2.1-a, R3860-3.2.1-a, R3861-3-fqdn
func TestNextHop(t *testing.T) {
	overlay, err := NewAddress("fred", testDomain().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	dns := mustAddress(t, "fred@example.com")
	var unknown *UnknownDomainError
	if _, err := RecordKeys(Locator{Address: dns}, testTime); !errors.As(err, &unknown) || unknown.Domain != "example.com" {
		t.Errorf("a DNS domain without the word of its zone: %v", err)
	}
	named, err := RecordKeys(Locator{Address: overlay}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := RecordKeys(Locator{Address: dns, Domain: testDomain().Public().(ed25519.PublicKey)}, testTime)
	if err != nil || zone != named {
		t.Errorf("one key, two places: %v", err) // the slots depend on key and local part alone; what is in them, on the address
	}
	if _, err := RecordKeys(Locator{Address: overlay, Domain: testAccount().Public().(ed25519.PublicKey)}, testTime); err == nil {
		t.Error("a zone overrules the key in an overlay domain")
	}
}

// TestTwoIdentifiers gives one person an inbox and a presentity of different names, and neither needs the other: R2779-2.1.2.
func TestTwoIdentifiers(t *testing.T) {
	d := mustDomain(t, "", "")
	shop, sensor := mustMember(t, d, "shop"), mustMember(t, d, "sensor")
	for _, k := range []*Keys{shop, sensor} {
		names, _, err := k.NameRecords(testTime)
		if err != nil {
			t.Fatal(err)
		}
		found, err := OpenRecord(Locator{Address: k.Address()}, names[0].Key, names[0].Value, testTime)
		if err != nil || !k.accountKey().Equal(found.Name.Account) {
			t.Errorf("R2779-2.1.2: %s: %v", k.Address().Short(), err)
		}
	}
	if shop.accountKey().Equal(sensor.accountKey()) || shop.Address() == sensor.Address() {
		t.Error("R2779-2.1.2: one principal for two identifiers")
	}
	if _, err := d.Expire("sensor", testTime); err != nil {
		t.Fatal(err)
	}
	if card := mustCard(t, shop, 2); len(card.Records()) == 0 {
		t.Error("R2779-2.1.2: the inbox ended with the presentity")
	}
}
