package identity

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"strings"
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
	var random [16]byte
	rand.Read(random[:])
	boundary := "kith-" + hex.EncodeToString(random[:])
	var b bytes.Buffer
	fmt.Fprintf(&b, "Content-Type: multipart/signed; protocol=\"%s\"; micalg=sha-256; boundary=\"%s\"\r\n", signatureType, boundary)
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
	return b.Bytes(), nil
}

// ParseMultipartSigned reads a multipart/signed MIME object of at most 512 KiB with CRLF line ends. The parameter protocol must be quoted, as its
// value demands. What was signed are the octets of the first part as received, up to and without the CRLF before the boundary. Text before
// the first boundary is ignored; after the last one only white space is allowed.
func ParseMultipartSigned(b []byte) (*Multipart, error) {
	if len(b) > maxMultipart {
		return nil, fmt.Errorf("multipart/signed of %d octets: at most %d", len(b), maxMultipart)
	}
	header, body, err := cutHeader(b)
	if err != nil {
		return nil, fmt.Errorf("multipart/signed: %w", err)
	}
	typ, params, err := mime.ParseMediaType(header["content-type"])
	if err != nil || typ != "multipart/signed" {
		return nil, fmt.Errorf("content type %.80q is not multipart/signed", header["content-type"])
	}
	if p := params["protocol"]; !isSignatureType(p) {
		return nil, fmt.Errorf("multipart/signed: protocol %.80q", p)
	}
	if params["micalg"] == "" {
		return nil, errors.New("multipart/signed: no micalg")
	}
	part, second, err := cutParts(body, params["boundary"])
	if err != nil {
		return nil, fmt.Errorf("multipart/signed: %w", err)
	}
	signature, err := decodeSignaturePart(second)
	if err != nil {
		return nil, fmt.Errorf("multipart/signed: %w", err)
	}
	parsed, err := cms.ParseSigned(signature)
	if err != nil {
		return nil, fmt.Errorf("multipart/signed: %w", err)
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

func isSignatureType(s string) bool {
	return strings.EqualFold(s, signatureType) || strings.EqualFold(s, "application/x-pkcs7-signature")
}

// cutHeader reads MIME header fields up to the blank line, unfolds them, and refuses a field that comes twice.
func cutHeader(b []byte) (header map[string]string, rest []byte, err error) {
	raw, _, found := bytes.Cut(b[:min(len(b), maxMultipartHeader)], []byte("\r\n\r\n"))
	if !found {
		return nil, nil, fmt.Errorf("no blank line ends the header within %d octets", maxMultipartHeader)
	}
	rest = b[len(raw)+4:]
	unfolded := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(string(raw))
	header = make(map[string]string)
	for line := range strings.SplitSeq(unfolded, "\r\n") {
		name, value, found := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if _, twice := header[name]; !found || twice || name == "" || strings.ContainsAny(line, "\r\n\x00") {
			return nil, nil, fmt.Errorf("bad header line %.40q", line)
		}
		header[name] = strings.Trim(value, " \t")
	}
	return header, rest, nil
}

// cutParts gives the two parts of a multipart body (RFC 2046, 5.1.1).
func cutParts(body []byte, boundary string) (first, second []byte, err error) {
	if boundary == "" || len(boundary) > 70 || !printable(boundary) || strings.HasSuffix(boundary, " ") {
		return nil, nil, errors.New("bad boundary")
	}
	_, rest, last, found := cutDelimiter(append([]byte("\r\n"), body...), boundary)
	if !found || last {
		return nil, nil, errors.New("no first part")
	}
	first, rest, last, found = cutDelimiter(rest, boundary)
	if !found || last {
		return nil, nil, errors.New("no second part")
	}
	second, rest, last, found = cutDelimiter(rest, boundary)
	if !found || !last {
		return nil, nil, errors.New("second part is not the last one")
	}
	if len(bytes.Trim(rest, " \t\r\n")) > 0 {
		return nil, nil, errors.New("text after the last boundary")
	}
	return first, second, nil
}

// cutDelimiter cuts at the first delimiter line; last tells whether it is the closing one. Only a whole line is a delimiter.
func cutDelimiter(b []byte, boundary string) (before, after []byte, last, found bool) {
	delimiter := []byte("\r\n--" + boundary)
	for from := 0; ; {
		i := bytes.Index(b[from:], delimiter)
		if i < 0 {
			return nil, nil, false, false
		}
		start := from + i
		line := b[start+len(delimiter):]
		from = start + len(delimiter)
		if line, last = bytes.CutPrefix(line, []byte("--")); last {
			line = bytes.TrimLeft(line, " \t")
			if len(line) == 0 || bytes.HasPrefix(line, []byte("\r\n")) {
				return b[:start], line, true, true
			}
			continue
		}
		if line, found = bytes.CutPrefix(bytes.TrimLeft(line, " \t"), []byte("\r\n")); found {
			return b[:start], line, false, true
		}
	}
}

// decodeSignaturePart gives the DER in the second part.
func decodeSignaturePart(part []byte) ([]byte, error) {
	header, body, err := cutHeader(part)
	if err != nil {
		return nil, fmt.Errorf("signature part: %w", err)
	}
	if typ, _, err := mime.ParseMediaType(header["content-type"]); err != nil || !isSignatureType(typ) {
		return nil, fmt.Errorf("signature part: content type %.80q", header["content-type"])
	}
	if !strings.EqualFold(header["content-transfer-encoding"], "base64") || len(body) > maxSignatureText {
		return nil, fmt.Errorf("signature part: want base64 of at most %d octets", maxSignatureText)
	}
	text := strings.NewReplacer("\r\n", "", " ", "", "\t", "").Replace(string(body))
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("signature part: bad base64")
	}
	return der, nil
}
