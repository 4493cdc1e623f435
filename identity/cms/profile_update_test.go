package cms

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/vectors anew, with the keys of the tests, openssl and certtool")

// seed is the private key of the vectors by that name.
func seed(name string) []byte {
	sum := sha256.Sum256([]byte("kith test " + name))
	return sum[:]
}

// profileAuthority signs the certificates of signed.json and sealed.json.
func profileAuthority(t testing.TB) authority {
	t.Helper()
	a := newAuthority(t)
	a.key = ed25519.NewKeyFromSeed(seed("account"))
	template := profileTemplate(a.cert, 1)
	template.PublicKey = a.key.Public()
	a.cert = issue(t, template, template, a.key.Public(), a.key)
	return a
}

// profileTemplate makes what is random in a certificate of the tests fixed.
func profileTemplate(cert *x509.Certificate, serial int64) *x509.Certificate {
	c := *cert
	c.SerialNumber = big.NewInt(serial)
	if c.IsCA {
		c.SubjectKeyId, c.AuthorityKeyId = nil, nil // computed from the key
	}
	c.NotBefore, c.NotAfter = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2036, 11, 1, 0, 0, 0, 0, time.UTC)
	return &c
}

func (a authority) profileLeaf(t testing.TB, serial int64, pub crypto.PublicKey, usage x509.KeyUsage) *x509.Certificate {
	t.Helper()
	if key, ok := pub.(*ecdh.PublicKey); ok {
		return a.agreeing(t, serial, key)
	}
	return issue(t, profileTemplate(a.leaf(t, serial, pub, usage), serial), a.cert, pub, a.key)
}

