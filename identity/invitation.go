package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	invitationScheme  = "kith:"
	invitationSum     = 4 // octets of checksum
	maxInvitation     = 4 << 10
	invitationContext = "kith invitation v1\x00"

	plainQuery = "?i=" // what follows the address in a link without a token
	tokenQuery = "?t=" // and in one with
)

// Who signed an invitation with a token.
const (
	signedByDomain  byte = 1 // the key that the domain of the address names, which is the account key too
	signedByAccount byte = 2 // the key of an account under somebody else's domain, or under a DNS domain
)

// Before the reach in an invitation with a token: kind, checksum, expiry, token and signature.
const tokenHead = 1 + invitationSum + 4 + len(Invitation{}.Token) + ed25519.SignatureSize

var errAltered = errors.New("invitation is cut off or altered: ask for the whole link")

// Invitation is what people hand each other as a link or a QR code: an address and, if known, where to begin. Nothing in it is secret or signed unless it
// has a token; the address itself proves the keys behind it.
type Invitation struct {
	Address Address
	Reach   Reach     // may be empty; at most 1024 octets
	Token   [16]byte  // approval in advance, for whoever shows it until it expires; zero: none
	Expires time.Time // of the token, in whole seconds

	kind      byte
	signature []byte // by the account key; nil without a token
}

// String gives "kith:l@d?i=" and base 64 (URL alphabet, no padding) of four octets of checksum and the reach; of an invitation with a token that was
// signed, "kith:l@d?t=" and what [Keys.SignInvitation] gave. It is empty for a zero address, a reach over the limit, and a token that is not signed.
func (i Invitation) String() string {
	signed := i.signature != nil
	if i.Address.IsZero() || len(i.Reach) > maxReach || signed != (i.Token != [16]byte{}) {
		return ""
	}
	link := invitationScheme + i.Address.String()
	if !signed {
		return link + plainQuery + base64.RawURLEncoding.EncodeToString(append(i.checksum(i.Reach), i.Reach...))
	}
	rest := slices.Concat(i.terms(), i.signature, i.Reach)
	return link + tokenQuery + base64.RawURLEncoding.EncodeToString(slices.Concat([]byte{i.kind}, i.checksum([]byte{i.kind}, rest), rest))
}

// checksum tells a cut or mistyped invitation from a whole one; it is no protection against anybody.
func (i Invitation) checksum(parts ...[]byte) []byte {
	sum := sha256.Sum256(slices.Concat([]byte(i.Address.String()+"\x00"), slices.Concat(parts...)))
	return sum[:invitationSum]
}

// terms are expiry and token.
func (i Invitation) terms() []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(i.Expires.Unix())), i.Token[:]...)
}

// statement is what the account key signs.
func (i Invitation) statement() []byte {
	a := i.Address.String()
	b := binary.BigEndian.AppendUint16(append([]byte(invitationContext), i.kind), uint16(len(a)))
	return slices.Concat(b, []byte(a), i.terms(), i.Reach)
}

// SignInvitation gives the link of an invitation with a token, signed with the account key; the address is filled in. Whoever comes with the
// token is to be approved, and that it is known and not used up is for the caller to see to. It fails with [ErrNotAdministrator] on a
// device without the account key, and for an expiry outside the years 1970 to 2106.
func (k *Keys) SignInvitation(i Invitation) (string, error) {
	i.Address, i.kind = k.address, signedByAccount
	if _, overlay := k.address.DomainKey(); overlay && k.ownDomain() {
		i.kind = signedByDomain
	}
	seconds := i.Expires.Unix()
	switch {
	case !k.Administers():
		return "", fmt.Errorf("invitation: %w", ErrNotAdministrator)
	case i.Token == [16]byte{}:
		return "", errors.New("invitation: no token")
	case seconds <= 0 || seconds > math.MaxUint32:
		return "", fmt.Errorf("invitation: cannot expire at %s", i.Expires.UTC().Format(time.RFC3339))
	case len(i.Reach) > maxReach:
		return "", fmt.Errorf("invitation: reach of %d octets: at most %d", len(i.Reach), maxReach)
	}
	i.signature = ed25519.Sign(k.account, i.statement())
	return i.String(), nil
}

