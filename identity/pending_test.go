package identity

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// linked makes a device of alice's account in a directory of its own.
func linked(t *testing.T, first *Keys, p Permit) (*Keys, DeviceCard) {
	t.Helper()
	pending, err := NewPending()
	if err != nil {
		t.Fatal(err)
	}
	request, err := pending.Request()
	if err != nil {
		t.Fatal(err)
	}
	grant, d, err := first.Certify(request, p, testTime)
	if err != nil {
		t.Fatal(err)
	}
	second, err := pending.Accept(t.TempDir(), first.Address(), grant, nil, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return second, d
}

const plainScopes = ScopePublish | ScopeSend | ScopeRead

// TestTwoDevices shows R2778-principal: two devices with keys of their own below one account key are one principal.
func TestTwoDevices(t *testing.T) {
	first, bob := mustNew(t, "alice"), mustNew(t, "bob")
	second, d := linked(t, first, Permit{Scopes: plainScopes})
	if second.Administers() || second.Address() != first.Address() || second.Device() == first.Device() || second.Device() != d.ID {
		t.Fatalf("second device: %v administers %v", second.Device(), second.Administers())
	}
	if _, err := second.SignCard(CardDraft{Serial: 9}, testTime); !errors.Is(err, ErrNotAdministrator) {
		t.Errorf("card of a device without the account key: %v", err)
	}
	if _, _, err := second.Certify(nil, Permit{Scopes: plainScopes}, testTime); !errors.Is(err, ErrNotAdministrator) {
		t.Errorf("certificate by a device without the account key: %v", err)
	}
	d.Reach = Reach("there")
	card, err := first.SignCard(CardDraft{Serial: 2, Reach: Reach("here"), Others: []DeviceCard{d}}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSignedCard(card.Bytes(), nil)
	if err != nil || len(again.Card().Devices) != 2 {
		t.Fatalf("card of two devices: %v", err)
	}
	s, err := bob.Sign(Entity{Type: "text/plain", Body: []byte("to both")}, true, testTime)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := bob.SealTo(s, again.Card())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keys{first, second} {
		if _, err := k.Open(sealed, Known{}, testTime); err != nil {
			t.Errorf("%s: %v", k.Device().Short(), err)
		}
		bare, err := k.Sign(Entity{Type: "text/plain"}, false, testTime)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := Verify(bare, again.Card().Known(), testTime); err != nil || o.From != first.Address() || o.Device != k.Device() || !o.Listed {
			t.Errorf("%s by reference: %v", k.Device().Short(), err)
		}
	}
}

func TestRevoked(t *testing.T) {
	first := mustNew(t, "alice")
	second, d := linked(t, first, Permit{Scopes: plainScopes})
	old := mustCard(t, first, 1)
	with, err := first.SignCard(CardDraft{Serial: 2, Others: []DeviceCard{d}}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	without, err := first.SignCard(CardDraft{Serial: 3, Others: []DeviceCard{d}, Revoked: []DeviceID{d.ID, {1}, d.ID}}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(without.Card().Devices); n != 1 {
		t.Fatalf("%d devices after a revocation", n)
	}
	if without, err = ParseSignedCard(without.Bytes(), nil); err != nil {
		t.Fatal(err)
	}
	s, err := second.Sign(Entity{Type: "message/cpim", Body: []byte("still me")}, true, testTime)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		known Known
		want  error
	}{
		{"nothing known", Known{}, nil},
		{"older card", old.Card().Known(), ErrUnlisted},
		{"card with it", with.Card().Known(), nil},
		{"revoked", without.Card().Known(), ErrRevoked},
	} {
		o, err := Verify(s, test.known, testTime)
		if !errors.Is(err, test.want) || (err == nil) != (o != nil) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	lenient := old.Card().Known()
	lenient.Unlisted = true
	if o, err := Verify(s, lenient, testTime); err != nil || o.Listed {
		t.Errorf("unlisted device for a caller who looks further: %v", err)
	}
	lenient = without.Card().Known()
	lenient.Unlisted = true
	if _, err := Verify(s, lenient, testTime); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoked device for a caller who looks further: %v", err)
	}
	if _, err := first.SignCard(CardDraft{Serial: 4, Revoked: make([]DeviceID, maxRevoked+1)}, testTime); err == nil {
		t.Error("more revoked devices than fit")
	}
}

// TestScopesEnforced shows R2779-2.3.4: what a device may do is what it was certified for.
func TestScopesEnforced(t *testing.T) {
	first, bob := mustNew(t, "alice"), mustNew(t, "bob")
	sensor, d := linked(t, first, Permit{Scopes: ScopePublish, Tuples: []string{"door", "window"}})
	card, err := first.SignCard(CardDraft{Serial: 1, Others: []DeviceCard{d}}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	for typ, good := range map[string]bool{
		"application/pidf+xml": true, "application/vnd.kith.lease": true, "application/vnd.kith.notify": true,
		"message/cpim": false, "application/vnd.kith.subscribe": false, "application/vnd.kith.sync": false, "text/plain": true,
	} {
		s, err := sensor.Sign(Entity{Type: typ}, true, testTime)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Verify(s, Known{}, testTime)
		if (err == nil) != good {
			t.Errorf("%s: %v", typ, err)
		}
		if err == nil && len(o.Tuples) != 2 {
			t.Errorf("%s: limited to %q", typ, o.Tuples)
		}
	}
	s, err := bob.Sign(Entity{Type: "text/plain"}, true, testTime)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := bob.SealTo(s, card.Card())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sensor.Open(sealed, Known{}, testTime); !errors.Is(err, ErrNotForMe) {
		t.Errorf("a device without the scope read opens: %v", err)
	}
	if sealed, err = bob.SealToDevice(s, d); err != nil {
		t.Fatal(err)
	}
	if _, err := sensor.Open(sealed, Known{}, testTime); err != nil {
		t.Errorf("an operation for the device itself: %v", err)
	}
	for name, p := range map[string]Permit{
		"nothing":         {},
		"17 tuples":       {Scopes: ScopePublish, Tuples: make([]string, 17)},
		"empty tuple":     {Scopes: ScopePublish, Tuples: []string{""}},
		"no tuple":        {Scopes: ScopePublish, Tuples: []string{}},
		"long tuple":      {Scopes: ScopePublish, Tuples: []string{string(bytes.Repeat([]byte("x"), 65))}},
		"unknown scopes":  {Scopes: 0xf0},
		"tuple not UTF-8": {Scopes: ScopePublish, Tuples: []string{"\xff"}},
	} {
		pending, err := NewPending()
		if err != nil {
			t.Fatal(err)
		}
		request, err := pending.Request()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := first.Certify(request, p, testTime); err == nil {
			t.Errorf("%s: certified", name)
		}
	}
}

func TestAcceptWithAccount(t *testing.T) {
	first := mustNew(t, "alice")
	second, _ := linked(t, first, Permit{Scopes: plainScopes, Account: true})
	if !second.Administers() {
		t.Fatal("account key not handed over")
	}
	again, err := Open(filepath.Dir(second.dir), nil)
	if err != nil || !again.Administers() || again.Device() != second.Device() {
		t.Fatalf("read again: %v", err)
	}
	if _, err := again.SignCard(CardDraft{Serial: 5}, testTime); err != nil {
		t.Error(err)
	}
}

func TestAcceptRefuses(t *testing.T) {
	first, other := mustNew(t, "alice"), mustNew(t, "mallory")
	pending, err := NewPending()
	if err != nil {
		t.Fatal(err)
	}
	request, err := pending.Request()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := NewPending()
	if err != nil {
		t.Fatal(err)
	}
	strange, err := stranger.Request()
	if err != nil {
		t.Fatal(err)
	}
	grant := func(k *Keys, request []byte) []byte {
		g, _, err := k.Certify(request, Permit{Scopes: plainScopes, Account: true}, testTime)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	good := grant(first, request)
	bad := map[string][]byte{
		"of another account": grant(other, request), "for other keys": grant(first, strange), "none": nil,
		"cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0), "large": make([]byte, maxGrant+1),
	}
	for i := 0; i < len(good); i += 29 {
		flipped := bytes.Clone(good)
		flipped[i] ^= 0x10
		bad["flipped"] = flipped
		for name, g := range bad {
			dir := t.TempDir()
			if k, err := pending.Accept(dir, first.Address(), g, nil, testTime); err == nil || k != nil {
				t.Fatalf("%s (%d): accepted", name, i)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Fatalf("%s: left %v", name, left)
			}
		}
		clear(bad)
	}
	if _, err := pending.Accept(t.TempDir(), first.Address(), good, nil, testTime.Add(-48*time.Hour)); err == nil {
		t.Error("certificates from the future accepted")
	}
}

func TestDeviceRequestAltered(t *testing.T) {
	first := mustNew(t, "alice")
	pending, err := NewPending()
	if err != nil {
		t.Fatal(err)
	}
	request, err := pending.Request()
	if err != nil {
		t.Fatal(err)
	}
	for i := range request {
		flipped := bytes.Clone(request)
		flipped[i] ^= 1
		if _, _, err := first.Certify(flipped, Permit{Scopes: plainScopes}, testTime); err == nil {
			t.Fatalf("octet %d changed: certified", i)
		}
	}
}

func TestDeviceCardBytes(t *testing.T) {
	d := mustNew(t, "alice").DeviceCard(Reach("here"))
	der, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseDeviceCard(der)
	if err != nil || again.ID != d.ID || !again.Signing.Equal(d.Signing) || string(again.Reach) != "here" {
		t.Fatalf("read again: %v", err)
	}
	for i := range der {
		if _, err := ParseDeviceCard(der[:i]); err == nil {
			t.Fatalf("cut to %d octets: accepted", i)
		}
	}
}

// TestWithRecords: a device without the account key announces what its sibling made, and nothing else.
func TestWithRecords(t *testing.T) {
	alice, mallory := mustNew(t, "alice"), mustNew(t, "mallory")
	card := mustCard(t, alice, 1)
	bare, err := ParseSignedCard(card.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	with, err := bare.WithRecords(card.Records(), testTime.Add(time.Minute))
	if err != nil || len(with.Records()) != 2*slotsPerDay || len(bare.Records()) != 0 {
		t.Fatalf("%d records: %v", len(with.Records()), err)
	}
	for name, records := range map[string][]Record{
		"of another person": mustCard(t, mallory, 1).Records(),
		"of another card":   mustCard(t, alice, 2).Records(),
		"under another key": {{card.Records()[0].Key, card.Records()[1].Value}},
		"too many":          make([]Record, 4*slotsPerDay+1),
		"altered":           {{card.Records()[0].Key, bytes.Repeat([]byte{1}, 2048)}},
		"of nothing at all": {{}},
	} {
		if c, err := bare.WithRecords(records, testTime); err == nil || !c.IsZero() {
			t.Errorf("%s: accepted", name)
		}
	}
	if with, err = bare.WithRecords(card.Records(), testTime.Add(72*time.Hour)); err != nil || len(with.Records()) != 0 {
		t.Errorf("old records: %d, %v", len(with.Records()), err)
	}
}

func FuzzParseGrant(f *testing.F) {
	k, err := New("alice", testTime)
	if err != nil {
		f.Fatal(err)
	}
	pending, err := NewPending()
	if err != nil {
		f.Fatal(err)
	}
	request, err := pending.Request()
	if err != nil {
		f.Fatal(err)
	}
	grant, _, err := k.Certify(request, Permit{Scopes: plainScopes, Account: true}, testTime)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(grant)
	f.Add(request)
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := parseGrant(b); (err == nil) != (g != nil) {
			t.Error("grant beside an error")
		}
		if signing, sealing, err := parseDeviceRequest(b); err != nil && (signing != nil || sealing != nil) {
			t.Error("keys beside an error")
		}
	})
}

// TestForeignCertificates: a grant whose certificates are of another kind than the keys is refused, also if all of it is signed well.
func TestForeignCertificates(t *testing.T) {
	first := mustNew(t, "alice")
	pending, err := NewPending()
	if err != nil {
		t.Fatal(err)
	}
	request, err := pending.Request()
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := first.Certify(request, Permit{Scopes: plainScopes}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	write := func(signing, sealing *x509.Certificate) []byte {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(first.chain[0].Raw) })
			b.AddBytes(signing.Raw)
			b.AddBytes(sealing.Raw)
		})
		return b.BytesOrPanic()
	}
	for name, g := range map[string][]byte{
		"swapped": write(d.Sealing, d.Signing), "two signing": write(d.Signing, d.Signing), "account as device": write(first.chain[0], d.Sealing),
	} {
		if _, err := pending.Accept(t.TempDir(), first.Address(), g, nil, testTime); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := pending.Accept(t.TempDir(), first.Address(), write(d.Signing, d.Sealing), nil, testTime); err != nil {
		t.Errorf("whole: %v", err)
	}
}
