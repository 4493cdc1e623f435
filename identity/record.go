package identity

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Layout of a record (doc/spec/address-record.md, 3).
const (
	recordVersion  = 1
	recordHead     = 1 + ed25519.PublicKeySize + 8 + 8 // authenticated, not encrypted
	recordNonce    = 12
	recordTag      = 16
	recordOverhead = recordHead + recordNonce + recordTag + ed25519.SignatureSize
	maxRecord      = 8 << 10
	recordLifetime = 48 * time.Hour
	recordSpan     = 25 * time.Hour // from the start of a record's day to its expiry
	recordContext  = "kith record v1"
	offsetContext  = "kith record offset v1"
	offsetSpan     = 3600    // seconds by which the visible issue time may lie back: as long as between two announces, so that slots cannot be linked by it
	maxTime        = 1 << 40 // seconds; later times are refused before they can overflow
)

// recordSizes are all sizes a record may have, rising.
var recordSizes = [4]int{1 << 10, 2 << 10, 4 << 10, maxRecord}

// slotEncoding writes a slot in a key of the DHT.
var slotEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Record is one value for the DHT and the key to put it under.
type Record struct {
	Key   string // "/kith/" and 52 characters of base 32
	Value []byte // 1, 2, 4 or 8 KiB
}

// slotKey is the DHT key of a blinded public key.
func slotKey(blinded []byte) string {
	slot := sha256.Sum256(blinded)
	return "/kith/" + slotEncoding.EncodeToString(slot[:])
}

// CheckRecord is what every node that stores records runs: the size is one of the four, key is the slot of the blinded key, the
// signature is that key's, the record was issued at most 10 minutes in the future, expires at most 48 hours after its issue, and has not
// been expired for 10 minutes. It can and does say nothing about what is inside. Errors are [ErrExpired], [ErrSignature] and others.
func CheckRecord(key string, value []byte, now time.Time) error {
	if !slices.Contains(recordSizes[:], len(value)) {
		return fmt.Errorf("record of %d octets: want 1, 2, 4 or 8 KiB", len(value))
	}
	if value[0] != recordVersion {
		return fmt.Errorf("record: version %d is not known", value[0])
	}
	blinded := value[1 : 1+ed25519.PublicKeySize]
	if slotKey(blinded) != key {
		return errors.New("record: not in its slot")
	}
	issued, expires := recordTimes(value)
	if issued > maxTime || expires > maxTime || expires <= issued || expires-issued > uint64(recordLifetime/time.Second) {
		return errors.New("record: bad span of time")
	}
	if time.Unix(int64(issued), 0).After(now.Add(clockSkew)) {
		return fmt.Errorf("record from the future: %w", ErrExpired)
	}
	if now.After(time.Unix(int64(expires), 0).Add(clockSkew)) {
		return fmt.Errorf("old record: %w", ErrExpired)
	}
	signed, signature := value[:len(value)-ed25519.SignatureSize], value[len(value)-ed25519.SignatureSize:]
	if !ed25519.Verify(blinded, signedPart(signed), signature) {
		return fmt.Errorf("record: %w", ErrSignature)
	}
	return nil
}

// CompareRecords orders two records that passed [CheckRecord] for one key: positive if a is to be kept. The later issue wins; among
// equal ones the octets decide, so that all nodes choose alike. Anything too short to be a record loses.
func CompareRecords(a, b []byte) int {
	wellA, wellB := len(a) >= recordOverhead, len(b) >= recordOverhead
	switch {
	case wellA && !wellB:
		return 1
	case wellB && !wellA:
		return -1
	case wellA:
		issuedA, _ := recordTimes(a)
		issuedB, _ := recordTimes(b)
		if c := cmp.Compare(issuedA, issuedB); c != 0 {
			return c
		}
	}
	return bytes.Compare(a, b)
}

func recordTimes(value []byte) (issued, expires uint64) {
	times := value[1+ed25519.PublicKeySize:]
	return binary.BigEndian.Uint64(times), binary.BigEndian.Uint64(times[8:])
}

