package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Locator says where the records of an address are, as far as the reader knows.
type Locator struct {
	Address Address
	Domain  ed25519.PublicKey // key of the domain: needed for a DNS domain only; an overlay domain names its own
	Account ed25519.PublicKey // key of the account, if known: saves the name record of a domain's member
}

// Found is what a record held: a card, or the name that says under which key to look for the card. One of the two is zero.
type Found struct {
	Card SignedCard
	Name Name
}

// DomainKey gives the key of the domain. It fails if the address is under a DNS domain whose key is not given, and if a key is given that is
// not the one an overlay domain names.
func (l Locator) DomainKey() (ed25519.PublicKey, error) {
	named, overlay := l.Address.DomainKey()
	switch {
	case !overlay && l.Domain == nil:
		return nil, fmt.Errorf("%s: %w", l.Address, &UnknownDomainError{l.Address.Domain()})
	case !overlay:
		if _, err := parsePoint(l.Domain); err != nil {
			return nil, fmt.Errorf("%s: key of the domain: %w", l.Address, err)
		}
		return l.Domain, nil
	case l.Domain != nil && !named.Equal(l.Domain):
		return nil, fmt.Errorf("%s: not the key that the domain names", l.Address.Short())
	}
	return named, nil
}

// RecordKeys gives the three keys under which the records of l are found on the day of now (UTC): the slots of the account key if it is known, else
// of the domain key, where there is the card of whoever is their own domain and a name for every other.
func RecordKeys(l Locator, now time.Time) ([3]string, error) {
	key, err := l.DomainKey()
	if err != nil {
		return [3]string{}, fmt.Errorf("record of %w", err)
	}
	if l.Account != nil {
		key = l.Account
	}
	point, err := parsePoint(key)
	if err != nil {
		return [3]string{}, fmt.Errorf("record of %s: %w", l.Address.Short(), err)
	}
	var keys [slotsPerDay]string
	for salt := range keys {
		keys[salt] = slotKey(blinding{l.Address.local, utcDay(now), byte(salt)}.multiply(key, point))
	}
	return keys, nil
}

// OpenRecord checks a record as [CheckRecord] does, opens it with what only those know who know the address, and verifies what is inside: a card
// of the address, signed by the key whose slot it is, or a name of it, signed by the key of its domain and in a slot of that. Slots of yesterday, today and
// tomorrow are tried, of the account key if it is known and of the domain key. That serials do not fall, and whether a card has expired, is for the
// caller to compare. A name that is not valid at now is [ErrExpired].
func OpenRecord(l Locator, key string, value []byte, now time.Time) (Found, error) {
	if err := CheckRecord(key, value, now); err != nil {
		return Found{}, err
	}
	domain, err := l.DomainKey()
	if err != nil {
		return Found{}, fmt.Errorf("record of %w", err)
	}
	slots := domain
	if l.Account != nil {
		slots = l.Account
	}
	b, err := findBlinding(l.Address.local, slots, value[1:1+ed25519.PublicKeySize], now)
	if err != nil && !slots.Equal(domain) {
		slots = domain
		b, err = findBlinding(l.Address.local, slots, value[1:1+ed25519.PublicKeySize], now)
	}
	if err != nil {
		return Found{}, fmt.Errorf("record of %s: %w", l.Address.Short(), err)
	}
	text, err := b.openText(l.Address, value)
	if err != nil {
		return Found{}, fmt.Errorf("record of %s: %w", l.Address.Short(), err)
	}
	raw, err := unpack(text)
	if err != nil {
		return Found{}, fmt.Errorf("record of %s: %w", l.Address.Short(), err)
	}
	found, err := l.verify(raw, domain, slots, now)
	if err != nil {
		return Found{}, fmt.Errorf("record of %s: %w", l.Address.Short(), err)
	}
	return found, nil
}

// verify reads what a record in a slot of the key slots held.
func (l Locator) verify(raw []byte, domain, slots ed25519.PublicKey, now time.Time) (Found, error) {
	if isName(raw) {
		name, err := parseName(raw, domain, now)
		switch {
		case err != nil:
			return Found{}, err
		case name.Address != l.Address:
			return Found{}, fmt.Errorf("holds the name of %s", name.Address.Short())
		case !slots.Equal(domain):
			return Found{}, errors.New("holds a name where a card belongs")
		}
		return Found{Name: name.Name}, nil
	}
	card, err := ParseSignedCard(raw, func(string) ed25519.PublicKey { return domain })
	if err != nil {
		return Found{}, err
	}
	if card.card.Address != l.Address {
		return Found{}, fmt.Errorf("holds the card of %s", card.card.Address.Short())
	}
	if !isKey(card.card.Account, slots) {
		return Found{}, errors.New("holds a card of another account key")
	}
	return Found{Card: card}, nil
}

// findBlinding tells which day and salt a blinded key belongs to.
func findBlinding(local string, key ed25519.PublicKey, blinded []byte, now time.Time) (blinding, error) {
	point, err := parsePoint(key)
	if err != nil {
		return blinding{}, err
	}
	for _, days := range []int{0, 1, -1} {
		for salt := range byte(slotsPerDay) {
			b := blinding{local, utcDay(now.UTC().AddDate(0, 0, days)), salt}
			if bytes.Equal(b.multiply(key, point), blinded) {
				return b, nil
			}
		}
	}
	return blinding{}, errors.New("not in a slot of yesterday, today or tomorrow")
}
