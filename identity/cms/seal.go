package cms

import (
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
	ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cms: ephemeral key: %w", err)
	}
	key := newKey()
	defer clear(key[:])
	info, err := sharedInfo(keySize, nil)
	if err != nil {
		return nil, fmt.Errorf("cms: shared info: %w", err)
	}
	wrapped := make([][]byte, len(to))
	for i, cert := range to {
		if wrapped[i], err = wrapTo(cert, ephemeral, info, key[:]); err != nil {
			return nil, err
		}
		for _, other := range to[:i] {
			if string(other.SubjectKeyId) == string(cert.SubjectKeyId) {
				return nil, fmt.Errorf("cms: two recipients with key identifier %x", cert.SubjectKeyId)
			}
		}
	}
	size := len(to) * (MaxKeyID + keySize + 32)
	return seal(content, typ, key[:], size, func(b *cryptobyte.Builder) {
		b.AddASN1(tagExplicit1, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(3)
			b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) {
				b.AddASN1(tagExplicit1, func(b *cryptobyte.Builder) {
					b.AddBytes([]byte(algECPublicKey))
					b.AddASN1BitString(ephemeral.PublicKey().Bytes())
				})
			})
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, oidStdDHSHA256)
				b.AddBytes([]byte(algAES256Wrap))
			})
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for i, cert := range to {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) { addElement(b, cbasn1.OCTET_STRING, cert.SubjectKeyId) })
						addElement(b, cbasn1.OCTET_STRING, wrapped[i])
					})
				}
			})
		})
	})
}

// SealWith encrypts content to everybody who holds kek: as [SealTo], but with
// one KEKRecipientInfo and id-aes256-wrap.
func SealWith(content []byte, typ asn1.ObjectIdentifier, kek KEK) ([]byte, error) {
	if n := len(kek.ID); n == 0 || n > MaxKeyID {
		return nil, fmt.Errorf("cms: key identifier of %d octets", n)
	}
	key := newKey()
	defer clear(key[:])
	wrapped, err := wrap(kek.Key[:], key[:])
	if err != nil {
		return nil, err
	}
	return seal(content, typ, key[:], 256, func(b *cryptobyte.Builder) {
		b.AddASN1(tagExplicit2, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(4)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addElement(b, cbasn1.OCTET_STRING, kek.ID) })
			b.AddBytes([]byte(algAES256Wrap))
			addElement(b, cbasn1.OCTET_STRING, wrapped)
		})
	})
}

// newKey makes a content key.
func newKey() (key [keySize]byte) {
	rand.Read(key[:]) // never fails: crypto/rand ends the program instead
	return key
}

// wrapTo wraps key for the holder of cert.
func wrapTo(cert *x509.Certificate, ephemeral *ecdh.PrivateKey, info, key []byte) ([]byte, error) {
	pub, err := agreementKey(cert)
	if err != nil {
		return nil, err
	}
	if n := len(cert.SubjectKeyId); n == 0 || n > MaxKeyID {
		return nil, fault(ErrUnsupported, "subject key identifier of %d octets", n)
	}
	secret, err := agree(ephemeral, pub)
	if err != nil {
		return nil, err
	}
	kek := kdfSHA256.derive(secret, info, keySize)
	defer clear(kek)
	return wrap(kek, key)
}

// agreementKey returns the P-256 key of cert for key agreement (RFC 5753
// section 3.1, RFC 5652 section 6.2.2).
func agreementKey(cert *x509.Certificate) (*ecdh.PublicKey, error) {
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageKeyAgreement == 0 {
		return nil, fault(ErrUnsupported, "key usage without key agreement")
	}
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, fault(ErrUnsupported, "recipient's key is not on P-256")
	}
	key, err := pub.ECDH()
	if err != nil || key.Curve() != ecdh.P256() {
		return nil, fault(ErrUnsupported, "recipient's key is not on P-256")
	}
	return key, nil
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

// seal encrypts content under key and writes the AuthEnvelopedData (RFC 5083
// section 2.1) around the RecipientInfo that recipient writes; size is a hint
// for the latter.
func seal(content []byte, typ asn1.ObjectIdentifier, key []byte, size int, recipient cryptobyte.BuilderContinuation) ([]byte, error) {
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
	aead, err := newGCM(key, icvSize)
	if err != nil {
		return nil, err
	}
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	sealed := aead.Seal(make([]byte, 0, len(content)+icvSize), nonce[:], content, attrs)
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
					addElement(b, cbasn1.OCTET_STRING, nonce[:])
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
