package cms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Sizes of what is written, in octets.
const (
	keySize   = 32 // content key and every key that wraps it: AES-256
	nonceSize = 12
	icvSize   = 16
)

// KEK is a key-encryption key that its holders shared beforehand. ID, 1 to
// MaxKeyID octets, tells it from others and is visible to everybody.
type KEK struct {
	ID  []byte
	Key [32]byte
}

// SealTo encrypts content to the P-256 keys in the certificates, at least one
// and at most MaxRecipients, each with a subject key identifier of its own and,
// if it has a key usage, one that allows key agreement. The result is a DER
// ContentInfo with AuthEnvelopedData (RFC 5083): AES-256-GCM under a fresh key,
// which is wrapped for each recipient by one KeyAgreeRecipientInfo with one
// fresh ephemeral key, dhSinglePass-stdDH-sha256kdf and id-aes256-wrap (RFC
// 5753). A nil typ is id-data; any other is authenticated too. It fails with
// ErrTooLarge if the object would exceed MaxSize.
func SealTo(content []byte, typ asn1.ObjectIdentifier, to []*x509.Certificate) ([]byte, error) {
	if len(to) == 0 {
		return nil, errors.New("cms: seal to no recipient")
	}
	if len(to) > MaxRecipients {
		return nil, fault(ErrTooLarge, "%d recipients", len(to))
	}
	f := newFresh()
	defer clear(f.key[:])
	var err error
	if f.ephemeral, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		return nil, fmt.Errorf("cms: ephemeral key: %w", err)
	}
	return f.sealTo(content, typ, to)
}

func (f *fresh) sealTo(content []byte, typ asn1.ObjectIdentifier, to []*x509.Certificate) ([]byte, error) {
	info, err := sharedInfo(keySize, nil)
	if err != nil {
		return nil, fmt.Errorf("cms: shared info: %w", err)
	}
	keys := make([]byte, 0, len(to)*(MaxKeyID/2+keySize+wrapOverhead+8))
	for i, cert := range to {
		wrapped, err := f.wrapTo(cert, info)
		if err != nil {
			return nil, err
		}
		for _, other := range to[:i] {
			if bytes.Equal(other.SubjectKeyId, cert.SubjectKeyId) {
				return nil, fmt.Errorf("cms: two recipients with key identifier %x", cert.SubjectKeyId)
			}
		}
		keys = appendRecipientKey(keys, cert.SubjectKeyId, wrapped)
	}
	return f.seal(content, typ, len(keys)+160, func(b *cryptobyte.Builder) {
		b.AddASN1(tagExplicit1, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(3)
			b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) {
				b.AddASN1(tagExplicit1, func(b *cryptobyte.Builder) {
					b.AddBytes([]byte(algECPublicKey))
					b.AddASN1BitString(f.ephemeral.PublicKey().Bytes())
				})
			})
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, oidStdDHSHA256)
				b.AddBytes([]byte(algAES256Wrap))
			})
			addElement(b, cbasn1.SEQUENCE, keys)
		})
	})
}

// appendRecipientKey appends a RecipientEncryptedKey (RFC 5652 section 6.2.2)
// that names its recipient by key identifier.
func appendRecipientKey(dst, id, wrapped []byte) []byte {
	var header [5]byte
	idSize := len(appendHeader(header[:0], cbasn1.OCTET_STRING, len(id))) + len(id)
	nameSize := len(appendHeader(header[:0], tagExplicit0, idSize)) + idSize
	keySize := len(appendHeader(header[:0], cbasn1.OCTET_STRING, len(wrapped))) + len(wrapped)
	dst = appendHeader(dst, cbasn1.SEQUENCE, nameSize+keySize)
	dst = appendHeader(dst, tagExplicit0, idSize)
	dst = append(appendHeader(dst, cbasn1.OCTET_STRING, len(id)), id...)
	return append(appendHeader(dst, cbasn1.OCTET_STRING, len(wrapped)), wrapped...)
}

// SealWith encrypts content to everybody who holds kek: as [SealTo], but with
// one KEKRecipientInfo and id-aes256-wrap.
func SealWith(content []byte, typ asn1.ObjectIdentifier, kek KEK) ([]byte, error) {
	if n := len(kek.ID); n == 0 || n > MaxKeyID {
		return nil, fmt.Errorf("cms: key identifier of %d octets", n)
	}
	f := newFresh()
	defer clear(f.key[:])
	return f.sealWith(content, typ, kek)
}

func (f *fresh) sealWith(content []byte, typ asn1.ObjectIdentifier, kek KEK) ([]byte, error) {
	wrapped, err := wrap(kek.Key[:], f.key[:])
	if err != nil {
		return nil, err
	}
	return f.seal(content, typ, 256, func(b *cryptobyte.Builder) {
		b.AddASN1(tagExplicit2, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(4)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addElement(b, cbasn1.OCTET_STRING, kek.ID) })
			b.AddBytes([]byte(algAES256Wrap))
			addElement(b, cbasn1.OCTET_STRING, wrapped)
		})
	})
}

