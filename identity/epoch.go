package identity

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/kith-im/kith/identity/cms"
)

const epochContext = "kith epoch v1"

// Epoch is the key that the members of an audience share until one of them is removed (doc/spec/objects.md, 5). Who holds it opens
// everything sealed in its time.
type Epoch struct{ key [32]byte }

// NewEpoch makes a random key.
func NewEpoch() Epoch {
	var e Epoch
	rand.Read(e.key[:])
	return e
}

// ParseEpoch reads the 32 octets of [Epoch.Bytes], as a grant carries them. All zeros is no key.
func ParseEpoch(b []byte) (Epoch, error) {
	if len(b) != 32 {
		return Epoch{}, fmt.Errorf("epoch key of %d octets: want 32", len(b))
	}
	e := Epoch{[32]byte(b)}
	if e.IsZero() {
		return Epoch{}, errors.New("epoch key is zero")
	}
	return e, nil
}

// Bytes gives the key itself, for a grant or the store.
func (e Epoch) Bytes() []byte { return e.key[:] }

// IsZero tells whether e is the zero value, which seals nothing.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// String tells nothing.
func (e Epoch) String() string { return "epoch (redacted)" }

// GoString tells nothing.
func (e Epoch) GoString() string { return e.String() }

// LogValue tells nothing.
func (e Epoch) LogValue() slog.Value { return slog.StringValue(e.String()) }

// Audience gives a name for the audience in this epoch. It does not reveal the key, but links what bears it: keep it inside sealed objects.
func (e Epoch) Audience() [16]byte { return [16]byte(e.derive("audience", 16)) }

// Topic gives the pubsub topic of a UTC day: "k1/" and 22 characters, which those without the key cannot link to another day.
func (e Epoch) Topic(day time.Time) string {
	mac := hmac.New(sha256.New, e.derive("topic", 32))
	mac.Write([]byte(utcDay(day)))
	return "k1/" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// KEKID gives the name of the epoch key that [Sealed.KEKID] reads on what is sealed in this epoch.
func (e Epoch) KEKID() []byte { return e.kek().ID }

// Seal seals a signed object to all members. It fails if e is zero or the result exceeds 300 KiB.
func (e Epoch) Seal(s Signed) (Sealed, error) {
	if e.IsZero() || s.IsZero() {
		return Sealed{}, errors.New("seal: no epoch key or nothing signed")
	}
	der, err := cms.SealWith(s.raw, nil, e.kek())
	if err != nil {
		return Sealed{}, fmt.Errorf("seal to audience: %w", err)
	}
	return newSealed(der)
}

// Open opens what a member or the presentity sealed, and verifies the signature inside as [Verify] does. Members share the key: only the
// signature says who wrote. It returns [ErrNotForMe] if s is not sealed in this epoch.
func (e Epoch) Open(s Sealed, known Known, now time.Time) (*Opened, error) {
	if e.IsZero() || s.IsZero() {
		return nil, fmt.Errorf("open: no epoch key or nothing sealed: %w", ErrNotForMe)
	}
	content, typ, err := s.parsed.OpenWith(e.kek())
	if errors.Is(err, cms.ErrNotRecipient) {
		return nil, ErrNotForMe
	}
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return verifyContent(content, typ, known, now)
}

func (e Epoch) kek() cms.KEK {
	return cms.KEK{ID: e.derive("kek id", 16), Key: [32]byte(e.derive("seal", 32))}
}

func (e Epoch) derive(label string, size int) []byte {
	out, err := hkdf.Key(sha256.New, e.key[:], []byte(epochContext), label, size)
	if err != nil {
		panic("identity: HKDF refuses a fixed size: " + err.Error()) // at most 255 times 32 octets, and we ask for 32
	}
	return out
}
