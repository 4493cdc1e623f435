package cms_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"log"
	"math/big"
	"time"

	"github.com/kith-im/kith/identity/cms"
)

// newKey makes a P-256 key with a self-signed certificate; in kith an account
// issues it.
func newKey(id string, usage x509.KeyUsage) (*ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), SubjectKeyId: []byte(id), KeyUsage: usage}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	return key, cert
}

// Alice signs and then seals; Bob opens and then verifies.
func Example() {
	aliceKey, alice := newKey("alice's phone", x509.KeyUsageDigitalSignature)
	bobKey, bob := newKey("bob's laptop", x509.KeyUsageKeyAgreement)

	signed, err := cms.Sign([]byte("Hello, Bob."), nil, cms.Signer{Certificate: alice, Key: aliceKey}, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	sealed, err := cms.SealTo(signed, nil, []*x509.Certificate{bob})
	if err != nil {
		log.Fatal(err)
	}

	s, err := cms.ParseSealed(sealed)
	if err != nil {
		log.Fatal(err)
	}
	key, err := bobKey.ECDH()
	if err != nil {
		log.Fatal(err)
	}
	opened, _, err := s.Open(bob, key)
	if err != nil {
		log.Fatal(err)
	}
	message, err := cms.ParseSigned(opened)
	if err != nil {
		log.Fatal(err)
	}
	if err := message.Verify(alice); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("for %s: %s\n", s.KeyIDs()[0], message.Content)
	// Output: for bob's laptop: Hello, Bob.
}
