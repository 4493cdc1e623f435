package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// octets are written in hexadecimal.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, o), nil }

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.AppendDecode(nil, b)
	return err
}

// deviceVectors are what a second implementation needs to certify devices and to be one (doc/spec/identity.md 9). What is in made was made once, with
// signatures and serial numbers that nobody can make again; the rest follows from the keys.
type deviceVectors struct {
	About       string            `json:"about"`
	AccountSeed octets            `json:"account_seed"`
	Address     Address           `json:"address"`
	Certificate octets            `json:"account_certificate"`
	Signing     octets            `json:"signing_scalar"`
	Sealing     octets            `json:"sealing_scalar"`
	Next        octets            `json:"next_sealing_scalar"`
	Device      DeviceID          `json:"device_id"`
	SealingID   DeviceID          `json:"sealing_key_id"`
	Signs       octets            `json:"request_signed_octets"`
	Scopes      map[string]octets `json:"scopes_extensions"`
	Tuples      octets            `json:"tuples_extension"`
	Now         time.Time         `json:"now"`
	RenewedAt   time.Time         `json:"renewed_at"`
	Made        madeVectors       `json:"made"`
}

type madeVectors struct {
	Request      octets            `json:"request"`
	Grant        octets            `json:"grant"`
	WithAccount  octets            `json:"grant_with_account"`
	Renewal      octets            `json:"renewal_request"`
	RenewalGrant octets            `json:"renewal_grant"`
	Cards        map[string]octets `json:"cards"`
	Objects      []objectVector    `json:"objects"`
	BadRequests  map[string]octets `json:"refused_requests"`
	BadGrants    map[string]octets `json:"refused_grants"`
}

// objectVector is something the device signed, and what a reader makes of it who knows no card or one of the cards.
type objectVector struct {
	Type    string            `json:"type"`
	Object  octets            `json:"object"`
	Bare    octets            `json:"bare"`
	Verdict map[string]string `json:"verdict"`      // by the name of the known card
	Without map[string]string `json:"verdict_bare"` // the same of the bare object
}

// verdict puts an error of Verify in a word.
func verdict(err error) string {
	switch {
	case err == nil:
		return "good"
	case errors.Is(err, ErrRevoked):
		return "revoked"
	case errors.Is(err, ErrUnlisted):
		return "unlisted"
	case errors.Is(err, ErrUnknownSigner):
		return "unknown"
	case strings.Contains(err.Error(), "has no scope for"):
		return "scope"
	}
	return err.Error()
}

