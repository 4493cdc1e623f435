package identity

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"
)

// testTime is the noon that tests happen at.
var testTime = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func mustNew(t testing.TB, local string) *Keys {
	t.Helper()
	k, err := New(local, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustCard(t testing.TB, k *Keys, serial uint64) SignedCard {
	t.Helper()
	c, err := k.SignCard(CardDraft{Serial: serial, Reach: Reach("somewhere")}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCardSize(t *testing.T) {
	k := mustNew(t, "alice")
	c, err := k.SignCard(CardDraft{Serial: 1, Reach: noise(250)}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("card of one device with a reach of 250 octets: %d octets; certificates %d, %d, %d", len(c.Bytes()),
		len(c.card.Account.Raw), len(c.card.Devices[0].Signing.Raw), len(c.card.Devices[0].Sealing.Raw))
	if len(c.Bytes()) > 2<<10 || len(c.Records()[0].Value) > 2<<10 {
		t.Errorf("card of %d octets in a record of %d: want at most 2 KiB in 2", len(c.Bytes()), len(c.Records()[0].Value))
	}
}

func TestParseSignedCard(t *testing.T) {
	k := mustNew(t, "alice")
	want := mustCard(t, k, 1<<63)
	got, err := ParseSignedCard(want.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.Card().marshal()
	if err != nil || !bytes.Contains(got.Bytes(), again) {
		t.Errorf("marshalled again: %v", err)
	}
	c := got.Card()
	if c.Address != k.Address() || c.Serial != 1<<63 || !c.Issued.Equal(testTime) || c.Expires.Sub(c.Issued) != 48*time.Hour || len(c.Devices) != 1 ||
		c.Devices[0].ID != k.Device() || string(c.Devices[0].Reach) != "somewhere" || !c.Account.Equal(k.chain[0]) || got.Records() != nil {
		t.Errorf("card %+v", c)
	}
	for i := 0; i < len(want.Bytes()); i += 7 {
		b := bytes.Clone(want.Bytes())
		b[i] ^= 1 << (i % 8)
		if c, err := ParseSignedCard(b, nil); err == nil || !c.IsZero() {
			t.Fatalf("octet %d altered and accepted", i)
		}
		if c, err := ParseSignedCard(want.Bytes()[:i], nil); err == nil || !c.IsZero() {
			t.Fatalf("cut to %d octets and accepted", i)
		}
	}
	if _, err := ParseSignedCard(make([]byte, maxCard+1), nil); err == nil {
		t.Error("card beyond the limit")
	}
}

// TestParseSignedCardHostile signs cards that no honest device makes, with the right account key.
func TestParseSignedCardHostile(t *testing.T) {
	alice, mallory := mustNew(t, "alice"), mustNew(t, "mallory")
	strange := mustCard(t, mallory, 1).Card().Devices[0]
	for _, test := range []struct {
		name   string
		good   bool
		change func(c *Card)
	}{
		{"as made", true, func(c *Card) {}},
		{"reach of 1024 octets", true, func(c *Card) { c.Devices[0].Reach = make(Reach, 1024) }},
		{"reach of 1025 octets", false, func(c *Card) { c.Devices[0].Reach = make(Reach, 1025) }},
		{"extensions", true, func(c *Card) { c.extensions = []extension{{1, []byte("mirrors")}, {99, nil}} }},
		{"extension twice", false, func(c *Card) { c.extensions = []extension{{1, nil}, {1, nil}} }},
		{"extensions falling", false, func(c *Card) { c.extensions = []extension{{2, nil}, {1, nil}} }},
		{"extension 0", false, func(c *Card) { c.extensions = []extension{{0, nil}} }},
		{"17 extensions", false, func(c *Card) {
			for i := range int64(17) {
				c.extensions = append(c.extensions, extension{i + 1, nil})
			}
		}},
		{"another address", false, func(c *Card) { c.Address = mallory.Address() }},
		{"another account", false, func(c *Card) { c.chain = mallory.chain }},
		{"no chain", false, func(c *Card) { c.chain = nil }},
		{"chain of three", false, func(c *Card) { c.chain = []*x509.Certificate{c.Account, c.Account, c.Account} }},
		{"device of another account", false, func(c *Card) { c.Devices[0] = strange }},
		{"sealing certificate of another account", false, func(c *Card) { c.Devices[0].Sealing = strange.Sealing }},
		{"certificates exchanged", false, func(c *Card) { c.Devices[0].Signing, c.Devices[0].Sealing = c.Devices[0].Sealing, c.Devices[0].Signing }},
		{"no device", false, func(c *Card) { c.Devices = nil }},
		{"device twice", false, func(c *Card) { c.Devices = append(c.Devices, c.Devices[0]) }},
		{"over-long validity", false, func(c *Card) { c.Expires = c.Issued.Add(cardLifetime + time.Second) }},
		{"expires before issue", false, func(c *Card) { c.Expires = c.Issued.Add(-time.Second) }},
		{"issued after the certificates", false, func(c *Card) { c.Issued, c.Expires = c.Issued.AddDate(0, 2, 0), c.Expires.AddDate(0, 2, 0) }},
		{"a DNS domain", false, func(c *Card) { c.Address = Address{"alice", "example.com"} }},
	} {
		original := mustCard(t, alice, 1).Card()
		c := *original
		c.Devices = slices.Clone(original.Devices)
		test.change(&c)
		signed, err := signCard(&c, alice.account)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSignedCard(signed.Bytes(), nil); (err == nil) != test.good {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	c := *mustCard(t, alice, 1).Card()
	signed, err := signCard(&c, mallory.account)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseSignedCard(signed.Bytes(), nil); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by another account: %v", err)
	}
}

func TestCardDevices(t *testing.T) {
	alice := mustNew(t, "alice")
	c := *mustCard(t, alice, 1).Card()
	for len(c.Devices) < maxDevices+1 {
		k, err := newDevice(alice.address, alice.account, alice.chain, testTime)
		if err != nil {
			t.Fatal(err)
		}
		c.Devices = append(c.Devices, DeviceCard{k.device, k.signing.certificate, k.sealing[0].certificate, nil})
	}
	if signed, err := signCard(&c, alice.account); err == nil {
		if _, err := ParseSignedCard(signed.Bytes(), nil); err == nil {
			t.Error("nine devices accepted")
		}
	}
	for len(c.Devices) > 6 {
		c.Devices = c.Devices[:len(c.Devices)-1]
	}
	signed, err := signCard(&c, alice.account)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseSignedCard(signed.Bytes(), nil); err != nil || len(got.Card().Devices) != 6 {
		t.Errorf("six devices: %v", err)
	}
}

func FuzzParseSignedCard(f *testing.F) {
	good, _ := vectorCard(f)
	f.Add(good.Bytes())
	f.Add(good.Bytes()[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseSignedCard(b, nil)
		if (err == nil) == c.IsZero() {
			t.Fatalf("card %v beside %v", c.Card(), err)
		}
		if err == nil && !bytes.Equal(c.Bytes(), b) {
			t.Fatal("other octets than were read")
		}
		if len(b) > 8 {
			if card, err := parseCard(b[4:]); err == nil {
				again, err := card.marshal()
				if err != nil || !bytes.Equal(again, b[4:]) {
					t.Fatal("not stable")
				}
			}
		}
	})
}
