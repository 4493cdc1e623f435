package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrExpired tells that a certificate was not valid at the time asked about, or that a record is too old or from the future.
var ErrExpired = errors.New("not valid at this time")

// maxCertificate is the largest certificate looked at, in octets; kith's own have about 500.
const maxCertificate = 4 << 10

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// leafUse is what a device certificate is for.
type leafUse int

const (
	signingUse leafUse = iota
	sealingUse
)

func (u leafUse) String() string {
	if u == sealingUse {
		return "sealing"
	}
	return "signing"
}

// claimedDomainKey gives the key of the domain of an address, as far as one's own certificates need it: the one that an overlay domain names; of a DNS
// domain the one that the chain, which comes from the person themselves, ends with. Others ask its zone.
func claimedDomainKey(a Address, chain []*x509.Certificate) (ed25519.PublicKey, error) {
	if key, ok := a.DomainKey(); ok {
		return key, nil
	}
	if key, ok := chain[len(chain)-1].PublicKey.(ed25519.PublicKey); ok {
		return key, nil
	}
	return nil, errors.New("domain key is not Ed25519")
}

// checkAuthorities verifies the chain above the devices: the account certificate and, if the account key is not the key of the domain of the address,
// the domain certificate. It is with checkLeaf the only place where kith decides that a certificate speaks for an address.
func checkAuthorities(chain []*x509.Certificate, a Address, domainKey ed25519.PublicKey, at time.Time) error {
	if len(chain) < 1 || len(chain) > 2 {
		return fmt.Errorf("chain of %d certificates", len(chain))
	}
	account, top := chain[0], chain[len(chain)-1]
	if !isKey(top, domainKey) {
		return errors.New("chain does not end in the key of the domain")
	}
	if len(chain) == 2 && isKey(account, domainKey) {
		return errors.New("domain certificate above the domain key itself")
	}
	if !namesOnly(account, a) {
		return fmt.Errorf("account certificate does not name %s", a)
	}
	for i, c := range chain {
		issuer := chain[min(i+1, len(chain)-1)]
		if err := checkCertificate(c, issuer, at); err != nil {
			return fmt.Errorf("%s certificate: %w", [2]string{"account", "domain"}[i], err)
		}
		if !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0 {
			return errors.New("issuer is not a certificate authority")
		}
		if c.MaxPathLen >= 0 && c.MaxPathLen < i {
			return errors.New("path too long for the domain certificate")
		}
	}
	if _, ok := account.PublicKey.(ed25519.PublicKey); !ok {
		return errors.New("account key is not Ed25519")
	}
	return nil
}

// checkLeaf verifies a device certificate below an account certificate that passed checkAuthorities for the same address and time, and
// gives its scopes.
func checkLeaf(leaf, account *x509.Certificate, a Address, use leafUse, at time.Time) (Scopes, error) {
	scopes, err := func() (Scopes, error) {
		if leaf.IsCA {
			return 0, errors.New("is a certificate authority")
		}
		if !namesOnly(leaf, a) {
			return 0, fmt.Errorf("does not name %s", a)
		}
		if err := checkUse(leaf, use); err != nil {
			return 0, err
		}
		scopes, err := leafScopes(leaf)
		if err != nil {
			return 0, err
		}
		return scopes, checkCertificate(leaf, account, at)
	}()
	if err != nil {
		return 0, fmt.Errorf("%s certificate: %w", use, err)
	}
	return scopes, nil
}

// checkCertificate holds one certificate to what all of them must satisfy: size, validity, key identifier, no critical extension that
// this package does not enforce, and the issuer's signature.
func checkCertificate(c, issuer *x509.Certificate, at time.Time) error {
	if len(c.Raw) > maxCertificate {
		return fmt.Errorf("larger than %d octets", maxCertificate)
	}
	if len(c.UnhandledCriticalExtensions) > 0 {
		return fmt.Errorf("unknown critical extension %v", c.UnhandledCriticalExtensions[0])
	}
	for _, extension := range c.Extensions {
		if extension.Id.Equal(oidNameConstraints) {
			return errors.New("name constraints are not part of the profile")
		}
	}
	if !validAt(c, at) {
		return ErrExpired
	}
	id, err := keyID(c.RawSubjectPublicKeyInfo)
	if err != nil {
		return err
	}
	if !bytes.Equal(id[:], c.SubjectKeyId) {
		return errors.New("subject key identifier is not that of the key (RFC 7093)")
	}
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) || len(c.RawIssuer) <= 2 {
		return errors.New("names another issuer")
	}
	if err := c.CheckSignatureFrom(issuer); err != nil {
		return errors.New("not signed by its issuer")
	}
	return nil
}

