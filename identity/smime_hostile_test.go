package identity

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// multipart is a multipart/signed object of alice's that says body, with the boundary given in place of the random one.
func multipart(t testing.TB, body, boundary string) string {
	t.Helper()
	raw, err := mustNew(t, "alice").WriteMultipartSigned(message(body), testTime)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(raw), boundaryOf(t, string(raw)), boundary)
}

func boundaryOf(t testing.TB, s string) string {
	t.Helper()
	_, rest, _ := strings.Cut(s, `boundary="`)
	boundary, _, found := strings.Cut(rest, `"`)
	if !found {
		t.Fatal("no boundary")
	}
	return boundary
}

// TestMultipartForms: what other writers may do around the same signed octets.
func TestMultipartForms(t *testing.T) {
	const body = "hello\r\n--\r\n--other\r\n"
	for _, boundary := range []string{"b", "-", "--", "0aZ'()+_,-./:=?", "with spaces in it", strings.Repeat("x", 70)} {
		s := multipart(t, body, boundary)
		for name, change := range map[string]*strings.Replacer{
			"as written":             strings.NewReplacer(),
			"blanks at delimiters":   strings.NewReplacer("\r\n--"+boundary+"\r\n", "\r\n--"+boundary+" \t \r\n", "--"+boundary+"--", "--"+boundary+"-- \t"),
			"preamble":               strings.NewReplacer("1.0\r\n\r\n", "1.0\r\n\r\n\r\nThis is a signed message.\r\n\r\n"),
			"preamble with hyphens":  strings.NewReplacer("1.0\r\n\r\n", "1.0\r\n\r\n--\r\n--c\r\n a--"+boundary+"\r\n"),
			"preamble, bare LF":      strings.NewReplacer("1.0\r\n\r\n", "1.0\r\n\r\na\nb\rc\r\n"),
			"blank lines at the end": strings.NewReplacer("--"+boundary+"--\r\n", "--"+boundary+"--\r\n\r\n \t\r\n"),
			"no line end at the end": strings.NewReplacer("--"+boundary+"--\r\n", "--"+boundary+"--"),
			"folded":                 strings.NewReplacer("; micalg", ";\r\n\tmicalg", "; name", ";\r\n   name"),
			"header in capitals":     strings.NewReplacer("Content-Type: multipart", "CONTENT-TYPE:multipart", "micalg=", "MICALG="),
			"other header fields":    strings.NewReplacer("MIME-Version", "From: im:a@example.com\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\nMIME-Version"),
			"older type":             strings.NewReplacer("application/pkcs7", "application/x-pkcs7"),
			"type in capitals":       strings.NewReplacer("application/pkcs7-signature;", "Application/PKCS7-Signature;"),
			"other spelling":         strings.NewReplacer("micalg=sha-256", `micalg="SHA256"`),
			"several digests":        strings.NewReplacer("micalg=sha-256", `micalg="sha-512, sha-256"`),
			"unknown digest":         strings.NewReplacer("micalg=sha-256", "micalg=unknown"),
			"LF in base64":           strings.NewReplacer("\r\n\r\nMII", "\r\n\r\nM\nI\rI"),
			"encoding in capitals":   strings.NewReplacer("Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: BASE64"),
		} {
			altered := change.Replace(s)
			if altered == s && name != "as written" {
				t.Fatalf("%s: nothing to alter", name)
			}
			m, err := ParseMultipartSigned([]byte(altered))
			if err != nil {
				t.Errorf("%q, %s: %v", boundary, name, err)
				continue
			}
			if o, err := m.Verify(Known{}, testTime); err != nil || string(o.Entity.Body) != body {
				t.Errorf("%q, %s: %v", boundary, name, err)
			}
		}
	}
}

