package identity

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// TestRenewalByAnother: a device without the account key gets new certificates from one that has it, across a restart at any point, and old sealing keys go.
func TestRenewalByAnother(t *testing.T) {
	first := mustNew(t, "alice")
	second, d := linked(t, first, Permit{Scopes: ScopePublish | ScopeRead, Tuples: []string{"door"}})
	dir := filepath.Dir(second.dir)
	if _, due, err := second.Renewal(testTime); due || err != nil {
		t.Fatalf("renewal due at once: %v", err)
	}
	now := testTime.Add(sealingPeriod)
	if changed, err := second.Rotate(now); changed || err != nil {
		t.Fatalf("rotated without the account key: %v, %v", changed, err)
	}
	request, due, err := second.Renewal(now)
	if !due || err != nil {
		t.Fatalf("renewal not due: %v", err)
	}
	reopened, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	grant, renewed, err := first.Certify(request, Permit{Renews: &d}, now)
	if err != nil {
		t.Fatal(err)
	}
	if renewed.ID != d.ID || renewed.Scopes() != d.Scopes() || !renewed.Signing.NotBefore.Equal(d.Signing.NotBefore) {
		t.Error("renewal changes the device")
	}
	if tuples, err := leafTuples(renewed.Signing); err != nil || len(tuples) != 1 {
		t.Errorf("renewal drops the limit to tuples: %v", err)
	}
	if err := reopened.Renew(grant, now); err != nil {
		t.Fatal(err)
	}
	if err := reopened.Renew(grant, now); err == nil {
		t.Error("the same grant twice")
	}
	if again, err := Open(dir, nil); err != nil || !again.sealing[0].certificate.Equal(renewed.Sealing) || again.next != nil || len(again.sealing) != 2 {
		t.Fatalf("after renewal: %v", err)
	}
	now = now.Add(sealingGrace)
	if _, err := reopened.Rotate(now); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(dir, nil); err != nil || len(again.sealing) != 1 || again.next == nil {
		t.Errorf("old sealing key kept: %v", err)
	}
	if _, _, err := first.Certify(request, Permit{Renews: &DeviceCard{Signing: first.signing.certificate}}, now); err == nil {
		t.Error("renewal of another device's certificate")
	}
}

// TestLateRenewal: a device without the account key is off until its sealing certificate has ended long ago and its signing certificate is about to. Both
// are renewed, and what comes sealed by the new certificate is opened before that certificate is there.
func TestLateRenewal(t *testing.T) {
	first := mustNew(t, "alice")
	second, old := linked(t, first, Permit{Scopes: plainScopes})
	now := testTime.Add(signingLifetime - 24*time.Hour)
	bare := mustSign(t, second, message("in flight"), false)
	for _, k := range []*Keys{first, second} {
		if _, err := k.Rotate(now); err != nil {
			t.Fatal(err)
		}
	}
	request, due, err := second.Renewal(now)
	if !due || err != nil {
		t.Fatalf("renewal not due: %v", err)
	}
	grant, d, err := first.Certify(request, Permit{Renews: &old}, now)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := first.Sign(message("your grant"), true, now)
	if err != nil {
		t.Fatal(err)
	}
	reopened, err := Open(filepath.Dir(second.dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]DeviceCard{"old": old, "new": d} {
		sealed, err := first.SealToDevice(signed, to)
		if err != nil {
			t.Fatal(err)
		}
		for when, k := range map[string]*Keys{"before": second, "after a restart and before": reopened} {
			if _, err := k.Open(sealed, Known{}, now); err != nil {
				t.Errorf("sealed by the %s certificate, %s the renewal: %v", name, when, err)
			}
		}
		if _, err := first.Open(sealed, Known{}, now); !errors.Is(err, ErrNotForMe) {
			t.Errorf("opened by another device: %v", err)
		}
	}
	if err := second.Renew(grant, now); err != nil {
		t.Fatal(err)
	}
	later := now.Add(48 * time.Hour) // when the old certificate has ended
	card, err := first.SignCard(CardDraft{Serial: 2, Others: []DeviceCard{d}}, later)
	if err != nil || len(card.Card().Devices) != 2 {
		t.Fatalf("card with the renewed device: %v", err)
	}
	if o, err := Verify(bare, card.Card().Known(), later); err != nil || o.Device != old.ID {
		t.Errorf("signed before the renewal: %v", err)
	}
	fresh, err := second.Sign(message("renewed"), true, later)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := Verify(fresh, Known{}, later); err != nil || o.Device != old.ID {
		t.Errorf("signed after the renewal: %v", err)
	}
}
