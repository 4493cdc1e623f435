package control

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/nodetest"
)

// TestTrust follows two people from an invitation with a token to the words they compare.
func TestTrust(t *testing.T) {
	world := nodetest.NewWorld(0)
	alice, bob := newPerson(t, world, "alice"), newPerson(t, world, "bob")
	ctx := t.Context()
	made, err := alice.MakeInvite(ctx, InviteInput{Once: true, Expires: "7d", Note: "choir"})
	if err != nil {
		t.Fatal(err)
	}
	if good := made.Expires.Sub(made.Made); (good-7*24*time.Hour).Abs() > time.Minute || made.As != "contacts" || made.State != "open" || !strings.Contains(made.Link, "?t=") {
		t.Errorf("made %+v", made)
	}
	if _, err := bob.Add(ctx, AddInput{Invitation: made.Link}); err != nil {
		t.Fatal(err)
	}
	alice.until(t, "bob a contact", func() bool {
		list, err := alice.Contacts(ctx)
		return err == nil && len(list) == 1 && list[0].Name == "bob" && list[0].Liveness == "live"
	})
	invites, err := alice.Invites(ctx)
	if err != nil || len(invites) != 1 || invites[0].State != "used" || invites[0].UsedBy == "" || invites[0].Link != "" {
		t.Errorf("invites %+v: %v", invites, err)
	}
	hers, err := alice.Verification(ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	bob.until(t, "knowing alice", func() bool {
		_, err := bob.Verification(ctx, "alice")
		return err == nil
	})
	his, err := bob.Verification(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hers.Digits, his.Digits); diff != "" || len(hers.Digits) == 0 || len(hers.Emoji) != len(hers.Words) {
		t.Errorf("alice sees %v, bob %v", hers.Digits, his.Digits)
	}
	if v, err := alice.SetVerified(ctx, "bob", true); err != nil || v.Verified.IsZero() {
		t.Errorf("marked: %+v, %v", v, err)
	}
	if c, err := alice.Contact(ctx, "bob"); err != nil || !c.Verified || c.Changed || len(c.Devices) != 1 {
		t.Errorf("contact %+v: %v", c, err)
	}
	if v, err := alice.SetVerified(ctx, "bob", false); err != nil || !v.Verified.IsZero() {
		t.Errorf("unmarked: %+v, %v", v, err)
	}
}

func TestDevices(t *testing.T) {
	alice := newPerson(t, nodetest.NewWorld(0), "alice")
	ctx := t.Context()
	list, err := alice.Devices(ctx)
	if err != nil || len(list.Devices) != 1 {
		t.Fatalf("devices %+v: %v", list, err)
	}
	d := list.Devices[0]
	if want := []string{"publish", "send", "read", "administer"}; !d.This || !d.Account || !cmp.Equal(d.Scopes, want) {
		t.Errorf("this device %+v", d)
	}
	if d, err = alice.RenameDevice(ctx, d.ID[:6], "kitchen"); err != nil || d.Name != "kitchen" {
		t.Errorf("renamed %+v: %v", d, err)
	}
	if _, err := alice.RevokeDevice(ctx, "kitchen"); err == nil {
		t.Error("a device revokes itself")
	}
	offer, err := alice.StartLink(ctx, LinkInput{Name: "phone", Scopes: []string{"publish", "read"}, Tuples: []string{"door"}})
	if err != nil || !strings.HasPrefix(offer.Code, "kith:alice@") || !offer.Expires.After(time.Now()) {
		t.Fatalf("offer %+v: %v", offer, err)
	}
	if l, err := alice.Link(ctx); err != nil || l.Stage != "waiting" {
		t.Errorf("link %+v: %v", l, err)
	}
	if err := alice.CancelLink(ctx); err != nil {
		t.Error(err)
	}
	if l, err := alice.Link(ctx); err != nil || l.Stage == "waiting" {
		t.Errorf("link taken back %+v: %v", l, err)
	}
}

func TestPutRecords(t *testing.T) {
	alice := newPerson(t, nodetest.NewWorld(0), "alice")
	keys, err := identity.New("bob", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	card, err := keys.SignCard(identity.CardDraft{Serial: 1}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	altered := append([]identity.Record{{Key: card.Records()[0].Key, Value: card.Records()[1].Value}}, card.Records()...)
	if acks, err := alice.PutRecords(t.Context(), altered); err != nil || acks != len(card.Records()) {
		t.Errorf("stored %d: %v", acks, err)
	}
}

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute,
		"": 0, "0d": 0, "-1d": 0, "1.5d": 0, "7 d": 0, "99999d": 0, "-3h": 0, "7d3h": 0, "soon": 0,
	} {
		got, err := ParseSpan(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}
