package cms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
)

var (
	envelopedInfo = []int{1, 0, 2} // EncryptedContentInfo
	ourCBC        = variant{curve: ecdh.P256(), kdf: oidStdDHSHA256, wrap: 32, key: 32, cbc: true}
)

func TestEnvelopedLengths(t *testing.T) {
	d := newAuthority(t).device(t, 2, x509.KeyUsageKeyAgreement)
	for n := range 3*aes.BlockSize + 1 {
		content := bytes.Repeat([]byte{byte(n)}, n)
		got, _, err := OpenEnveloped(ourCBC.seal(t, content, d.cert).bytes(), d.cert, d.ecdh(t))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d octets: %x, %v", n, got, err)
		}
	}
}

func TestEnvelopedTruncated(t *testing.T) {
	d := newAuthority(t).device(t, 2, x509.KeyUsageKeyAgreement)
	der := ourCBC.seal(t, []byte("hello"), d.cert).bytes()
	for n := range der {
		if got, _, err := OpenEnveloped(der[:n], d.cert, d.ecdh(t)); !errors.Is(err, ErrMalformed) || got != nil {
			t.Errorf("first %d octets: %v, want %v", n, err, ErrMalformed)
		}
	}
	if got, _, err := OpenEnveloped(append(der, 0), d.cert, d.ecdh(t)); !errors.Is(err, ErrMalformed) || got != nil {
		t.Errorf("one octet more: %v, want %v", err, ErrMalformed)
	}
	if got, _, err := OpenEnveloped(make([]byte, MaxSize+1), d.cert, d.ecdh(t)); !errors.Is(err, ErrTooLarge) || got != nil {
		t.Errorf("too large: %v, want %v", err, ErrTooLarge)
	}
	signed := must(Sign(nil, nil, newAuthority(t).device(t, 2, 0).signer(), noon))(t)
	if got, _, err := OpenEnveloped(signed, d.cert, d.ecdh(t)); !errors.Is(err, ErrUnsupported) || got != nil {
		t.Errorf("signed data: %v, want %v", err, ErrUnsupported)
	}
}

func TestEnvelopedHostile(t *testing.T) {
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageKeyAgreement)
	body := func(r *node) *node { return r.at(1, 0) }
	info := func(r *node) *node { return r.at(envelopedInfo...) }
	for _, tt := range []struct {
		name   string
		change func(r *node)
		want   error
	}{
		{"nothing", func(*node) {}, nil},
		{"version 0", func(r *node) { body(r).at(0).data[0] = 0 }, ErrMalformed},
		{"version 3", func(r *node) { body(r).at(0).data[0] = 3 }, ErrMalformed},
		{"version 3 with a password", func(r *node) {
			body(r).at(0).data[0] = 3
			body(r).at(1).insert(1, group(0xa3))
		}, nil},
		{"version 2 with a password", func(r *node) { body(r).at(1).insert(1, group(0xa3)) }, ErrMalformed},
		{"originator information", func(r *node) { body(r).insert(1, group(0xa0)) }, ErrUnsupported},
		{"unprotected attributes", func(r *node) {
			body(r).insert(3, group(0xa1, group(0x30, leaf(0x06, 0x2a), group(0x31, leaf(0x05)))))
		}, ErrUnsupported},
		{"something after", func(r *node) { body(r).insert(3, leaf(0x05)) }, ErrMalformed},
		{"no recipients", func(r *node) { body(r).at(1).children = nil }, ErrMalformed},
		{"key transport only", func(r *node) { body(r).at(1).children = []*node{group(0x30)} }, ErrNotRecipient},
		{"65 recipients", func(r *node) {
			body(r).at(1).insert(1, slices.Repeat([]*node{group(0x30)}, MaxRecipients)...)
		}, ErrTooLarge},
		{"AES-192-CBC", func(r *node) { info(r).at(1, 0).data[8] = 22 }, ErrUnsupported},
		{"AES-128-CBC", func(r *node) { info(r).at(1, 0).data[8] = 2 }, ErrMalformed}, // the wrapped key is too long
		{"AES-256-GCM", func(r *node) { info(r).at(1, 0).data[8] = 46 }, ErrUnsupported},
		{"no vector", func(r *node) { info(r).at(1).remove(1) }, ErrMalformed},
		{"short vector", func(r *node) { info(r).at(1, 1).data = make([]byte, 15) }, ErrMalformed},
		{"long vector", func(r *node) { info(r).at(1, 1).data = make([]byte, 17) }, ErrMalformed},
		{"two vectors", func(r *node) { info(r).at(1).insert(2, leaf(0x04)) }, ErrMalformed},
		{"no content", func(r *node) { info(r).remove(2) }, ErrMalformed},
		{"empty content", func(r *node) { info(r).at(2).data = nil }, ErrMalformed},
		{"half a block", func(r *node) { info(r).at(2).data = info(r).at(2).data[:24] }, ErrMalformed},
		{"constructed content", func(r *node) { info(r).children[2] = group(0xa0, leaf(0x04, make([]byte, 16)...)) }, ErrMalformed},
		{"content after the content", func(r *node) { info(r).insert(3, leaf(0x04)) }, ErrMalformed},
		{"another wrapped key", func(r *node) { body(r).at(1, 0, 3, 0, 1).data[0] ^= 1 }, ErrDecrypt},
		{"last octet altered", func(r *node) { // of the last block but one: it flips the last of the padding
			c := info(r).at(2).data
			c[len(c)-aes.BlockSize-1] ^= 0x55
		}, ErrDecrypt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := ourCBC.seal(t, []byte("sixteen octets!!hello"), d.cert)
			tt.change(root)
			got, typ, err := OpenEnveloped(root.bytes(), d.cert, d.ecdh(t))
			if !errors.Is(err, tt.want) || (err == nil) != (got != nil) || (err == nil) != (typ != nil) {
				t.Errorf("%q, %v, %v, want %v", got, typ, err, tt.want)
			}
		})
	}
}

