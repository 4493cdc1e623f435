package identity

import (
	"crypto/x509"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/kith-im/kith/identity/cms"
)

// R3859-4-subjectaltname, R3860-4-subjectaltname: every certificate that travels beside a signature, for the account, for signing and for sealing, has the
// im: and the pres: URI of its subject. R3859-4-other-identifiers, R3860-4-other-identifiers: names of other kinds may stand beside them, and speak for
// nobody.
func TestNamesInCertificates(t *testing.T) {
	k, mallory := mustNew(t, "alice"), mustNew(t, "mallory")
	raw, err := k.WriteMultipartSigned(message("hello"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMultipartSigned(raw)
	if err != nil || len(m.parsed.Certificates) < 3 {
		t.Fatalf("%v, or fewer than 3 certificates", err)
	}
	for _, c := range m.parsed.Certificates {
		if len(c.URIs) != 2 || c.URIs[0].String() != k.Address().IM() || c.URIs[1].String() != k.Address().Pres() {
			t.Errorf("%v: names %v", c.Subject, c.URIs)
		}
	}
	for _, test := range []struct {
		name   string
		good   bool
		change func(c *x509.Certificate)
	}{
		{"both", true, func(*x509.Certificate) {}},
		{"mail and sip beside", true, func(c *x509.Certificate) {
			c.EmailAddresses = []string{"alice@example.com"}
			c.URIs = append(c.URIs, &url.URL{Scheme: "sip", Opaque: "alice@example.com"})
		}},
		{"only mail", false, func(c *x509.Certificate) { c.URIs, c.EmailAddresses = nil, []string{"alice@example.com"} }},
		{"without im:", false, func(c *x509.Certificate) { c.URIs = c.URIs[1:] }},
		{"without pres:", false, func(c *x509.Certificate) { c.URIs = c.URIs[:1] }},
		{"of another", false, func(c *x509.Certificate) { c.URIs = sanURIs(mallory.Address()) }},
		{"of another beside", false, func(c *x509.Certificate) { c.URIs = append(c.URIs, sanURIs(mallory.Address())...) }},
	} {
		key, err := generateKey()
		if err != nil {
			t.Fatal(err)
		}
		leaf := forge(t, k, key.Public(), test.change)
		part, err := message("hello").Marshal()
		if err != nil {
			t.Fatal(err)
		}
		signature, err := cms.SignDetached(part, cms.Signer{Certificate: leaf, Key: key, Include: append(slices.Clone(k.chain), leaf)}, testTime)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseMultipartSigned(marshalMultipart(part, signature, "sha-256"))
		if err != nil {
			t.Fatal(err)
		}
		o, err := m.Verify(Known{}, testTime)
		if (err == nil) != test.good || test.good && o.From != k.Address() || !test.good && o != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestOpenSSLNames has openssl read the same names.
func TestOpenSSLNames(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: nobody referees the names in certificates")
	}
	dir := t.TempDir()
	k := mustNew(t, "alice")
	writeForOpenSSL(t, dir, k)
	for _, file := range []string{"account.pem", "signing.pem", "sealing.pem"} {
		out, err := openssl(t, dir, "x509", "-in", file, "-noout", "-ext", "subjectAltName")
		if want := "URI:" + k.Address().IM() + ", URI:" + k.Address().Pres(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %s%v, want %s", file, out, err, want)
		}
	}
}
