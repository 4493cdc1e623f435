package cms

import (
	"crypto/aes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// wrapOverhead is how much longer a wrapped key is than the key, in octets.
const wrapOverhead = 8

// wrapIV is the initial value of RFC 3394 section 2.2.3.1.
const wrapIV = 0xa6a6a6a6a6a6a6a6

// wrap encrypts key under kek (RFC 3394 section 2.2.1). Both are 16 or 32 octets.
func wrap(kek, key []byte) ([]byte, error) {
	if len(key) != 16 && len(key) != 32 {
		return nil, fmt.Errorf("cms: wrap a key of %d octets", len(key))
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("cms: wrap: %w", err)
	}
	out := make([]byte, wrapOverhead+len(key))
	r := out[wrapOverhead:]
	copy(r, key)
	n := uint64(len(key) / 8)
	var buf [aes.BlockSize]byte
	binary.BigEndian.PutUint64(buf[:8], wrapIV)
	for t := uint64(1); t <= 6*n; t++ {
		half := r[(t-1)%n*8:][:8]
		copy(buf[8:], half)
		block.Encrypt(buf[:], buf[:])
		binary.BigEndian.PutUint64(buf[:8], binary.BigEndian.Uint64(buf[:8])^t)
		copy(half, buf[8:])
	}
	copy(out, buf[:8])
	return out, nil
}

// errUnwrap is never shown: callers answer ErrDecrypt.
var errUnwrap = errors.New("key does not unwrap")

// unwrap undoes wrap (RFC 3394 section 2.2.2). The comparison that tells a good
// key from a bad one takes the same time for both.
func unwrap(kek, wrapped []byte) ([]byte, error) {
	if len(wrapped) != 16+wrapOverhead && len(wrapped) != 32+wrapOverhead {
		return nil, errUnwrap
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, errUnwrap
	}
	key := make([]byte, len(wrapped)-wrapOverhead)
	copy(key, wrapped[wrapOverhead:])
	n := uint64(len(key) / 8)
	var buf, iv [aes.BlockSize]byte
	copy(buf[:8], wrapped)
	for t := 6 * n; t >= 1; t-- {
		half := key[(t-1)%n*8:][:8]
		binary.BigEndian.PutUint64(buf[:8], binary.BigEndian.Uint64(buf[:8])^t)
		copy(buf[8:], half)
		block.Decrypt(buf[:], buf[:])
		copy(half, buf[8:])
	}
	binary.BigEndian.PutUint64(iv[:8], wrapIV)
	if subtle.ConstantTimeCompare(buf[:8], iv[:8]) != 1 {
		clear(key)
		return nil, errUnwrap
	}
	return key, nil
}

// kdf names the hash of a key derivation.
type kdf int

const (
	kdfNone kdf = iota // an algorithm that this package does not know
	kdfSHA1            // of objects from outside, see OpenEnveloped
	kdfSHA256
	kdfHKDF256
)

// derive is the ANSI X9.63 key derivation (SEC 1 section 3.6.1) of up to 64
// octets from a shared secret, for kdfSHA1 and kdfSHA256.
func (k kdf) derive(secret, info []byte, size int) []byte {
	var buf [160]byte // enough unless there is keying material
	in := append(buf[:0], secret...)
	in = append(in, 0, 0, 0, 0)
	in = append(in, info...)
	out := make([]byte, 0, 2*sha256.Size)
	for i := byte(1); len(out) < size; i++ {
		in[len(secret)+3] = i
		if k == kdfSHA1 {
			sum := sha1.Sum(in)
			out = append(out, sum[:]...)
		} else {
			sum := sha256.Sum256(in)
			out = append(out, sum[:]...)
		}
	}
	clear(in)
	return out[:size]
}

// sharedInfo encodes ECC-CMS-SharedInfo (RFC 5753 section 7.2) for a key-wrap
// key of size octets. A nil ukm is left out.
func sharedInfo(size int, ukm []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 40+len(ukm)))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes([]byte(wrapAlgorithm(size)))
		if ukm != nil {
			b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) { b.AddASN1OctetString(ukm) })
		}
		b.AddASN1(tagExplicit2, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddUint32(uint32(size) * 8) })
		})
	})
	return b.Bytes()
}

// wrapAlgorithm is the algorithm identifier of AES key wrap with a key of size
// octets, 16 or 32.
func wrapAlgorithm(size int) string {
	if size == 16 {
		return algAES128Wrap
	}
	return algAES256Wrap
}

// wrapSize is the reverse of wrapAlgorithm; 0 is an unknown algorithm.
func wrapSize(alg string) int {
	switch alg {
	case algAES128Wrap:
		return 16
	case algAES256Wrap:
		return 32
	}
	return 0
}
