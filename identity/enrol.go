package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Forms and limits of an enrolment (doc/spec/address-record.md, 5).
const (
	pemRequest      = "KITH ACCOUNT REQUEST"
	pemGrant        = "KITH ACCOUNT GRANT"
	requestContext  = "kith account request v1\x00"
	maxAsk          = 4 << 10  // octets of a request's text
	maxEnrolment    = 96 << 10 // octets of a grant's text
	maxNameDays     = 300
	expiryDays      = 3 // days that the records of an expired name are made for
	signaturesADay  = slotsPerDay * ed25519.SignatureSize
	farthestEndYear = 9999
)

// ErrTaken tells that an address cannot be given out: somebody has it, had it, or has one that people would take for it.
var ErrTaken = errors.New("the address is taken")

// Enrolment is what the holder of a domain decides about a member.
type Enrolment struct {
	Local   string    // plain text of the local part; "": as in the request
	Until   time.Time // end of the membership
	Days    int       // for which to sign records of the name, from today: 1 to 300; 0: as many, but none after Until
	Replace bool      // give an expired address out again, or a member's address to a new account key
}

// Enrol makes the account of a request a member of the domain, and gives the grant to hand back: certificates, the name, and the signatures of its records.
// No part of it is secret, and it is of use for that account only. A nil request renews the member with the address of e.Local. Each grant
// has the next serial. Addresses that differ from another's in case, separators or look-alike characters are refused with [ErrTaken], and so
// are expired ones unless e.Replace is set; a request that is not of this domain or not signed by its account key fails.
func (d *Domain) Enrol(request []byte, e Enrolment, now time.Time) (grant []byte, err error) {
	grant, err = d.enrol(request, e, now.UTC().Truncate(time.Second))
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return grant, nil
}

func (d *Domain) enrol(request []byte, e Enrolment, now time.Time) ([]byte, error) {
	if e.Days < 0 || e.Days > maxNameDays {
		return nil, fmt.Errorf("%d days: at most %d", e.Days, maxNameDays)
	}
	e.Until = e.Until.UTC().Truncate(time.Second)
	if !e.Until.After(now) || e.Until.Year() > farthestEndYear {
		return nil, errors.New("the membership must end in the future")
	}
	a, key, err := d.applicant(request, e.Local)
	if err != nil {
		return nil, err
	}
	members := slices.Clone(d.members)
	i, known := d.member(a)
	m := Member{Address: a, Enrolled: now, key: key}
	if known {
		m = members[i]
	} else if len(members) == maxMembers {
		return nil, fmt.Errorf("more than %d members", maxMembers)
	}
	if key != nil && !key.Equal(m.key) {
		m.key, m.Enrolled = key, now
	}
	if err := d.admit(m, known, e); err != nil {
		return nil, err
	}
	id, err := publicKeyID(m.key)
	if err != nil {
		return nil, err
	}
	m.Account, m.Serial, m.Expired, m.issued, m.Until = id.String(), m.Serial+1, false, now.Add(-backdate), e.Until
	g, err := d.grant(m, e.Days, now)
	if err != nil {
		return nil, err
	}
	m.Signed = g.end()
	if known {
		members[i] = m
	} else {
		members = slices.Insert(members, i, m)
	}
	if err := d.save(members); err != nil {
		return nil, err
	}
	return g.marshal()
}

// applicant gives the address to be given out and the account key that asks for it, nil for a renewal.
func (d *Domain) applicant(request []byte, local string) (Address, ed25519.PublicKey, error) {
	var named Address
	if local != "" {
		var err error
		if named, err = addressIn(local, d.name); err != nil {
			return Address{}, nil, err
		}
	}
	if request == nil {
		if _, known := d.member(named); named.IsZero() || !known {
			return Address{}, nil, fmt.Errorf("%q is not a member", local)
		}
		return named, nil, nil
	}
	r, err := parseAccountRequest(request)
	switch {
	case err != nil:
		return Address{}, nil, err
	case r.address.domain != d.name:
		return Address{}, nil, fmt.Errorf("the request is for %s, in another domain", r.address.Short())
	case !r.domain.Equal(d.Key()):
		return Address{}, nil, fmt.Errorf("the request is for %s under another domain key", r.address.Short())
	case !named.IsZero() && named != r.address:
		return Address{}, nil, fmt.Errorf("the request is for %s, not for %s", r.address.local, named.local)
	}
	return r.address, r.account, nil
}