// Verify tells whether the token is the word of an account key: nil, or [ErrSignature]. An invitation without a token has nothing to verify. When
// [ParseInvitation] takes the link of somebody who is their own overlay domain it has done so already; of others the key comes with their card.
func (i Invitation) Verify(account ed25519.PublicKey) error {
	if i.signature == nil && i.Token == [16]byte{} {
		return nil
	}
	if len(account) != ed25519.PublicKeySize || !ed25519.Verify(account, i.statement(), i.signature) {
		return fmt.Errorf("invitation of %s: %w", i.Address.Short(), ErrSignature)
	}
	return nil
}

// ParseInvitation reads an invitation, of at most 4 KiB, with white space and angle brackets around it. A bare address and an im: or
// pres: link give an invitation without reach. A token is read whether it has expired or not.
func ParseInvitation(s string) (Invitation, error) {
	if len(s) > maxInvitation {
		return Invitation{}, fmt.Errorf("invitation longer than %d octets", maxInvitation)
	}
	s = strings.Trim(strings.TrimSpace(s), "<>")
	s = strings.TrimSpace(s)
	n := len(invitationScheme)
	if len(s) < n || !strings.EqualFold(s[:n], invitationScheme) {
		return parsePlainInvitation(s)
	}
	rawAddress, encoded, token := strings.Cut(s[n:], tokenQuery)
	if !token {
		var found bool
		if rawAddress, encoded, found = strings.Cut(s[n:], plainQuery); !found {
			return Invitation{}, errors.New("invitation is cut off: ask for the whole link")
		}
	}
	address, err := parseMailbox(rawAddress)
	if err != nil {
		return Invitation{}, fmt.Errorf("invitation: %w", err)
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return Invitation{}, errAltered
	}
	i := Invitation{Address: address}
	if token {
		return i.readToken(payload)
	}
	if len(payload) < invitationSum || len(payload) > invitationSum+maxReach {
		return Invitation{}, errAltered
	}
	if len(payload) > invitationSum {
		i.Reach = payload[invitationSum:]
	}
	if string(i.checksum(i.Reach)) != string(payload[:invitationSum]) {
		return Invitation{}, errAltered
	}
	return i, nil
}

// readToken reads what stands behind the address in an invitation with a token.
func (i Invitation) readToken(payload []byte) (Invitation, error) {
	if len(payload) < tokenHead || len(payload) > tokenHead+maxReach {
		return Invitation{}, errAltered
	}
	kind, sum, rest := payload[0], payload[1:1+invitationSum], payload[1+invitationSum:]
	if string(i.checksum(payload[:1], rest)) != string(sum) {
		return Invitation{}, errAltered
	}
	i.kind = kind
	i.Expires = time.Unix(int64(binary.BigEndian.Uint32(rest)), 0).UTC()
	rest = rest[4+copy(i.Token[:], rest[4:]):]
	i.signature = rest[:ed25519.SignatureSize]
	if rest = rest[ed25519.SignatureSize:]; len(rest) > 0 {
		i.Reach = rest
	}
	domain, overlay := i.Address.DomainKey()
	switch {
	case i.Token == [16]byte{} || i.Expires.Unix() == 0:
		return Invitation{}, errAltered
	case kind == signedByDomain && overlay:
		if err := i.Verify(domain); err != nil {
			return Invitation{}, fmt.Errorf("%w: ask for another link", err)
		}
	case kind != signedByAccount:
		return Invitation{}, errors.New("invitation of a kind that is not known: it may need a newer kith")
	}
	return i, nil
}

func parsePlainInvitation(s string) (Invitation, error) {
	if scheme, _ := cutScheme(s); scheme == "" {
		a, err := ParseAddress(s)
		return Invitation{Address: a}, err
	}
	link, err := ParseLink(s)
	if err == nil && link.Address.IsZero() {
		err = errors.New("link names nobody")
	}
	if err != nil {
		return Invitation{}, err
	}
	return Invitation{Address: link.Address}, nil
}
