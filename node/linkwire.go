package node

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/identity"
)

// What two devices say to each other while one is linked (doc/spec/devices.md
// section 2).
const (
	typeLink   = "application/vnd.kith.link"
	typeLinked = "application/vnd.kith.linked"
)

// Steps of a link, as the new device takes them.
const (
	stepHello  = 1
	stepReveal = 2
	stepFinish = 3
	stepRefuse = 4
)

// Limits of a link.
const (
	linkSecret  = 16 // octets
	linkSum     = 4  // octets of checksum in a code
	maxLinkCode = 4 << 10
	maxLinkBody = 2 << 10
	maxLinked   = 160 << 10 // octets of an answer: a grant, a card and its records
	linkContext = "kith link v1"
	linkScheme  = "kith:"
	linkMark    = "?l="
)

var (
	tagLinkGrant = asn1.Tag(0).ContextSpecific()
	tagLinkCard  = asn1.Tag(1).ContextSpecific()

	errLinkCode = errors.New("the code is cut off or altered: copy the whole of it")
)

// linkCode is what a person carries from one device to the other.
type linkCode struct {
	address identity.Address
	secret  [linkSecret]byte
	reach   identity.Reach // may be empty
}

// String writes the code; it has the secret, so nobody logs it.
func (c linkCode) String() string {
	payload := append(c.checksum(), c.secret[:]...)
	return linkScheme + c.address.String() + linkMark + base64.RawURLEncoding.EncodeToString(append(payload, c.reach...))
}

// checksum tells a cut or mistyped code from a whole one.
func (c linkCode) checksum() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s%s", c.address, c.secret[:], c.reach)
	return h.Sum(nil)[:linkSum]
}

func parseLinkCode(s string) (linkCode, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxLinkCode || len(s) < len(linkScheme) || !strings.EqualFold(s[:len(linkScheme)], linkScheme) {
		return linkCode{}, badInput("that is not a code to link a device")
	}
	mailbox, encoded, found := strings.Cut(s[len(linkScheme):], linkMark)
	if !found {
		return linkCode{}, badInput("that is not a code to link a device")
	}
	address, err := identity.ParseAddress("im:" + mailbox)
	if err != nil {
		return linkCode{}, fmt.Errorf("code: %w", err)
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") || len(payload) < linkSum+linkSecret || len(payload) > linkSum+linkSecret+maxReach {
		return linkCode{}, errLinkCode
	}
	c := linkCode{address: address}
	copy(c.secret[:], payload[linkSum:])
	if len(payload) > linkSum+linkSecret {
		c.reach = payload[linkSum+linkSecret:]
	}
	if !hmac.Equal(c.checksum(), payload[:linkSum]) {
		return linkCode{}, errLinkCode
	}
	return c, nil
}

// linkStep is a request of the new device.
type linkStep struct {
	step int
	mac  [32]byte
	body []byte
}

// newLinkStep makes a request whose sender knows the secret.
func newLinkStep(secret [linkSecret]byte, step int, body []byte) ([]byte, error) {
	s := linkStep{step: step, body: body}
	s.mac = s.sum(secret)
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(int64(s.step))
		b.AddASN1OctetString(s.mac[:])
		b.AddASN1OctetString(s.body)
	})
	return b.Bytes()
}

func (s linkStep) sum(secret [linkSecret]byte) (mac [32]byte) {
	h := hmac.New(sha256.New, secret[:])
	h.Write([]byte{byte(s.step)})
	h.Write(s.body)
	return [32]byte(h.Sum(nil))
}

// knows says whether the sender knows the secret.
func (s linkStep) knows(secret [linkSecret]byte) bool {
	sum := s.sum(secret)
	return hmac.Equal(sum[:], s.mac[:])
}