// recordKey gives the key that what is in one slot is encrypted under. It follows from the address.
func (b blinding) recordKey(a Address, blinded []byte) ([]byte, error) {
	info := b.day + string(b.salt) + string(blinded)
	key, err := hkdf.Key(sha256.New, []byte(a.String()), []byte(recordContext), info, 32)
	if err != nil {
		return nil, fmt.Errorf("record key: %w", err)
	}
	return key, nil
}

func (b blinding) recordCipher(a Address, blinded []byte) (cipher.AEAD, error) {
	key, err := b.recordKey(a, blinded)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("record key: %w", err)
	}
	return cipher.NewGCM(block)
}

// sealRecord makes the record of a packed card for one slot. The visible issue time lies back by a secret offset, which is the same for one slot and
// unlinkable between slots, so that a reissue rises and no two slots can be linked by their times.
func (b blinding) sealRecord(a Address, text []byte, account ed25519.PrivateKey, now time.Time, nonce [recordNonce]byte) (Record, error) {
	key, err := b.private(account)
	if err != nil {
		return Record{}, err
	}
	day, err := b.start()
	if err != nil {
		return Record{}, err
	}
	offset, err := issueOffset(account, sha256.Sum256(key.public))
	if err != nil {
		return Record{}, err
	}
	issued := now.Add(-clockSkew - time.Duration(offset)*time.Second) // a clock that is ahead by the skew does not issue in the future
	expires := day.Add(recordSpan)
	if latest := issued.Add(recordLifetime); latest.Before(expires) {
		expires = latest
	}
	body, err := b.sealText(a, key.public, issued, expires, nonce, text)
	if err != nil {
		return Record{}, err
	}
	signature, err := key.sign(signedPart(body))
	if err != nil {
		return Record{}, err
	}
	return Record{slotKey(key.public), append(body, signature...)}, nil
}

// sealText gives the octets of a record up to its signature.
func (b blinding) sealText(a Address, blinded []byte, issued, expires time.Time, nonce [recordNonce]byte, text []byte) ([]byte, error) {
	aead, err := b.recordCipher(a, blinded)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, recordOverhead+len(text))
	body = append(body, recordVersion)
	body = append(body, blinded...)
	body = binary.BigEndian.AppendUint64(body, uint64(issued.Unix()))
	body = binary.BigEndian.AppendUint64(body, uint64(expires.Unix()))
	body = append(body, nonce[:]...)
	return aead.Seal(body, nonce[:], text, body[:recordHead]), nil
}

// openText gives the plaintext of a record that passed [CheckRecord].
func (b blinding) openText(a Address, value []byte) ([]byte, error) {
	aead, err := b.recordCipher(a, value[1:1+ed25519.PublicKeySize])
	if err != nil {
		return nil, err
	}
	nonce := value[recordHead : recordHead+recordNonce]
	text, err := aead.Open(nil, nonce, value[recordHead+recordNonce:len(value)-ed25519.SignatureSize], value[:recordHead])
	if err != nil {
		return nil, errors.New("does not open")
	}
	return text, nil
}

// signedPart is what the blinded key signs of a record.
func signedPart(body []byte) []byte {
	return slices.Concat([]byte(recordContext), []byte{0}, body)
}

// issueOffset gives 0 to 3599 seconds for a slot.
func issueOffset(account ed25519.PrivateKey, slot [32]byte) (int64, error) {
	secret, err := hkdf.Key(sha256.New, account.Seed(), nil, offsetContext, 32)
	if err != nil {
		return 0, fmt.Errorf("record: %w", err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(slot[:])
	return int64(binary.BigEndian.Uint64(mac.Sum(nil)) % offsetSpan), nil
}

// records makes the records of a card for today and tomorrow.
func records(c SignedCard, account ed25519.PrivateKey, now time.Time) ([]Record, error) {
	text, err := c.pack()
	if err != nil {
		return nil, err
	}
	all := make([]Record, 0, 2*slotsPerDay)
	for days := range 2 {
		day := utcDay(now.UTC().AddDate(0, 0, days))
		for salt := range byte(slotsPerDay) {
			var nonce [recordNonce]byte
			rand.Read(nonce[:])
			record, err := blinding{c.card.Address.local, day, salt}.sealRecord(c.card.Address, text, account, now, nonce)
			if err != nil {
				return nil, err
			}
			all = append(all, record)
		}
	}
	return all, nil
}
