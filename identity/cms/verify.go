package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // makes crypto.SHA256 available
	_ "crypto/sha512" // and crypto.SHA512
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Sizes of RSA moduli accepted, in bits: shorter ones are weak, longer ones
// make a receiver work for the sender.
const (
	minRSA = 2048
	maxRSA = 8192
)

// Signed is a SignedData object as read. Until Verify or VerifyDetached says
// nil, none of its fields can be believed.
type Signed struct {
	Type         asn1.ObjectIdentifier // eContentType, in both places where it stands
	Content      []byte                // nil if detached, otherwise the octets signed
	Certificates []*x509.Certificate   // what came along; never covered by the signature
	SigningTime  time.Time             // what the signer says, to the second; zero if absent

	signer    identifier
	scheme    scheme
	attrs     []byte // signed attributes as received, with their [0] tag
	digest    []byte // value of message-digest
	signature []byte
}

// scheme is a signature algorithm with its digest.
type scheme int

const (
	schemeECDSA   scheme = iota + 1 // ECDSA P-256 with SHA-256
	schemeEd25519                   // RFC 8419, SHA-512
	schemeRSA256                    // PKCS #1 v1.5 with SHA-256
	schemeRSA512                    // PKCS #1 v1.5 with SHA-512
)

// newScheme returns the scheme for a pair of algorithm identifiers, or 0.
func newScheme(digest, signature string) scheme {
	switch digest {
	case algSHA256, algSHA256NULL:
		switch signature {
		case algECDSA:
			return schemeECDSA
		case algRSA, algRSASHA256:
			return schemeRSA256
		}
	case algSHA512, algSHA512NULL:
		switch {
		case signature == algEd25519 && digest == algSHA512: // RFC 8419: no parameters
			return schemeEd25519
		case signature == algRSA || signature == algRSASHA512:
			return schemeRSA512
		}
	}
	return 0
}

// hash returns the digest algorithm of s.
func (s scheme) hash() crypto.Hash {
	if s == schemeEd25519 || s == schemeRSA512 {
		return crypto.SHA512
	}
	return crypto.SHA256
}

// ParseSigned reads a DER ContentInfo with SignedData. It demands exactly one
// signer and signed attributes with content-type and message-digest: a
// signature without attributes is refused, because the attributes of an honest
// signature could otherwise be passed off as content. Errors are ErrMalformed,
// ErrUnsupported and ErrTooLarge.
func ParseSigned(der []byte) (*Signed, error) {
	body, err := readContentInfo(der, oidSignedData)
	if err != nil {
		return nil, err
	}
	s := new(Signed)
	var version int
	var digests, encap, signers cryptobyte.String
	if !body.ReadASN1Integer(&version) || !body.ReadASN1(&digests, cbasn1.SET) ||
		!body.ReadASN1(&encap, cbasn1.SEQUENCE) {
		return nil, fault(ErrMalformed, "signed data")
	}
	typ, err := s.readContent(encap)
	if err != nil {
		return nil, err
	}
	if body.PeekASN1Tag(tagExplicit0) {
		if err := s.readCertificates(&body); err != nil {
			return nil, err
		}
	}
	if body.PeekASN1Tag(tagExplicit1) {
		return nil, fault(ErrUnsupported, "revocation lists")
	}
	if !body.ReadASN1(&signers, cbasn1.SET) || !body.Empty() {
		return nil, fault(ErrMalformed, "signer infos")
	}
	digest, err := s.readSignerInfo(signers, typ)
	if err != nil {
		return nil, err
	}
	// One signer has one digest algorithm. Section 5.1 lets a writer leave it out
	// here or add others; none that we met does.
	if string(digests) != digest {
		return nil, fault(ErrMalformed, "digest algorithms")
	}
	// RFC 5652 section 5.1, without the cases refused above.
	want := 1
	if s.signer.keyID != nil || typ != oidData {
		want = 3
	}
	if version != want {
		return nil, fault(ErrMalformed, "signed data of version %d", version)
	}
	return s, nil
}

// readContent reads the inside of EncapsulatedContentInfo (section 5.2).
func (s *Signed) readContent(in cryptobyte.String) (typ string, err error) {
	raw, oid, ok := readType(&in)
	if !ok {
		return "", fault(ErrMalformed, "content type")
	}
	s.Type = oid
	if in.Empty() {
		return string(raw), nil
	}
	var explicit, content cryptobyte.String
	if !in.ReadASN1(&explicit, tagExplicit0) || !in.Empty() ||
		!explicit.ReadASN1(&content, cbasn1.OCTET_STRING) || !explicit.Empty() {
		return "", fault(ErrMalformed, "content")
	}
	s.Content = content[:len(content):len(content)]
	return string(raw), nil
}

