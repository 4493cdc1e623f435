package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/base/go-bip39/wordlists"
)

// A recovery phrase is the seed of the account key in words, by BIP-39: 256 bits and the first 8 of their SHA-256, 11 bits a word
// (doc/spec/backup.md, 1).
const (
	phraseWords = 24
	wordBits    = 11
	maxPhrase   = 4 << 10 // octets of what somebody typed
)

// ErrOtherDomain tells that an address is not under the domain of the key that a recovery phrase gave: either the phrase is another's, or the
// account is under somebody else's domain, whose certificate a phrase does not have.
var ErrOtherDomain = errors.New("the recovery phrase is not the key of that domain")

// PhraseError tells why a text is no recovery phrase. It shows no word but one that is not in the list.
type PhraseError struct {
	Words int // how many there are, of 24
	Wrong int // the first that is not in the list, from 1; 0 if all are
	Why   string
}

// Error says what is wrong.
func (e *PhraseError) Error() string { return "recovery phrase: " + e.Why }

// Phrase gives the recovery phrase of the account key: 24 English words, separated by single spaces. Whoever reads them is the
// principal, for good. The caller clears the result. On a device without the account key it fails with [ErrNotAdministrator].
func (k *Keys) Phrase() ([]byte, error) {
	if !k.Administers() {
		return nil, fmt.Errorf("recovery phrase: %w", ErrNotAdministrator)
	}
	return phrase(k.account.Seed()), nil
}

// phrase gives the words of a seed, and clears it.
func phrase(seed []byte) []byte {
	sum := sha256.Sum256(seed)
	bits := append(seed[:len(seed):len(seed)], sum[0])
	defer clear(bits)
	defer clear(seed)
	words := make([]byte, 0, phraseWords*9) // the longest have 8 letters: never moved
	for i := range phraseWords {
		if i > 0 {
			words = append(words, ' ')
		}
		words = append(words, wordlists.English[word(bits, i)]...)
	}
	return words
}

// word reads the i-th group of 11 bits.
func word(bits []byte, i int) int {
	n := 0
	for at := i * wordBits; at < (i+1)*wordBits; at++ {
		n = n<<1 | int(bits[at/8]>>(7-at%8)&1)
	}
	return n
}

// ParsePhrase reads a recovery phrase as people type and paste it, of at most 4 KiB: in any case, with any white space and with the numbers
// that a list of words has. It gives the seed of 32 octets, which the caller clears, or a [*PhraseError].
func ParsePhrase(text []byte) (seed []byte, err error) {
	if len(text) > maxPhrase {
		return nil, &PhraseError{Words: phraseWords + 1, Why: fmt.Sprintf("more than %d octets", maxPhrase)}
	}
	lower := bytes.ToLower(text)
	defer clear(lower)
	var words [][]byte
	for field := range bytes.FieldsSeq(lower) {
		if len(bytes.Trim(field, "0123456789.):")) > 0 {
			words = append(words, field)
		}
	}
	bits := make([]byte, ed25519.SeedSize+1)
	defer clear(bits)
	for i, w := range words {
		n, found := slices.BinarySearch(wordlists.English, string(w))
		if !found {
			return nil, &PhraseError{len(words), i + 1, fmt.Sprintf("word %d, '%.20s', is not in the list%s", i+1, w, meant(w))}
		}
		if i < phraseWords {
			setWord(bits, i, n)
		}
	}
	if len(words) != phraseWords {
		return nil, &PhraseError{Words: len(words), Why: fmt.Sprintf("%d words, not %d", len(words), phraseWords)}
	}
	sum := sha256.Sum256(bits[:ed25519.SeedSize])
	if subtle.ConstantTimeByteEq(sum[0], bits[ed25519.SeedSize]) != 1 {
		return nil, &PhraseError{Words: len(words), Why: "each word is in the list, but they do not belong together: one is another, or two have changed places"}
	}
	return bytes.Clone(bits[:ed25519.SeedSize]), nil
}

func setWord(bits []byte, i, n int) {
	for j := range wordBits {
		if n>>(wordBits-1-j)&1 == 1 {
			at := i*wordBits + j
			bits[at/8] |= 0x80 >> (at % 8)
		}
	}
}

// meant suggests the words nearest to a mistyped one, of those at the same distance the ones that begin most alike.
func meant(typed []byte) string {
	const far = 3 // changes of a letter that make it another word
	if len(typed) > 12 {
		return ""
	}
	best, alike := far, 0
	var near []string
	for _, w := range wordlists.English {
		d, n := distance(string(typed), w), beginning(string(typed), w)
		if d < best || d == best && d < far && n > alike {
			best, alike, near = d, n, nil
		}
		if d == best && d < far && n == alike {
			near = append(near, w)
		}
	}
	if len(near) == 0 || len(near) > 3 {
		return ""
	}
	return "; did you mean '" + strings.Join(near, "' or '") + "'?"
}

// beginning counts the letters that a and b begin with.
func beginning(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// Recover makes an identity in dir, as [Create] does, of the seed that [ParsePhrase] gave: the same account with the same certificate, on a
// new device. Who is LOCAL, in plain text, or a whole address; one that is not under the domain of this key is refused with [ErrOtherDomain].
func Recover(dir, who string, seed, pass []byte, now time.Time) (*Keys, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("recover identity: seed of %d octets", len(seed))
	}
	account := ed25519.NewKeyFromSeed(seed)
	address, err := recoveredAddress(who, account.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("recover identity: %w", err)
	}
	k, err := newOwnDomain(address, account, now)
	if err != nil {
		return nil, fmt.Errorf("recover identity: %w", err)
	}
	if err := k.create(dir, pass, nil); err != nil {
		return nil, fmt.Errorf("recover identity: %w", err)
	}
	return k, nil
}

func recoveredAddress(who string, key ed25519.PublicKey) (Address, error) {
	if !strings.Contains(who, "@") {
		return NewAddress(who, key)
	}
	address, err := ParseAddress(who)
	if err != nil {
		return Address{}, err
	}
	domain, err := overlayDomain(key)
	if err != nil {
		return Address{}, err
	}
	if subtle.ConstantTimeCompare([]byte(domain), []byte(address.domain)) != 1 {
		return Address{}, ErrOtherDomain
	}
	return address, nil
}

// newOwnDomain makes the certificates and device keys below an account key that the domain of the address names.
func newOwnDomain(a Address, account ed25519.PrivateKey, now time.Time) (*Keys, error) {
	certificate, err := accountCertificate(a, account.Public().(ed25519.PublicKey), nil, account)
	if err != nil {
		return nil, err
	}
	return newDevice(a, account, []*x509.Certificate{certificate}, now.UTC().Truncate(time.Second))
}
