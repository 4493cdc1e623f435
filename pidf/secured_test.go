package pidf_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/pidf"
)

// What RFC 3863 section 6 and RFC 3859 section 4 say of secured documents is a
// matter of this package and of identity together. Only these tests know both.

func keysOf(t *testing.T, local string) (*identity.Keys, *identity.Card) {
	t.Helper()
	k, err := identity.New(local, noon)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := k.SignCard(identity.CardDraft{Serial: 1}, noon)
	if err != nil {
		t.Fatal(err)
	}
	return k, signed.Card()
}

// entityOf is the MIME entity that the owner of keys has signed.
func entityOf(t *testing.T, k *identity.Keys) identity.Entity {
	t.Helper()
	p := state(pidf.Open, "")
	p.Entity = k.Address().Pres()
	p.Tuples[0].Contact.URI = k.Address().IM()
	doc, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return identity.Entity{Type: pidf.ContentType, Body: doc}
}

// readEntity reads a document with the label it has in a MIME entity.
func readEntity(raw []byte) (*pidf.Presence, []byte, error) {
	e, err := identity.ParseEntity(raw)
	if err != nil {
		return nil, nil, err
	}
	p, err := pidf.ParseMedia(e.Type, e.Body)
	return p, e.Body, err
}

// TestSigned covers R3863-2.1-f, R3863-6-end-to-end, R3863-1-a, R2779-5.3.1,
// R2779-5.1.4, R2779-5.2.4 and R2779-3.1.2: the document is signed as one MIME
// entity and comes out octet by octet; who signed is seen beside whom it is
// about; and whatever changes breaks the signature.
func TestSigned(t *testing.T) {
	alice, _ := keysOf(t, "alice")
	bob, _ := keysOf(t, "bob")
	entity := entityOf(t, alice)
	for by, own := range map[*identity.Keys]bool{alice: true, bob: false} {
		raw, err := by.WriteMultipartSigned(entity, noon)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := identity.ParseMultipartSigned(raw)
		if err != nil {
			t.Fatal(err)
		}
		o, err := parts.Verify(identity.Known{}, noon)
		if err != nil {
			t.Fatal(err)
		}
		p, doc, err := readEntity(o.Raw)
		if err != nil || !bytes.Equal(doc, entity.Body) {
			t.Fatalf("octets changed: %v", err)
		}
		if about, err := identity.ParseAddress(p.Entity); err != nil || (about == o.From) != own {
			t.Errorf("about %s, signed by %s: %v", about, o.From, err)
		}
		for old, with := range map[string]string{
			">open<": ">closed<", `id="t1"`: `id="t2"`, "0.8": "0.9", "<tuple ": "<tuple  ", "pidf+xml": "xml", "Back": "back",
		} {
			bad := strings.Replace(string(raw), old, with, 1)
			if bad == string(raw) {
				t.Fatalf("no %q", old)
			}
			if parts, err := identity.ParseMultipartSigned([]byte(bad)); err == nil {
				if _, err := parts.Verify(identity.Known{}, noon); err == nil {
					t.Errorf("signature holds with %q", with)
				}
			}
		}
	}
}

// TestSealed covers R2779-5.2.1, R3859-4-end-to-end-pidf and R3863-6-smime:
// signed, then sealed; nothing can be read, and only the one watcher opens it.
func TestSealed(t *testing.T) {
	alice, _ := keysOf(t, "alice")
	bob, card := keysOf(t, "bob")
	carol, _ := keysOf(t, "carol")
	entity := entityOf(t, alice)
	signed, err := alice.Sign(entity, true, noon)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := alice.SealTo(signed, card)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"presence", "open", "alice", "pidf"} {
		if bytes.Contains(sealed.Bytes(), []byte(secret)) {
			t.Errorf("%s can be read", secret)
		}
	}
	if _, err := carol.Open(sealed, identity.Known{}, noon); err == nil {
		t.Error("opened by somebody else")
	}
	o, err := bob.Open(sealed, identity.Known{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, doc, err := readEntity(o.Raw); err != nil || !bytes.Equal(doc, entity.Body) || o.From != alice.Address() {
		t.Errorf("got %q from %s, %v", doc, o.From, err)
	}
}

// TestOpenSSL covers R3859-4-end-to-end-smime and R3863-6-end-to-end: another
// program, which knows S/MIME and nothing of ours, verifies the document.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed; no second opinion on signed documents")
	}
	alice, card := keysOf(t, "alice")
	entity := entityOf(t, alice)
	raw, err := alice.WriteMultipartSigned(entity, noon)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	account := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: card.Account.Raw})
	bad := bytes.Replace(raw, []byte(">open<"), []byte(">shut<"), 1)
	for name, b := range map[string][]byte{"good": raw, "bad": bad, "account.pem": account} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(name string) ([]byte, error) {
		return exec.Command(openssl, "cms", "-verify", "-inform", "SMIME", "-in", filepath.Join(dir, name),
			"-CAfile", filepath.Join(dir, "account.pem"), "-attime", "1795176000").Output()
	}
	out, err := verify("good")
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	if _, doc, err := readEntity(out); err != nil || !bytes.Equal(doc, entity.Body) {
		t.Errorf("what openssl took out: %q, %v", doc, err)
	}
	if _, err := verify("bad"); err == nil {
		t.Error("openssl takes the altered document")
	}
}