// testScalar gives a P-256 key whose scalar is a hash.
func testScalar(t *testing.T, name string) (*ecdsa.PrivateKey, octets) {
	t.Helper()
	scalar := sha256.Sum256([]byte(name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil {
		t.Fatal(err)
	}
	return key, scalar[:]
}

// TestDeviceVectors holds requests, grants, renewals and what cards make of a device to testdata/vectors/device.json.
func TestDeviceVectors(t *testing.T) {
	got := deviceVectors{
		About: "doc/spec/identity.md. Octets are in hexadecimal. Scalars are the SHA-256 of kith test signing key, kith test sealing key and kith test next sealing key. " +
			"All but made follows from the keys. The device is certified for publish and read, with the tuple door.",
		AccountSeed: testAccount().Seed(), Now: testTime, RenewedAt: testTime.Add(sealingPeriod), Scopes: map[string]octets{},
	}
	pending := new(Pending)
	pending.signing, got.Signing = testScalar(t, "kith test signing key")
	pending.sealing, got.Sealing = testScalar(t, "kith test sealing key")
	next, scalar := testScalar(t, "kith test next sealing key")
	got.Next = scalar
	pending.transport = testAccount() // of no meaning here
	first, err := newKeys("alice", testAccount(), testTime)
	if err != nil {
		t.Fatal(err)
	}
	got.Address, got.Certificate = first.Address(), first.chain[0].Raw
	for _, key := range []*ecdsa.PrivateKey{pending.signing, pending.sealing} {
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		got.Signs = append(got.Signs, der...)
	}
	got.Signs = append(octets(deviceContext), got.Signs...)
	got.Device = mustKeyID(t, pending.signing)
	got.SealingID = mustKeyID(t, pending.sealing)
	for name, s := range map[string]Scopes{"publish": ScopePublish, "publish, read": ScopePublish | ScopeRead, "publish, send, read": plainScopes, "all": allScopes} {
		got.Scopes[name] = s.marshal()
	}
	if got.Tuples, err = marshalTuples([]string{"door"}); err != nil {
		t.Fatal(err)
	}
	if *update {
		got.Made = makeDeviceVectors(t, first, pending, next)
	} else {
		var kept deviceVectors
		text, err := os.ReadFile("testdata/vectors/device.json")
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		if err != nil {
			t.Fatal(err)
		}
		got.Made = kept.Made
	}
	checkFile(t, "device.json", got)
	checkGrants(t, got, first, pending, next)
	checkObjects(t, got)
}

func mustKeyID(t *testing.T, key *ecdsa.PrivateKey) DeviceID {
	t.Helper()
	id, err := publicKeyID(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// must gives what was made without an error.
func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// makeDeviceVectors makes what cannot be made twice.
func makeDeviceVectors(t *testing.T, first *Keys, pending *Pending, next *ecdsa.PrivateKey) (v madeVectors) {
	t.Helper()
	request, err := pending.Request()
	v.Request = must(t, request, err)
	permit := Permit{Scopes: ScopePublish | ScopeRead, Tuples: []string{"door"}}
	grant, d, err := first.Certify(v.Request, permit, testTime)
	v.Grant = must(t, grant, err)
	grant, _, err = first.Certify(v.Request, Permit{Scopes: plainScopes, Account: true}, testTime)
	v.WithAccount = must(t, grant, err)
	request, err = deviceRequest(pending.signing, &next.PublicKey)
	v.Renewal = must(t, request, err)
	grant, _, err = first.Certify(v.Renewal, Permit{Renews: &d}, testTime.Add(sealingPeriod))
	v.RenewalGrant = must(t, grant, err)

	v.Cards = map[string]octets{}
	for name, draft := range map[string]CardDraft{
		"older": {Serial: 1}, "listing": {Serial: 2, Others: []DeviceCard{d}}, "revoking": {Serial: 3, Revoked: []DeviceID{d.ID}},
	} {
		card, err := first.SignCard(draft, testTime)
		v.Cards[name] = must(t, card, err).Bytes()
	}
	k := &Keys{address: first.address, chain: first.chain, transport: pending.transport}
	g, err := parseGrant(v.Grant)
	if err := pending.adopt(k, must(t, g, err), testTime); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"application/pidf+xml", "message/cpim", "text/plain"} {
		s := mustSign(t, k, Entity{Type: typ, Body: []byte("kith")}, true)
		bare, err := s.Bare()
		o := objectVector{Type: typ, Object: s.Bytes(), Bare: must(t, bare, err).Bytes()}
		o.Verdict, o.Without = judge(t, o.Object, v.Cards), judge(t, o.Bare, v.Cards)
		v.Objects = append(v.Objects, o)
	}
	v.BadRequests = badRequests(t, pending, v.Request)
	v.BadGrants = badGrants(t, first, pending, d, v)
	return v
}

func badRequests(t *testing.T, pending *Pending, good []byte) map[string]octets {
	t.Helper()
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p384, err := deviceRequest(pending.signing, &must(t, other, err).PublicKey)
	must(t, p384, err)
	altered := bytes.Clone(good)
	altered[len(altered)-1] ^= 1
	return map[string]octets{
		"signature altered":       altered,
		"sealing key on P-384":    p384,
		"version 2":               bytes.Replace(good, []byte{2, 1, 1}, []byte{2, 1, 2}, 1),
		"octets behind":           append(bytes.Clone(good), 0),
		"keys exchanged":          exchanged(good),
		"cut in the middle of it": good[:len(good)/2],
	}
}

// exchanged swaps the two keys of a request, each of 91 octets.
func exchanged(request []byte) []byte {
	const size = 91
	head := bytes.Index(request, []byte{0x30, size - 2})
	return slices.Concat(request[:head], request[head+size:head+2*size], request[head:head+size], request[head+2*size:])
}

func badGrants(t *testing.T, first *Keys, pending *Pending, d DeviceCard, v madeVectors) map[string]octets {
	t.Helper()
	stranger, mallory := call(t, NewPending), mustNew(t, "alice")
	request, err := stranger.Request()
	keys, _, err := first.Certify(must(t, request, err), Permit{Scopes: plainScopes}, testTime)
	must(t, keys, err)
	account, _, err := mallory.Certify(v.Request, Permit{Scopes: plainScopes}, testTime)
	must(t, account, err)
	seed, err := (&Keys{chain: first.chain, account: mallory.account}).writeGrant(d, true)
	must(t, seed, err)
	swapped, err := first.writeGrant(DeviceCard{Signing: d.Sealing, Sealing: d.Signing}, false)
	must(t, swapped, err)
	long, err := (&Keys{chain: []*x509.Certificate{first.chain[0], first.chain[0]}, account: first.account}).writeGrant(d, false)
	must(t, long, err)
	return map[string]octets{
		"for other keys":               keys,
		"of another account":           account,
		"seed of another account":      seed,
		"certificates exchanged":       swapped,
		"account certificate twice":    long,
		"octets behind":                append(bytes.Clone(v.Grant), 0),
		"version 2":                    bytes.Replace(v.Grant, []byte{2, 1, 1}, []byte{2, 1, 2}, 1),
		"without the last octet of it": v.Grant[:len(v.Grant)-1],
	}
}

func call[T any](t *testing.T, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	return must(t, v, err)
}

// judge verifies an object with what each card tells, and with none.
func judge(t *testing.T, object []byte, cards map[string]octets) map[string]string {
	t.Helper()
	s, err := ParseSigned(object)
	must(t, s, err)
	_, err = Verify(s, Known{}, testTime)
	found := map[string]string{"none": verdict(err)}
	for name, raw := range cards {
		card, err := ParseSignedCard(raw, nil)
		_, err = Verify(s, must(t, card, err).Card().Known(), testTime)
		found[name] = verdict(err)
	}
	return found
}

// checkGrants reads the requests and grants of the file.
func checkGrants(t *testing.T, v deviceVectors, first *Keys, pending *Pending, next *ecdsa.PrivateKey) {
	t.Helper()
	signing, sealing, err := parseDeviceRequest(v.Made.Request)
	if err != nil || !signing.Equal(pending.signing.Public()) || !sealing.Equal(pending.sealing.Public()) {
		t.Errorf("request: %v", err)
	}
	for name, request := range v.Made.BadRequests {
		if _, _, err := first.Certify(request, Permit{Scopes: plainScopes}, v.Now); err == nil {
			t.Errorf("request, %s: certified", name)
		}
	}
	accept := func(grant []byte) (*Keys, error) { return pending.Accept(t.TempDir(), v.Address, grant, nil, v.Now) }
	for name, grant := range v.Made.BadGrants {
		if _, err := accept(grant); err == nil {
			t.Errorf("grant, %s: accepted", name)
		}
	}
	if k, err := accept(v.Made.WithAccount); err != nil || !k.Administers() || k.DeviceCard(nil).Scopes() != allScopes {
		t.Errorf("grant with the account key: %v", err)
	}
	k, err := accept(v.Made.Grant)
	if err != nil {
		t.Fatal(err)
	}
	tuples, err := leafTuples(k.signing.certificate)
	if d := k.DeviceCard(nil); err != nil || k.Administers() || d.ID != v.Device || d.Scopes() != ScopePublish|ScopeRead || !slices.Equal(tuples, []string{"door"}) {
		t.Errorf("device %s with scopes %b for tuples %q: %v", d.ID, d.Scopes(), tuples, err)
	}
	k.next = next
	if err := writeFile(k.dir+"/"+nextKey, call(t, func() ([]byte, error) { return encodeKey(next) })); err != nil {
		t.Fatal(err)
	}
	before := k.signing.certificate
	if err := k.Renew(v.Made.RenewalGrant, v.RenewedAt); err != nil || len(k.sealing) != 2 || !k.signing.certificate.NotBefore.Equal(before.NotBefore) ||
		k.DeviceCard(nil).Scopes() != ScopePublish|ScopeRead {
		t.Errorf("renewal: %v", err)
	}
	if _, sealing, err := parseDeviceRequest(v.Made.Renewal); err != nil || !sealing.Equal(next.Public()) {
		t.Errorf("request of the renewal: %v", err)
	}
}

// checkObjects verifies the objects of the file.
func checkObjects(t *testing.T, v deviceVectors) {
	t.Helper()
	seen := map[string]bool{}
	for _, o := range v.Made.Objects {
		for i, pair := range []struct {
			object []byte
			want   map[string]string
		}{{o.Object, o.Verdict}, {o.Bare, o.Without}} {
			for card, got := range judge(t, pair.object, v.Made.Cards) {
				if seen[got] = true; got != pair.want[card] {
					t.Errorf("%s (%d) with card %s: %s, want %s", o.Type, i, card, got, pair.want[card])
				}
			}
		}
		s, err := ParseSigned(o.Object)
		bare, err := must(t, s, err).Bare()
		if !bytes.Equal(must(t, bare, err).Bytes(), o.Bare) {
			t.Errorf("%s: another bare form", o.Type)
		}
	}
	if len(seen) != 5 {
		t.Errorf("verdicts %v: want five kinds", seen)
	}
}
