package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"time"
)

var errPending = errors.New("identity: not filled in yet")

type DeviceID [20]byte

func (d DeviceID) String() string { return "" }
func (d DeviceID) Short() string  { return "" }

type Keys struct{ _ int }

func Create(dir, local string, pass []byte, now time.Time) (*Keys, error) { return nil, errPending }
func Open(dir string, pass func() ([]byte, error)) (*Keys, error)         { return nil, errPending }
func New(local string, now time.Time) (*Keys, error)                      { return nil, errPending }
func SetPassphrase(dir string, old func() ([]byte, error), new []byte) error {
	return errPending
}
func (k *Keys) Address() Address                               { return Address{} }
func (k *Keys) Device() DeviceID                               { return DeviceID{} }
func (k *Keys) TransportKey() ed25519.PrivateKey               { return nil }
func (k *Keys) Rotate(now time.Time) (changed bool, err error) { return false, errPending }
func (k *Keys) SignCard(serial uint64, reach Reach, now time.Time) (SignedCard, error) {
	return SignedCard{}, errPending
}
func (k *Keys) Sign(e Entity, certificates bool, now time.Time) (Signed, error) {
	return Signed{}, errPending
}
func (k *Keys) SealTo(s Signed, to ...*Card) (Sealed, error)               { return Sealed{}, errPending }
func (k *Keys) SealReply(s Signed, to *Opened) (Sealed, error)             { return Sealed{}, errPending }
func (k *Keys) Open(s Sealed, known *Card, now time.Time) (*Opened, error) { return nil, errPending }
func (k *Keys) WriteMultipartSigned(e Entity, now time.Time) ([]byte, error) {
	return nil, errPending
}

type Reach []byte

type Card struct {
	Address         Address
	Serial          uint64
	Issued, Expires time.Time
	Devices         []DeviceCard
	Account         *x509.Certificate
}

type DeviceCard struct {
	ID               DeviceID
	Signing, Sealing *x509.Certificate
	Reach            Reach
}

type SignedCard struct {
	card    *Card
	raw     []byte
	records []Record
}

func ParseSignedCard(b []byte) (SignedCard, error) { return SignedCard{}, errPending }
func (c SignedCard) Card() *Card                   { return c.card }
func (c SignedCard) Bytes() []byte                 { return c.raw }
func (c SignedCard) IsZero() bool                  { return c.card == nil }
func (c SignedCard) Records() []Record             { return c.records }

type Record struct {
	Key   string
	Value []byte
}

func RecordKeys(a Address, now time.Time) ([3]string, error) { return [3]string{}, errPending }
func OpenRecord(a Address, key string, value []byte, now time.Time) (SignedCard, error) {
	return SignedCard{}, errPending
}
func CheckRecord(key string, value []byte, now time.Time) error { return errPending }
func CompareRecords(a, b []byte) int                            { return 0 }

type Invitation struct {
	Address Address
	Reach   Reach
}

func (i Invitation) String() string                { return "" }
func ParseInvitation(s string) (Invitation, error) { return Invitation{}, errPending }

type Field struct{ Name, Value string }

type Entity struct {
	Type   string
	Fields []Field
	Body   []byte
}

func (e Entity) Marshal() ([]byte, error)  { return nil, errPending }
func (e Entity) Field(name string) string  { return "" }
func ParseEntity(b []byte) (Entity, error) { return Entity{}, errPending }

type Signed struct{ raw []byte }

func ParseSigned(b []byte) (Signed, error) { return Signed{}, errPending }
func (s Signed) Bytes() []byte             { return s.raw }
func (s Signed) IsZero() bool              { return s.raw == nil }

type Sealed struct{ raw []byte }

func ParseSealed(b []byte) (Sealed, error) { return Sealed{}, errPending }
func (s Sealed) Bytes() []byte             { return s.raw }
func (s Sealed) IsZero() bool              { return s.raw == nil }
func (s Sealed) KEKID() []byte             { return nil }
func (s Sealed) Digest() [32]byte          { return [32]byte{} }

type Opened struct {
	Entity  Entity
	Raw     []byte
	Signed  Signed
	From    Address
	Device  DeviceID
	Time    time.Time
	Digest  [32]byte
	Sealing *x509.Certificate
	Scopes  Scopes
}

func Verify(s Signed, known *Card, now time.Time) (*Opened, error) { return nil, errPending }

type Scopes uint8

const (
	Publish Scopes = 1 << iota
	Send
	Read
	Administer
)

func (s Scopes) Has(want Scopes) bool { return s&want == want }

type Epoch struct{ key [32]byte }

func NewEpoch() Epoch                         { return Epoch{} }
func ParseEpoch(b []byte) (Epoch, error)      { return Epoch{}, errPending }
func (e Epoch) Bytes() []byte                 { return nil }
func (e Epoch) IsZero() bool                  { return e == Epoch{} }
func (e Epoch) String() string                { return "epoch(redacted)" }
func (e Epoch) Audience() [16]byte            { return [16]byte{} }
func (e Epoch) Topic(day time.Time) string    { return "" }
func (e Epoch) Seal(s Signed) (Sealed, error) { return Sealed{}, errPending }
func (e Epoch) Open(s Sealed, known *Card, now time.Time) (*Opened, error) {
	return nil, errPending
}

type Multipart struct{ part, signature []byte }

func ParseMultipartSigned(b []byte) (*Multipart, error) { return nil, errPending }
func (m *Multipart) Verify(known *Card, now time.Time) (*Opened, error) {
	return nil, errPending
}

var (
	ErrPassphrase = errors.New("wrong passphrase")
	ErrNotForMe   = errors.New("not sealed to this device")
	ErrExpired    = errors.New("certificate is not valid at this time")
	ErrSignature  = errors.New("signature does not verify")
)
