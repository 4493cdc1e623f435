package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Files of an account that waits for its domain, beside those of an identity (doc/spec/address-record.md, 6).
const (
	requestedDir = "keys.requested"
	requestPEM   = "request.pem"
)

// presigned is a name with the signatures of its records, three a day.
type presigned struct {
	name       signedName
	first      time.Time // midnight before the first day
	signatures []byte
}

// accountGrant is what a domain gives a member.
type accountGrant struct {
	account, domain *x509.Certificate
	names           presigned
}

// end is the midnight after the last day with signatures.
func (p presigned) end() time.Time { return p.first.AddDate(0, 0, len(p.signatures)/signaturesADay) }

func (g *accountGrant) end() time.Time { return g.names.end() }

func (p presigned) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddBytes(p.name.raw)
		b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(utcDay(p.first))) })
		b.AddASN1OctetString(p.signatures)
	})
	return b.Bytes()
}

// parsePresigned reads DER and verifies the name, at now; the signatures it does not.
func parsePresigned(der []byte, domain ed25519.PublicKey, now time.Time) (presigned, error) {
	malformed := errors.New("malformed names")
	in := cryptobyte.String(bytes.Clone(der))
	var body, name, first, signatures cryptobyte.String
	var version int64
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version != 1 ||
		!body.ReadASN1Element(&name, nameTag) || !body.ReadASN1(&first, cbasn1.UTF8String) ||
		!body.ReadASN1(&signatures, cbasn1.OCTET_STRING) || !body.Empty() {
		return presigned{}, malformed
	}
	if n := len(signatures); n == 0 || n%signaturesADay != 0 || n > maxNameDays*signaturesADay {
		return presigned{}, malformed
	}
	p := presigned{signatures: signatures}
	var err error
	if p.first, err = time.Parse(time.DateOnly, string(first)); err != nil {
		return presigned{}, malformed
	}
	if p.name, err = parseName(name, domain, now); err != nil {
		return presigned{}, err
	}
	if again, err := p.marshal(); err != nil || !bytes.Equal(again, der) {
		return presigned{}, errors.New("names not in canonical form")
	}
	return p, nil
}

// records gives the records of one day. It fails with [ErrSignature] if a signature is not the domain's, and with [ErrExpired] on a day that has none.
func (p presigned) records(day time.Time, domain ed25519.PublicKey) ([]Record, error) {
	day = day.UTC().Truncate(24 * time.Hour)
	if day.Before(p.first) || !day.Before(p.end()) {
		return nil, fmt.Errorf("no signatures for the name %s on %s: %w", p.name.Address.Short(), utcDay(day), ErrExpired)
	}
	at := int(day.Sub(p.first)/(24*time.Hour)) * signaturesADay
	records := make([]Record, 0, slotsPerDay)
	for salt := range byte(slotsPerDay) {
		r, err := p.name.record(blinding{p.name.Address.local, utcDay(day), salt}, domain, p.signatures[at:at+ed25519.SignatureSize])
		if err != nil {
			return nil, err
		}
		records = append(records, r)
		at += ed25519.SignatureSize
	}
	return records, nil
}

func (g *accountGrant) marshal() ([]byte, error) {
	names, err := g.names.marshal()
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddBytes(g.account.Raw)
		b.AddBytes(g.domain.Raw)
		b.AddBytes(names)
	})
	der, err := b.Bytes()
	return encodeArmour(pemGrant, der), err
}

// parseAccountGrant reads the text of a grant and verifies all of it, at now, for an address, an account key and the key of the domain.
func parseAccountGrant(text []byte, r accountRequest, now time.Time) (*accountGrant, error) {
	der, err := decodeArmour(text, pemGrant, maxEnrolment)
	if err != nil {
		return nil, err
	}
	in := cryptobyte.String(bytes.Clone(der))
	var body cryptobyte.String
	var version int64
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version != 1 {
		return nil, errors.New("malformed")
	}
	g := new(accountGrant)
	if g.account, err = readCertificate(&body); err != nil {
		return nil, err
	}
	if g.domain, err = readCertificate(&body); err != nil {
		return nil, err
	}
	if !isKey(g.domain, r.domain) {
		return nil, fmt.Errorf("made by another key than that of the domain %s", r.address.Domain())
	}
	if !isKey(g.account, r.account) {
		return nil, errors.New("made for another account key")
	}
	if err := checkAuthorities([]*x509.Certificate{g.account, g.domain}, r.address, r.domain, now); err != nil {
		return nil, err
	}
	if g.names, err = parsePresigned(body, r.domain, now); err != nil {
		return nil, err
	}
	if name := g.names.name; name.Address != r.address || !r.account.Equal(name.Account) {
		return nil, errors.New("its name is of another account")
	}
	for day := g.names.first; day.Before(g.end()); day = day.AddDate(0, 0, 1) {
		if _, err := g.names.records(day, r.domain); err != nil {
			return nil, err
		}
	}
	if again, err := g.marshal(); err != nil || !bytes.Equal(again, encodeArmour(pemGrant, der)) {
		return nil, errors.New("not in canonical form")
	}
	return g, nil
}

