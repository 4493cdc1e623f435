package cms

import (
	"crypto/ecdh"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Sealed is an AuthEnvelopedData object as read. Everything visible about it,
// the names of its recipients included, is a claim until Open or OpenWith
// succeeds; and then it still says nothing about the sender.
type Sealed struct {
	typ asn1.ObjectIdentifier
	recipients
	keySize int    // of the content key, octets: 16 or 32
	nonce   []byte // 12 octets
	content []byte // encrypted
	icv     []byte
	aad     []byte // authAttrs as received with the tag of a SET, nil if absent
}

// ParseSealed reads a DER ContentInfo with AuthEnvelopedData and AES-128-GCM or
// AES-256-GCM. Recipients of an unknown kind or algorithm are passed over. Errors
// are
// ErrMalformed, ErrUnsupported and ErrTooLarge.
func ParseSealed(der []byte) (*Sealed, error) {
	body, err := readContentInfo(der, oidAuthEnveloped)
	if err != nil {
		return nil, err
	}
	s := new(Sealed)
	var version int
	if !body.ReadASN1Integer(&version) {
		return nil, fault(ErrMalformed, "auth-enveloped data")
	}
	if version != 0 {
		return nil, fault(ErrMalformed, "auth-enveloped data of version %d", version)
	}
	if body.PeekASN1Tag(tagExplicit0) {
		return nil, fault(ErrUnsupported, "originator information")
	}
	var recipients, encrypted, icv cryptobyte.String
	if !body.ReadASN1(&recipients, cbasn1.SET) || !body.ReadASN1(&encrypted, cbasn1.SEQUENCE) {
		return nil, fault(ErrMalformed, "auth-enveloped data")
	}
	if err := s.recipients.read(recipients); err != nil {
		return nil, err
	}
	typ, icvLen, err := s.readContent(encrypted)
	if err != nil {
		return nil, err
	}
	if err := s.readAuthAttributes(&body, typ); err != nil {
		return nil, err
	}
	if !body.ReadASN1(&icv, cbasn1.OCTET_STRING) {
		return nil, fault(ErrMalformed, "integrity check value")
	}
	if body.PeekASN1Tag(tagExplicit2) {
		return nil, fault(ErrUnsupported, "unauthenticated attributes")
	}
	if !body.Empty() {
		return nil, fault(ErrMalformed, "auth-enveloped data")
	}
	if len(icv) != icvLen {
		return nil, fault(ErrMalformed, "integrity check value of %d octets, announced as %d", len(icv), icvLen)
	}
	s.icv = icv
	if err := s.check(s.keySize); err != nil {
		return nil, err
	}
	return s, nil
}

// readContent reads the inside of EncryptedContentInfo (RFC 5652 section 6.1)
// and returns the type and the announced length of the integrity check value.
func (s *Sealed) readContent(in cryptobyte.String) (typ string, icvLen int, err error) {
	var alg, oid, content cryptobyte.String
	raw, value, ok := readType(&in)
	if !ok || !in.ReadASN1(&alg, cbasn1.SEQUENCE) || !alg.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) {
		return "", 0, fault(ErrMalformed, "encrypted content")
	}
	switch string(oid) {
	case oidAES128GCM:
		s.keySize = 16
	case oidAES256GCM:
		s.keySize = 32
	default:
		return "", 0, fault(ErrUnsupported, "content-encryption algorithm")
	}
	if icvLen, err = s.readParameters(alg); err != nil {
		return "", 0, err
	}
	if !in.ReadASN1(&content, tagContext0) || !in.Empty() {
		return "", 0, fault(ErrMalformed, "encrypted content")
	}
	s.typ, s.content = value, content
	return string(raw), icvLen, nil
}

// readParameters reads GCMParameters (RFC 5084 section 3.2). The length is a
// plain INTEGER; in DER it is left out if and only if it is 12.
func (s *Sealed) readParameters(in cryptobyte.String) (icvLen int, err error) {
	var params, nonce cryptobyte.String
	if !in.ReadASN1(&params, cbasn1.SEQUENCE) || !in.Empty() || !params.ReadASN1(&nonce, cbasn1.OCTET_STRING) {
		return 0, fault(ErrMalformed, "GCM parameters")
	}
	icvLen = 12
	if !params.Empty() {
		if !params.ReadASN1Integer(&icvLen) || !params.Empty() || icvLen <= 12 || icvLen > 16 {
			return 0, fault(ErrMalformed, "length of the integrity check value")
		}
	}
	if len(nonce) != nonceSize {
		return 0, fault(ErrUnsupported, "nonce of %d octets", len(nonce))
	}
	s.nonce = nonce
	return icvLen, nil
}