// admit decides whether a member may have its address, which it has already or is to get.
func (d *Domain) admit(m Member, known bool, e Enrolment) error {
	if m.key.Equal(d.Key()) {
		return errors.New("the account key is the key of the domain")
	}
	look := skeleton(m.Address)
	for _, other := range d.members {
		switch {
		case other.Address == m.Address:
			if known && other.Expired && !e.Replace {
				return fmt.Errorf("%s was a member's and stays reserved: %w", m.Address.Short(), ErrTaken)
			}
			if !other.Expired && !other.key.Equal(m.key) && !e.Replace {
				return fmt.Errorf("%s has another account key: %w", m.Address.Short(), ErrTaken)
			}
		case other.key.Equal(m.key) && !other.Expired:
			return fmt.Errorf("the account key is that of %s", other.Address.Short())
		case skeleton(other.Address) == look && (!other.Expired || !e.Replace):
			return fmt.Errorf("%s looks like %s: %w", m.Address.Short(), other.Address.Short(), ErrTaken)
		}
	}
	return nil
}

// Expire ends a membership: the newest name of the address says that it has no account. The records are for the slots of today and the next
// two days; each is to be put once [CheckRecord] takes it. Whoever republishes for the domain calls Expire again daily until the last day the member has
// signatures for is over (Member.Signed), after which there are no records. The certificate that the member has holds until its end.
func (d *Domain) Expire(local string, now time.Time) ([]Record, error) {
	records, err := d.expire(local, now.UTC().Truncate(time.Second))
	if err != nil {
		return nil, fmt.Errorf("expire %q: %w", local, err)
	}
	return records, nil
}

func (d *Domain) expire(local string, now time.Time) ([]Record, error) {
	a, err := addressIn(local, d.name)
	if err != nil {
		return nil, err
	}
	i, known := d.member(a)
	if !known {
		return nil, errors.New("not a member")
	}
	m := d.members[i]
	if !m.Expired {
		m.Expired, m.Serial, m.issued = true, m.Serial+1, now.Add(-backdate)
		for _, end := range []time.Time{m.Signed.Add(recordSpan), now.Add(recordSpan)} { // beyond the member's last record
			if m.Until.Before(end) {
				m.Until = end
			}
		}
	}
	name, err := Name{Address: a, Serial: m.Serial, Issued: m.issued, Until: m.Until}.sign(d.key)
	if err != nil {
		return nil, err
	}
	if !d.members[i].Expired {
		members := slices.Clone(d.members)
		members[i] = m
		if err := d.save(members); err != nil {
			return nil, err
		}
	}
	var records []Record
	for days := range expiryDays {
		day := now.Truncate(24*time.Hour).AddDate(0, 0, days)
		if !day.Before(m.Signed) {
			break
		}
		for salt := range byte(slotsPerDay) {
			r, err := name.seal(blinding{a.local, utcDay(day), salt}, d.key)
			if err != nil {
				return nil, err
			}
			records = append(records, r)
		}
	}
	return records, nil
}

// grant makes what a member gets. An account key that is replaced may have signatures left, so there are signatures for all of those days.
func (d *Domain) grant(m Member, days int, now time.Time) (*accountGrant, error) {
	account, err := memberCertificate(m, d.certificate, d.key, now)
	if err != nil {
		return nil, err
	}
	name, err := Name{m.Address, m.key, m.Serial, m.issued, m.Until}.sign(d.key)
	if err != nil {
		return nil, err
	}
	first := now.Truncate(24 * time.Hour)
	if days == 0 {
		days = maxNameDays
	}
	days = max(min(days, daysFrom(first, m.Until)+1), daysFrom(first, m.Signed))
	g := &accountGrant{account: account, domain: d.certificate, names: presigned{name: name, first: first}}
	for day := range min(days, maxNameDays) {
		for salt := range byte(slotsPerDay) {
			r, err := name.seal(blinding{m.Address.local, utcDay(first.AddDate(0, 0, day)), salt}, d.key)
			if err != nil {
				return nil, err
			}
			g.names.signatures = append(g.names.signatures, r.Value[len(r.Value)-ed25519.SignatureSize:]...)
		}
	}
	return g, nil
}

// daysFrom counts the midnights from first, which is one, to t.
func daysFrom(first, t time.Time) int { return int(t.Sub(first) / (24 * time.Hour)) }

// memberCertificate makes the account certificate of a member. It begins an hour back, for readers whose clock is behind, and ends with the membership.
func memberCertificate(m Member, domain *x509.Certificate, key ed25519.PrivateKey, now time.Time) (*x509.Certificate, error) {
	id, err := publicKeyID(m.key)
	if err != nil {
		return nil, err
	}
	var serial [8]byte
	rand.Read(serial[:])
	return issue(&x509.Certificate{
		SerialNumber:          serialNumber(serial[:]),
		Subject:               pkix.Name{CommonName: m.Address.Local()[:min(len(m.Address.Local()), 64)]},
		NotBefore:             now.Add(-backdate),
		NotAfter:              m.Until,
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          id[:],
		URIs:                  sanURIs(m.Address),
	}, domain, m.key, key)
}

