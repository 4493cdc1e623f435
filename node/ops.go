package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/identity"
)

// The content types of what devices sign for each other (doc/spec/operations.md).
const (
	typeSubscribe = "application/vnd.kith.subscribe"
	typeNotify    = "application/vnd.kith.notify"
	typeResponse  = "application/vnd.kith.response"
	typeLease     = "application/vnd.kith.lease"
	typePresence  = "application/pidf+xml"
	typeMessage   = "message/cpim"
)

// maxNote is the largest greeting or reason, in octets.
const maxNote = 256

// transID names one operation (RFC 3859 section 3.4, RFC 3860 section 3.4).
type transID [16]byte

// subscribe asks to watch, to renew, to end or, with a new ID and no
// duration, to fetch (RFC 3859 section 3.4.1).
type subscribe struct {
	watcher  identity.Address
	target   identity.Address
	duration time.Duration // whole seconds
	id       SubscriptID
	trans    transID
	card     identity.SignedCard // the watcher's
	note     string
	token    [16]byte       // of an invitation, or approval of old; zero: none
	reach    identity.Reach // of the signer's device, if newer than in its card
}

// outcome is the status of a response. RFC 3859 and 3860 spell the third
// one so.
type outcome int

const (
	success outcome = iota
	failure
	indeterminant
)

// grant is what a watcher is given (doc/spec/publication.md).
type grant struct {
	epoch identity.Epoch
	lease time.Duration // of the current document, whole seconds
	count uint64        // leases given on it so far
	// approval, shown again later, tells a presentity that has lost its store whom
	// it approved; zero: none.
	approval [16]byte
}

// standing is what both a response and a notify say of a subscription.
type standing struct {
	id       SubscriptID
	state    State
	serial   uint64 // rising for each statement a presentity makes
	duration time.Duration
	reason   string
	grant    *grant          // present while active
	document identity.Signed // the current document; zero if none
	card     identity.SignedCard
}

// response answers a subscribe, a notify or a message.
type response struct {
	trans    string   // TransID as given: 16 octets, or a Message-ID
	digest   [32]byte // of the sealed request
	outcome  outcome
	reason   string
	standing *standing // of a successful subscribe

	by identity.DeviceID // who signed it, of one received
}

// notify tells a watcher's device of a change in its subscription.
type notify struct {
	trans    transID
	standing standing
}

// lease says that a device and its document are still good (doc/spec/publication.md section 3).
type lease struct {
	audience [16]byte
	version  Version
	count    uint64
	duration time.Duration
	digest   [32]byte // of the document's signed octets
}

var errSyntax = errors.New("malformed")

// domainKeys gives the key of a DNS domain, nil if it is not known; a nil func
// knows none.
type domainKeys func(domain string) ed25519.PublicKey

// Optional parts of a standing and a response.
var (
	tagGrant    = asn1.Tag(0).ContextSpecific().Constructed()
	tagDocument = asn1.Tag(1).ContextSpecific()
	tagCard     = asn1.Tag(2).ContextSpecific()
	tagStanding = asn1.Tag(3).ContextSpecific().Constructed()

	tagToken    = asn1.Tag(0).ContextSpecific()
	tagReach    = asn1.Tag(1).ContextSpecific()
	tagApproval = asn1.Tag(0).ContextSpecific()
)

// maxReach is the largest reach of a device, in octets (doc/spec/limits.md).
const maxReach = 1024

func (s subscribe) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addText(b, s.watcher.Pres())
		addText(b, s.target.Pres())
		addSeconds(b, s.duration)
		b.AddASN1OctetString(s.id[:])
		b.AddASN1OctetString(s.trans[:])
		b.AddASN1OctetString(s.card.Bytes())
		addText(b, s.note)
		if s.token != [16]byte{} {
			addOptional(b, tagToken, s.token[:])
		}
		addOptional(b, tagReach, s.reach)
	})
	return b.Bytes()
}

func parseSubscribe(body []byte, domain domainKeys) (*subscribe, error) {
	var s subscribe
	var card, token, reach []byte
	in, ok := sequence(body)
	ok = ok && readPres(&in, &s.watcher) && readPres(&in, &s.target) &&
		readSeconds(&in, &s.duration) && readFixed(&in, s.id[:]) && readFixed(&in, s.trans[:]) &&
		in.ReadASN1Bytes(&card, asn1.OCTET_STRING) && readText(&in, &s.note) &&
		readOptional(&in, tagToken, &token) && readOptional(&in, tagReach, &reach) && in.Empty()
	if !ok || token != nil && len(token) != len(s.token) || len(reach) > maxReach {
		return nil, fmt.Errorf("subscribe: %w", errSyntax)
	}
	copy(s.token[:], token)
	s.reach = reach
	var err error
	if s.card, err = identity.ParseSignedCard(card, domain); err != nil {
		return nil, fmt.Errorf("subscribe: card: %w", err)
	}
	return &s, nil
}

