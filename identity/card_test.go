package identity

import (
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
	c, err := k.SignCard(serial, Reach("somewhere"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCardSize(t *testing.T) {
	k := mustNew(t, "alice")
	c, err := k.SignCard(1, make(Reach, 250), testTime)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("card of one device with a reach of 250 octets: %d octets; certificates %d, %d, %d", len(c.Bytes()),
		len(c.card.Account.Raw), len(c.card.Devices[0].Signing.Raw), len(c.card.Devices[0].Sealing.Raw))
	if len(c.Bytes()) > 2<<10 || len(c.Records()[0].Value) > 4<<10 {
		t.Errorf("card of %d octets in a record of %d: want at most 2 KiB in 4", len(c.Bytes()), len(c.Records()[0].Value))
	}
}