// readCertificates reads the certificates beside the signature. Their order is
// free: several writers do not sort them, and nothing is hashed over them.
func (s *Signed) readCertificates(body *cryptobyte.String) error {
	var set cryptobyte.String
	if !body.ReadASN1(&set, tagExplicit0) {
		return fault(ErrMalformed, "certificates")
	}
	for !set.Empty() {
		if len(s.Certificates) == MaxCertificates {
			return fault(ErrTooLarge, "more than %d certificates", MaxCertificates)
		}
		var raw cryptobyte.String
		var tag cbasn1.Tag
		if !set.ReadAnyASN1Element(&raw, &tag) {
			return fault(ErrMalformed, "certificates")
		}
		if tag != cbasn1.SEQUENCE {
			return fault(ErrUnsupported, "kind of certificate")
		}
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			return fault(ErrMalformed, "certificate: %v", err)
		}
		s.Certificates = append(s.Certificates, cert)
	}
	return nil
}

// readSignerInfo reads the inside of SignerInfos (section 5.3) and returns the
// digest algorithm as it stands there.
func (s *Signed) readSignerInfo(set cryptobyte.String, typ string) (digest string, err error) {
	var in, digestAlg, attrs, signatureAlg, signature cryptobyte.String
	var version int
	if set.Empty() {
		return "", fault(ErrUnsupported, "no signer")
	}
	if !set.ReadASN1(&in, cbasn1.SEQUENCE) || !in.ReadASN1Integer(&version) {
		return "", fault(ErrMalformed, "signer info")
	}
	if !set.Empty() {
		return "", fault(ErrUnsupported, "more than one signer")
	}
	var ok bool
	if s.signer, ok = readIdentifier(&in, tagContext0); !ok {
		return "", fault(ErrMalformed, "signer identifier")
	}
	want := 1
	if s.signer.keyID != nil {
		want = 3
	}
	if version != want {
		return "", fault(ErrMalformed, "signer info of version %d", version)
	}
	if !in.ReadASN1Element(&digestAlg, cbasn1.SEQUENCE) {
		return "", fault(ErrMalformed, "digest algorithm")
	}
	if !in.PeekASN1Tag(tagExplicit0) {
		return "", fault(ErrUnsupported, "signature without signed attributes")
	}
	if !in.ReadASN1Element(&attrs, tagExplicit0) || !in.ReadASN1Element(&signatureAlg, cbasn1.SEQUENCE) ||
		!in.ReadASN1(&signature, cbasn1.OCTET_STRING) {
		return "", fault(ErrMalformed, "signer info")
	}
	if in.PeekASN1Tag(tagExplicit1) {
		return "", fault(ErrUnsupported, "unsigned attributes")
	}
	if !in.Empty() {
		return "", fault(ErrMalformed, "signer info")
	}
	if s.scheme = newScheme(string(digestAlg), string(signatureAlg)); s.scheme == 0 {
		return "", fault(ErrUnsupported, "signature algorithm")
	}
	s.attrs, s.signature = attrs, signature
	return string(digestAlg), s.readSignedAttributes(typ)
}

// readSignedAttributes reads s.attrs and holds them to section 5.3.
func (s *Signed) readSignedAttributes(typ string) error {
	in := cryptobyte.String(s.attrs)
	var set cryptobyte.String
	if !in.ReadASN1(&set, tagExplicit0) {
		return fault(ErrMalformed, "signed attributes")
	}
	found, err := readAttributes(set)
	if err != nil {
		return err
	}
	if string(found.contentType) != typ {
		return fault(ErrMalformed, "content-type attribute absent or another type")
	}
	if len(found.messageDigest) != s.scheme.hash().Size() {
		return fault(ErrMalformed, "message-digest attribute of %d octets", len(found.messageDigest))
	}
	s.digest, s.SigningTime = found.messageDigest, found.signingTime
	return nil
}

// SignedBy reports whether the signature names cert as the signer's, by its
// subject key identifier or by issuer and serial number. It is a claim, to find
// the certificate by; only Verify proves it.
func (s *Signed) SignedBy(cert *x509.Certificate) bool {
	return s.signer.names(cert)
}

