package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Signer is what [Sign] needs to sign with.
type Signer struct {
	// Certificate holds the ECDSA P-256 public key. The object names it by its
	// subject key identifier, which must be present (1 to MaxKeyID octets). If
	// it has a key usage, that must allow digital signatures.
	Certificate *x509.Certificate
	// Key is the private key that belongs to Certificate.
	Key crypto.Signer
	// Include lists the certificates that travel in the object, at most
	// MaxCertificates; empty when the receiver knows them already. Equal
	// certificates are written once.
	Include []*x509.Certificate
}

// Sign makes a DER ContentInfo with SignedData (RFC 5652 section 5) that carries
// the content. A nil typ is id-data. The signature is ECDSA P-256 with SHA-256
// over the attributes content-type, message-digest and signing-time; at is the
// signing time, kept to the second. It fails with ErrTooLarge if the object
// would exceed MaxSize.
func Sign(content []byte, typ asn1.ObjectIdentifier, s Signer, at time.Time) ([]byte, error) {
	oid, err := contentType(typ)
	if err != nil {
		return nil, err
	}
	return s.sign(content, oid, true, at)
}

// SignDetached is [Sign] for content that travels beside the object, as in
// multipart/signed (RFC 8551 section 3.5.3). The type is id-data. The octets
// signed are exactly content: a MIME entity must be in canonical form, with CRLF.
func SignDetached(content []byte, s Signer, at time.Time) ([]byte, error) {
	return s.sign(content, oidData, false, at)
}

// sign does the work of Sign and SignDetached.
func (s Signer) sign(content []byte, typ string, attach bool, at time.Time) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	size := 512 // everything but content and certificates, generously
	if attach {
		size += len(content)
	}
	certs, err := s.certificates()
	if err != nil {
		return nil, err
	}
	for _, c := range certs {
		size += len(c)
	}
	if size > MaxSize+512 {
		return nil, fault(ErrTooLarge, "object of about %d octets", size)
	}
	attrs, err := signedAttributes(typ, content, at)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(attrs)
	signature, err := s.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("cms: sign: %w", err)
	}
	return marshalContentInfo(oidSignedData, size, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		addElement(b, cbasn1.SET, algSHA256)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, typ)
			if attach {
				b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) { addElement(b, cbasn1.OCTET_STRING, content) })
			}
		})
		if len(certs) > 0 {
			b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) {
				for _, c := range certs {
					b.AddBytes(c)
				}
			})
		}
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { s.addSignerInfo(b, attrs, signature) })
	})
}

// addSignerInfo writes the one SignerInfo, version 3 (RFC 5652 section 5.3).
func (s Signer) addSignerInfo(b *cryptobyte.Builder, attrs, signature []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		addElement(b, tagContext0, s.Certificate.SubjectKeyId)
		b.AddBytes([]byte(algSHA256))
		// What was signed is a SET; here it is [0] IMPLICIT, which is the same
		// encoding but for the first octet (RFC 5652 section 5.4).
		b.AddUint8(uint8(tagExplicit0))
		b.AddBytes(attrs[1:])
		b.AddBytes([]byte(algECDSA))
		addElement(b, cbasn1.OCTET_STRING, signature)
	})
}

// check refuses a signer whose signature a reader would have to refuse.
func (s Signer) check() error {
	if s.Certificate == nil || s.Key == nil {
		return errors.New("cms: signer without certificate or key")
	}
	pub, ok := s.Certificate.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return fault(ErrUnsupported, "signer's key is not on P-256")
	}
	if !pub.Equal(s.Key.Public()) {
		return errors.New("cms: key and certificate of the signer do not belong together")
	}
	if n := len(s.Certificate.SubjectKeyId); n == 0 || n > MaxKeyID {
		return fault(ErrUnsupported, "subject key identifier of %d octets", n)
	}
	if !maySign(s.Certificate) {
		return fault(ErrSigner, "key usage")
	}
	return nil
}

// certificates returns the DER of Include as members of a SET OF: sorted, each
// once.
func (s Signer) certificates() ([][]byte, error) {
	if len(s.Include) == 0 {
		return nil, nil
	}
	certs := make([][]byte, 0, len(s.Include))
	for _, c := range s.Include {
		certs = append(certs, c.Raw)
	}
	slices.SortFunc(certs, bytes.Compare)
	certs = slices.CompactFunc(certs, bytes.Equal)
	if len(certs) > MaxCertificates {
		return nil, fault(ErrTooLarge, "%d certificates", len(certs))
	}
	return certs, nil
}

// signedAttributes encodes the SET that is signed.
func signedAttributes(typ string, content []byte, at time.Time) ([]byte, error) {
	at = at.UTC()
	if at.IsZero() || at.Year() < 0 || at.Year() > 9999 {
		return nil, fmt.Errorf("cms: no signing time can be written for year %d", at.Year())
	}
	digest := sha256.Sum256(content)
	return marshalAttributes(
		attribute{oidContentType, cbasn1.OBJECT_IDENTIFIER, []byte(typ)},
		attribute{oidMessageDigest, cbasn1.OCTET_STRING, digest[:]},
		timeAttribute(at),
	), nil
}

// maySign reports whether the key usage of cert, if it has one, allows
// signatures on messages (RFC 8550 section 4.4.2).
func maySign(cert *x509.Certificate) bool {
	return cert.KeyUsage == 0 || cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) != 0
}
