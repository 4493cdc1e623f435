package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	invitationScheme = "kith:"
	invitationSum    = 4 // octets of checksum
	maxInvitation    = 4 << 10
)

// Invitation is what people hand each other as a link or a QR code: an address and, if known, where to begin. Nothing in it is secret or
// signed; the address itself proves the keys behind it.
type Invitation struct {
	Address Address
	Reach   Reach // may be empty; at most 1024 octets
}

// String gives "kith:l@d?i=" and base 64 (URL alphabet, no padding) of four octets of checksum and the reach. It is empty for a zero
// address or a reach over the limit.
func (i Invitation) String() string {
	if i.Address.IsZero() || len(i.Reach) > maxReach {
		return ""
	}
	return invitationScheme + i.Address.String() + "?i=" + base64.RawURLEncoding.EncodeToString(append(i.checksum(), i.Reach...))
}

// checksum tells a cut or mistyped invitation from a whole one; it is no protection against anybody.
func (i Invitation) checksum() []byte {
	sum := sha256.Sum256(append([]byte(i.Address.String()+"\x00"), i.Reach...))
	return sum[:invitationSum]
}

// ParseInvitation reads an invitation, of at most 4 KiB, with white space and angle brackets around it. A bare address and an im: or
// pres: link give an invitation without reach.
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
	rawAddress, encoded, found := strings.Cut(s[n:], "?i=")
	if !found {
		return Invitation{}, errors.New("invitation is cut off: ask for the whole link")
	}
	address, err := parseMailbox(rawAddress)
	if err != nil {
		return Invitation{}, fmt.Errorf("invitation: %w", err)
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(payload) < invitationSum || len(payload) > invitationSum+maxReach || strings.ContainsAny(encoded, "\r\n") {
		return Invitation{}, errors.New("invitation is cut off or altered: ask for the whole link")
	}
	i := Invitation{Address: address}
	if len(payload) > invitationSum {
		i.Reach = payload[invitationSum:]
	}
	if string(i.checksum()) != string(payload[:invitationSum]) {
		return Invitation{}, errors.New("invitation is cut off or altered: ask for the whole link")
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