// fresh is what one object is made with and no other ever is.
type fresh struct {
	ephemeral *ecdh.PrivateKey // for SealTo only
	key       [keySize]byte    // content key
	nonce     [nonceSize]byte
}

// newFresh makes a content key and a nonce.
func newFresh() *fresh {
	f := new(fresh)
	rand.Read(f.key[:]) // never fails: crypto/rand ends the program instead
	rand.Read(f.nonce[:])
	return f
}

// wrapTo wraps the content key for the holder of cert.
func (f *fresh) wrapTo(cert *x509.Certificate, info []byte) ([]byte, error) {
	pub, err := agreementKey(cert)
	if err != nil {
		return nil, err
	}
	if pub.Curve() != ecdh.P256() {
		return nil, fault(ErrUnsupported, "recipient's key is not on P-256")
	}
	if n := len(cert.SubjectKeyId); n == 0 || n > MaxKeyID {
		return nil, fault(ErrUnsupported, "subject key identifier of %d octets", n)
	}
	secret, err := agree(f.ephemeral, pub)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	kek := kdfSHA256.derive(secret, info, keySize)
	defer clear(kek)
	return wrap(kek, f.key[:])
}

// agreementKey returns the key of cert for key agreement, on P-256 or X25519 (RFC
// 5753 section 3.1, RFC 5652 section 6.2.2, RFC 8418 section 6).
func agreementKey(cert *x509.Certificate) (*ecdh.PublicKey, error) {
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageKeyAgreement == 0 {
		return nil, fault(ErrUnsupported, "key usage without key agreement")
	}
	switch pub := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key, err := pub.ECDH(); err == nil && key.Curve() == ecdh.P256() {
			return key, nil
		}
	case nil: // crypto/x509 leaves it to us to parse what can only agree
		if pub, err := x509.ParsePKIXPublicKey(cert.RawSubjectPublicKeyInfo); err == nil {
			if key, ok := pub.(*ecdh.PublicKey); ok && key.Curve() == ecdh.X25519() {
				return key, nil
			}
		}
	}
	return nil, fault(ErrUnsupported, "kind of the recipient's key")
}

// agree is ECDH that refuses an all-zero secret.
func agree(private *ecdh.PrivateKey, public *ecdh.PublicKey) ([]byte, error) {
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("cms: key agreement: %w", err)
	}
	var zero [32]byte
	if subtle.ConstantTimeCompare(secret, zero[:]) == 1 {
		return nil, errors.New("cms: key agreement: all-zero secret")
	}
	return secret, nil
}

// seal encrypts content and writes the AuthEnvelopedData (RFC 5083 section 2.1)
// around the RecipientInfo that recipient writes; size is a hint for the latter.
func (f *fresh) seal(content []byte, typ asn1.ObjectIdentifier, size int, recipient cryptobyte.BuilderContinuation) ([]byte, error) {
	if len(content) > MaxSize {
		return nil, fault(ErrTooLarge, "content of %d octets", len(content))
	}
	oid, err := contentType(typ)
	if err != nil {
		return nil, err
	}
	// Without attributes nothing protects the type, so RFC 5083 demands them
	// for every type but id-data. What is authenticated is the SET.
	var attrs []byte
	if oid != oidData {
		attrs = marshalAttributes(attribute{oidContentType, cbasn1.OBJECT_IDENTIFIER, []byte(oid)})
	}
	aead, err := newGCM(f.key[:], icvSize)
	if err != nil {
		return nil, err
	}
	sealed := aead.Seal(make([]byte, 0, len(content)+icvSize), f.nonce[:], content, attrs)
	encrypted, icv := sealed[:len(content)], sealed[len(content):]
	size += len(content) + 256
	return marshalContentInfo(oidAuthEnveloped, size, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(cbasn1.SET, recipient)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, oid)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, oidAES256GCM)
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addElement(b, cbasn1.OCTET_STRING, f.nonce[:])
					b.AddASN1Int64(icvSize)
				})
			})
			addElement(b, tagContext0, encrypted)
		})
		if attrs != nil {
			b.AddUint8(uint8(tagExplicit1)) // [1] IMPLICIT in place of SET
			b.AddBytes(attrs[1:])
		}
		addElement(b, cbasn1.OCTET_STRING, icv)
	})
}

// newGCM makes AES-GCM with a nonce of 12 octets and an integrity check value
// of size octets, 12 to 16.
func newGCM(key []byte, size int) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cms: content key: %w", err)
	}
	if size == icvSize {
		return cipher.NewGCM(block)
	}
	return cipher.NewGCMWithTagSize(block, size)
}