// TestMultipartAmbiguous: what one reader takes apart in this way and another in that one, so that they show different parts for one signature.
func TestMultipartAmbiguous(t *testing.T) {
	const plain = "Content-Type: text/plain\r\n\r\nevil\r\n"
	s := multipart(t, "hello", "b")
	open, first := "\r\n\r\n--b\r\n", "--b\r\nContent-Type: text/plain"
	for name, test := range map[string][2]string{
		"part before":                  {first, "--b\r\n" + plain + first},
		"part behind":                  {"\r\n--b--", "\r\n--b\r\n" + plain + "--b--"},
		"closed before the parts":      {first, "--b--\r\n" + first},
		"closed between the parts":     {"hello\r\n--b\r\n", "hello\r\n--b--\r\n--b\r\n"},
		"closed twice":                 {"--b--\r\n", "--b--\r\n--b--\r\n"},
		"delimiter in the epilogue":    {"--b--\r\n", "--b--\r\n--b\r\n"},
		"text in the epilogue":         {"--b--\r\n", "--b--\r\nevil\r\n"},
		"boundary with more behind":    {"hello", "hello\r\n--bb\r\nevil"},
		"boundary of a nested part":    {"hello", "hello\r\n--b2\r\nevil\r\n--b2--"},
		"text behind the boundary":     {"hello", "hello\r\n--b evil\r\nhello"},
		"three hyphens behind":         {"hello", "hello\r\n--b---\r\nhello"},
		"the same in the preamble":     {open, "\r\n\r\n--b evil\r\n--b\r\n"},
		"boundary behind a bare LF":    {"hello", "hello\n--b\r\nevil"},
		"boundary behind a bare CR":    {"hello", "hello\r--b\r\nevil"},
		"bare LF behind the boundary":  {"hello", "hello\r\n--b\nevil"},
		"bare CR behind the boundary":  {"hello", "hello\r\n--b\revil"},
		"bare LF in the preamble":      {open, "\r\n\r\na\n--b\r\n--b\r\n"},
		"closing line behind a LF":     {"hello", "hello\n--b--\r\n"},
		"parts without a line between": {first, "--b\r\n" + first},
		"only one part":                {"\r\n--b\r\nContent-Type: application", "\r\n\r\nContent-Type: application"},
		"header field with a blank":    {"Content-Type: multipart", "Content-Type : multipart"},
		"header twice":                 {"MIME-Version: 1.0", "MIME-Version: 1.0\r\ncontent-type: text/plain"},
		"header twice in the second":   {"Content-Transfer-Encoding", "Content-Type: text/plain\r\nContent-Transfer-Encoding"},
		"encoding twice":               {"Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: base64"},
		"header begins with a blank":   {"Content-Type: multipart", " Content-Type: multipart"},
		"blank line with a space":      {"MIME-Version: 1.0\r\n", "MIME-Version: 1.0\r\n \r\n"},
		"header line without a colon":  {"MIME-Version: 1.0", "MIME-Version 1.0"},
		"bare LF in the header":        {"MIME-Version: 1.0\r\n", "MIME-Version: 1.0\n\n"},
		"NUL in the header":            {"MIME-Version: 1.0", "MIME-Version: 1.0\x00"},
		"parameter twice":              {`boundary="b"`, `boundary="b"; boundary="c"`},
		"parameter in pieces":          {`boundary="b"`, `boundary*0="b"; boundary="c"`},
		"parameter with a charset":     {`boundary="b"`, `boundary*=us-ascii''b`},
		"comment":                      {`boundary="b"`, `boundary="b" (c)`},
		"boundary of strange letters":  {`boundary="b"`, `boundary="b@"`},
		"boundary ends with a blank":   {`boundary="b"`, `boundary="b "`},
		"empty boundary":               {`boundary="b"`, `boundary=""`},
		"other digest":                 {"micalg=sha-256", "micalg=sha-512"},
		"the digest of 2004":           {"micalg=sha-256", "micalg=sha-1"},
		"no digest":                    {"micalg=sha-256", `micalg=""`},
		"types differ":                 {"Content-Type: application/pkcs7", "Content-Type: application/x-pkcs7"},
		"base64 behind its end":        {"\r\n\r\n--b--", "AAAA\r\n\r\n--b--"},
		"comment in base64":            {"\r\n\r\nMII", "\r\n\r\n#\r\nMII"},
	} {
		altered := strings.Replace(s, test[0], test[1], 1)
		if altered == s {
			t.Fatalf("%s: nothing to alter", name)
		}
		m, err := ParseMultipartSigned([]byte(altered))
		if err != nil && m == nil {
			continue
		}
		t.Errorf("%s: accepted", name)
	}
	long := strings.Repeat("x", 71)
	if m, err := ParseMultipartSigned([]byte(strings.NewReplacer(`"b"`, `"`+long+`"`, "--b", "--"+long).Replace(s))); err == nil || m != nil {
		t.Error("boundary of 71 characters accepted")
	}
	many := strings.Replace(s, "MIME-Version", "X: "+strings.Repeat("x", maxMultipartHeader)+"\r\nMIME-Version", 1)
	if m, err := ParseMultipartSigned([]byte(many)); err == nil || m != nil {
		t.Error("header beyond its limit accepted")
	}
}

// TestMultipartBytes: the first part is hashed as received, whatever is in it.
func TestMultipartBytes(t *testing.T) {
	for _, body := range []string{"", "\r\n", "\n", "\r", "a\nb\rc", "\x00\xff", "trailing blanks  \t \r\n", "From here\r\n.\r\n..\r\n", "\r\n\r\n", "--", "\r\n--", "\r\n--\r\n",
		strings.Repeat("long ", 5000), "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\ninner\r\n--c--\r\n"} {
		s := multipart(t, body, "b0b")
		m, err := ParseMultipartSigned([]byte(s))
		if err != nil {
			t.Errorf("%.20q: %v", body, err)
			continue
		}
		want, err := message(body).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.part, want) {
			t.Errorf("%.20q: part is %.80q, want %.80q", body, m.part, want)
		}
		if o, err := m.Verify(Known{}, testTime); err != nil || string(o.Entity.Body) != body {
			t.Errorf("%.20q: %v", body, err)
		}
		start := strings.Index(s, string(want))
		for i := start; i < start+len(want); i += 1 + len(want)/50 {
			altered := []byte(s)
			altered[i] ^= 0x20
			if m, err := ParseMultipartSigned(altered); err == nil {
				if o, err := m.Verify(Known{}, testTime); err == nil || o != nil {
					t.Errorf("%.20q: verifies with octet %d of the part altered", body, i-start)
				}
			}
		}
	}
}

