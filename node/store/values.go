package store

import (
	"crypto/ed25519"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
	"unicode"

	"github.com/kith-im/kith/identity"
)

// The types below carry values to and from columns: a pointer to one is what
// Scan fills, a value is what a statement is given.
type (
	person   identity.Address    // TEXT; read by Store.person
	card     identity.SignedCard // BLOB, NULL for the zero one
	signed   identity.Signed     // BLOB, NULL for the zero one
	epoch    identity.Epoch      // BLOB, NULL for the zero one
	instant  time.Time           // INTEGER, NULL for the zero time
	unsigned uint64              // BLOB of eight octets
	octets   []byte              // BLOB, never NULL
	hint     []byte              // BLOB, NULL for none
	array    []byte              // BLOB of a fixed length, NULL for all zeros
	key      ed25519.PublicKey   // BLOB, NULL for none
)

func (p person) Value() (driver.Value, error) {
	if identity.Address(p).IsZero() {
		return nil, errors.New("no address")
	}
	return identity.Address(p).String(), nil
}

// addresses remembers what addresses parse to: checking that a domain is a key
// takes longer than reading a row, and the same few come again and again.
type addresses struct {
	mu    sync.Mutex
	known map[string]identity.Address
}

// maxKnown is when addresses forgets all, about 4 MB.
const maxKnown = 1 << 14

func (a *addresses) parse(text string) (identity.Address, error) {
	a.mu.Lock()
	who, ok := a.known[text]
	a.mu.Unlock()
	if ok {
		return who, nil
	}
	who, err := identity.ParseAddress(text)
	if err != nil {
		return identity.Address{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= maxKnown {
		a.known = make(map[string]identity.Address)
	}
	a.known[text] = who
	return who, nil
}

// person scans a column into an address.
func (s *Store) person(into *identity.Address) sql.Scanner { return &addressColumn{into, &s.addresses} }

type addressColumn struct {
	into  *identity.Address
	known *addresses
}

func (c *addressColumn) Scan(column any) (err error) {
	if column == nil {
		*c.into = identity.Address{}
		return nil
	}
	text, ok := column.(string)
	if !ok {
		return fmt.Errorf("address in a column of %T", column)
	}
	*c.into, err = c.known.parse(text)
	return err
}

func (c card) Value() (driver.Value, error) {
	if identity.SignedCard(c).IsZero() {
		return nil, nil
	}
	return identity.SignedCard(c).Bytes(), nil
}

func (c *card) Scan(column any) error {
	return scanObject((*identity.SignedCard)(c), column, identity.ParseKeptCard)
}

func (s signed) Value() (driver.Value, error) {
	if identity.Signed(s).IsZero() {
		return nil, nil
	}
	return identity.Signed(s).Bytes(), nil
}

func (s *signed) Scan(column any) error {
	return scanObject((*identity.Signed)(s), column, identity.ParseSigned)
}

func (e epoch) Value() (driver.Value, error) {
	if identity.Epoch(e).IsZero() {
		return nil, nil
	}
	return identity.Epoch(e).Bytes(), nil
}

func (e *epoch) Scan(column any) error {
	return scanObject((*identity.Epoch)(e), column, identity.ParseEpoch)
}

// scanObject parses a column into a value of package identity, which may keep the octets: they are its own.
func scanObject[T any](into *T, column any, parse func([]byte) (T, error)) error {
	var zero T
	*into = zero
	if column == nil {
		return nil
	}
	b, ok := column.([]byte)
	if !ok {
		return fmt.Errorf("%T in a column of %T", zero, column)
	}
	object, err := parse(append([]byte(nil), b...))
	if err != nil {
		return err
	}
	*into = object
	return nil
}

func (i instant) Value() (driver.Value, error) {
	t := time.Time(i)
	if t.IsZero() {
		return nil, nil
	}
	if t.Before(time.Unix(0, math.MinInt64)) || t.After(time.Unix(0, math.MaxInt64)) {
		return nil, fmt.Errorf("time %s is out of range", t.UTC().Format(time.RFC3339))
	}
	return t.UnixNano(), nil
}

func (i *instant) Scan(column any) error {
	*i = instant{}
	if column == nil {
		return nil
	}
	n, ok := column.(int64)
	if !ok {
		return fmt.Errorf("time in a column of %T", column)
	}
	*i = instant(time.Unix(0, n).UTC())
	return nil
}

func (u unsigned) Value() (driver.Value, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(u)), nil
}

func (u *unsigned) Scan(column any) error {
	b, ok := column.([]byte)
	if !ok || len(b) != 8 {
		return fmt.Errorf("number in a column of %T", column)
	}
	*u = unsigned(binary.BigEndian.Uint64(b))
	return nil
}

func (o octets) Value() (driver.Value, error) { return append([]byte{}, o...), nil }

func (h hint) Value() (driver.Value, error) {
	if len(h) == 0 {
		return nil, nil
	}
	return []byte(h), nil
}

func (a array) Value() (driver.Value, error) {
	for _, b := range a {
		if b != 0 {
			return append([]byte{}, a...), nil
		}
	}
	return nil, nil
}

// Scan fills an array, which has its length already.
func (a array) Scan(column any) error {
	if column == nil {
		clear(a)
		return nil
	}
	return fixed(a).Scan(column)
}

func (k key) Value() (driver.Value, error) {
	switch len(k) {
	case 0:
		return nil, nil
	case ed25519.PublicKeySize:
		return append([]byte{}, k...), nil
	}
	return nil, fmt.Errorf("key of %d octets", len(k))
}

func (k *key) Scan(column any) error {
	*k = nil
	if column == nil {
		return nil
	}
	into := make(fixed, ed25519.PublicKeySize)
	if err := into.Scan(column); err != nil {
		return err
	}
	*k = key(into)
	return nil
}

// fixed scans a BLOB into an array of the same length.
type fixed []byte

func (f fixed) Scan(column any) error {
	b, ok := column.([]byte)
	if !ok || len(b) != len(f) {
		return fmt.Errorf("%d octets in a column of %T", len(f), column)
	}
	copy(f, b)
	return nil
}

// fold gives two names the same text exactly if strings.EqualFold says they are the same.
func fold(name string) string {
	folded := make([]rune, 0, len(name))
	for _, r := range name {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		folded = append(folded, least)
	}
	return string(folded)
}
