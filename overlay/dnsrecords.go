package overlay

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
)

// ZoneTarget is a host that a domain's zone names, for ZoneRecords.
type ZoneTarget struct {
	Host     string   // a DNS name with A or AAAA records, and no alias
	Port     uint16   // of TCP and UDP; zero is DefaultPort
	Priority uint16   // the lowest is tried first
	Weight   uint16   // share among those of one priority
	Peers    []string // devices there, as libp2p peer ids, 1 to 4
}

// zoneTTL is seconds: an hour, as a key or a host changes rarely.
const zoneTTL = 3600

var (
	errZoneDomain = errors.New("not a fully qualified domain of the DNS")
	errZonePeers  = fmt.Errorf("want 1 to %d devices", targetPeers)
	errZoneCount  = fmt.Errorf("more than %d targets", targetsLimit)
)

// ZoneRecords gives the records that the administrator of a DNS domain adds to
// its zone, as lines of a zone file with absolute names: the domain key, then
// for each target an SRV record for messages and one for presence and the
// devices there (RFC 3861 section 5, doc/spec/dns.md section 2). The A and AAAA
// records of the targets are not among them. Without targets, the devices of
// the domain's people are found by the overlay alone.
func ZoneRecords(domain string, key ed25519.PublicKey, targets []ZoneTarget) ([]string, error) {
	zone, ok := zoneName(domain)
	if !ok {
		return nil, fmt.Errorf("records of %.80q: %w", domain, errZoneDomain)
	}
	k, err := keyName(key)
	if err != nil {
		return nil, fmt.Errorf("records of %s: domain key: %w", zone, err)
	}
	if len(targets) > targetsLimit {
		return nil, fmt.Errorf("records of %s: %w", zone, errZoneCount)
	}
	lines := []string{textRecord(zone, "k="+k)}
	var texts []string
	for _, t := range targets {
		host, ok := zoneName(t.Host)
		if !ok {
			return nil, fmt.Errorf("records of %s: target %.80q: %w", zone, t.Host, errZoneDomain)
		}
		if t.Port == 0 {
			t.Port = DefaultPort
		}
		peers, err := peerFields(t.Peers)
		if err != nil {
			return nil, fmt.Errorf("records of %s: target %s: %w", zone, host, err)
		}
		for _, service := range []string{"im", "pres"} {
			lines = append(lines, fmt.Sprintf("_%s.%s.%s. %d IN SRV %d %d %d %s.",
				service, protoLabel, zone, zoneTTL, t.Priority, t.Weight, t.Port, host))
		}
		texts = append(texts, textRecord(host, peers))
	}
	slices.Sort(texts) // a host may have several ports
	return append(lines, slices.Compact(texts)...), nil
}

// textRecord is short enough for one string of 255 octets.
func textRecord(name, fields string) string {
	return fmt.Sprintf("%s.%s. %d IN TXT %q", textLabel, name, zoneTTL, textMark+"; "+fields)
}

func peerFields(ids []string) (string, error) {
	if len(ids) < 1 || len(ids) > targetPeers {
		return "", errZonePeers
	}
	var fields []string
	for _, s := range ids {
		id, err := peer.Decode(s)
		if err != nil {
			return "", fmt.Errorf("peer id %.80q: %w", s, err)
		}
		if err := checkPeerID([]byte(id)); err != nil {
			return "", fmt.Errorf("peer id %.80q: %w", s, err)
		}
		fields = append(fields, "p="+id.String())
	}
	return strings.Join(fields, "; "), nil
}
