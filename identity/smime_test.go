package identity

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMultipartSigned(t *testing.T) {
	k := mustNew(t, "alice")
	for name, body := range map[string]string{"empty": "", "CRLF at the end": "hello\r\n", "several": "\r\n\r\nhello\r\n\r\n", "looks like a boundary": "\r\n--kith-0\r\n"} {
		e := message(body)
		raw, err := k.WriteMultipartSigned(e, testTime)
		if err != nil {
			t.Fatal(err)
		}
		for what, form := range map[string][]byte{
			"as written":    raw,
			"with preamble": bytes.Replace(raw, []byte("1.0\r\n\r\n"), []byte("1.0\r\n\r\nThis is signed.\r\n"), 1),
			"folded":        bytes.Replace(raw, []byte("; micalg"), []byte(";\r\n micalg"), 1),
		} {
			m, err := ParseMultipartSigned(form)
			if err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
				continue
			}
			o, err := m.Verify(Known{}, testTime)
			if err != nil || o.From != k.Address() || string(o.Entity.Body) != body || !o.Signed.IsZero() {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

func TestParseMultipartSignedHostile(t *testing.T) {
	k := mustNew(t, "alice")
	raw, err := k.WriteMultipartSigned(message("hello"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	s := string(raw)
	boundary := s[strings.Index(s, `boundary="`)+10:][:37]
	for name, test := range map[string][2]string{
		"protocol not quoted": {`protocol="application/pkcs7-signature"`, `protocol=application/pkcs7-signature`},
		"other protocol":      {`protocol="application/pkcs7-signature"`, `protocol="application/pgp-signature"`},
		"no protocol":         {`protocol="application/pkcs7-signature"; `, ``},
		"no micalg":           {`micalg=sha-256; `, ``},
		"other type":          {`multipart/signed`, `multipart/mixed`},
		"no boundary":         {`; boundary="` + boundary + `"`, ``},
		"bare LF":             {"\r\n", "\n"},
		"third part":          {"--" + boundary + "--", "--" + boundary + "\r\nContent-Type: text/plain\r\n\r\nx\r\n--" + boundary + "--"},
		"text behind":         {"--" + boundary + "--\r\n", "--" + boundary + "--\r\nand also this\r\n"},
		"not closed":          {"--" + boundary + "--", ""},
		"not base64":          {"Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: 8bit"},
		"bad base64":          {"\r\n\r\nMII", "\r\n\r\nM=I"},
		"part of other type":  {"Content-Type: application/pkcs7-signature;", "Content-Type: text/plain;"},
		"type twice":          {"MIME-Version: 1.0", "Content-Type: multipart/signed"},
	} {
		altered := strings.ReplaceAll(s, test[0], test[1])
		if altered == s {
			t.Fatalf("%s: nothing to alter", name)
		}
		if m, err := ParseMultipartSigned([]byte(altered)); err == nil || m != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, test := range map[string][2]string{
		"text":          {"hello", "hallo"},
		"line end":      {"hello\r\n", "hello\r\n\r\n"},
		"field":         {"<1@kith>", "<2@kith>"},
		"space":         {"hello\r\n", "hello \r\n"},
		"earlier field": {"--" + boundary + "\r\nContent-Type: text", "--" + boundary + "\r\nX: y\r\nContent-Type: text"},
	} {
		m, err := ParseMultipartSigned([]byte(strings.Replace(s, test[0], test[1], 1)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if o, err := m.Verify(Known{}, testTime); err == nil || o != nil {
			t.Errorf("%s: altered and accepted", name)
		}
	}
	if _, err := ParseMultipartSigned(make([]byte, maxMultipart+1)); err == nil {
		t.Error("beyond the limit")
	}
}

func FuzzParseMultipartSigned(f *testing.F) {
	raw, err := mustNew(f, "alice").WriteMultipartSigned(message("hello"), testTime)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	for _, boundary := range []string{"b", "-", "a b"} {
		f.Add([]byte(multipart(f, "hello\r\n--", boundary)))
	}
	f.Add([]byte("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=a; boundary=b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b--"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMultipartSigned(b)
		if (err == nil) == (m == nil) {
			t.Fatalf("%v beside %v", m, err)
		}
		if m != nil && !bytes.Contains(b, m.part) {
			t.Fatal("part is not what was received")
		}
	})
}

// openssl runs the referee in a directory of its own.
func openssl(t *testing.T, dir string, args ...string) ([]byte, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "openssl", args...)
	c.Dir = dir
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Logf("openssl %s: %s", strings.Join(args, " "), stderr.String())
	}
	return out, err
}

// TestOpenSSL has another implementation judge certificates, signatures and seals.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: nobody referees certificates and objects")
	}
	dir := t.TempDir()
	k := mustNew(t, "alice")
	content, signed := writeForOpenSSL(t, dir, k)
	at := []string{"-attime", "1795176000"} // testTime
	for _, name := range []string{"signing.pem", "sealing.pem"} {
		out, err := openssl(t, dir, append([]string{"verify", "-x509_strict", "-CAfile", "account.pem"}, append(at, name)...)...)
		if err != nil || string(out) != name+": OK\n" {
			t.Errorf("verify %s: %s%v", name, out, err)
		}
	}
	out, err := openssl(t, dir, append([]string{"cms", "-verify", "-binary", "-inform", "DER", "-in", "signed.der", "-CAfile", "account.pem"}, at...)...)
	if err != nil || !bytes.Equal(out, content) {
		t.Errorf("cms -verify: %q, %v", out, err)
	}
	out, err = openssl(t, dir, append([]string{"cms", "-verify", "-inform", "SMIME", "-in", "multipart.eml", "-CAfile", "account.pem"}, at...)...)
	if err != nil || !bytes.Equal(out, content) {
		t.Errorf("cms -verify of multipart/signed: %q, %v", out, err)
	}
	out, err = openssl(t, dir, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed.der", "-inkey", "sealing.key", "-recip", "sealing.pem")
	if err != nil || !bytes.Equal(out, signed.Bytes()) {
		t.Errorf("cms -decrypt: %d octets, %v; want %d", len(out), err, len(signed.Bytes()))
	}
	out, err = openssl(t, dir, "cms", "-sign", "-binary", "-crlfeol", "-md", "sha256", "-in", "content", "-signer", "signing.pem",
		"-inkey", "signing.key", "-certfile", "account.pem", "-keyid")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMultipartSigned(bytes.ReplaceAll(bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n")))
	if err != nil {
		t.Fatalf("multipart/signed of openssl: %v", err)
	}
	if o, err := m.Verify(Known{}, m.parsed.SigningTime); err != nil {
		t.Errorf("signature of openssl: %v", err)
	} else if o.From != k.Address() {
		t.Errorf("signature of openssl: from %s", o.From)
	}
}

// writeForOpenSSL puts certificates, device keys and objects into files, and gives the entity and the Signed among them.
func writeForOpenSSL(t *testing.T, dir string, k *Keys) (content []byte, signed Signed) {
	t.Helper()
	sealing, err := encodeKey(k.sealing[0].key)
	if err != nil {
		t.Fatal(err)
	}
	signing, err := encodeKey(k.signing.key)
	if err != nil {
		t.Fatal(err)
	}
	signed = mustSign(t, k, message("hello\r\n"), true)
	sealed, err := k.SealTo(signed, mustCard(t, k, 1).Card())
	if err != nil {
		t.Fatal(err)
	}
	multipart, err := k.WriteMultipartSigned(message("hello\r\n"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	if content, err = message("hello\r\n").Marshal(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"account.pem": encodeCertificate(k.chain[0]), "signing.pem": encodeCertificate(k.signing.certificate),
		"sealing.pem": encodeCertificate(k.sealing[0].certificate), "sealing.key": sealing, "signing.key": signing,
		"signed.der": signed.Bytes(), "sealed.der": sealed.Bytes(), "multipart.eml": multipart, "content": content,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return content, signed
}
