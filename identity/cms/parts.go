package cms

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Bare returns the SignedData object der without the certificates beside the
// signature, for a reader who has them from an earlier contact. No signature
// covers them (RFC 5652 section 5.4), so the result verifies whenever der does;
// all other octets stay, and if there are no certificates the result is der
// itself. Bare checks no more than it needs to find them: it is for an object
// that was parsed before. Errors are ErrMalformed, ErrUnsupported and
// ErrTooLarge.
func Bare(der []byte) ([]byte, error) {
	p, err := splitSigned(der)
	if err != nil {
		return nil, err
	}
	if p.certificates == nil {
		return der, nil
	}
	p.certificates = nil
	return p.join()
}

// Detach takes the content out of the opaque SignedData object der, for the
// form with a detached signature: [Signed.VerifyDetached] with these two says
// what [Signed.Verify] says of der. Nothing that is signed changes. An object
// that carries no content is ErrUnsupported; otherwise Detach checks and errs as
// [Bare] does. Content shares memory with der.
func Detach(der []byte) (content, detached []byte, err error) {
	p, err := splitSigned(der)
	if err != nil {
		return nil, nil, err
	}
	var s Signed
	var in cryptobyte.String
	if encap := p.encap; !encap.ReadASN1(&in, cbasn1.SEQUENCE) {
		return nil, nil, fault(ErrMalformed, "content")
	}
	typ, err := s.readContent(in)
	if err != nil {
		return nil, nil, err
	}
	if s.Content == nil {
		return nil, nil, fault(ErrUnsupported, "the content is detached")
	}
	p.encap = appendHeader(make([]byte, 0, 8+len(typ)), cbasn1.SEQUENCE, 2+len(typ))
	p.encap = append(appendHeader(p.encap, cbasn1.OBJECT_IDENTIFIER, len(typ)), typ...)
	detached, err = p.join()
	if err != nil {
		return nil, nil, err
	}
	return s.Content, detached, nil
}

// signedParts are the elements of a SignedData as received, tags and lengths
// included.
type signedParts struct {
	version, digests, encap cryptobyte.String
	certificates            cryptobyte.String // nil if absent
	signers                 cryptobyte.String
}

// splitSigned cuts a SignedData (RFC 5652 section 5.1) into its elements, and
// refuses revocation lists.
func splitSigned(der []byte) (signedParts, error) {
	var p signedParts
	body, err := readContentInfo(der, oidSignedData)
	if err != nil {
		return p, err
	}
	if !body.ReadASN1Element(&p.version, cbasn1.INTEGER) || !body.ReadASN1Element(&p.digests, cbasn1.SET) ||
		!body.ReadASN1Element(&p.encap, cbasn1.SEQUENCE) {
		return p, fault(ErrMalformed, "signed data")
	}
	if body.PeekASN1Tag(tagExplicit0) && !body.ReadASN1Element(&p.certificates, tagExplicit0) {
		return p, fault(ErrMalformed, "certificates")
	}
	if body.PeekASN1Tag(tagExplicit1) {
		return p, fault(ErrUnsupported, "revocation lists")
	}
	if !body.ReadASN1Element(&p.signers, cbasn1.SET) || !body.Empty() {
		return p, fault(ErrMalformed, "signer infos")
	}
	return p, nil
}

// join is the way back from splitSigned.
func (p signedParts) join() ([]byte, error) {
	size := len(p.version) + len(p.digests) + len(p.encap) + len(p.certificates) + len(p.signers) + 64
	return marshalContentInfo(oidSignedData, size, func(b *cryptobyte.Builder) {
		for _, part := range [...]cryptobyte.String{p.version, p.digests, p.encap, p.certificates, p.signers} {
			b.AddBytes(part)
		}
	})
}