// checkUse compares the kind of key, the key usage and the extended key usage, if there is one, with the purpose.
func checkUse(c *x509.Certificate, use leafUse) error {
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	good := c.KeyUsage == x509.KeyUsageKeyAgreement
	if use == signingUse {
		good = c.KeyUsage&x509.KeyUsageDigitalSignature != 0 && c.KeyUsage&^signs == 0
	}
	if !good {
		return fmt.Errorf("key usage is not for %s", use)
	}
	switch key := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		good = key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		good = use == signingUse
	case *rsa.PublicKey:
		good = use == signingUse && key.N.BitLen() >= 2048
	default:
		good = false
	}
	if !good {
		return errors.New("kind of key outside the profile")
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageEmailProtection) {
		return nil
	}
	return errors.New("extended key usage is not for messages")
}

// leafScopes reads the scopes extension, which must be there and not empty.
func leafScopes(c *x509.Certificate) (Scopes, error) {
	for _, extension := range c.Extensions {
		if !extension.Id.Equal(oidScopes) {
			continue
		}
		scopes, err := parseScopes(extension.Value)
		if err == nil && scopes == 0 {
			err = errors.New("no scope")
		}
		return scopes, err
	}
	return 0, errors.New("no scopes extension")
}

// leafTuples reads the extension that limits a device to some tuples; nil if there is none.
func leafTuples(c *x509.Certificate) ([]string, error) {
	for _, extension := range c.Extensions {
		if extension.Id.Equal(oidTuples) {
			return parseTuples(extension.Value)
		}
	}
	return nil, nil
}

// namesOnly tells whether c has the canonical im: and pres: URIs of a and of nobody else. Names of other schemes, such as mail addresses, may
// stand beside them (RFC 3859, 4).
func namesOnly(c *x509.Certificate, a Address) bool {
	var im, pres bool
	for _, uri := range c.URIs {
		switch s := uri.String(); s {
		case a.IM():
			im = true
		case a.Pres():
			pres = true
		default:
			if scheme, _ := cutScheme(s); scheme != "" {
				return false
			}
		}
	}
	return im && pres
}

// certifiedAddress gives the address that c claims, by its first im: URI; a claim only.
func certifiedAddress(c *x509.Certificate) (Address, error) {
	for _, uri := range c.URIs {
		if s := uri.String(); strings.HasPrefix(s, "im:") {
			return ParseAddress(s)
		}
	}
	return Address{}, errors.New("certificate names no im: address")
}

// findChain picks from loose certificates the account and domain certificates above leaf and verifies them. Certificates that came with an object
// are hints that anybody may have added, so every candidate gets its try.
func findChain(leaf *x509.Certificate, loose []*x509.Certificate, a Address, domainKey ed25519.PublicKey, at time.Time) ([]*x509.Certificate, error) {
	problem := fmt.Errorf("account: %w", ErrUnknownSigner)
	try := func(chain ...*x509.Certificate) []*x509.Certificate {
		err := checkAuthorities(chain, a, domainKey, at)
		if err == nil {
			_, err = checkLeaf(leaf, chain[0], a, signingUse, at)
		}
		if err != nil {
			problem = err
			return nil
		}
		return chain
	}
	for _, account := range loose {
		if !account.IsCA || !bytes.Equal(account.RawSubject, leaf.RawIssuer) {
			continue
		}
		if isKey(account, domainKey) {
			if chain := try(account); chain != nil {
				return chain, nil
			}
			continue
		}
		for _, domain := range loose {
			if isKey(domain, domainKey) && bytes.Equal(domain.RawSubject, account.RawIssuer) {
				if chain := try(account, domain); chain != nil {
					return chain, nil
				}
			}
		}
	}
	return nil, problem
}

func validAt(c *x509.Certificate, at time.Time) bool {
	return !at.Before(c.NotBefore.Add(-clockSkew)) && !at.After(c.NotAfter.Add(clockSkew))
}

func isKey(c *x509.Certificate, key ed25519.PublicKey) bool {
	certified, ok := c.PublicKey.(ed25519.PublicKey)
	return ok && certified.Equal(key)
}
