package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
)

// Known is what a reader of objects knows already. Its functions are called while an object is verified and must be quick; each may be nil, and the zero
// value knows nothing.
type Known struct {
	// Card gives the newest card of a person, nil if there is none. It decides which devices speak for them.
	Card func(Address) *Card
	// Signer tells whose device that is, for objects that carry no certificates; the zero address if unknown.
	Signer func(DeviceID) Address
	// Domain gives the key of a DNS domain, nil if it is not known.
	Domain func(domain string) ed25519.PublicKey
	// Unlisted lets devices pass that the known card of their person does not list, for a caller who looks for a newer card: see
	// [Opened.Listed]. Revoked devices never pass.
	Unlisted bool
}

// Known is a reader's knowledge of this card alone; of a nil card, of nothing.
func (c *Card) Known() Known {
	if c == nil {
		return Known{}
	}
	return Known{
		Card: func(a Address) *Card {
			if a != c.Address {
				return nil
			}
			return c
		},
		Signer: func(id DeviceID) Address {
			if _, listed := c.device(id); !listed {
				return Address{}
			}
			return c.Address
		},
		Domain: func(domain string) ed25519.PublicKey {
			if domain != c.Address.Domain() {
				return nil
			}
			return c.DomainKey()
		},
	}
}

// UnknownDomainError tells that an address is under a DNS domain whose key is not known: its zone may have it.
type UnknownDomainError struct{ Domain string }

// Error names the domain.
func (e *UnknownDomainError) Error() string {
	return fmt.Sprintf("the key of the domain %s is not known", e.Domain)
}

// domainKey gives the key that vouches for accounts in the domain of an address.
func (k Known) domainKey(a Address) (ed25519.PublicKey, error) {
	if key, ok := a.DomainKey(); ok {
		return key, nil
	}
	if k.Domain != nil {
		if key := k.Domain(a.Domain()); key != nil {
			return key, nil
		}
	}
	return nil, &UnknownDomainError{a.Domain()}
}

func (k Known) card(a Address) *Card {
	if k.Card == nil || a.IsZero() {
		return nil
	}
	return k.Card(a)
}

// certificatesOf gives what is known of the signer of an object, by the key identifier that it names.
func (k Known) certificatesOf(signer []byte) []*x509.Certificate {
	if k.Signer == nil || len(signer) != len(DeviceID{}) {
		return nil
	}
	card := k.card(k.Signer(DeviceID(signer)))
	if card == nil {
		return nil
	}
	return card.certificates()
}

// certificates gives the chain of a card and the signing certificates of its devices.
func (c *Card) certificates() []*x509.Certificate {
	all := append([]*x509.Certificate{}, c.chain...)
	for _, d := range c.Devices {
		all = append(all, d.Signing)
	}
	return all
}