// RequestAccount makes a new account key in dir that waits to become a member of a domain, and gives the request to send to the domain's holder. The address
// is the one wished for; the key of its domain is needed for a DNS domain, and nil or the same for an overlay domain. With a passphrase the account key is
// encrypted. While a request for the address waits, the same text is given again; a request for another is refused, and so is a dir that has an identity.
func RequestAccount(dir string, a Address, domainKey ed25519.PublicKey, pass []byte) (request []byte, err error) {
	request, err = requestAccount(dir, a, domainKey, pass, workFactor)
	if err != nil {
		return nil, fmt.Errorf("request account: %w", err)
	}
	return request, nil
}

func requestAccount(dir string, a Address, domainKey ed25519.PublicKey, pass []byte, work int) ([]byte, error) {
	if err := vacant(dir); err != nil {
		return nil, err
	}
	domain, err := Locator{Address: a, Domain: domainKey}.DomainKey()
	if err != nil {
		return nil, err
	}
	final := filepath.Join(dir, requestedDir)
	text, waiting, err := readRequest(dir)
	switch {
	case err == nil && waiting.address == a && waiting.domain.Equal(domain):
		return text, nil
	case err == nil:
		return nil, fmt.Errorf("a request for %s waits already: remove %s to withdraw it", waiting.address.Short(), final)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	public, account, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	defer clear(account)
	if text, err = (accountRequest{a, domain, public}).sign(account); err != nil {
		return nil, err
	}
	key, err := encodeAccount(account, pass, work)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unfinished := final + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return nil, err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return nil, err
	}
	err = writeFile(filepath.Join(unfinished, accountKey), key)
	if err == nil {
		err = writeFile(filepath.Join(unfinished, requestPEM), text)
	}
	if err == nil {
		err = os.Rename(unfinished, final)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(unfinished))
	}
	return text, syncDir(dir)
}

// readRequest reads the request that waits in dir.
func readRequest(dir string) ([]byte, accountRequest, error) {
	text, err := readFile(filepath.Join(dir, requestedDir, requestPEM))
	if err != nil {
		return nil, accountRequest{}, err
	}
	r, err := parseAccountRequest(text)
	return text, r, err
}

// AcceptAccount takes the grant of a domain's holder: it completes the identity whose account key waits in dir since [RequestAccount], or renews the membership
// of the identity that is there. The whole grant is verified for the address, the account key and the key of the domain, at now; one that is another's, altered,
// or expired ([ErrExpired]) fails and changes nothing, as does one older than that in use. Pass is as in [Open]. A node that runs with
// the identity must be started again after a renewal.
func AcceptAccount(dir string, grant []byte, pass func() ([]byte, error), now time.Time) (*Keys, error) {
	k, err := acceptAccount(dir, grant, pass, now)
	if err != nil {
		return nil, fmt.Errorf("accept account: %w", err)
	}
	return k, nil
}

