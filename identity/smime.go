package identity

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity/cms"
)

// Limits of a multipart/signed object.
const (
	maxMultipart       = 512 << 10
	maxMultipartHeader = 8 << 10
	maxSignatureText   = 64 << 10 // base 64, line ends included
)

const signatureType = "application/pkcs7-signature"

// Multipart is a multipart/signed object (RFC 1847; RFC 8551, 3.5.3) as files, mail and gateways have it. What it says is unknown until Verify.
type Multipart struct {
	part   []byte
	parsed *cms.Signed
}

// WriteMultipartSigned signs an entity and writes it as a multipart/signed MIME object with the certificates of the signer in it, lines ending in
// CRLF.
func (k *Keys) WriteMultipartSigned(e Entity, now time.Time) ([]byte, error) {
	part, err := e.Marshal()
	if err != nil {
		return nil, fmt.Errorf("multipart/signed: %w", err)
	}
	signature, err := cms.SignDetached(part, k.signer(true), now)
	if err != nil {
		return nil, fmt.Errorf("multipart/signed: %w", err)
	}
	return marshalMultipart(part, signature, micalgName(crypto.SHA256)), nil
}

// Multipart writes s as a multipart/signed MIME object for people without kith: the same signature over the same octets, and the certificates that s
// carries. [ParseMultipartSigned] reads it.
func (s Signed) Multipart() ([]byte, error) {
	if s.IsZero() {
		return nil, errors.New("multipart/signed: nothing signed")
	}
	part, signature, err := cms.Detach(s.raw)
	if err != nil {
		return nil, fmt.Errorf("multipart/signed: %w", err)
	}
	return marshalMultipart(part, signature, micalgName(s.parsed.Hash())), nil
}

// marshalMultipart joins an entity and its detached signature. The boundary is random, so it stands in no entity.
func marshalMultipart(part, signature []byte, micalg string) []byte {
	var random [16]byte
	rand.Read(random[:])
	boundary := "kith-" + hex.EncodeToString(random[:])
	var b bytes.Buffer
	b.Grow(len(part) + 2*len(signature) + 1024)
	fmt.Fprintf(&b, "Content-Type: multipart/signed; protocol=\"%s\"; micalg=%s; boundary=\"%s\"\r\n", signatureType, micalg, boundary)
	fmt.Fprintf(&b, "MIME-Version: 1.0\r\n\r\n--%s\r\n", boundary)
	b.Write(part)
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: %s; name=\"smime.p7s\"\r\n", boundary, signatureType)
	b.WriteString("Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n")
	for text := base64.StdEncoding.EncodeToString(signature); text != ""; {
		n := min(len(text), 76)
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes()
}

// ParseMultipartSigned reads a multipart/signed MIME object of at most 512 KiB with CRLF line ends. The parameter protocol must be quoted, as its
// value demands, and name the type of the second part; micalg, if it is a name we know, must be the digest of the signature (RFC 1847, 2.1). What was
// signed are the octets of the first part as received, up to and without the CRLF before the boundary. Text before the first boundary is ignored;
// after the last one only white space is allowed. What two readers could take apart in two ways is refused.
func ParseMultipartSigned(b []byte) (*Multipart, error) {
	m, err := parseMultipart(b)
	if err != nil {
		return nil, fmt.Errorf("multipart/signed: %w", err)
	}
	return m, nil
}

func parseMultipart(b []byte) (*Multipart, error) {
	if len(b) > maxMultipart {
		return nil, fmt.Errorf("%d octets: at most %d", len(b), maxMultipart)
	}
	header, body, err := cutHeader(b)
	if err != nil {
		return nil, err
	}
	typ, params, err := parseMediaType(header["content-type"])
	if err != nil || typ != "multipart/signed" {
		return nil, fmt.Errorf("content type %.80q is not multipart/signed", header["content-type"])
	}
	protocol := params["protocol"]
	if !isSignatureType(protocol) {
		return nil, fmt.Errorf("protocol %.80q", protocol)
	}
	part, second, err := cutParts(body, params["boundary"])
	if err != nil {
		return nil, err
	}
	signature, err := decodeSignaturePart(second, protocol)
	if err != nil {
		return nil, err
	}
	parsed, err := cms.ParseSigned(signature)
	if err != nil {
		return nil, err
	}
	if err := checkMicalg(params["micalg"], parsed.Hash()); err != nil {
		return nil, err
	}
	return &Multipart{part, parsed}, nil
}

// Verify is [Verify] for a detached signature. The first part must be an [Entity] in kith's form.
func (m *Multipart) Verify(known Known, now time.Time) (*Opened, error) {
	check := func(c *x509.Certificate) error { return m.parsed.VerifyDetached(m.part, c) }
	o, err := verifySigner(m.parsed, m.part, check, known, now)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return o, nil
}