func writeProfile(t testing.TB, name string, v any) {
	t.Helper()
	text := must(json.MarshalIndent(v, "", "  "))(t)
	if err := os.WriteFile(filepath.Join(profileDir, name), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateSigned(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	ca := profileAuthority(t)
	key := must(ecdsa.ParseRawPrivateKey(elliptic.P256(), seed("signing")))(t)
	cert := ca.profileLeaf(t, 2, key.Public(), x509.KeyUsageDigitalSignature)
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	all := []signedVector{
		{Name: "opaque, with certificates", Include: []octets{cert.Raw, ca.cert.Raw}, Content: octets(cpimPart), Type: typeData.String(), Time: at},
		{Name: "opaque, empty, without certificate", Type: typeData.String(), Time: at},
		{Name: "opaque, another type", Content: octets("hello"), Type: "2.999.5", Time: at},
		{Name: "detached", Include: []octets{cert.Raw}, Content: octets(cpimPart), Type: typeData.String(), Time: at, Detached: true},
		{Name: "signing time in 2050", Content: octets("hello"), Type: typeData.String(), Time: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	for i := range all {
		v := &all[i]
		v.Key, v.Certificate = seed("signing"), cert.Raw
		v.Object = v.sign(t)
		v.Bare = must(Bare(v.Object))(t)
		s := must(ParseSigned(v.Object))(t)
		v.Attributes = slices.Concat([]byte{0x31}, s.attrs[1:])
		v.Signature = s.signature
	}
	writeProfile(t, "signed.json", all)
}

func TestUpdateSealed(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	ca := profileAuthority(t)
	signed := readProfile[signedVector](t, "signed.json")[0].Object
	ours := variant{curve: ecdh.P256(), kdf: oidStdDHSHA256, wrap: 32, key: 32}
	small, x25519, ukm, cbc := ours, ours, ours, ours
	small.wrap, small.key = 16, 16
	x25519.curve, x25519.kdf, x25519.ukm = ecdh.X25519(), oidStdDHHKDF256, []byte("keying material")
	ukm.ukm = []byte("keying material")
	cbc.cbc = true
	all := []sealedVector{
		ca.sealedVector(t, "one recipient", ours, true, signed, typeData.String(), 1),
		ca.sealedVector(t, "three recipients", ours, true, []byte("hello"), typeData.String(), 3),
		ca.sealedVector(t, "another type, so authenticated attributes", ours, true, signed, typeSigned.String(), 1),
		ca.sealedVector(t, "read only: AES-128", small, false, []byte("hello"), typeData.String(), 1),
		ca.sealedVector(t, "read only: user keying material", ukm, false, []byte("hello"), typeData.String(), 1),
		ca.sealedVector(t, "read only: X25519 with HKDF and user keying material", x25519, false, []byte("hello"), typeData.String(), 1),
		ca.sealedVector(t, "for bridges only: AES-256-CBC", cbc, false, []byte("hello"), typeData.String(), 1),
	}
	for _, typ := range []string{typeData.String(), typeSigned.String()} {
		v := sealedVector{Name: "key-encryption key, type " + typ, Written: true, Content: signed, Type: typ, ContentKey: seed("content key"),
			Nonce: seed("nonce")[:nonceSize], KEKID: seed("kek id")[:16], KEK: seed("kek")}
		v.WrappedKey = must(wrap(v.KEK, v.ContentKey))(t)
		v.Object = must(v.fresh().sealWith(v.Content, parseOID(t, typ), KEK{ID: v.KEKID, Key: [32]byte(v.KEK)}))(t)
		all = append(all, v)
	}
	writeProfile(t, "sealed.json", all)
}

// sealedVector seals to n fixed keys.
func (a authority) sealedVector(t testing.TB, name string, how variant, written bool, content []byte, typ string, n int) sealedVector {
	t.Helper()
	v := sealedVector{Name: name, Written: written, Content: content, Type: typ, ContentKey: seed("content key")[:how.key],
		Nonce: seed("nonce")[:nonceSize], Curve: "P-256", Ephemeral: seed("ephemeral"), UKM: how.ukm, SharedInfo: how.sharedInfo(t)}
	if how.curve == ecdh.X25519() {
		v.Curve = "X25519"
	}
	if how.cbc {
		v.Nonce = seed("nonce")[:16]
	}
	ephemeral := must(how.curve.NewPrivateKey(v.Ephemeral))(t)
	var certs []*x509.Certificate
	for i := range n {
		step := recipientStep{Key: seed("sealing " + string(rune('1'+i)))}
		pub := must(how.curve.NewPrivateKey(step.Key))(t).PublicKey()
		var key crypto.PublicKey = pub
		if how.curve == ecdh.P256() {
			key = must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), pub.Bytes()))(t)
		}
		cert := a.profileLeaf(t, int64(i+10), key, x509.KeyUsageKeyAgreement)
		step.Certificate = cert.Raw
		step.Secret = must(ephemeral.ECDH(pub))(t)
		step.KEK = how.kek(t, step.Secret)
		step.WrappedKey = must(wrap(step.KEK, v.ContentKey))(t)
		v.To = append(v.To, step)
		certs = append(certs, cert)
	}
	if written {
		f := v.fresh()
		f.ephemeral = ephemeral
		v.Object = must(f.sealTo(content, parseOID(t, typ), certs))(t)
		return v
	}
	v.Object = how.sealFixed(t, content, certs[0], ephemeral, v.ContentKey, v.Nonce).bytes()
	return v
}

func TestUpdateForeign(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	o, g := newOpenSSL(t), newGnuTLS(t)
	g.dir = o.dir
	ca := newAuthority(t)
	d, sealing := ca.device(t, 2, x509.KeyUsageDigitalSignature), ca.device(t, 3, x509.KeyUsageKeyAgreement)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	rsaCert := ca.leaf(t, 4, rsaKey.Public(), x509.KeyUsageDigitalSignature)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards := ca.leaf(t, 5, key.Public(), x509.KeyUsageDigitalSignature)
	o.writeCert("p256", d.cert, d.key)
	o.writeCert("rsa", rsaCert, rsaKey)
	o.writeCert("ed25519", edwards, key)
	o.writeCert("d", sealing.cert, nil)
	o.write("content", []byte(cpimPart))
	certs := map[string]*x509.Certificate{"p256": d.cert, "rsa": rsaCert, "ed25519": edwards}
	var all []objectVector
	add := func(name, kind string, cert *x509.Certificate, key, der []byte) {
		all = append(all, objectVector{Name: name, Kind: kind, Certificate: cert.Raw, Key: key, Content: octets(cpimPart), Object: der})
	}
	for _, f := range [][]string{{"p256", "sha256", "-nodetach"}, {"p256", "sha256", "-keyid"}, {"rsa", "sha256", "-nocerts"}, {"rsa", "sha512", "-nodetach"}} {
		add("openssl cms -sign, "+f[0]+", "+f[1]+" "+f[2], "signed", certs[f[0]], nil, o.must("cms", "-sign", "-binary", "-in", "content", "-outform", "DER",
			"-signer", f[0]+".pem", "-inkey", f[0]+".key", "-md", f[1], f[2]))
	}
	for _, f := range [][]string{{"ed25519", "sha512", "--p7-sign"}, {"ed25519", "sha512", "--p7-detached-sign"}, {"rsa", "sha512", "--p7-sign"}, {"p256", "sha256", "--p7-sign"}} {
		g.must(f[2], "--p7-time", "--load-privkey", f[0]+".key", "--load-certificate", f[0]+".pem", "--hash", f[1],
			"--infile", "content", "--outder", "--outfile", "signed.der")
		add("certtool "+f[2]+", "+f[0]+", "+f[1], "signed", certs[f[0]], nil, g.read("signed.der"))
	}
	private := must(x509.MarshalPKCS8PrivateKey(sealing.key))(t)
	for _, wrap := range []string{"128", "256"} {
		add("openssl cms -encrypt, AES-"+wrap+"-GCM, sha256", "sealed", sealing.cert, private, o.encrypt(append([]string{"-aes-" + wrap + "-gcm"}, recip("aes"+wrap+"-wrap")...)...))
		for _, mode := range []string{"gcm", "cbc"} {
			add("openssl cms -encrypt, AES-"+wrap+"-"+mode+", defaults", "enveloped", sealing.cert, private, o.encrypt("-aes-"+wrap+"-"+mode, "-recip", "d.pem"))
		}
	}
	writeProfile(t, "foreign.json", all)
}
