package cms

import (
	"crypto/ecdh"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Sealed is an AuthEnvelopedData object as read. Everything visible about it,
// the names of its recipients included, is a claim until Open or OpenWith
// succeeds; and then it still says nothing about the sender.
type Sealed struct {
	typ     asn1.ObjectIdentifier
	agreed  []agreedKey
	keks    []kekKey
	keySize int    // of the content key, octets: 16 or 32
	nonce   []byte // 12 octets
	content []byte // encrypted
	icv     []byte
	aad     []byte // authAttrs as received with the tag of a SET, nil if absent
}

// agreement is what the recipients of one KeyAgreeRecipientInfo have in common.
type agreement struct {
	originator []byte // ephemeral public key, uncompressed; nil if not of our kind
	ukm        []byte // nil if absent
	kdf        kdf    // kdfNone if unknown
	wrapSize   int    // of the key-wrap key, octets; 0 if unknown
}

// agreedKey is one RecipientEncryptedKey.
type agreedKey struct {
	id      identifier
	by      *agreement
	wrapped []byte
}

// kekKey is one KEKRecipientInfo.
type kekKey struct {
	id       []byte
	wrapSize int
	wrapped  []byte
}

// ParseSealed reads a DER ContentInfo with AuthEnvelopedData and AES-128-GCM or
// AES-256-GCM. Recipients whose kind or algorithm is unknown do not matter to
// the others and are passed over (RFC 5652 section 6.2). Errors are
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
	if err := s.readRecipients(recipients); err != nil {
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
	if err := s.checkWrapped(); err != nil {
		return nil, err
	}
	return s, nil
}

// readRecipients reads the inside of RecipientInfos (RFC 5652 section 6.2).
func (s *Sealed) readRecipients(set cryptobyte.String) error {
	if set.Empty() {
		return fault(ErrMalformed, "no recipients")
	}
	for others := 0; !set.Empty(); {
		var in cryptobyte.String
		var tag cbasn1.Tag
		if !set.ReadAnyASN1(&in, &tag) {
			return fault(ErrMalformed, "recipient")
		}
		var err error
		switch tag {
		case tagExplicit1:
			err = s.readAgreement(in)
		case tagExplicit2:
			err = s.readKEK(in)
		case cbasn1.SEQUENCE, tagExplicit3, tagExplicit4: // key transport, password, other
			others++
		default:
			err = fault(ErrMalformed, "recipient")
		}
		if err != nil {
			return err
		}
		if len(s.agreed)+len(s.keks)+others > MaxRecipients {
			return fault(ErrTooLarge, "more than %d recipients", MaxRecipients)
		}
	}
	return nil
}

// readAgreement reads the inside of a KeyAgreeRecipientInfo (section 6.2.2).
func (s *Sealed) readAgreement(in cryptobyte.String) error {
	var version int
	var originator, alg, keys cryptobyte.String
	if !in.ReadASN1Integer(&version) || version != 3 || !in.ReadASN1(&originator, tagExplicit0) {
		return fault(ErrMalformed, "key-agreement recipient")
	}
	by := new(agreement)
	var ok bool
	if by.originator, ok = readOriginator(originator); !ok {
		return fault(ErrMalformed, "originator")
	}
	if in.PeekASN1Tag(tagExplicit1) {
		var explicit, ukm cryptobyte.String
		if !in.ReadASN1(&explicit, tagExplicit1) || !explicit.ReadASN1(&ukm, cbasn1.OCTET_STRING) || !explicit.Empty() {
			return fault(ErrMalformed, "user keying material")
		}
		if len(ukm) > MaxUKM {
			return fault(ErrTooLarge, "user keying material of %d octets", len(ukm))
		}
		by.ukm = ukm
	}
	if !in.ReadASN1(&alg, cbasn1.SEQUENCE) || !in.ReadASN1(&keys, cbasn1.SEQUENCE) || !in.Empty() || keys.Empty() {
		return fault(ErrMalformed, "key-agreement recipient")
	}
	if by.kdf, by.wrapSize, ok = readAgreementAlgorithm(alg); !ok {
		return fault(ErrMalformed, "key-agreement algorithm")
	}
	for !keys.Empty() {
		if len(s.agreed) == MaxRecipients {
			return fault(ErrTooLarge, "more than %d recipients", MaxRecipients)
		}
		var entry, wrapped cryptobyte.String
		if !keys.ReadASN1(&entry, cbasn1.SEQUENCE) {
			return fault(ErrMalformed, "recipient key")
		}
		id, ok := readRecipientIdentifier(&entry)
		if !ok || !entry.ReadASN1(&wrapped, cbasn1.OCTET_STRING) || !entry.Empty() {
			return fault(ErrMalformed, "recipient key")
		}
		s.agreed = append(s.agreed, agreedKey{id: id, by: by, wrapped: wrapped})
	}
	return nil
}

// readOriginator reads OriginatorIdentifierOrKey and returns the point of an
// originatorKey. It is nil for a key named by certificate, which means static
// keys, and for another kind of key. Whether the point is on the curve shows
// when it is used.
func readOriginator(in cryptobyte.String) (point []byte, ok bool) {
	var key, alg, named cryptobyte.String
	var tag cbasn1.Tag
	if !in.PeekASN1Tag(tagExplicit1) {
		ok = in.ReadAnyASN1(&named, &tag) && in.Empty() && (tag == cbasn1.SEQUENCE || tag == tagContext0)
		return nil, ok
	}
	if !in.ReadASN1(&key, tagExplicit1) || !in.Empty() || !key.ReadASN1Element(&alg, cbasn1.SEQUENCE) ||
		!key.ReadASN1BitStringAsBytes(&point) || !key.Empty() {
		return nil, false
	}
	switch string(alg) {
	case algECPublicKey, algECPublicKeyNULL, algECPublicKeyP256:
		return point, true
	}
	return nil, true
}

// readAgreementAlgorithm reads the inside of a key-agreement algorithm whose
// parameter is a key-wrap algorithm (RFC 5753 section 7.1.4). SHA-1 is accepted
// in the key derivation because OpenSSL uses it unless told otherwise; a
// derivation rests on the one-wayness of the hash, not on its resistance to
// collisions, which is what SHA-1 has lost.
func readAgreementAlgorithm(in cryptobyte.String) (k kdf, size int, ok bool) {
	var oid, param cryptobyte.String
	if !in.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) {
		return kdfNone, 0, false
	}
	switch string(oid) {
	case oidStdDHSHA1:
		k = kdfSHA1
	case oidStdDHSHA256:
		k = kdfSHA256
	default:
		return kdfNone, 0, true
	}
	if !in.ReadASN1Element(&param, cbasn1.SEQUENCE) || !in.Empty() {
		return kdfNone, 0, false
	}
	return k, wrapSize(string(param)), true
}