// Every last block: padding of 1 to 16 octets, each the number itself, is good
// and nothing else is.
func TestEnvelopedPadding(t *testing.T) {
	key := make([]byte, 32)
	block := must(aes.NewCipher(key))(t)
	try := func(last [aes.BlockSize]byte) ([]byte, error) {
		e := enveloped{keySize: 32, iv: make([]byte, aes.BlockSize), content: make([]byte, aes.BlockSize)}
		cipher.NewCBCEncrypter(block, e.iv).CryptBlocks(e.content, last[:])
		return e.decrypt(key)
	}
	for pad := range 256 {
		var last [aes.BlockSize]byte
		for i := range last {
			last[i] = 0xf0 | byte(i)
			if i >= aes.BlockSize-pad {
				last[i] = byte(pad)
			}
		}
		got, err := try(last)
		if good := 1 <= pad && pad <= aes.BlockSize; good != (err == nil) || good && len(got) != aes.BlockSize-pad || !good && got != nil {
			t.Errorf("padding of %d: %x, %v", pad, got, err)
		}
		for i := max(0, aes.BlockSize-pad); i < aes.BlockSize-1 && pad <= aes.BlockSize; i++ {
			bad := last
			bad[i] ^= 0x80
			if got, err := try(bad); !errors.Is(err, ErrDecrypt) || got != nil {
				t.Errorf("padding of %d, octet %d wrong: %x, %v", pad, i, got, err)
			}
		}
	}
}

// What the comment of OpenEnveloped warns of: the content can be changed at will
// by somebody who knows it and has no key.
func TestEnvelopedIsMalleable(t *testing.T) {
	d := newAuthority(t).device(t, 2, x509.KeyUsageKeyAgreement)
	root := ourCBC.seal(t, []byte("pay alice 100"), d.cert)
	iv := root.at(envelopedInfo...).at(1, 1).data
	for i, c := range []byte("pay mallo") {
		iv[i] ^= c ^ "pay alice"[i]
	}
	got, _, err := OpenEnveloped(root.bytes(), d.cert, d.ecdh(t))
	if err != nil || string(got) != "pay mallo 100" {
		t.Errorf("%q, %v", got, err)
	}
	if s, err := ParseSealed(root.bytes()); !errors.Is(err, ErrUnsupported) || s != nil {
		t.Errorf("ParseSealed: %v, want %v", err, ErrUnsupported)
	}
}
