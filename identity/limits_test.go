package identity

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// TestLimitsOfACard shows the largest card that there is: as many devices and as many revoked ones as it may name, each device with the reach
// that an overlay gives it, and how it goes into a record. One more of either is refused.
func TestLimitsOfACard(t *testing.T) {
	first := mustNew(t, "alice")
	draft := CardDraft{Serial: 1, Reach: noise(250)}
	for range maxDevices - 1 {
		_, d := linked(t, first, Permit{Scopes: plainScopes})
		d.Reach = make(Reach, 250)
		rand.Read(d.Reach)
		draft.Others = append(draft.Others, d)
	}
	for range maxRevoked {
		var id DeviceID
		rand.Read(id[:])
		draft.Revoked = append(draft.Revoked, id)
	}
	card, err := first.SignCard(draft, testTime)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSignedCard(card.Bytes(), nil)
	if err != nil || len(again.Card().Devices) != maxDevices || len(again.Card().Revoked) != maxRevoked {
		t.Fatalf("read again: %v", err)
	}
	more := draft
	more.Revoked = append(slices.Clone(draft.Revoked), DeviceID{1})
	if _, err := first.SignCard(more, testTime); err == nil {
		t.Errorf("%d revoked devices", len(more.Revoked))
	}
	more = draft
	_, ninth := linked(t, first, Permit{Scopes: plainScopes})
	more.Others = append(slices.Clone(draft.Others), ninth)
	if _, err := first.SignCard(more, testTime); err == nil {
		t.Errorf("%d devices", len(more.Others)+1)
	}
	for i := range more.Others[:maxDevices-1] {
		more.Others[i].Reach = make(Reach, maxReach)
		rand.Read(more.Others[i].Reach)
	}
	more.Others = more.Others[:maxDevices-1]
	if _, err := first.SignCard(more, testTime); err == nil {
		t.Error("a card that no record holds")
	}
}

// TestLimitsOfTuples: as many tuple ids as a certificate may have, of the greatest length, fit into it, and the certificate into what is looked at.
func TestLimitsOfTuples(t *testing.T) {
	first := mustNew(t, strings.Repeat("a", maxLocal))
	var ids []string
	for i := range maxTuples {
		ids = append(ids, string(bytes.Repeat([]byte{byte('a' + i)}, maxTupleID)))
	}
	k, d := linked(t, first, Permit{Scopes: ScopePublish, Tuples: ids})
	if got, err := leafTuples(d.Signing); err != nil || !slices.Equal(got, ids) || len(d.Signing.Raw) > maxCertificate {
		t.Errorf("%q in %d octets: %v", got, len(d.Signing.Raw), err)
	}
	o, err := Verify(mustSign(t, k, Entity{Type: "application/pidf+xml"}, true), Known{}, testTime)
	if err != nil || !slices.Equal(o.Tuples, ids) {
		t.Errorf("verified: %v", err)
	}
	if _, err := marshalTuples(append(slices.Clone(ids), "x")); err == nil {
		t.Errorf("%d tuple ids", len(ids)+1)
	}
	if _, err := marshalTuples([]string{ids[0] + "x"}); err == nil {
		t.Errorf("tuple id of %d octets", len(ids[0])+1)
	}
}

// TestLimitOfAGrant: a grant of 64 KiB, with all that a domain signed for its member, is read, and one octet more is not.
func TestLimitOfAGrant(t *testing.T) {
	first := mustNew(t, "alice")
	_, d := linked(t, first, Permit{Scopes: plainScopes})
	bare, err := first.writeGrant(d, true)
	if err != nil {
		t.Fatal(err)
	}
	for size, good := range map[int]bool{maxGrant: true, maxGrant + 1: false} {
		name := size - len(bare) - 4 - 4 // header of the name; the header of the whole grows too
		grant := grantWithName(t, bare, name)
		for ; len(grant) < size; name++ {
			grant = grantWithName(t, bare, name+1)
		}
		if len(grant) != size {
			t.Fatalf("grant of %d octets, want %d", len(grant), size)
		}
		if g, err := parseGrant(grant); (err == nil) != good || good && len(g.name) != name {
			t.Errorf("grant of %d octets: %v", size, err)
		}
	}
}

// grantWithName adds a name of so many octets to a grant.
func grantWithName(t *testing.T, grant []byte, size int) []byte {
	t.Helper()
	in := cryptobyte.String(grant)
	var body cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		t.Fatal("no grant")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(body)
		b.AddASN1(tagName, func(b *cryptobyte.Builder) { b.AddBytes(make([]byte, size)) })
	})
	der, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return der
}