func (r response) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString([]byte(r.trans))
		b.AddASN1OctetString(r.digest[:])
		b.AddASN1Enum(int64(r.outcome))
		addText(b, r.reason)
		if r.standing != nil {
			b.AddASN1(tagStanding, r.standing.add)
		}
	})
	return b.Bytes()
}

func parseResponse(body []byte, domain domainKeys) (*response, error) {
	var r response
	var trans []byte
	var code int
	in, ok := sequence(body)
	ok = ok && in.ReadASN1Bytes(&trans, asn1.OCTET_STRING) && readFixed(&in, r.digest[:]) &&
		in.ReadASN1Enum(&code) && code >= 0 && code <= int(indeterminant) && readText(&in, &r.reason)
	if !ok {
		return nil, fmt.Errorf("response: %w", errSyntax)
	}
	r.trans, r.outcome = string(trans), outcome(code)
	if in.PeekASN1Tag(tagStanding) {
		var inner cryptobyte.String
		if !in.ReadASN1(&inner, tagStanding) {
			return nil, fmt.Errorf("response: %w", errSyntax)
		}
		s, err := readStanding(inner, domain)
		if err != nil {
			return nil, fmt.Errorf("response: %w", err)
		}
		r.standing = s
	}
	if !in.Empty() {
		return nil, fmt.Errorf("response: %w", errSyntax)
	}
	return &r, nil
}

func (n notify) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(n.trans[:])
		b.AddASN1(tagStanding, n.standing.add)
	})
	return b.Bytes()
}

func parseNotify(body []byte, domain domainKeys) (*notify, error) {
	var n notify
	var inner cryptobyte.String
	in, ok := sequence(body)
	if !ok || !readFixed(&in, n.trans[:]) || !in.ReadASN1(&inner, tagStanding) || !in.Empty() {
		return nil, fmt.Errorf("notify: %w", errSyntax)
	}
	s, err := readStanding(inner, domain)
	if err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	n.standing = *s
	return &n, nil
}

func (s *standing) add(b *cryptobyte.Builder) {
	b.AddASN1OctetString(s.id[:])
	b.AddASN1Enum(int64(s.state))
	b.AddASN1Uint64(s.serial)
	addSeconds(b, s.duration)
	addText(b, s.reason)
	if s.grant != nil {
		b.AddASN1(tagGrant, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(s.grant.epoch.Bytes())
			addSeconds(b, s.grant.lease)
			b.AddASN1Uint64(s.grant.count)
			if s.grant.approval != [16]byte{} {
				addOptional(b, tagApproval, s.grant.approval[:])
			}
		})
	}
	addOptional(b, tagDocument, s.document.Bytes())
	addOptional(b, tagCard, s.card.Bytes())
}

func readStanding(in cryptobyte.String, domain domainKeys) (*standing, error) {
	var s standing
	var state int
	ok := readFixed(&in, s.id[:]) && in.ReadASN1Enum(&state) && state >= int(Pending) && state <= int(Terminated) &&
		readUint(&in, &s.serial) && readSeconds(&in, &s.duration) && readText(&in, &s.reason)
	if !ok {
		return nil, errSyntax
	}
	s.state = State(state)
	if in.PeekASN1Tag(tagGrant) {
		var inner cryptobyte.String
		var key, approval []byte
		var g grant
		if !in.ReadASN1(&inner, tagGrant) || !inner.ReadASN1Bytes(&key, asn1.OCTET_STRING) ||
			!readSeconds(&inner, &g.lease) || !readUint(&inner, &g.count) ||
			!readOptional(&inner, tagApproval, &approval) || approval != nil && len(approval) != len(g.approval) || !inner.Empty() {
			return nil, errSyntax
		}
		copy(g.approval[:], approval)
		var err error
		if g.epoch, err = identity.ParseEpoch(key); err != nil {
			return nil, err
		}
		s.grant = &g
	}
	var document, card []byte
	if !readOptional(&in, tagDocument, &document) || !readOptional(&in, tagCard, &card) || !in.Empty() {
		return nil, errSyntax
	}
	var err error
	if document != nil {
		if s.document, err = identity.ParseSigned(document); err != nil {
			return nil, err
		}
	}
	if card != nil {
		if s.card, err = identity.ParseSignedCard(card, domain); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

func (l lease) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(l.audience[:])
		b.AddASN1Uint64(l.version.Boot)
		b.AddASN1Uint64(l.version.Seq)
		b.AddASN1Uint64(l.count)
		addSeconds(b, l.duration)
		b.AddASN1OctetString(l.digest[:])
	})
	return b.Bytes()
}

func parseLease(body []byte) (*lease, error) {
	var l lease
	in, ok := sequence(body)
	ok = ok && readFixed(&in, l.audience[:]) && readUint(&in, &l.version.Boot) && readUint(&in, &l.version.Seq) &&
		readUint(&in, &l.count) && readSeconds(&in, &l.duration) && readFixed(&in, l.digest[:]) && in.Empty()
	if !ok {
		return nil, fmt.Errorf("lease: %w", errSyntax)
	}
	return &l, nil
}
