package cms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// variant is a way of sealing that other writers have. What it needs to compute
// it computes by itself, after the RFCs and not with the code under test.
type variant struct {
	curve ecdh.Curve
	kdf   string // object identifier of the key agreement
	wrap  int    // octets of the key-wrap key
	key   int    // octets of the content key
	ukm   []byte
	cbc   bool // EnvelopedData; otherwise AuthEnvelopedData
}

func (v variant) String() string {
	return fmt.Sprintf("%v, key agreement %x, key wrap %d, content key %d, ukm %x, cbc %v", v.curve, v.kdf, v.wrap, v.key, v.ukm, v.cbc)
}

// sharedInfo is ECC-CMS-SharedInfo (RFC 5753 section 7.2).
func (v variant) sharedInfo(t testing.TB) []byte {
	info := group(0x30, parseNode(t, []byte(wrapAlgorithm(v.wrap))))
	if v.ukm != nil {
		info.insert(1, group(0xa0, leaf(0x04, v.ukm...)))
	}
	bits := v.wrap * 8
	info.insert(len(info.children), group(0xa2, leaf(0x04, 0, 0, byte(bits>>8), byte(bits))))
	return info.bytes()
}

// kek derives the key-wrap key from the shared secret z.
func (v variant) kek(t testing.TB, z []byte) []byte {
	info := v.sharedInfo(t)
	block := func(i byte) []byte { return slices.Concat(z, []byte{0, 0, 0, i}, info) }
	switch v.kdf {
	case oidStdDHSHA1:
		one, two := sha1.Sum(block(1)), sha1.Sum(block(2))
		return append(one[:], two[:]...)[:v.wrap]
	case oidStdDHSHA256:
		sum := sha256.Sum256(block(1))
		return sum[:v.wrap]
	}
	prk := must(hkdf.Extract(sha256.New, z, v.ukm))(t) // RFC 8418 section 2.2
	return must(hkdf.Expand(sha256.New, prk, string(info), v.wrap))(t)
}

// seal seals content to cert and returns the object in pieces.
func (v variant) seal(t testing.TB, content []byte, cert *x509.Certificate) *node {
	t.Helper()
	key, nonce := make([]byte, v.key), make([]byte, nonceSize)
	if v.cbc {
		nonce = make([]byte, aes.BlockSize)
	}
	rand.Read(key)
	rand.Read(nonce)
	return v.sealFixed(t, content, cert, must(v.curve.GenerateKey(rand.Reader))(t), key, nonce)
}

// sealFixed is seal with nothing left to chance.
func (v variant) sealFixed(t testing.TB, content []byte, cert *x509.Certificate, ephemeral *ecdh.PrivateKey, key, nonce []byte) *node {
	t.Helper()
	z := must(ephemeral.ECDH(must(agreementKey(cert))(t)))(t)
	originator := algECPublicKey
	if v.curve == ecdh.X25519() {
		originator = algX25519
	}
	kari := group(0xa1, leaf(0x02, 3),
		group(0xa0, group(0xa1, parseNode(t, []byte(originator)), leaf(0x03, append([]byte{0}, ephemeral.PublicKey().Bytes()...)...))),
		group(0x30, leaf(0x06, []byte(v.kdf)...), parseNode(t, []byte(wrapAlgorithm(v.wrap)))),
		group(0x30, group(0x30, group(0xa0, leaf(0x04, cert.SubjectKeyId...)), leaf(0x04, must(wrap(v.kek(t, z), key))(t)...))))
	if v.ukm != nil {
		kari.insert(2, group(0xa1, leaf(0x04, v.ukm...)))
	}
	block := must(aes.NewCipher(key))(t)
	if v.cbc {
		pad := aes.BlockSize - len(content)%aes.BlockSize
		content = append(bytes.Clone(content), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, nonce).CryptBlocks(content, content)
		oid := map[int]string{16: oidAES128CBC, 32: oidAES256CBC}[v.key]
		return group(0x30, leaf(0x06, []byte(oidEnveloped)...), group(0xa0, group(0x30, leaf(0x02, 2), group(0x31, kari),
			group(0x30, leaf(0x06, []byte(oidData)...), group(0x30, leaf(0x06, []byte(oid)...), leaf(0x04, nonce...)),
				leaf(0x80, content...)))))
	}
	sealed := must(cipher.NewGCM(block))(t).Seal(nil, nonce, content, nil)
	oid := map[int]string{16: oidAES128GCM, 32: oidAES256GCM}[v.key]
	return group(0x30, leaf(0x06, []byte(oidAuthEnveloped)...), group(0xa0, group(0x30, leaf(0x02, 0), group(0x31, kari),
		group(0x30, leaf(0x06, []byte(oidData)...),
			group(0x30, leaf(0x06, []byte(oid)...), group(0x30, leaf(0x04, nonce...), leaf(0x02, icvSize))),
			leaf(0x80, sealed[:len(content)]...)),
		leaf(0x04, sealed[len(content):]...))))
}

