package identity

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"
)

// Punctuation beside letters and digits in a token (RFC 2045, 5.1) and in a boundary (RFC 2046, 5.1.1).
const (
	tokenMarks    = "!#$%&'*+-.^_`{|}~"
	boundaryMarks = "'()+_,-./:=? "
)

// consistsOf tells whether s has only letters, digits and the marks given.
func consistsOf(s, marks string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && strings.IndexByte(marks, s[i]) < 0 {
			return false
		}
	}
	return true
}

// micalgName is the name of a digest in the parameter micalg (RFC 8551, 3.5.3.2).
func micalgName(hash crypto.Hash) string {
	if hash == crypto.SHA512 {
		return "sha-512"
	}
	return "sha-256"
}

// micalgOf gives what a name in micalg stands for, old spellings included: a hash that signatures here have, or 0 for one that they have not.
func micalgOf(name string) (hash crypto.Hash, known bool) {
	switch strings.ToLower(name) {
	case "sha-256", "sha256":
		return crypto.SHA256, true
	case "sha-512", "sha512":
		return crypto.SHA512, true
	case "md5", "rsa-md5", "sha-1", "sha1", "rsa-sha1", "sha-224", "sha224", "sha-384", "sha384":
		return 0, true
	}
	return 0, false
}

// checkMicalg holds the parameter micalg, a list with commas, to the digest of the signature. Names that nobody knows do no harm (RFC 8551, 3.5.3.2).
func checkMicalg(value string, hash crypto.Hash) error {
	if value == "" || len(value) > 80 {
		return errors.New("no micalg")
	}
	known := false
	for name := range strings.SplitSeq(value, ",") {
		h, ok := micalgOf(strings.Trim(name, " \t"))
		if ok && h == hash {
			return nil
		}
		known = known || ok
	}
	if known {
		return fmt.Errorf("micalg %q, but the signature has %s", value, micalgName(hash))
	}
	return nil
}

func isSignatureType(s string) bool {
	return strings.EqualFold(s, signatureType) || strings.EqualFold(s, "application/x-pkcs7-signature")
}

// parseMediaType is mime.ParseMediaType without the parameters in pieces and charsets of RFC 2231, which other readers may not know.
func parseMediaType(value string) (typ string, params map[string]string, err error) {
	if strings.Contains(value, "*") {
		return "", nil, errors.New("parameter with an asterisk")
	}
	return mime.ParseMediaType(value)
}

// cutHeader reads MIME header fields up to the blank line, unfolds them, and refuses a field that comes twice. Names are in lower case.
func cutHeader(b []byte) (header map[string]string, rest []byte, err error) {
	raw, _, found := bytes.Cut(b[:min(len(b), maxMultipartHeader)], []byte("\r\n\r\n"))
	if !found {
		return nil, nil, fmt.Errorf("no blank line ends the header within %d octets", maxMultipartHeader)
	}
	rest = b[len(raw)+4:]
	header = make(map[string]string)
	last := ""
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") || strings.Trim(line, " \t") == "" {
			return nil, nil, fmt.Errorf("bad header line %.40q", line)
		}
		if line[0] == ' ' || line[0] == '\t' {
			if last == "" {
				return nil, nil, errors.New("header begins with a continuation")
			}
			header[last] += " " + strings.Trim(line, " \t")
			continue
		}
		name, value, found := strings.Cut(line, ":")
		last = strings.ToLower(name)
		if _, twice := header[last]; !found || twice || name == "" || !consistsOf(name, tokenMarks) {
			return nil, nil, fmt.Errorf("bad header line %.40q", line)
		}
		header[last] = strings.Trim(value, " \t")
	}
	return header, rest, nil
}

// cutParts gives the two parts of a multipart body (RFC 2046, 5.1.1). Whatever some reader could take for a delimiter must be one of the three.
func cutParts(body []byte, boundary string) (first, second []byte, err error) {
	if boundary == "" || len(boundary) > 70 || !consistsOf(boundary, boundaryMarks) || strings.HasSuffix(boundary, " ") {
		return nil, nil, errors.New("bad boundary")
	}
	var found []delimiter
	for from := 0; ; {
		d, ok, err := findDelimiter(body, from, boundary)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			break
		}
		if found = append(found, d); len(found) > 3 {
			return nil, nil, errors.New("more than two parts")
		}
		from = d.end
	}
	if len(found) != 3 || found[0].closing || found[1].closing || !found[2].closing {
		return nil, nil, errors.New("not two parts with a boundary around each")
	}
	if len(bytes.Trim(body[found[2].end:], " \t\r\n")) > 0 {
		return nil, nil, errors.New("text after the last boundary")
	}
	// The CRLF between two delimiters belongs to the second one, so an empty part has none to spare.
	if found[1].start < found[0].end || found[2].start < found[1].end {
		return nil, nil, errors.New("part without content")
	}
	return body[found[0].end:found[1].start:found[1].start], body[found[1].end:found[2].start:found[2].start], nil
}

// delimiter is a boundary line: from the CRLF before it, if there is one, to the end of the one after it.
type delimiter struct {
	start, end int
	closing    bool
}

// findDelimiter finds the next line at or behind from that begins with the boundary. A reader may demand a whole line or be content with its beginning
// (RFC 2046, 5.1.1 allows either), and take CR or LF for a line end: lines on which they differ are an error.
func findDelimiter(body []byte, from int, boundary string) (d delimiter, ok bool, err error) {
	dashed := []byte("--" + boundary)
	for at := from; ; at++ {
		i := bytes.Index(body[at:], dashed)
		if i < 0 {
			return delimiter{}, false, nil
		}
		at += i
		if at > 0 && body[at-1] != '\n' && body[at-1] != '\r' {
			continue
		}
		if at > 0 && !bytes.HasSuffix(body[:at], []byte("\r\n")) {
			return delimiter{}, false, errors.New("boundary behind a line end that is not CRLF")
		}
		d.start = max(at-2, 0)
		rest := body[at+len(dashed):]
		rest, d.closing = bytes.CutPrefix(rest, []byte("--"))
		rest = bytes.TrimLeft(rest, " \t")
		after, whole := bytes.CutPrefix(rest, []byte("\r\n"))
		if !whole && !(d.closing && len(rest) == 0) {
			return delimiter{}, false, errors.New("line that only begins with the boundary")
		}
		d.end = len(body) - len(after)
		return d, true, nil
	}
}

// decodeSignaturePart gives the DER in the second part, whose type is that of the parameter protocol.
func decodeSignaturePart(part []byte, protocol string) ([]byte, error) {
	header, body, err := cutHeader(part)
	if err != nil {
		return nil, fmt.Errorf("signature part: %w", err)
	}
	if typ, _, err := parseMediaType(header["content-type"]); err != nil || !strings.EqualFold(typ, protocol) {
		return nil, fmt.Errorf("signature part: content type %.80q", header["content-type"])
	}
	if !strings.EqualFold(header["content-transfer-encoding"], "base64") || len(body) > maxSignatureText {
		return nil, fmt.Errorf("signature part: want base64 of at most %d octets", maxSignatureText)
	}
	// Here alone any line end will do: openssl writes LF even where it writes CRLF elsewhere, and no line of base64 is a boundary.
	text := slices.DeleteFunc(slices.Clone(body), func(c byte) bool { return strings.IndexByte(" \t\r\n", c) >= 0 })
	der, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return nil, errors.New("signature part: bad base64")
	}
	return der, nil
}
