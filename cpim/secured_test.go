package cpim_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
)

// What RFC 3862 section 5.2 and RFC 3860 section 4 say of secured messages is a
// matter of this package and of identity together. Only these tests know both.

var signedAt = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// newKeys gives the keys of one person and the card of their device.
func newKeys(t *testing.T, local string) (*identity.Keys, *identity.Card) {
	t.Helper()
	k, err := identity.New(local, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := k.SignCard(identity.CardDraft{Serial: 1}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return k, signed.Card()
}

// letter gives a message from one person to another as octets.
func letter(t *testing.T, from, to *identity.Keys) []byte {
	t.Helper()
	m, err := cpim.New(cpim.Draft{
		From:      cpim.Mailbox{Name: "Alice", URI: from.Address().IM()},
		To:        []cpim.Mailbox{{URI: to.Address().IM()}},
		DateTime:  signedAt,
		MessageID: cpim.NewMessageID(),
		Subjects:  []cpim.Subject{{Text: "private matters"}},
		Content:   cpim.NewText("the vault opens at nine\r\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sign(t *testing.T, by *identity.Keys, object []byte) []byte {
	t.Helper()
	raw, err := by.WriteMultipartSigned(identity.Entity{Type: "message/cpim", Body: object}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// verify gives who signed, and the message that its octets are.
func verify(raw []byte) (*identity.Opened, *cpim.Message, error) {
	parts, err := identity.ParseMultipartSigned(raw)
	if err != nil {
		return nil, nil, err
	}
	o, err := parts.Verify(identity.Known{}, signedAt)
	if err != nil {
		return nil, nil, err
	}
	m, err := cpim.ParseEntity(o.Raw)
	return o, m, err
}

// R3862-5.2-signed, R3862-1.1-a, R3862-1.2-a, R2779-5.4.3: two parts, of which
// the first is the message, octet by octet; and From is who signed.
func TestSigned(t *testing.T) {
	alice, _ := newKeys(t, "alice")
	bob, _ := newKeys(t, "bob")
	object := letter(t, alice, bob)
	raw := sign(t, alice, object)
	for _, want := range []string{"Content-Type: multipart/signed;", `protocol="application/pkcs7-signature"`, "micalg=sha-256", "Content-Type: application/pkcs7-signature"} {
		if !bytes.Contains(raw, []byte(want)) {
			t.Errorf("no %s in\n%s", want, raw)
		}
	}
	o, m, err := verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Marshal()
	if err != nil || !bytes.Equal(got, object) {
		t.Errorf("octets changed: %v", err)
	}
	entity, err := m.MarshalEntity()
	if err != nil || sha256.Sum256(entity) != o.Digest || !bytes.Contains(raw, entity) {
		t.Errorf("what was signed is not the entity: %v", err)
	}
	if from, err := identity.ParseAddress(m.From()[0].URI); err != nil || from != o.From || o.From != alice.Address() {
		t.Errorf("From %s, signed by %s: %v", from, o.From, err)
	}
	// Bob may sign what Alice wrote; then it is seen to be Bob who did.
	o, m, err = verify(sign(t, bob, object))
	if err != nil {
		t.Fatal(err)
	}
	if from, err := identity.ParseAddress(m.From()[0].URI); err != nil || from == o.From || o.From != bob.Address() {
		t.Errorf("From %s, signed by %s: %v", from, o.From, err)
	}
}

// R3862-5.2-coverage, R2779-5.4.7: whatever changes under the signature breaks
// it, be the result a message or not.
func TestTamper(t *testing.T) {
	alice, _ := newKeys(t, "alice")
	bob, _ := newKeys(t, "bob")
	object := letter(t, alice, bob)
	raw := string(sign(t, alice, object))
	change := func(old, new string) string {
		if strings.Count(raw, old) == 0 {
			t.Fatalf("no %q in the message", old)
		}
		return strings.Replace(raw, old, new, 1)
	}
	to := "To: <" + bob.Address().IM() + ">\r\n"
	date := "DateTime: 2026-11-20T10:00:00Z\r\n"
	for name, text := range map[string]string{
		"type of the entity":   change("message/cpim", "Message/CPIM"),
		"value of a header":    change("Subject: private", "Subject: public"),
		"order of headers":     change(to+date, date+to),
		"header left out":      change(date, ""),
		"header put in":        change(to, to+"cc: <im:mallory@example.com>\r\n"),
		"escape for a space":   change("private matters", `private\u0020matters`),
		"type of the content":  change("text/plain", "text/html"),
		"octet of the content": change("nine", "mine"),
		"line end of a header": change(to, strings.Replace(to, "\r\n", "\n", 1)),
		"line end of the text": change("at nine\r\n", "at nine\n"),
		"parts swapped":        swapParts(t, raw),
	} {
		if _, _, err := verify([]byte(text)); err == nil {
			t.Errorf("%s: signature holds", name)
		}
	}
}

// swapParts puts the second part of a multipart/signed in front of the first.
func swapParts(t *testing.T, raw string) string {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\r\n\r\n--")
	boundary, _, _ := strings.Cut(body, "\r\n")
	parts := strings.Split("\r\n--"+body, "\r\n--"+boundary)
	if len(parts) != 4 {
		t.Fatalf("%d pieces around boundaries", len(parts))
	}
	return head + "\r\n\r\n--" + boundary + parts[2] + "\r\n--" + boundary + parts[1] + "\r\n--" + boundary + parts[3]
}

// R3860-4-end-to-end-smime, R2779-5.4.6: signed, then sealed; neither text nor
// Subject can be seen, and only the recipient opens it.
func TestSealed(t *testing.T) {
	alice, _ := newKeys(t, "alice")
	bob, bobCard := newKeys(t, "bob")
	carol, _ := newKeys(t, "carol")
	object := letter(t, alice, bob)
	signed, err := alice.Sign(identity.Entity{Type: "message/cpim", Body: object}, true, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := alice.SealTo(signed, bobCard)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"private matters", "vault", "alice", "message/cpim"} {
		if bytes.Contains(sealed.Bytes(), []byte(secret)) {
			t.Errorf("%s can be read", secret)
		}
	}
	if _, err := carol.Open(sealed, identity.Known{}, signedAt); err == nil {
		t.Error("opened by somebody else")
	}
	o, err := bob.Open(sealed, identity.Known{}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	m, err := cpim.ParseEntity(o.Raw)
	if err != nil || o.From != alice.Address() {
		t.Fatal(o.From, err)
	}
	if b, err := m.Marshal(); err != nil || !bytes.Equal(b, object) {
		t.Errorf("octets changed: %v", err)
	}
}

// R2779-5.4.9, R3862-5.2-signed, R3860-4-end-to-end-smime: another program,
// which knows S/MIME and nothing of ours, verifies the message.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed; no second opinion on signed messages")
	}
	alice, card := newKeys(t, "alice")
	bob, _ := newKeys(t, "bob")
	raw := sign(t, alice, letter(t, alice, bob))
	dir := t.TempDir()
	account := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: card.Account.Raw})
	tampered := bytes.Replace(raw, []byte("nine"), []byte("mine"), 1)
	for name, b := range map[string][]byte{"good": raw, "bad": tampered, "account.pem": account} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"good": true, "bad": false} {
		out, err := exec.Command(openssl, "cms", "-verify", "-inform", "SMIME", "-in", filepath.Join(dir, name),
			"-CAfile", filepath.Join(dir, "account.pem"), "-attime", "1795168800").Output()
		if (err == nil) != want {
			t.Errorf("%s: openssl says %v", name, err)
		}
		if !want {
			continue
		}
		m, err := cpim.ParseEntity(out)
		if err != nil {
			t.Errorf("what openssl took out: %v", err)
		} else if text, err := m.Content().Text(); err != nil || !strings.HasPrefix(text, "the vault") {
			t.Errorf("what openssl took out: %q, %v", text, err)
		}
	}
}

// R3862-2.2-equivalence: addresses are compared as addresses, subjects as text,
// and headers of which nothing is known as octets.
func TestEquivalence(t *testing.T) {
	read := func(from, subject, unknown string) (identity.Address, string, string) {
		t.Helper()
		m, err := cpim.Parse([]byte("From: <" + from + ">\r\nSubject: " + subject + "\r\nX: " + unknown + "\r\n\r\nContent-Type: text/plain\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := identity.ParseAddress(m.From()[0].URI)
		if err != nil {
			t.Fatal(err)
		}
		for h := range m.Headers() {
			if h.Local == "X" {
				return a, m.Subjects()[0].Text, h.Raw
			}
		}
		t.Fatal("no X")
		return a, "", ""
	}
	from1, subject1, unknown1 := read("im:fred@example.com", "café", "café")
	from2, subject2, unknown2 := read("IM:fr%65d@EXAMPLE.com", `caf\u00e9`, `caf\u00e9`)
	if from1 != from2 || subject1 != subject2 {
		t.Errorf("got %s and %s, %q and %q", from1, from2, subject1, subject2)
	}
	if unknown1 == unknown2 {
		t.Error("octets of an unknown header are taken for equal")
	}
	if other, _, _ := read("im:Fred@example.com", "Café", "x"); other == from1 {
		t.Error("local parts are compared without regard to case")
	}
}