// SignerKeyID returns the subject key identifier by which the signature names its
// signer, 1 to MaxKeyID octets; nil if it names the signer by issuer and serial
// number. As with SignedBy, this is a claim.
func (s *Signed) SignerKeyID() []byte {
	return s.signer.keyID
}

// Hash returns the digest algorithm of the signature: crypto.SHA256 or
// crypto.SHA512.
func (s *Signed) Hash() crypto.Hash {
	return s.scheme.hash()
}

// Verify checks that the key in cert signed Content. It returns ErrSigner if
// the signature names another certificate or cert has a key usage without
// digital signatures (RFC 8550 section 4.4.2), ErrUnsupported if the kind of key
// does not fit the signature, and ErrSignature if content, attributes or
// signature were altered. Whether cert is valid and whose it is,
// the caller decides.
func (s *Signed) Verify(cert *x509.Certificate) error {
	if s.Content == nil {
		return fault(ErrUnsupported, "the content is detached")
	}
	return s.verify(s.Content, cert)
}

// VerifyDetached is [Signed.Verify] for content that came beside the object. An
// object that carries content itself is refused, so that no reader can confuse
// the two.
func (s *Signed) VerifyDetached(content []byte, cert *x509.Certificate) error {
	if s.Content != nil {
		return fault(ErrUnsupported, "the content is not detached")
	}
	return s.verify(content, cert)
}

func (s *Signed) verify(content []byte, cert *x509.Certificate) error {
	if !s.SignedBy(cert) {
		return fault(ErrSigner, "signer identifier")
	}
	if !maySign(cert) {
		return fault(ErrSigner, "key usage")
	}
	return s.verifyKey(cert, bytes.Equal(s.sum(content), s.digest))
}

// sum is the digest of what the parts make together.
func (s *Signed) sum(parts ...[]byte) []byte {
	h := s.scheme.hash().New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// verifyKey checks the signature over the received attributes, with the tag of
// a SET in front (RFC 5652 section 5.4). Intact says whether the content fits
// them.
func (s *Signed) verifyKey(cert *x509.Certificate, intact bool) error {
	setTag := []byte{byte(cbasn1.SET)}
	good := false
	switch pub := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if s.scheme != schemeECDSA || pub.Curve != elliptic.P256() {
			return fault(ErrUnsupported, "kind of key")
		}
		good = ecdsa.VerifyASN1(pub, s.sum(setTag, s.attrs[1:]), s.signature)
	case ed25519.PublicKey:
		if s.scheme != schemeEd25519 {
			return fault(ErrUnsupported, "kind of key")
		}
		good = ed25519.Verify(pub, slices.Concat(setTag, s.attrs[1:]), s.signature)
	case *rsa.PublicKey:
		if n := pub.N.BitLen(); s.scheme < schemeRSA256 || n < minRSA || n > maxRSA {
			return fault(ErrUnsupported, "kind of key")
		}
		good = rsa.VerifyPKCS1v15(pub, s.scheme.hash(), s.sum(setTag, s.attrs[1:]), s.signature) == nil
	default:
		return fault(ErrUnsupported, "kind of key")
	}
	if !good {
		return fault(ErrSignature, "attributes")
	}
	if !intact {
		return fault(ErrSignature, "content")
	}
	return nil
}

// identifier names a certificate: by keyID, or by issuer and serial.
type identifier struct {
	keyID  []byte
	issuer []byte // Name in DER
	serial *big.Int
}

// readIdentifier reads the choice of issuerAndSerialNumber or a key identifier
// that stands under keyTag.
func readIdentifier(in *cryptobyte.String, keyTag cbasn1.Tag) (identifier, bool) {
	var id identifier
	var part cryptobyte.String
	if in.PeekASN1Tag(keyTag) {
		ok := in.ReadASN1(&part, keyTag) && len(part) > 0 && len(part) <= MaxKeyID
		id.keyID = part
		return id, ok
	}
	var issuer cryptobyte.String
	id.serial = new(big.Int)
	ok := in.ReadASN1(&part, cbasn1.SEQUENCE) && part.ReadASN1Element(&issuer, cbasn1.SEQUENCE) &&
		part.ReadASN1Integer(id.serial) && part.Empty()
	id.issuer = issuer
	return id, ok
}

// names reports whether id is cert's. Names are compared octet by octet.
func (id identifier) names(cert *x509.Certificate) bool {
	if id.keyID != nil {
		return bytes.Equal(id.keyID, cert.SubjectKeyId)
	}
	return bytes.Equal(id.issuer, cert.RawIssuer) && id.serial.Cmp(cert.SerialNumber) == 0
}
