package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	verificationContext = "kith verification v1\x00"
	verificationRounds  = 5200 // makes it dear to look for keys that give the same words

	digitGroups = 12 // of 5 digits: 199 bits
	emojiShown  = 11 // of 64: 66 bits
	emojiBits   = 6
)

// Verification is what two people compare, by voice or side by side, to be sure that each has the other's key and nobody's in between. Digits and emoji
// come of the same hash; either will do (doc/spec/address.md, 5).
type Verification struct {
	Digits []string // 12 groups of 5 digits, 199 bits
	Emoji  []string // 11 of them, 66 bits
	Names  []string // what the emoji are called in English
}

// NewVerification gives the words of two principals by their addresses and account keys, alike whichever comes first. It takes a few milliseconds.
func NewVerification(a, b Locator) (Verification, error) {
	first, err := a.compared()
	if err != nil {
		return Verification{}, err
	}
	second, err := b.compared()
	if err != nil {
		return Verification{}, err
	}
	if a.Address == b.Address {
		return Verification{}, errors.New("verification: one and the same principal")
	}
	if bytes.Compare(first, second) > 0 {
		first, second = second, first
	}
	both := slices.Concat(first, second)
	sum := sha512.Sum512(append([]byte(verificationContext), both...))
	buffer := append(make([]byte, sha512.Size), both...)
	for range verificationRounds {
		copy(buffer, sum[:])
		sum = sha512.Sum512(buffer)
	}
	var v Verification
	digits, emoji := sha512.Sum512(append(sum[:], 'd')), sha512.Sum512(append(sum[:], 'e'))
	for i := range digitGroups {
		group := append([]byte{0, 0, 0}, digits[5*i:5*i+5]...)
		v.Digits = append(v.Digits, fmt.Sprintf("%05d", binary.BigEndian.Uint64(group)%100000))
	}
	for i := range emojiShown {
		one := emojiTable[group(emoji[:], i, emojiBits)]
		v.Emoji, v.Names = append(v.Emoji, one.emoji), append(v.Names, one.name)
	}
	return v, nil
}

// compared is what of a principal goes into the hash.
func (l Locator) compared() ([]byte, error) {
	if l.Address.IsZero() || len(l.Account) != ed25519.PublicKeySize {
		return nil, errors.New("verification: want an address and an account key")
	}
	a := l.Address.String()
	return slices.Concat(binary.BigEndian.AppendUint16(nil, uint16(len(a))), []byte(a), l.Account), nil
}

// group reads the i-th group of n bits.
func group(b []byte, i, n int) int {
	v := 0
	for at := i * n; at < (i+1)*n; at++ {
		v = v<<1 | int(b[at/8]>>(7-at%8)&1)
	}
	return v
}

// emojiTable is what 6 bits look like. All are single code points that are shown in colour by themselves, and no two are alike.
var emojiTable = [1 << emojiBits]struct{ emoji, name string }{
	{"🐙", "octopus"}, {"🦉", "owl"}, {"🐢", "turtle"}, {"🦋", "butterfly"}, {"🐘", "elephant"}, {"🐧", "penguin"}, {"🦊", "fox"}, {"🐝", "bee"},
	{"🦁", "lion"}, {"🐳", "whale"}, {"🦀", "crab"}, {"🐌", "snail"}, {"🐸", "frog"}, {"🦒", "giraffe"}, {"🐫", "camel"}, {"🦔", "hedgehog"},
	{"🌵", "cactus"}, {"🍄", "mushroom"}, {"🌻", "sunflower"}, {"🌳", "tree"}, {"🍎", "apple"}, {"🍌", "banana"}, {"🍒", "cherries"}, {"🍋", "lemon"},
	{"🍇", "grapes"}, {"🥕", "carrot"}, {"🌽", "corn"}, {"🥑", "avocado"}, {"🍞", "bread"}, {"🧀", "cheese"}, {"🥚", "egg"}, {"🍕", "pizza"},
	{"🌙", "moon"}, {"🌈", "rainbow"}, {"🔥", "fire"}, {"⛄", "snowman"}, {"🌋", "volcano"}, {"⚡", "lightning"}, {"⭐", "star"}, {"🌍", "globe"},
	{"🚲", "bicycle"}, {"🚂", "train"}, {"🚀", "rocket"}, {"⛵", "sailboat"}, {"🚜", "tractor"}, {"🎈", "balloon"}, {"🏠", "house"}, {"⚓", "anchor"},
	{"🔑", "key"}, {"🔨", "hammer"}, {"🔔", "bell"}, {"📖", "book"}, {"📷", "camera"}, {"🎸", "guitar"}, {"🥁", "drum"}, {"🎺", "trumpet"},
	{"🎲", "dice"}, {"👑", "crown"}, {"🎩", "hat"}, {"☔", "umbrella"}, {"💎", "diamond"}, {"🧲", "magnet"}, {"🔭", "telescope"}, {"⌚", "watch"},
}
