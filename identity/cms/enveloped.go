package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// OpenEnveloped decrypts what mail programs and OpenSSL send unless told
// otherwise: a DER ContentInfo with EnvelopedData (RFC 5652 section 6) in
// AES-128-CBC or AES-256-CBC, or one with AuthEnvelopedData as [ParseSealed]
// reads it; for both, SHA-1 is accepted in the derivation of the key-wrap key,
// beside what [Sealed.Open] accepts. Nothing writes this.
//
// It is for a bridge to such programs, which must call it by name: the content of
// an EnvelopedData is not authenticated. Whoever can change the object on its way
// can change the content block by block, and learns about it from the difference
// between an answer to a good and to a bad padding. So believe only a signature
// that is inside and covers all that is shown, and give every failure, of this
// function and of that signature, the same answer. A derivation rests on the
// one-wayness of its hash and not on its resistance to collisions, so SHA-1 is no
// danger here; it is the strict readers that refuse it, so that no kith object
// has it.
//
// Cert, key and errors are as for [Sealed.Open].
func OpenEnveloped(der []byte, cert *x509.Certificate, key *ecdh.PrivateKey) (content []byte, typ asn1.ObjectIdentifier, err error) {
	outer, body, err := readAnyContentInfo(der)
	if err != nil {
		return nil, nil, err
	}
	if outer == oidAuthEnveloped {
		s, err := ParseSealed(der)
		if err != nil {
			return nil, nil, err
		}
		return s.openFor(cert, key, true)
	}
	if outer != oidEnveloped {
		return nil, nil, fault(ErrUnsupported, "content type of the object")
	}
	var e enveloped
	if err := e.read(body); err != nil {
		return nil, nil, err
	}
	contentKey, err := e.contentKey(cert, key, true)
	if err != nil {
		return nil, nil, err
	}
	defer clear(contentKey)
	if content, err = e.decrypt(contentKey); err != nil {
		return nil, nil, err
	}
	return content, e.typ, nil
}

// enveloped is an EnvelopedData as read.
type enveloped struct {
	typ asn1.ObjectIdentifier
	recipients
	keySize int    // of the content key, octets: 16 or 32
	iv      []byte // 16 octets
	content []byte // encrypted: one or more whole blocks
}

// read reads the inside of EnvelopedData (RFC 5652 section 6.1).
func (e *enveloped) read(body cryptobyte.String) error {
	var version int
	var set, encrypted cryptobyte.String
	if !body.ReadASN1Integer(&version) {
		return fault(ErrMalformed, "enveloped data")
	}
	if body.PeekASN1Tag(tagExplicit0) {
		return fault(ErrUnsupported, "originator information")
	}
	if !body.ReadASN1(&set, cbasn1.SET) || !body.ReadASN1(&encrypted, cbasn1.SEQUENCE) {
		return fault(ErrMalformed, "enveloped data")
	}
	if err := e.recipients.read(set); err != nil {
		return err
	}
	if err := e.readContent(encrypted); err != nil {
		return err
	}
	if body.PeekASN1Tag(tagExplicit1) {
		return fault(ErrUnsupported, "unprotected attributes")
	}
	if !body.Empty() {
		return fault(ErrMalformed, "enveloped data")
	}
	want := 2
	switch {
	case e.newer:
		want = 3
	case len(e.agreed)+len(e.keks) == 0: // key transport only, and nothing for us
		want = version & 2 // 0 or 2, by the version of its recipients
	}
	if version != want {
		return fault(ErrMalformed, "enveloped data of version %d", version)
	}
	return e.check(e.keySize)
}

// readContent reads the inside of EncryptedContentInfo.
func (e *enveloped) readContent(in cryptobyte.String) error {
	var alg, oid, iv, content cryptobyte.String
	_, typ, ok := readType(&in)
	if !ok || !in.ReadASN1(&alg, cbasn1.SEQUENCE) || !alg.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) {
		return fault(ErrMalformed, "encrypted content")
	}
	switch string(oid) {
	case oidAES128CBC:
		e.keySize = 16
	case oidAES256CBC:
		e.keySize = 32
	default:
		return fault(ErrUnsupported, "content-encryption algorithm")
	}
	if !alg.ReadASN1(&iv, cbasn1.OCTET_STRING) || !alg.Empty() || len(iv) != aes.BlockSize {
		return fault(ErrMalformed, "initialization vector")
	}
	if !in.ReadASN1(&content, tagContext0) || !in.Empty() || len(content) == 0 || len(content)%aes.BlockSize != 0 {
		return fault(ErrMalformed, "encrypted content")
	}
	e.typ, e.iv, e.content = typ, iv, content
	return nil
}

// decrypt undoes AES-CBC and takes off the padding of RFC 5652 section 6.3. How
// long that takes does not tell where a padding goes wrong.
func (e *enveloped) decrypt(key []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != e.keySize {
		return nil, fault(ErrDecrypt, "enveloped data")
	}
	out := make([]byte, len(e.content))
	cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(out, e.content)
	last := out[len(out)-aes.BlockSize:]
	pad := int(last[aes.BlockSize-1])
	good := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, aes.BlockSize)
	for i, b := range last {
		inside := subtle.ConstantTimeLessOrEq(aes.BlockSize-i, pad)
		good &= subtle.ConstantTimeSelect(inside, subtle.ConstantTimeByteEq(b, byte(pad)), 1)
	}
	if good != 1 {
		clear(out)
		return nil, fault(ErrDecrypt, "enveloped data")
	}
	n := len(out) - pad
	return out[:n:n], nil
}
