package overlay

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Labels of names in a zone (doc/spec/dns.md section 2).
const (
	protoLabel = "_kith" // Protocol of SRV records (RFC 3861 section 8)
	textLabel  = "_kith" // before a domain or target, for its TXT records
	textMark   = "v=kith1"
)

// Limits of what a zone may say.
const (
	domainLimit = 240  // octets of a domain, so that the labels fit before it
	textLimit   = 1024 // octets of one TXT record of ours
	targetPeers = 4    // devices at one target
)

var (
	errTextLength = fmt.Errorf("the zone's TXT record is longer than %d octets", textLimit)
	errTextKey    = errors.New("the zone's TXT record has a k= that is no key name")
	errTextKeys   = errors.New("the zone's TXT records name different keys")
)

// outsideDNS is the top-level domains that have no zone (RFC 6761, RFC 6762,
// RFC 7686, RFC 9476).
const outsideDNS = " alt invalid local localhost onion "

// zoneName gives a domain in lower case, without a final dot, if the DNS can
// know it: a fully qualified host name that is no IP address and not of a
// top-level domain kept out of the DNS.
func zoneName(s string) (string, bool) {
	s = strings.TrimSuffix(s, ".")
	if len(s) > domainLimit {
		return "", false
	}
	s = lowerASCII(s)
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "", false
		}
	}
	last := labels[len(labels)-1]
	if len(labels) < 2 || strings.Trim(last, "0123456789") == "" || strings.Contains(outsideDNS, " "+last+" ") {
		return "", false
	}
	return s, true
}

// lowerASCII leaves other characters alone: strings.ToLower would make the
// Kelvin sign a k.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// zoneText is what the TXT records of one name say together.
type zoneText struct {
	key   ed25519.PublicKey // nil if none
	peers []peer.ID         // devices, in the order given, none twice
}

// parseTexts reads the TXT records of one name, the strings of each joined.
// Records that are not ours say nothing. Devices that cannot be are left out,
// as are those after the fourth; of keys nothing is left out.
func parseTexts(records []string) (zoneText, error) {
	var all zoneText
	for _, s := range records {
		text, err := parseText(s)
		if err != nil {
			return zoneText{}, err
		}
		if all.key != nil && text.key != nil && !all.key.Equal(text.key) {
			return zoneText{}, errTextKeys
		}
		if all.key == nil {
			all.key = text.key
		}
		for _, p := range text.peers {
			all.add(p)
		}
	}
	return all, nil
}

func (t *zoneText) add(p peer.ID) {
	if len(t.peers) < targetPeers && !slices.Contains(t.peers, p) {
		t.peers = append(t.peers, p)
	}
}

// parseText reads one record: fields name=value between semicolons, the first
// v=kith1, with spaces around either. Unknown fields are ignored.
func parseText(s string) (zoneText, error) {
	first, rest, _ := strings.Cut(s, ";")
	if strings.Trim(first, " \t") != textMark {
		return zoneText{}, nil
	}
	if len(s) > textLimit {
		return zoneText{}, errTextLength
	}
	var text zoneText
	for field := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(field, "=")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		switch name {
		case "k":
			key, err := parseKeyName(value)
			if err != nil {
				return zoneText{}, err
			}
			if text.key != nil && !text.key.Equal(key) {
				return zoneText{}, errTextKeys
			}
			text.key = key
		case "p":
			if id, err := peer.Decode(value); err == nil && checkPeerID([]byte(id)) == nil {
				text.add(id)
			}
		}
	}
	return text, nil
}

// The parts of an address that says nothing but its domain key.
const (
	someone       = "k"
	overlaySuffix = ".kith.alt"
)

// parseKeyName reads the name of a key, as it stands in an overlay domain.
func parseKeyName(s string) (ed25519.PublicKey, error) {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return nil, errTextKey // an address would be decoded first
	}
	a, err := identity.ParseAddress(someone + "@" + s + overlaySuffix)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTextKey, err)
	}
	key, ok := a.DomainKey()
	if !ok {
		return nil, errTextKey
	}
	return key, nil
}

func keyName(key ed25519.PublicKey) (string, error) {
	a, err := identity.NewAddress(someone, key)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(a.Domain(), overlaySuffix), nil
}