// TestSignedMultipart: an opaque object becomes multipart/signed without a new signature.
func TestSignedMultipart(t *testing.T) {
	k := mustNew(t, "alice")
	opaque := mustSign(t, k, message("hello\r\n"), true)
	raw, err := opaque.Multipart()
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMultipartSigned(raw)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := m.Verify(Known{}, testTime); err != nil || o.From != k.Address() || string(o.Entity.Body) != "hello\r\n" {
		t.Errorf("%v", err)
	}
	if raw, err := (Signed{}).Multipart(); err == nil || raw != nil {
		t.Error("nothing written as multipart/signed")
	}
	// A signature that carries the content itself is not a detached one, even if the contents agree.
	_, rest, _ := strings.Cut(string(raw), "smime.p7s\"\r\n\r\n")
	_, old, _ := strings.Cut(rest, "smime.p7s\"\r\n\r\n")
	old, _, _ = strings.Cut(old+rest, "\r\n\r\n--")
	both := strings.Replace(string(raw), old, base64.StdEncoding.EncodeToString(opaque.Bytes()), 1)
	if m, err = ParseMultipartSigned([]byte(both)); err != nil {
		t.Fatal(err)
	}
	if o, err := m.Verify(Known{}, testTime); err == nil || o != nil {
		t.Error("content in both places")
	}
}

// TestOpenSSLMultipart has openssl verify ours and write its own, in every way it has of writing line ends.
func TestOpenSSLMultipart(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: nobody referees multipart/signed")
	}
	dir := t.TempDir()
	k := mustNew(t, "alice")
	content, signed := writeForOpenSSL(t, dir, k)
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := []string{"cms", "-verify", "-inform", "SMIME", "-CAfile", "account.pem", "-attime", "1795176000", "-in"}
	raw, err := signed.Multipart()
	if err != nil {
		t.Fatal(err)
	}
	write("converted.eml", raw)
	if out, err := openssl(t, dir, append(verify, "converted.eml")...); err != nil || !bytes.Equal(out, content) {
		t.Errorf("openssl shows %q, %v, want %q", out, err, content)
	}
	write("forged.eml", bytes.Replace(raw, []byte("hello"), []byte("hallo"), 1))
	if out, err := openssl(t, dir, append(verify, "forged.eml")...); err == nil {
		t.Errorf("openssl verifies the forgery %q", out)
	}
	for _, form := range [][]string{{}, {"-crlfeol"}, {"-binary"}, {"-binary", "-crlfeol"}, {"-binary", "-nosmimecap"}, {"-keyid"}, {"-nocerts", "-keyid"}, {"-stream"}} {
		out, err := openssl(t, dir, append([]string{"cms", "-sign", "-md", "sha256", "-in", "content", "-signer", "signing.pem",
			"-inkey", "signing.key", "-certfile", "account.pem"}, form...)...)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := ParseMultipartSigned(out); (err == nil) != slices.Contains(form, "-crlfeol") || (err == nil) != (m != nil) {
			t.Errorf("%q, as it came: %v", form, err)
		}
		m, err := ParseMultipartSigned(bytes.ReplaceAll(bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n")))
		if err != nil {
			t.Errorf("%q: %v", form, err)
			continue
		}
		known := Known{}
		if slices.Contains(form, "-nocerts") {
			known = mustCard(t, k, 1).Card().Known()
		}
		if o, err := m.Verify(known, m.parsed.SigningTime); err != nil || o.From != k.Address() || !bytes.Equal(m.part, content) {
			t.Errorf("%q: %v, part %q", form, err, m.part)
		}
	}
}

// TestMultipartLimits: each limit is reached and one octet more is refused.
func TestMultipartLimits(t *testing.T) {
	s := multipart(t, "hello", "b")
	for name, test := range map[string]struct {
		before string // the padding stands behind the first one of it
		size   int    // with so many octets of padding the limit is reached
	}{
		"object":         {"--b--\r\n", maxMultipart - len(s)},
		"header":         {"MIME-Version: 1.0", maxMultipartHeader - strings.Index(s, "\r\n\r\n") - 4},
		"signature text": {"smime.p7s\"\r\n\r\n", maxSignatureText - (strings.Index(s, "\r\n--b--") - strings.LastIndex(s, "\r\n\r\nMII") - 4)},
	} {
		for more := range 2 {
			head, tail, _ := strings.Cut(s, test.before)
			m, err := ParseMultipartSigned([]byte(head + test.before + strings.Repeat(" ", test.size+more) + tail))
			if (err == nil) != (more == 0) || (err == nil) != (m != nil) {
				t.Errorf("%s, %d over: %v", name, more, err)
			}
		}
	}
}
