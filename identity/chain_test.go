package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"
)

// forge makes a leaf below k's account like its signing leaf, after a change of the template.
func forge(t *testing.T, k *Keys, key any, change func(c *x509.Certificate)) *x509.Certificate {
	t.Helper()
	id, err := publicKeyID(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber:    serialNumber(id[:8]),
		Subject:         pkix.Name{OrganizationalUnit: []string{"signing"}},
		NotBefore:       testTime.Add(-time.Hour),
		NotAfter:        testTime.Add(signingLifetime),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		SubjectKeyId:    id[:],
		URIs:            sanURIs(k.Address()),
		ExtraExtensions: []pkix.Extension{{Id: oidScopes, Value: allScopes.marshal()}},
	}
	change(c)
	issued, err := issue(c, k.chain[0], key, k.account)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func TestCheckLeaf(t *testing.T) {
	k, mallory := mustNew(t, "alice"), mustNew(t, "alice")
	scopes := func(value ...byte) func(c *x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{{Id: oidScopes, Value: value}} }
	}
	for _, test := range []struct {
		name   string
		good   bool
		change func(c *x509.Certificate)
	}{
		{"as made", true, func(c *x509.Certificate) {}},
		{"mail address beside", true, func(c *x509.Certificate) { c.EmailAddresses = []string{"alice@example.com"} }},
		{"other URI beside", true, func(c *x509.Certificate) { c.URIs = append(c.URIs, &url.URL{Scheme: "sip", Opaque: "a@example.com"}) }},
		{"content commitment too", true, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageContentCommitment }},
		{"for mail", true, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }},
		{"skew within 10 minutes", true, func(c *x509.Certificate) { c.NotAfter = testTime.Add(-9 * time.Minute) }},
		{"one scope", true, scopes(0x03, 0x02, 0x06, 0x40)},
		{"unknown scope beside", true, scopes(0x03, 0x02, 0x01, 0xc2)},
		{"foreign SAN", false, func(c *x509.Certificate) { c.URIs = sanURIs(mallory.Address()) }},
		{"foreign SAN beside", false, func(c *x509.Certificate) { c.URIs = append(c.URIs, sanURIs(mallory.Address())...) }},
		{"im only", false, func(c *x509.Certificate) { c.URIs = c.URIs[:1] }},
		{"no SAN", false, func(c *x509.Certificate) { c.URIs = nil }},
		{"SAN in upper case", false, func(c *x509.Certificate) { c.URIs[0].Opaque = "ALICE@" + k.Address().Domain() }},
		{"expired", false, func(c *x509.Certificate) { c.NotAfter = testTime.Add(-11 * time.Minute) }},
		{"not yet valid", false, func(c *x509.Certificate) { c.NotBefore = testTime.Add(11 * time.Minute) }},
		{"no scopes", false, func(c *x509.Certificate) { c.ExtraExtensions = nil }},
		{"empty scopes", false, scopes(0x03, 0x01, 0x00)},
		{"scopes not DER", false, scopes(0x03, 0x02, 0x00, 0x40)},
		{"scopes malformed", false, scopes(0x04, 0x01, 0x00)},
		{"sealing usage", false, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }},
		{"both usages", false, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyAgreement }},
		{"no usage", false, func(c *x509.Certificate) { c.KeyUsage = 0 }},
		{"certificate authority", false, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }},
		{"for servers", false, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
		{"key identifier of another key", false, func(c *x509.Certificate) { c.SubjectKeyId = mallory.device[:] }},
		{"unknown critical extension", false, func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}},
		{"name constraints", false, func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.com"} }},
		{"too large", false, func(c *x509.Certificate) { c.Subject.CommonName = string(make([]byte, maxCertificate)) }},
	} {
		key, err := generateKey()
		if err != nil {
			t.Fatal(err)
		}
		leaf := forge(t, k, &key.PublicKey, test.change)
		_, err = checkLeaf(leaf, k.chain[0], k.Address(), signingUse, testTime)
		if (err == nil) != test.good {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	leaf := k.signing.certificate
	if _, err := checkLeaf(leaf, mallory.chain[0], k.Address(), signingUse, testTime); err == nil {
		t.Error("leaf accepted below another account of the same name")
	}
	if _, err := checkLeaf(leaf, k.chain[0], k.Address(), sealingUse, testTime); err == nil {
		t.Error("signing certificate accepted for sealing")
	}
	if _, err := checkLeaf(leaf, k.chain[0], k.Address(), signingUse, testTime.Add(2*signingLifetime)); !errors.Is(err, ErrExpired) {
		t.Errorf("expired leaf: %v", err)
	}
}

func TestCheckLeafKeys(t *testing.T) {
	k := mustNew(t, "alice")
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{"Ed25519": edwards, "RSA 2048": &large.PublicKey} {
		signing := forge(t, k, key, func(c *x509.Certificate) {})
		if _, err := checkLeaf(signing, k.chain[0], k.Address(), signingUse, testTime); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		sealing := forge(t, k, key, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })
		if _, err := checkLeaf(sealing, k.chain[0], k.Address(), sealingUse, testTime); err == nil {
			t.Errorf("%s accepted for sealing", name)
		}
	}
}