// addressIn gives the address of a local part in plain text under a domain.
func addressIn(local, domain string) (Address, error) {
	if local == "" || len(local) > maxLocal || !printable(local) {
		return Address{}, fmt.Errorf("local part %.80q: want 1 to %d printable ASCII characters", local, maxLocal)
	}
	if !dotAtom(local) {
		local = quote(local)
	}
	return ParseAddress(escape(local) + "@" + domain)
}

// lookAlikes is applied in this order to a local part in lower case without what separates.
var lookAlikes = []string{"0", "o", "1", "l", "i", "l", "|", "l", "rn", "m", "vv", "w"}

// skeleton is equal for two local parts of one domain that people would take for each other. Local parts are ASCII, so the table is short.
func skeleton(a Address) string {
	s, err := unescape(a.local)
	if err != nil {
		s = a.local // excluded by ParseAddress
	}
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`.-_ "\`, r) {
			return -1
		}
		return r
	}, strings.ToLower(s))
	for i := 0; i < len(lookAlikes); i += 2 {
		s = strings.ReplaceAll(s, lookAlikes[i], lookAlikes[i+1])
	}
	return s
}

// accountRequest is what somebody asks the holder of a domain for.
type accountRequest struct {
	address Address
	domain  ed25519.PublicKey
	account ed25519.PublicKey
}

func (r accountRequest) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(r.address.String())) })
		b.AddASN1OctetString(r.domain)
		b.AddASN1OctetString(r.account)
	})
	return b.Bytes()
}

// sign gives the text of the request. The signature shows that whoever asks has the account key.
func (r accountRequest) sign(account ed25519.PrivateKey) ([]byte, error) {
	raw, err := r.marshal()
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(raw)
		b.AddASN1OctetString(ed25519.Sign(account, append([]byte(requestContext), raw...)))
	})
	der, err := b.Bytes()
	return encodeArmour(pemRequest, der), err
}

// parseAccountRequest reads and verifies the text of a request.
func parseAccountRequest(text []byte) (accountRequest, error) {
	der, err := decodeArmour(text, pemRequest, maxAsk)
	if err != nil {
		return accountRequest{}, fmt.Errorf("request: %w", err)
	}
	malformed := errors.New("malformed request")
	in := cryptobyte.String(der)
	var outer, body, address, domain, account cryptobyte.String
	var raw, signature []byte
	var version int64
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1Bytes(&raw, cbasn1.OCTET_STRING) ||
		!outer.ReadASN1Bytes(&signature, cbasn1.OCTET_STRING) || !outer.Empty() || len(signature) != ed25519.SignatureSize {
		return accountRequest{}, malformed
	}
	in = cryptobyte.String(raw)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version != 1 ||
		!body.ReadASN1(&address, cbasn1.UTF8String) || !body.ReadASN1(&domain, cbasn1.OCTET_STRING) ||
		!body.ReadASN1(&account, cbasn1.OCTET_STRING) || !body.Empty() {
		return accountRequest{}, malformed
	}
	r := accountRequest{domain: bytes.Clone(domain), account: bytes.Clone(account)}
	if r.address, err = ParseAddress(string(address)); err != nil {
		return accountRequest{}, fmt.Errorf("request: %w", err)
	}
	for _, key := range []ed25519.PublicKey{r.domain, r.account} {
		if _, err := parsePoint(key); err != nil {
			return accountRequest{}, fmt.Errorf("request: key: %w", err)
		}
	}
	if again, err := r.marshal(); err != nil || !bytes.Equal(again, raw) {
		return accountRequest{}, errors.New("request not in canonical form")
	}
	if !ed25519.Verify(r.account, append([]byte(requestContext), raw...), signature) {
		return accountRequest{}, fmt.Errorf("request: %w", ErrSignature)
	}
	return r, nil
}

// encodeArmour and decodeArmour write and read one PEM block without headers, which survives being mailed.
func encodeArmour(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func decodeArmour(text []byte, label string, limit int) ([]byte, error) {
	if len(text) > limit {
		return nil, fmt.Errorf("%d octets of text: at most %d", len(text), limit)
	}
	blocks, err := decodePEM(append(bytes.TrimSpace(text), '\n'))
	if err != nil {
		return nil, err
	}
	if len(blocks) != 1 || blocks[0].Type != label {
		return nil, fmt.Errorf("not one %q", label)
	}
	return blocks[0].Bytes, nil
}