// agreeing certifies a key that can only agree, which crypto/x509 refuses to do.
func (a authority) agreeing(t testing.TB, serial int64, pub *ecdh.PublicKey) *x509.Certificate {
	t.Helper()
	root := parseNode(t, a.leaf(t, serial, a.key.Public(), x509.KeyUsageKeyAgreement).Raw)
	root.at(0).children[6] = parseNode(t, must(x509.MarshalPKIXPublicKey(pub))(t))
	root.at(2).data = append([]byte{0}, ed25519.Sign(a.key, root.at(0).bytes())...)
	cert := must(x509.ParseCertificate(root.bytes()))(t)
	if err := cert.CheckSignatureFrom(a.cert); err != nil {
		t.Fatal(err)
	}
	return cert
}

// everyVariant is what RFC 8551 section 2.3 lets others send to us, and what
// OpenSSL sends by default.
func everyVariant() []variant {
	var all []variant
	for _, curve := range []ecdh.Curve{ecdh.P256(), ecdh.X25519()} {
		for _, kdf := range []string{oidStdDHSHA256, oidStdDHHKDF256, oidStdDHSHA1} {
			for _, size := range []int{16, 32} {
				for _, ukm := range [][]byte{nil, {}, []byte("ukm"), make([]byte, MaxUKM)} {
					for _, cbc := range []bool{false, true} {
						all = append(all, variant{curve, kdf, size, size, ukm, cbc})
					}
				}
			}
		}
	}
	return append(all, variant{ecdh.P256(), oidStdDHSHA256, 16, 32, nil, false}, variant{ecdh.P256(), oidStdDHSHA256, 32, 16, nil, true})
}

// R3859-4-baseline-algorithms, R3860-4-baseline-algorithms: key agreement on
// P-256 and X25519 with AES-GCM. AES-CBC and SHA-1 open through OpenEnveloped
// alone.
func TestOpenVariants(t *testing.T) {
	ca := newAuthority(t)
	p256 := ca.device(t, 2, x509.KeyUsageKeyAgreement)
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))(t)
	x25519Cert := ca.agreeing(t, 3, x25519.PublicKey())
	content := []byte("sixteen octets!!and some")
	for _, v := range everyVariant() {
		cert, key := p256.cert, p256.ecdh(t)
		if v.curve == ecdh.X25519() {
			cert, key = x25519Cert, x25519
		}
		der := v.seal(t, content, cert).bytes()
		got, typ, err := OpenEnveloped(der, cert, key)
		if err != nil || !bytes.Equal(got, content) || !typ.Equal(typeData) {
			t.Errorf("%v: OpenEnveloped: %q, %v, %v", v, got, typ, err)
		}
		s, err := ParseSealed(der)
		if v.cbc {
			if !errors.Is(err, ErrUnsupported) || s != nil {
				t.Errorf("%v: ParseSealed: %v, want %v", v, err, ErrUnsupported)
			}
			continue
		}
		var want error
		if v.kdf == oidStdDHSHA1 {
			want = ErrUnsupported
		}
		got, _, err = s.Open(cert, key)
		if !errors.Is(err, want) || (err == nil) != bytes.Equal(got, content) {
			t.Errorf("%v: Open: %q, %v, want %v", v, got, err, want)
		}
	}
}

// X25519 is read and not written.
func TestX25519(t *testing.T) {
	ca := newAuthority(t)
	key := must(ecdh.X25519().GenerateKey(rand.Reader))(t)
	cert := ca.agreeing(t, 3, key.PublicKey())
	if der, err := SealTo([]byte("hello"), nil, []*x509.Certificate{cert}); !errors.Is(err, ErrUnsupported) || der != nil {
		t.Errorf("sealed: %v, want %v", err, ErrUnsupported)
	}
	v := variant{curve: ecdh.X25519(), kdf: oidStdDHHKDF256, wrap: 32, key: 32}
	for _, tt := range []struct {
		name   string
		change func(point *node)
		want   error
	}{
		{"zero", func(p *node) { p.data = make([]byte, 33) }, ErrDecrypt},
		{"of small order", func(p *node) { p.data = append([]byte{0, 1}, make([]byte, 31)...) }, ErrDecrypt},
		{"short", func(p *node) { p.data = p.data[:32] }, ErrDecrypt},
		{"long", func(p *node) { p.data = append(p.data, 0) }, ErrDecrypt},
		{"another", func(p *node) { p.data[1] ^= 1 }, ErrDecrypt},
	} {
		root := v.seal(t, []byte("hello"), cert)
		tt.change(root.at(sealedPoint...).at(1))
		got, _, err := must(ParseSealed(root.bytes()))(t).Open(cert, key)
		if !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: %q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	other := must(ecdh.X25519().GenerateKey(rand.Reader))(t)
	s := must(ParseSealed(v.seal(t, []byte("hello"), cert).bytes()))(t)
	if got, _, err := s.Open(cert, other); err == nil || got != nil {
		t.Errorf("key of another: %q", got)
	}
	p256 := ca.device(t, 4, x509.KeyUsageKeyAgreement)
	if got, _, err := s.Open(cert, p256.ecdh(t)); err == nil || got != nil {
		t.Errorf("key on another curve: %q", got)
	}
}