// readRecipientIdentifier reads KeyAgreeRecipientIdentifier. A key identifier
// with a date or another attribute belongs to key management that kith does not
// have; it counts as malformed.
func readRecipientIdentifier(in *cryptobyte.String) (identifier, bool) {
	if !in.PeekASN1Tag(tagExplicit0) {
		return readIdentifier(in, tagContext0)
	}
	var inner cryptobyte.String
	if !in.ReadASN1(&inner, tagExplicit0) {
		return identifier{}, false
	}
	id, ok := readIdentifier(&inner, cbasn1.OCTET_STRING)
	return id, ok && id.keyID != nil && inner.Empty()
}

// readKEK reads the inside of a KEKRecipientInfo (RFC 5652 section 6.2.3).
func (s *Sealed) readKEK(in cryptobyte.String) error {
	var version int
	var kekid, id, alg, wrapped cryptobyte.String
	if !in.ReadASN1Integer(&version) || version != 4 || !in.ReadASN1(&kekid, cbasn1.SEQUENCE) ||
		!kekid.ReadASN1(&id, cbasn1.OCTET_STRING) || !kekid.Empty() ||
		!in.ReadASN1Element(&alg, cbasn1.SEQUENCE) || !in.ReadASN1(&wrapped, cbasn1.OCTET_STRING) || !in.Empty() {
		return fault(ErrMalformed, "key-encryption-key recipient")
	}
	if len(id) == 0 || len(id) > MaxKeyID {
		return fault(ErrMalformed, "key identifier of %d octets", len(id))
	}
	s.keks = append(s.keks, kekKey{id: id, wrapSize: wrapSize(string(alg)), wrapped: wrapped})
	return nil
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

// checkWrapped holds wrapped keys to the length that the content key needs.
func (s *Sealed) checkWrapped() error {
	for _, k := range s.agreed {
		if k.by.kdf != kdfNone && k.by.wrapSize != 0 && len(k.wrapped) != s.keySize+wrapOverhead {
			return fault(ErrMalformed, "wrapped key of %d octets", len(k.wrapped))
		}
	}
	for _, k := range s.keks {
		if k.wrapSize != 0 && len(k.wrapped) != s.keySize+wrapOverhead {
			return fault(ErrMalformed, "wrapped key of %d octets", len(k.wrapped))
		}
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

// Open decrypts the content with the private key that belongs to cert, on
// P-256. The first recipient that names cert decides. It returns
// ErrNotRecipient if there is none, ErrUnsupported if its algorithms are
// unknown, and ErrDecrypt if the object does not open; never content that
// failed the integrity check.
func (s *Sealed) Open(cert *x509.Certificate, key *ecdh.PrivateKey) (content []byte, typ asn1.ObjectIdentifier, err error) {
	if pub, err := agreementKey(cert); err != nil {
		return nil, nil, err
	} else if !pub.Equal(key.PublicKey()) {
		return nil, nil, errors.New("cms: key and certificate of the recipient do not belong together")
	}
	for _, k := range s.agreed {
		if !k.id.names(cert) {
			continue
		}
		if k.by.originator == nil || k.by.kdf == kdfNone || k.by.wrapSize == 0 {
			return nil, nil, fault(ErrUnsupported, "key-agreement algorithm")
		}
		kek, err := k.by.derive(key)
		if err != nil {
			return nil, nil, fault(ErrDecrypt, "sealed object")
		}
		return s.open(kek, k.wrapped)
	}
	return nil, nil, fault(ErrNotRecipient, "sealed object")
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
		return s.open(kek.Key[:], k.wrapped)
	}
	return nil, nil, fault(ErrNotRecipient, "sealed object")
}

// derive computes the key-wrap key. crypto/ecdh refuses the point at infinity,
// compressed points and points that are not on the curve.
func (a *agreement) derive(key *ecdh.PrivateKey) ([]byte, error) {
	pub, err := ecdh.P256().NewPublicKey(a.originator)
	if err != nil {
		return nil, err
	}
	secret, err := agree(key, pub)
	if err != nil {
		return nil, err
	}
	info, err := sharedInfo(a.wrapSize, a.ukm)
	if err != nil {
		return nil, err
	}
	return a.kdf.derive(secret, info, a.wrapSize), nil
}

// open unwraps the content key and decrypts.
func (s *Sealed) open(kek, wrapped []byte) ([]byte, asn1.ObjectIdentifier, error) {
	key, err := unwrap(kek, wrapped)
	if err != nil || len(key) != s.keySize {
		return nil, nil, fault(ErrDecrypt, "sealed object")
	}
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