func acceptAccount(dir string, grant []byte, pass func() ([]byte, error), now time.Time) (*Keys, error) {
	err := vacant(dir)
	switch {
	case errors.Is(err, fs.ErrExist):
		return renewAccount(dir, grant, pass, now)
	case err != nil:
		return nil, err
	}
	_, r, err := readRequest(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("nothing was requested in %s: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	g, err := parseAccountGrant(grant, r, now)
	if err != nil {
		return nil, fmt.Errorf("grant for %s: %w", r.address.Short(), err)
	}
	var word []byte // the new files are to be under the same passphrase
	defer func() { clear(word) }()
	remembered := pass
	if pass != nil {
		remembered = func() ([]byte, error) {
			given, err := pass()
			word = bytes.Clone(given)
			return given, err
		}
	}
	account, err := readAccount(filepath.Join(dir, requestedDir, accountKey), remembered)
	if err != nil {
		return nil, err
	}
	if !r.account.Equal(account.Public()) {
		return nil, errors.New("the account key is not that of the request")
	}
	k, err := newDevice(r.address, account, []*x509.Certificate{g.account, g.domain}, now.UTC().Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	names, err := g.names.marshal()
	if err != nil {
		return nil, err
	}
	if err := k.create(dir, word, names); err != nil {
		return nil, err
	}
	return k, os.RemoveAll(filepath.Join(dir, requestedDir))
}

// renewAccount replaces what the domain has certified of an identity. The keys stay.
func renewAccount(dir string, grant []byte, pass func() ([]byte, error), now time.Time) (*Keys, error) {
	k, err := Open(dir, pass)
	if err != nil {
		return nil, err
	}
	l := k.Locator()
	g, err := parseAccountGrant(grant, accountRequest{l.Address, l.Domain, l.Account}, now)
	if err != nil {
		return nil, fmt.Errorf("grant for %s: %w", l.Address.Short(), err)
	}
	text, err := readFile(filepath.Join(k.dir, nameFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if serial, ok := storedSerial(text, l.Domain); ok && serial > g.names.name.Serial {
		return nil, fmt.Errorf("grant with serial %d: %d is in use already", g.names.name.Serial, serial)
	}
	names, err := g.names.marshal()
	if err != nil {
		return nil, err
	}
	// After a kill between the two, the new name stands beside the old certificate: both are the domain's word, and accepting again completes it.
	if err := writeFile(filepath.Join(k.dir, nameFile), names); err != nil {
		return nil, err
	}
	k.chain = []*x509.Certificate{g.account, g.domain}
	if err := saveChain(k.dir, k.chain); err != nil {
		return nil, err
	}
	return k, os.RemoveAll(filepath.Join(dir, requestedDir))
}

// storedSerial gives the serial of the name in a file, whether it is still valid or not.
func storedSerial(der []byte, domain ed25519.PublicKey) (uint64, bool) {
	in := cryptobyte.String(der)
	var body, outer, name cryptobyte.String
	var statement []byte
	var version int64
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Integer(&version) || !body.ReadASN1Element(&name, nameTag) ||
		!name.ReadASN1(&outer, nameTag) || !outer.ReadASN1Bytes(&statement, cbasn1.OCTET_STRING) {
		return 0, false
	}
	n, err := parseStatement(statement)
	return n.Serial, err == nil
}

// NameRecords gives the records of the name of a domain's member for the DHT: today's, and tomorrow's as soon as nodes take them, and when what
// the domain has signed ends. They belong beside those of the card. Whoever is their own domain has none, with the zero time, as does a
// device without the account key, which gets them with the card. After the end it fails with [ErrExpired]: the domain must enrol the account again.
func (k *Keys) NameRecords(now time.Time) (records []Record, until time.Time, err error) {
	if k.ownDomain() || k.dir == "" {
		return nil, time.Time{}, nil
	}
	records, until, err = loadNames(k.dir, k.Locator(), now)
	if errors.Is(err, fs.ErrNotExist) && !k.Administers() {
		return nil, time.Time{}, nil // another device of the account has them
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("name records: %w", err)
	}
	return records, until, nil
}

// loadNames reads the file with the name in a directory of keys and makes its records.
func loadNames(dir string, l Locator, now time.Time) ([]Record, time.Time, error) {
	text, err := readFile(filepath.Join(dir, nameFile))
	if err != nil {
		return nil, time.Time{}, err
	}
	p, err := parsePresigned(text, l.Domain, now)
	if err != nil {
		return nil, time.Time{}, err
	}
	if p.name.Address != l.Address || !l.Account.Equal(p.name.Account) {
		return nil, time.Time{}, fmt.Errorf("%s is of another account", nameFile)
	}
	all, err := p.records(now, l.Domain)
	if err != nil {
		return nil, time.Time{}, err
	}
	if tomorrow := now.UTC().AddDate(0, 0, 1); tomorrow.Before(p.end()) {
		more, err := p.records(tomorrow, l.Domain)
		if err != nil {
			return nil, time.Time{}, err
		}
		for _, r := range more {
			if issued, _ := recordTimes(r.Value); int64(issued) <= now.Unix() {
				all = append(all, r)
			}
		}
	}
	until := p.end()
	if p.name.Until.Before(until) {
		until = p.name.Until
	}
	return all, until, nil
}
