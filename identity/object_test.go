package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity/cms"
)

func message(text string) Entity {
	return Entity{"text/plain;charset=utf-8", []Field{{"Content-ID", "<1@kith>"}}, []byte(text)}
}

func mustSign(t testing.TB, k *Keys, e Entity, certificates bool) Signed {
	t.Helper()
	s, err := k.Sign(e, certificates, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignSealOpen(t *testing.T) {
	alice, bob, carol := mustNew(t, "alice"), mustNew(t, "bob"), mustNew(t, "carol")
	aliceCard, bobCard := mustCard(t, alice, 1).Card(), mustCard(t, bob, 1).Card()
	e := message("hello, Bob")
	for _, test := range []struct {
		name    string
		carried bool
		known   *Card
		good    bool
	}{
		{"carried", true, nil, true},
		{"carried and known", true, aliceCard, true},
		{"carried, another card known", true, bobCard, true},
		{"known", false, aliceCard, true},
		{"neither", false, nil, false},
		{"another card known", false, bobCard, false},
	} {
		sealed, err := alice.SealTo(mustSign(t, alice, e, test.carried), bobCard)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(sealed.Bytes(), []byte("hello")) || bytes.Contains(sealed.Bytes(), []byte("alice")) {
			t.Fatal("sealed object can be read")
		}
		again, err := ParseSealed(sealed.Bytes())
		if err != nil || again.Digest() != sealed.Digest() || again.KEKID() != nil {
			t.Fatal(err)
		}
		o, err := bob.Open(again, test.known.Known(), testTime.Add(time.Minute))
		if (err == nil) != test.good || (o == nil) == test.good {
			t.Errorf("%s: %v", test.name, err)
		}
		if o != nil {
			checkOpened(t, test.name, o, alice, e)
		} else if !errors.Is(err, ErrUnknownSigner) {
			t.Errorf("%s: %v; want %v", test.name, err, ErrUnknownSigner)
		}
		if _, err := carol.Open(again, test.known.Known(), testTime); !errors.Is(err, ErrNotForMe) {
			t.Errorf("%s: carol: %v", test.name, err)
		}
	}
	if _, err := alice.SealTo(mustSign(t, alice, e, true)); err == nil {
		t.Error("sealed to nobody")
	}
	twice, err := alice.SealTo(mustSign(t, alice, e, true), bobCard, bobCard, aliceCard)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keys{alice, bob} {
		if _, err := k.Open(twice, Known{}, testTime); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
}

func checkOpened(t *testing.T, name string, o *Opened, from *Keys, e Entity) {
	t.Helper()
	raw, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if o.From != from.Address() || o.Device != from.Device() || !o.Time.Equal(testTime) || o.Scopes != allScopes || !bytes.Equal(o.Raw, raw) ||
		o.Digest != sha256.Sum256(raw) || o.Sealing == nil || !o.Sealing.Equal(from.sealing[0].certificate) || o.Signed.IsZero() {
		t.Errorf("%s: opened %+v", name, o)
	}
	if diff := cmp.Diff(o.Entity, e); diff != "" {
		t.Errorf("%s: got (-), want (+):\n%s", name, diff)
	}
}

func TestSealReply(t *testing.T) {
	alice, bob := mustNew(t, "alice"), mustNew(t, "bob")
	request, err := Verify(mustSign(t, alice, message("may I?"), true), Known{}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := bob.SealReply(mustSign(t, bob, message("yes"), true), request)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := alice.Open(reply, Known{}, testTime); err != nil || o.From != bob.Address() {
		t.Errorf("reply: %v", err)
	}
	if _, err := bob.SealReply(mustSign(t, bob, message("yes"), true), &Opened{}); err == nil {
		t.Error("sealed to nobody")
	}
}

// TestEveryOctet alters each octet of a signed object: every variant is refused or, in the certificates that no signature covers, changes nothing
// (RFC 2779, 2.5.1).
func TestEveryOctet(t *testing.T) {
	alice := mustNew(t, "alice")
	card := mustCard(t, alice, 1).Card()
	bare := mustSign(t, alice, message("hello"), false)
	sealed, err := alice.SealTo(bare, card)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bare.Bytes() {
		b := bytes.Clone(bare.Bytes())
		b[i] ^= 1 << (i % 8)
		if s, err := ParseSigned(b); err == nil {
			if _, err := Verify(s, card.Known(), testTime); err == nil {
				t.Errorf("octet %d of a signed object altered and accepted", i)
			}
		}
	}
	for i := range sealed.Bytes() {
		b := bytes.Clone(sealed.Bytes())
		b[i] ^= 1 << (i % 8)
		if s, err := ParseSealed(b); err == nil {
			if _, err := alice.Open(s, card.Known(), testTime); err == nil {
				t.Errorf("octet %d of a sealed object altered and accepted", i)
			}
		}
	}
	i := bytes.Index(bare.Bytes(), []byte("hello"))
	b := bytes.Clone(bare.Bytes())
	b[i] = 'j'
	s, err := ParseSigned(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(s, card.Known(), testTime); !errors.Is(err, ErrSignature) {
		t.Errorf("altered content: %v; want %v", err, ErrSignature)
	}
}

// signWith signs an entity with a certificate of the caller's choice.
func signWith(t *testing.T, e Entity, s cms.Signer, at time.Time) Signed {
	t.Helper()
	raw, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	der, err := cms.Sign(raw, nil, s, at)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ParseSigned(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestVerifyHostile(t *testing.T) {
	alice, mallory := mustNew(t, "alice"), mustNew(t, "mallory")
	leaf := func(scopes Scopes, use leafUse, from, until time.Duration) cms.Signer {
		key, err := generateKey()
		if err != nil {
			t.Fatal(err)
		}
		c, err := alice.certify(leafTemplate{&key.PublicKey, use, scopes, nil, testTime.Add(from), testTime.Add(until)})
		if err != nil {
			t.Fatal(err)
		}
		return cms.Signer{Certificate: c, Key: key, Include: append(slices.Clone(alice.chain), c)}
	}
	pidf, cpim := Entity{Type: "application/pidf+xml", Body: []byte("<presence/>")}, Entity{Type: "Message/CPIM", Body: []byte("x")}
	for _, test := range []struct {
		name   string
		signer cms.Signer
		entity Entity
		at     time.Duration
		want   string // "" is good
	}{
		{"all scopes", leaf(allScopes, signingUse, -time.Hour, time.Hour), cpim, 0, ""},
		{"send for a message", leaf(ScopeSend, signingUse, -time.Hour, time.Hour), cpim, 0, ""},
		{"publish for a message", leaf(ScopePublish, signingUse, -time.Hour, time.Hour), cpim, 0, "no scope"},
		{"send for a document", leaf(ScopeSend|ScopeRead|ScopeAdminister, signingUse, -time.Hour, time.Hour), pidf, 0, "no scope"},
		{"read for something else", leaf(ScopeRead, signingUse, -time.Hour, time.Hour), message("x"), 0, ""},
		{"no scope for something else", leaf(0, signingUse, -time.Hour, time.Hour), message("x"), 0, "no scope"},
		{"expired", leaf(allScopes, signingUse, -2*time.Hour, -time.Hour), cpim, -90 * time.Minute, "not valid"},
		{"signed before the certificate", leaf(allScopes, signingUse, -time.Hour, time.Hour), cpim, -2 * time.Hour, "not valid"},
		{"signed after the certificate", leaf(allScopes, signingUse, -time.Hour, time.Hour), cpim, 2 * time.Hour, "not valid"},
	} {
		o, err := Verify(signWith(t, test.entity, test.signer, testTime.Add(test.at)), Known{}, testTime)
		if test.want == "" && err != nil || test.want != "" && (err == nil || o != nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v; want %q", test.name, err, test.want)
		}
	}
	// mallory's leaf, with alice's account certificate beside it and alice's names in it.
	key, err := generateKey()
	if err != nil {
		t.Fatal(err)
	}
	forged := &Keys{address: alice.address, chain: mallory.chain, account: mallory.account}
	c, err := forged.certify(leafTemplate{&key.PublicKey, signingUse, allScopes, nil, testTime.Add(-time.Hour), testTime.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	bundle := append(slices.Clone(alice.chain), mallory.chain...)
	s := signWith(t, cpim, cms.Signer{Certificate: c, Key: key, Include: append(bundle, c)}, testTime)
	if o, err := Verify(s, mustCard(t, alice, 1).Card().Known(), testTime); err == nil {
		t.Errorf("mallory speaks for %s", o.From)
	}
	leafAlone := alice.signer(false)
	leafAlone.Include = []*x509.Certificate{leafAlone.Certificate}
	if _, err := Verify(signWith(t, cpim, leafAlone, testTime), Known{}, testTime); !errors.Is(err, ErrUnknownSigner) {
		t.Errorf("leaf without account: %v", err)
	}
}

// TestVerifyContent signs what is no entity, rightly.
func TestVerifyContent(t *testing.T) {
	signer := mustNew(t, "alice").signer(true)
	der, err := cms.Sign([]byte("no entity"), nil, signer, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseSigned(der); err != nil {
		t.Fatal(err)
	} else if _, err := Verify(s, Known{}, testTime); err == nil {
		t.Error("something else than an entity accepted")
	}
	if der, err = cms.SignDetached([]byte("Content-Type: text/plain\r\n\r\n"), signer, testTime); err != nil {
		t.Fatal(err)
	}
	if s, err := ParseSigned(der); err == nil {
		if _, err := Verify(s, Known{}, testTime); err == nil {
			t.Error("detached signature accepted without content")
		}
	}
}

// TestSealingKeySigns: what a sealing certificate signs is nobody's word, although the key could.
func TestSealingKeySigns(t *testing.T) {
	alice := mustNew(t, "alice")
	key, err := generateKey()
	if err != nil {
		t.Fatal(err)
	}
	sealing, err := alice.certify(leafTemplate{&key.PublicKey, sealingUse, allScopes, nil, testTime.Add(-time.Hour), testTime.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	posing := *sealing // cms refuses to sign with the real one
	posing.KeyUsage = 0
	s := signWith(t, message("x"), cms.Signer{Certificate: &posing, Key: key, Include: append(slices.Clone(alice.chain), sealing)}, testTime)
	if _, err := Verify(s, Known{}, testTime); err == nil {
		t.Error("sealing certificate accepted for a signature")
	}
	card := *mustCard(t, alice, 1).Card()
	card.Devices = []DeviceCard{{alice.device, alice.signing.certificate, alice.signing.certificate, nil}}
	if _, err := alice.SealTo(mustSign(t, alice, message("x"), true), &card); err == nil {
		t.Error("sealed to a signing certificate")
	}
}

// TestStolenRecipientKeys is the test of key compromise impersonation (KCI): who has stolen all keys of Bob can read what is sealed to him and
// speak as him, and can make nothing that Bob takes for Alice's.
func TestStolenRecipientKeys(t *testing.T) {
	alice, bob := mustNew(t, "alice"), mustNew(t, "bob")
	aliceCard, bobCard := mustCard(t, alice, 1).Card(), mustCard(t, bob, 1).Card()
	raw, err := message("send money").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	bySigner := func(s cms.Signer) []byte {
		der, err := cms.Sign(raw, nil, s, testTime)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	// Bob's account issues a device certificate with Alice's names.
	posing := &Keys{address: alice.address, chain: bob.chain, account: bob.account}
	c, err := posing.certify(leafTemplate{&bob.signing.key.PublicKey, signingUse, allScopes, nil, testTime.Add(-time.Hour), testTime.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	// Bob's key under the key identifier of Alice's device.
	renamed := *bob.signing.certificate
	renamed.SubjectKeyId = alice.device[:]
	for name, content := range map[string][]byte{
		"no signature":                 raw,
		"nothing":                      nil,
		"signed by bob":                bySigner(bob.signer(true)),
		"bob certifies alice":          bySigner(cms.Signer{Certificate: c, Key: bob.signing.key, Include: append(slices.Clone(bob.chain), c, alice.chain[0])}),
		"alice's key identifier":       bySigner(cms.Signer{Certificate: &renamed, Key: bob.signing.key}),
		"alice's identifier and chain": bySigner(cms.Signer{Certificate: &renamed, Key: bob.signing.key, Include: append(slices.Clone(alice.chain), alice.signing.certificate)}),
	} {
		der, err := cms.SealTo(content, nil, []*x509.Certificate{bobCard.Devices[0].Sealing})
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := ParseSealed(der)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := bob.Open(sealed, aliceCard.Known(), testTime); err == nil && o.From != bob.Address() {
			t.Errorf("%s: bob takes it for %s's", name, o.From)
		} else if err == nil != (name == "signed by bob") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLimits(t *testing.T) {
	alice := mustNew(t, "alice")
	card := mustCard(t, alice, 1).Card()
	head := len("Content-Type: a/b\r\n\r\n")
	full, err := alice.Sign(Entity{Type: "a/b", Body: make([]byte, maxEntity-head)}, true, testTime)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := alice.SealTo(full, card)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Open(sealed, Known{}, testTime); err != nil {
		t.Error(err)
	}
	if _, err := alice.Sign(Entity{Type: "a/b", Body: make([]byte, maxEntity-head+1)}, true, testTime); err == nil {
		t.Error("entity beyond the limit signed")
	}
	if _, err := ParseSealed(make([]byte, maxSealed+1)); err == nil {
		t.Error("sealed object beyond the limit")
	}
	for _, err := range []error{
		func() error { _, err := Verify(Signed{}, Known{}, testTime); return err }(),
		func() error { _, err := alice.Open(Sealed{}, Known{}, testTime); return err }(),
		func() error { _, err := alice.SealTo(Signed{}, card); return err }(),
		func() error { _, err := NewEpoch().Seal(Signed{}); return err }(),
		func() error { _, err := NewEpoch().Open(Sealed{}, Known{}, testTime); return err }(),
		func() error { _, err := (Epoch{}).Seal(full); return err }(),
		func() error {
			_, err := alice.SignCard(CardDraft{Serial: 1, Reach: make(Reach, maxReach+1)}, testTime)
			return err
		}(),
	} {
		if err == nil {
			t.Error("zero value or excess accepted")
		}
	}
}

func TestEpoch(t *testing.T) {
	alice, bob := mustNew(t, "alice"), mustNew(t, "bob")
	e := NewEpoch()
	sealed, err := e.Seal(mustSign(t, alice, message("status"), false))
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSealed(sealed.Bytes())
	if err != nil || !bytes.Equal(again.KEKID(), e.KEKID()) || len(e.KEKID()) != 16 {
		t.Fatalf("key id %x, %v", again.KEKID(), err)
	}
	member, err := ParseEpoch(e.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	o, err := member.Open(again, mustCard(t, alice, 1).Card().Known(), testTime)
	if err != nil || o.From != alice.Address() || o.Sealing == nil {
		t.Errorf("open: %v", err)
	}
	if _, err := NewEpoch().Open(again, Known{}, testTime); !errors.Is(err, ErrNotForMe) {
		t.Errorf("another epoch: %v", err)
	}
	if _, err := bob.Open(again, Known{}, testTime); !errors.Is(err, ErrNotForMe) {
		t.Errorf("a device: %v", err)
	}
	// a member cannot speak for the presentity
	unsigned, err := cms.SealWith([]byte("Content-Type: text/plain\r\n\r\nx"), nil, e.kek())
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseSealed(unsigned); err != nil {
		t.Fatal(err)
	} else if _, err := e.Open(s, Known{}, testTime); err == nil {
		t.Error("unsigned content accepted")
	}
	if e.Topic(testTime) == e.Topic(testTime.AddDate(0, 0, 1)) || e.Topic(testTime) != e.Topic(testTime.Add(time.Hour)) || len(e.Topic(testTime)) != 25 {
		t.Errorf("topics %s, %s", e.Topic(testTime), e.Topic(testTime.AddDate(0, 0, 1)))
	}
	for _, b := range [][]byte{nil, make([]byte, 31), make([]byte, 32), make([]byte, 33)} {
		if _, err := ParseEpoch(b); err == nil {
			t.Errorf("epoch key of %d octets", len(b))
		}
	}
}

// TestRedacted looks for key material in everything that prints.
func TestRedacted(t *testing.T) {
	k, e := mustNew(t, "alice"), NewEpoch()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("keys", "keys", k, "epoch", e)
	for _, value := range []any{k, e} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			fmt.Fprintf(&log, verb+"\n", value)
		}
	}
	if strings.Count(log.String(), "redacted") != 12 {
		t.Error(log.String())
	}
	for _, secret := range [][]byte{k.account, k.transport, e.key[:]} {
		for _, form := range []string{string(secret[:8]), fmt.Sprintf("%x", secret[:8]), strings.Trim(fmt.Sprint(secret[:8]), "[]")} {
			if strings.Contains(log.String(), form) {
				t.Errorf("key in %s", log.String())
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	k := mustNew(t, "alice")
	card := mustCard(t, k, 1).Card()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			if _, err := k.Rotate(testTime.Add(time.Duration(i) * 24 * time.Hour)); err != nil {
				t.Error(err)
			}
			s, err := k.Sign(message("x"), true, testTime)
			if err != nil {
				t.Error(err)
				return
			}
			sealed, err := k.SealTo(s, card)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := k.Open(sealed, Known{}, testTime); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestTransportKey(t *testing.T) {
	k := mustNew(t, "alice")
	transport := k.TransportKey()
	if transport.Equal(k.account) || !ed25519.Verify(transport.Public().(ed25519.PublicKey), []byte("x"), ed25519.Sign(transport, []byte("x"))) {
		t.Error("not a key of its own")
	}
	transport[0] ^= 1
	if transport.Equal(k.TransportKey()) {
		t.Error("the caller can alter the key")
	}
}

func TestDeviceIDText(t *testing.T) {
	want := mustNew(t, "alice").Device()
	text, err := want.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var got DeviceID
	if err := got.UnmarshalText(text); err != nil || got != want || want.Short() != string(text[:8]) {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	for _, bad := range []string{"", "00", string(text) + "0", string(text) + "00", string(text[:39]) + "g"} {
		if err := got.UnmarshalText([]byte(bad)); err == nil || got != want {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
