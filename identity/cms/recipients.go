package cms

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// recipients are the RecipientInfos of an object that this package can use.
// Those of another kind are counted and passed over: they do not matter to the
// others (RFC 5652 section 6.2).
type recipients struct {
	agreed []agreedKey
	keks   []kekKey
	others int  // key transport, password and other recipients
	newer  bool // password or other recipients are among them
}

// agreement is what the recipients of one KeyAgreeRecipientInfo have in common.
type agreement struct {
	curve      ecdh.Curve // P-256 or X25519; nil if not of our kind
	originator []byte     // ephemeral public key, whose form derive checks
	ukm        []byte     // nil if absent
	kdf        kdf        // kdfNone if unknown
	wrapSize   int        // of the key-wrap key, octets; 0 if unknown
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

// read reads the inside of RecipientInfos (RFC 5652 section 6.2).
func (r *recipients) read(set cryptobyte.String) error {
	if set.Empty() {
		return fault(ErrMalformed, "no recipients")
	}
	for !set.Empty() {
		var in cryptobyte.String
		var tag cbasn1.Tag
		if !set.ReadAnyASN1(&in, &tag) {
			return fault(ErrMalformed, "recipient")
		}
		var err error
		switch tag {
		case tagExplicit1:
			err = r.readAgreement(in)
		case tagExplicit2:
			err = r.readKEK(in)
		case cbasn1.SEQUENCE: // key transport
			r.others++
		case tagExplicit3, tagExplicit4: // password, other
			r.others++
			r.newer = true
		default:
			err = fault(ErrMalformed, "recipient")
		}
		if err != nil {
			return err
		}
		if len(r.agreed)+len(r.keks)+r.others > MaxRecipients {
			return fault(ErrTooLarge, "more than %d recipients", MaxRecipients)
		}
	}
	return nil
}

// readAgreement reads the inside of a KeyAgreeRecipientInfo (section 6.2.2).
func (r *recipients) readAgreement(in cryptobyte.String) error {
	var version int
	var originator, alg, keys cryptobyte.String
	if !in.ReadASN1Integer(&version) || version != 3 || !in.ReadASN1(&originator, tagExplicit0) {
		return fault(ErrMalformed, "key-agreement recipient")
	}
	by := new(agreement)
	var ok bool
	if by.curve, by.originator, ok = readOriginator(originator); !ok {
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
		if len(r.agreed) == MaxRecipients {
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
		r.agreed = append(r.agreed, agreedKey{id: id, by: by, wrapped: wrapped})
	}
	return nil
}

// readOriginator reads OriginatorIdentifierOrKey and returns the curve and the
// point of an originatorKey. The curve is nil for a key named by certificate,
// which means static keys, and for a key of another kind. Whether the point is
// on the curve shows when it is used.
func readOriginator(in cryptobyte.String) (curve ecdh.Curve, point []byte, ok bool) {
	var key, alg, named cryptobyte.String
	var tag cbasn1.Tag
	if !in.PeekASN1Tag(tagExplicit1) {
		ok = in.ReadAnyASN1(&named, &tag) && in.Empty() && (tag == cbasn1.SEQUENCE || tag == tagContext0)
		return nil, nil, ok
	}
	if !in.ReadASN1(&key, tagExplicit1) || !in.Empty() || !key.ReadASN1Element(&alg, cbasn1.SEQUENCE) ||
		!key.ReadASN1BitStringAsBytes(&point) || !key.Empty() {
		return nil, nil, false
	}
	switch string(alg) {
	case algECPublicKey, algECPublicKeyNULL, algECPublicKeyP256:
		return ecdh.P256(), point, true
	case algX25519:
		return ecdh.X25519(), point, true
	}
	return nil, nil, true
}

// readAgreementAlgorithm reads the inside of a key-agreement algorithm whose
// parameter is a key-wrap algorithm (RFC 5753 section 7.1.4, RFC 8418 section 7).
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
	case oidStdDHHKDF256:
		k = kdfHKDF256
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
func (r *recipients) readKEK(in cryptobyte.String) error {
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
	r.keks = append(r.keks, kekKey{id: id, wrapSize: wrapSize(string(alg)), wrapped: wrapped})
	return nil
}

// check holds wrapped keys to the length that a content key of size octets
// needs.
func (r *recipients) check(size int) error {
	for _, k := range r.agreed {
		if k.by.kdf != kdfNone && k.by.wrapSize != 0 && len(k.wrapped) != size+wrapOverhead {
			return fault(ErrMalformed, "wrapped key of %d octets", len(k.wrapped))
		}
	}
	for _, k := range r.keks {
		if k.wrapSize != 0 && len(k.wrapped) != size+wrapOverhead {
			return fault(ErrMalformed, "wrapped key of %d octets", len(k.wrapped))
		}
	}
	return nil
}

// contentKey unwraps the content key with the private key that belongs to cert.
// The first recipient that names cert decides. SHA-1 in the key derivation is
// for foreign objects only. Errors are those of [Sealed.Open].
func (r *recipients) contentKey(cert *x509.Certificate, key *ecdh.PrivateKey, foreign bool) ([]byte, error) {
	pub, err := agreementKey(cert)
	if err != nil {
		return nil, err
	}
	if !pub.Equal(key.PublicKey()) {
		return nil, errors.New("cms: key and certificate of the recipient do not belong together")
	}
	i := slices.IndexFunc(r.agreed, func(k agreedKey) bool { return k.id.names(cert) })
	if i < 0 {
		return nil, fault(ErrNotRecipient, "sealed object")
	}
	by := r.agreed[i].by
	if by.curve != key.Curve() || by.kdf == kdfNone || by.kdf == kdfSHA1 && !foreign || by.wrapSize == 0 {
		return nil, fault(ErrUnsupported, "key-agreement algorithm")
	}
	kek, err := by.derive(key)
	if err != nil {
		return nil, fault(ErrDecrypt, "sealed object")
	}
	defer clear(kek)
	content, err := unwrap(kek, r.agreed[i].wrapped)
	if err != nil {
		return nil, fault(ErrDecrypt, "sealed object")
	}
	return content, nil
}

// derive computes the key-wrap key. crypto/ecdh refuses the point at infinity,
// compressed points, points that are not on the curve, and an all-zero secret.
func (a *agreement) derive(key *ecdh.PrivateKey) ([]byte, error) {
	pub, err := a.curve.NewPublicKey(a.originator)
	if err != nil {
		return nil, err
	}
	secret, err := agree(key, pub)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	info, err := sharedInfo(a.wrapSize, a.ukm)
	if err != nil {
		return nil, err
	}
	if a.kdf == kdfHKDF256 { // RFC 8418 section 2.2: the salt is ukm
		return hkdf.Key(sha256.New, secret, a.ukm, string(info), a.wrapSize)
	}
	return a.kdf.derive(secret, info, a.wrapSize), nil
}