// readAuthAttributes reads the attributes, which must be there unless the type
// is id-data, and must then repeat the type (RFC 5083 section 2.1).
func (s *Sealed) readAuthAttributes(body *cryptobyte.String, typ string) error {
	if !body.PeekASN1Tag(tagExplicit1) {
		if typ != oidData {
			return fault(ErrMalformed, "authenticated attributes are absent")
		}
		return nil
	}
	var raw cryptobyte.String
	if !body.ReadASN1Element(&raw, tagExplicit1) {
		return fault(ErrMalformed, "authenticated attributes")
	}
	s.aad = append([]byte{byte(cbasn1.SET)}, raw[1:]...)
	var set cryptobyte.String
	if !raw.ReadASN1(&set, tagExplicit1) {
		return fault(ErrMalformed, "authenticated attributes")
	}
	found, err := readAttributes(set)
	if err != nil {
		return err
	}
	if string(found.contentType) != typ {
		return fault(ErrMalformed, "content-type attribute absent or another type")
	}
	return nil
}

// KeyIDs returns the subject key identifiers of the key-agreement recipients, in
// order, for finding the right certificate. An entry is nil when the recipient
// is named by issuer and serial number.
func (s *Sealed) KeyIDs() [][]byte {
	ids := make([][]byte, len(s.agreed))
	for i, k := range s.agreed {
		ids[i] = k.id.keyID
	}
	return ids
}

// KEKIDs returns the identifiers of the key-encryption keys, in order.
func (s *Sealed) KEKIDs() [][]byte {
	ids := make([][]byte, len(s.keks))
	for i, k := range s.keks {
		ids[i] = k.id
	}
	return ids
}

// Open decrypts the content with the private key that belongs to cert, on P-256
// or, in reading only, X25519. The first recipient that names cert decides. It
// returns ErrNotRecipient if there is none, ErrUnsupported if its algorithms are
// outside the profile, and ErrDecrypt if the object does not open; never content
// that failed the integrity check.
func (s *Sealed) Open(cert *x509.Certificate, key *ecdh.PrivateKey) (content []byte, typ asn1.ObjectIdentifier, err error) {
	return s.openFor(cert, key, false)
}

func (s *Sealed) openFor(cert *x509.Certificate, key *ecdh.PrivateKey, foreign bool) ([]byte, asn1.ObjectIdentifier, error) {
	content, err := s.contentKey(cert, key, foreign)
	if err != nil {
		return nil, nil, err
	}
	return s.open(content)
}

// OpenWith decrypts the content with a key-encryption key. Errors are those of
// [Sealed.Open].
func (s *Sealed) OpenWith(kek KEK) (content []byte, typ asn1.ObjectIdentifier, err error) {
	for _, k := range s.keks {
		if string(k.id) != string(kek.ID) {
			continue
		}
		if k.wrapSize != len(kek.Key) {
			return nil, nil, fault(ErrUnsupported, "key-wrap algorithm")
		}
		key, err := unwrap(kek.Key[:], k.wrapped)
		if err != nil {
			return nil, nil, fault(ErrDecrypt, "sealed object")
		}
		return s.open(key)
	}
	return nil, nil, fault(ErrNotRecipient, "sealed object")
}

// open decrypts with the content key, which it clears.
func (s *Sealed) open(key []byte) ([]byte, asn1.ObjectIdentifier, error) {
	defer clear(key)
	aead, err := newGCM(key, len(s.icv))
	if err != nil {
		return nil, nil, fault(ErrDecrypt, "sealed object")
	}
	buf := make([]byte, 0, len(s.content)+len(s.icv))
	buf = append(append(buf, s.content...), s.icv...)
	content, err := aead.Open(buf[:0], s.nonce, buf, s.aad)
	if err != nil {
		return nil, nil, fault(ErrDecrypt, "sealed object")
	}
	return content[:len(content):len(content)], s.typ, nil
}