func parseLinkStep(der []byte) (*linkStep, error) {
	var s linkStep
	in, ok := sequence(der)
	if !ok || !in.ReadASN1Integer(&s.step) || !readFixed(&in, s.mac[:]) || !in.ReadASN1Bytes(&s.body, asn1.OCTET_STRING) || !in.Empty() ||
		s.step < stepHello || s.step > stepRefuse || len(s.body) > maxLinkBody {
		return nil, fmt.Errorf("link: %w", errSyntax)
	}
	return &s, nil
}

// linkHello begins: the commitment keeps the new device from choosing its nonce
// once it knows the other one.
type linkHello struct {
	commit  [32]byte // SHA-256 of the new device's nonce and request
	request []byte   // of identity.Pending
	name    string   // at most 64 octets
}

func (h linkHello) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(h.commit[:])
		b.AddASN1OctetString(h.request)
		addText(b, h.name)
	})
	return b.Bytes()
}

func parseLinkHello(der []byte) (*linkHello, error) {
	var h linkHello
	in, ok := sequence(der)
	if !ok || !readFixed(&in, h.commit[:]) || !in.ReadASN1Bytes(&h.request, asn1.OCTET_STRING) || !readText(&in, &h.name) || !in.Empty() ||
		checkDeviceName(h.name) != nil {
		return nil, fmt.Errorf("link: hello: %w", errSyntax)
	}
	return &h, nil
}

// commitTo is the commitment of a new device.
func commitTo(nonce [32]byte, request []byte) [32]byte {
	return sha256.Sum256(append(nonce[:], request...))
}

// marshalNonce writes the body of a reveal, and of the answer to a hello.
func marshalNonce(nonce [32]byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce[:]) })
	return b.Bytes()
}

func parseNonce(der []byte) (nonce [32]byte, err error) {
	in, ok := sequence(der)
	if !ok || !readFixed(&in, nonce[:]) || !in.Empty() {
		return nonce, fmt.Errorf("link: nonce: %w", errSyntax)
	}
	return nonce, nil
}

// linked answers a step of a link.
type linked struct {
	digest  [32]byte // of the sealed request
	outcome linkOutcome
	nonce   []byte // answers hello
	grant   []byte // answers finish when done, with card
	card    []byte // as kept: the owner's newest card and its records
}

type linkOutcome int

const (
	linkGoOn    linkOutcome = iota // the next step, please
	linkWait                       // for the person at the other device
	linkDone                       // here is the grant
	linkRefused                    // the person at the other device said no
)

func (l linked) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(l.digest[:])
		b.AddASN1Enum(int64(l.outcome))
		b.AddASN1OctetString(l.nonce)
		addOptional(b, tagLinkGrant, l.grant)
		addOptional(b, tagLinkCard, l.card)
	})
	return b.Bytes()
}

func parseLinked(der []byte) (*linked, error) {
	var l linked
	var outcome int
	in, ok := sequence(der)
	if !ok || len(der) > maxLinked || !readFixed(&in, l.digest[:]) || !in.ReadASN1Enum(&outcome) || !in.ReadASN1Bytes(&l.nonce, asn1.OCTET_STRING) ||
		!readOptional(&in, tagLinkGrant, &l.grant) || !readOptional(&in, tagLinkCard, &l.card) || !in.Empty() ||
		outcome < int(linkGoOn) || outcome > int(linkRefused) || len(l.nonce) > maxLinkBody {
		return nil, fmt.Errorf("link: answer: %w", errSyntax)
	}
	l.outcome = linkOutcome(outcome)
	return &l, nil
}

// linkDigits is the short authentication string that two people, or one with
// two devices, compare: two groups of three digits. By is the device that
// certifies the new one.
func linkDigits(nonceE, nonceN [32]byte, request []byte, by identity.DeviceID) []string {
	h := sha256.New()
	h.Write([]byte(linkContext))
	h.Write(nonceE[:])
	h.Write(nonceN[:])
	h.Write(request)
	h.Write(by[:])
	number := binary.BigEndian.Uint64(h.Sum(nil)) % 1e6
	return []string{fmt.Sprintf("%03d", number/1000), fmt.Sprintf("%03d", number%1000)}
}