func TestScopes(t *testing.T) {
	for s := range allScopes + 1 {
		got, err := parseScopes(s.marshal())
		if err != nil || got != s {
			t.Errorf("scopes %04b: %04b, %v", s, got, err)
		}
	}
	if !allScopes.Has(ScopeSend|ScopeRead) || ScopeSend.Has(ScopeSend|ScopeRead) {
		t.Error("Has")
	}
}

// domainCA is a community that certifies its members.
type domainCA struct {
	key         ed25519.PrivateKey
	certificate *x509.Certificate
	name        Address // of any member, for the domain
}

func newDomain(t *testing.T, local string, change func(c *x509.Certificate)) domainCA {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAddress(local, public)
	if err != nil {
		t.Fatal(err)
	}
	id, err := publicKeyID(public)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serialNumber(id[:8]), Subject: pkix.Name{CommonName: "community"}, NotBefore: testTime.Add(-time.Hour), NotAfter: noExpiry,
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLen: 1, SubjectKeyId: id[:],
	}
	change(template)
	c, err := issue(template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return domainCA{private, c, a}
}

// member makes the keys of a member for the address a.
func (d domainCA) member(t *testing.T, a Address) *Keys {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := accountCertificate(a, public, d.certificate, d.key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newDevice(a, private, []*x509.Certificate{c, d.certificate}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDomainChain(t *testing.T) {
	domain := newDomain(t, "bob", func(*x509.Certificate) {})
	bob := domain.member(t, domain.name)
	card := mustCard(t, bob, 1)
	if again, err := ParseSignedCard(card.Bytes(), nil); err != nil || len(again.Card().chain) != 2 {
		t.Fatalf("card below a domain: %v", err)
	}
	if len(card.Records()) != 2*slotsPerDay {
		t.Errorf("%d records", len(card.Records()))
	}
	signed, err := bob.Sign(Entity{Type: "text/plain", Body: []byte("hello")}, true, testTime)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Verify(signed, Known{}, testTime)
	if err != nil || opened.From != domain.name || opened.Sealing == nil {
		t.Errorf("signed below a domain: %v", err)
	}
	bare, err := bob.Sign(Entity{Type: "text/plain", Body: []byte("hello")}, false, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(bare, card.Card().Known(), testTime); err != nil {
		t.Errorf("signed below a domain, card known: %v", err)
	}

	other := newDomain(t, "bob", func(*x509.Certificate) {})
	for name, chain := range map[string][]*x509.Certificate{
		"none":                    nil,
		"account alone":           bob.chain[:1],
		"domain alone":            bob.chain[1:],
		"three":                   append(slices.Clone(bob.chain), domain.certificate),
		"other domain":            {bob.chain[0], other.certificate},
		"account of other domain": {other.member(t, domain.name).chain[0], domain.certificate},
		"wrong order":             {bob.chain[1], bob.chain[0]},
		"domain twice":            {bob.chain[1], bob.chain[1]},
	} {
		if err := checkAuthorities(chain, domain.name, keyOf(domain.name), testTime); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, change := range map[string]func(c *x509.Certificate){
		"path length 0": func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true },
		"no authority":  func(c *x509.Certificate) { c.IsCA, c.MaxPathLen = false, 0 },
		"cannot sign":   func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature },
		"expired":       func(c *x509.Certificate) { c.NotAfter = testTime.Add(-time.Hour) },
	} {
		bad := newDomain(t, "bob", change)
		bobby := bad.member(t, bad.name)
		if err := checkAuthorities(bobby.chain, bad.name, keyOf(bad.name), testTime); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestMemberActsAsDomain: a member is an authority for devices, and must not become one for other members.
func TestMemberActsAsDomain(t *testing.T) {
	domain := newDomain(t, "bob", func(*x509.Certificate) {})
	bob := domain.member(t, domain.name)
	alice, err := NewAddress("alice", domain.certificate.PublicKey.(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	forged := &Keys{address: alice, chain: bob.chain, account: bob.account, device: bob.device, signing: bob.signing, sealing: bob.sealing}
	key := bob.signing.key
	forged.signing.certificate, err = forged.certify(leafTemplate{&key.PublicKey, signingUse, allScopes, nil, testTime.Add(-time.Hour), testTime.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if signed, err := forged.Sign(Entity{Type: "text/plain"}, true, testTime); err != nil {
		t.Fatal(err)
	} else if o, err := Verify(signed, Known{}, testTime); err == nil {
		t.Errorf("bob speaks for %s", o.From)
	}
	if _, err := forged.SignCard(CardDraft{Serial: 1}, testTime); err == nil {
		t.Error("bob makes a card for alice")
	}
	below, err := accountCertificate(alice, bob.transport.Public().(ed25519.PublicKey), bob.chain[0], bob.account)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkAuthorities([]*x509.Certificate{below, bob.chain[0]}, alice, keyOf(alice), testTime); err == nil {
		t.Error("bob certifies alice's account")
	}
}

// keyOf gives the key that an overlay domain names.
func keyOf(a Address) ed25519.PublicKey {
	key, _ := a.DomainKey()
	return key
}
