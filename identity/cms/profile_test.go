package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The vectors of doc/spec/smime-profile.md. A change of them is a change of the
// profile.
const profileDir = "testdata/vectors"

// octets are hexadecimal in JSON.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, o), nil }

func (o *octets) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*o = b
	return err
}

// signedVector is an object of ours to be made and read (signed.json).
type signedVector struct {
	Name        string    `json:"name"`
	Key         octets    `json:"private_key"` // the P-256 scalar
	Certificate octets    `json:"certificate"`
	Include     []octets  `json:"include"` // certificates to carry
	Content     octets    `json:"content"`
	Type        string    `json:"content_type"`
	Time        time.Time `json:"signing_time"`
	Detached    bool      `json:"detached"`
	Attributes  octets    `json:"signed_attributes"` // the SET that is signed
	Signature   octets    `json:"signature"`         // with the nonce of RFC 6979
	Object      octets    `json:"object"`
	Bare        octets    `json:"bare"` // Object without certificates
}

// sealedVector is a sealed object with all that goes into it (sealed.json).
type sealedVector struct {
	Name       string          `json:"name"`
	Written    bool            `json:"written"` // kith writes this form; others it reads
	Content    octets          `json:"content"`
	Type       string          `json:"content_type"`
	ContentKey octets          `json:"content_key"`
	Nonce      octets          `json:"nonce"` // or initialization vector
	Curve      string          `json:"curve,omitempty"`
	Ephemeral  octets          `json:"ephemeral_private_key,omitempty"`
	UKM        octets          `json:"ukm,omitempty"`
	SharedInfo octets          `json:"shared_info,omitempty"`
	To         []recipientStep `json:"recipients,omitempty"`
	KEKID      octets          `json:"kek_id,omitempty"`
	KEK        octets          `json:"kek,omitempty"`
	WrappedKey octets          `json:"wrapped_key,omitempty"`
	Object     octets          `json:"object"`
}

// recipientStep is what is computed for one recipient.
type recipientStep struct {
	Key         octets `json:"private_key"`
	Certificate octets `json:"certificate"`
	Secret      octets `json:"shared_secret"`
	KEK         octets `json:"kek"`
	WrappedKey  octets `json:"wrapped_key"`
}

// objectVector is an object of others to be read (foreign.json), or one to be
// refused (refused.json).
type objectVector struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"` // signed, sealed or enveloped
	Certificate octets `json:"certificate"`
	Key         octets `json:"private_key,omitempty"` // of sealed and enveloped
	Content     octets `json:"content,omitempty"`     // what it says, or the content of a detached signature
	Error       string `json:"error,omitempty"`
	Object      octets `json:"object"`
}

func readProfile[T any](t testing.TB, name string) []T {
	t.Helper()
	var all []T
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join(profileDir, name)))(t), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("%s: no vectors", name)
	}
	return all
}

func parseOID(t testing.TB, s string) asn1.ObjectIdentifier {
	t.Helper()
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(s, ".") {
		oid = append(oid, must(strconv.Atoi(arc))(t))
	}
	return oid
}

// deterministic signs with the nonce of RFC 6979.
type deterministic struct{ *ecdsa.PrivateKey }

func (d deterministic) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return d.PrivateKey.Sign(nil, digest, opts)
}

func (v signedVector) sign(t testing.TB) []byte {
	t.Helper()
	s := Signer{
		Certificate: must(x509.ParseCertificate(v.Certificate))(t),
		Key:         deterministic{must(ecdsa.ParseRawPrivateKey(elliptic.P256(), v.Key))(t)},
	}
	for _, c := range v.Include {
		s.Include = append(s.Include, must(x509.ParseCertificate(c))(t))
	}
	oid := must(contentType(parseOID(t, v.Type)))(t)
	return must(s.sign(v.Content, oid, !v.Detached, v.Time))(t)
}

func TestProfileSigned(t *testing.T) {
	for _, v := range readProfile[signedVector](t, "signed.json") {
		t.Run(v.Name, func(t *testing.T) {
			if got := v.sign(t); !bytes.Equal(got, v.Object) {
				t.Errorf("signed: %x, want %x", got, v.Object)
			}
			if got := must(Bare(v.Object))(t); !bytes.Equal(got, v.Bare) {
				t.Errorf("bare: %x, want %x", got, v.Bare)
			}
			cert := must(x509.ParseCertificate(v.Certificate))(t)
			for _, der := range []octets{v.Object, v.Bare} {
				s := must(ParseSigned(der))(t)
				err := s.Verify(cert)
				if v.Detached {
					err = s.VerifyDetached(v.Content, cert)
				}
				if err != nil || !s.SigningTime.Equal(v.Time) || s.Type.String() != v.Type || !bytes.Equal(s.signature, v.Signature) ||
					!bytes.Equal(s.attrs[1:], v.Attributes[1:]) {
					t.Errorf("%v, time %v, type %v, attributes %x, signature %x", err, s.SigningTime, s.Type, s.attrs, s.signature)
				}
			}
		})
	}
}

func curveOf(t testing.TB, name string) ecdh.Curve {
	t.Helper()
	switch name {
	case "P-256":
		return ecdh.P256()
	case "X25519":
		return ecdh.X25519()
	}
	t.Fatalf("curve %q", name)
	return nil
}

func TestProfileSealed(t *testing.T) {
	for _, v := range readProfile[sealedVector](t, "sealed.json") {
		t.Run(v.Name, func(t *testing.T) {
			if v.KEKID != nil {
				v.checkKEK(t)
				return
			}
			v.checkAgreement(t)
		})
	}
}

func (v sealedVector) fresh() *fresh {
	return &fresh{key: [keySize]byte(v.ContentKey), nonce: [nonceSize]byte(v.Nonce)}
}

func (v sealedVector) checkKEK(t *testing.T) {
	kek := KEK{ID: v.KEKID, Key: [32]byte(v.KEK)}
	if got := must(v.fresh().sealWith(v.Content, parseOID(t, v.Type), kek))(t); !bytes.Equal(got, v.Object) {
		t.Errorf("sealed: %x, want %x", got, v.Object)
	}
	if got := must(wrap(v.KEK, v.ContentKey))(t); !bytes.Equal(got, v.WrappedKey) {
		t.Errorf("wrapped: %x, want %x", got, v.WrappedKey)
	}
	got, typ, err := must(ParseSealed(v.Object))(t).OpenWith(kek)
	if err != nil || !bytes.Equal(got, v.Content) || typ.String() != v.Type {
		t.Errorf("opened: %q, %v, %v", got, typ, err)
	}
}

// checkAgreement goes through the steps one by one, so that whoever differs sees
// where.
func (v sealedVector) checkAgreement(t *testing.T) {
	curve := curveOf(t, v.Curve)
	ephemeral := must(curve.NewPrivateKey(v.Ephemeral))(t)
	var certs []*x509.Certificate
	s, strict := ParseSealed(v.Object)
	for i, to := range v.To {
		cert, key := must(x509.ParseCertificate(to.Certificate))(t), must(curve.NewPrivateKey(to.Key))(t)
		certs = append(certs, cert)
		secret := must(agree(ephemeral, must(agreementKey(cert))(t)))(t)
		if !bytes.Equal(secret, to.Secret) {
			t.Errorf("recipient %d: shared secret %x, want %x", i, secret, to.Secret)
		}
		if wrapped := must(wrap(to.KEK, v.ContentKey))(t); !bytes.Equal(wrapped, to.WrappedKey) {
			t.Errorf("recipient %d: wrapped %x, want %x", i, wrapped, to.WrappedKey)
		}
		got, typ, err := OpenEnveloped(v.Object, cert, key)
		if err != nil || !bytes.Equal(got, v.Content) || typ.String() != v.Type {
			t.Errorf("recipient %d, for a bridge: %q, %v, %v", i, got, typ, err)
		}
		if strict != nil {
			continue
		}
		if got, typ, err = s.Open(cert, key); err != nil || !bytes.Equal(got, v.Content) || typ.String() != v.Type {
			t.Errorf("recipient %d: %q, %v, %v", i, got, typ, err)
		}
		if kek := must(s.agreed[i].by.derive(key))(t); !bytes.Equal(kek, to.KEK) {
			t.Errorf("recipient %d: key-wrap key %x, want %x", i, kek, to.KEK)
		}
	}
	var ukm []byte
	if v.UKM != nil {
		ukm = v.UKM
	}
	if info := must(sharedInfo(len(v.To[0].KEK), ukm))(t); !bytes.Equal(info, v.SharedInfo) {
		t.Errorf("shared info %x, want %x", info, v.SharedInfo)
	}
	if v.Written {
		f := v.fresh()
		f.ephemeral = ephemeral
		if got := must(f.sealTo(v.Content, parseOID(t, v.Type), certs))(t); !bytes.Equal(got, v.Object) {
			t.Errorf("sealed: %x, want %x", got, v.Object)
		}
	}
}

// read does with the object what its kind is for.
func (v objectVector) read(t *testing.T) (content []byte, err error) {
	t.Helper()
	cert := must(x509.ParseCertificate(v.Certificate))(t)
	var key *ecdh.PrivateKey
	if v.Key != nil {
		switch k := must(x509.ParsePKCS8PrivateKey(v.Key))(t).(type) {
		case *ecdsa.PrivateKey:
			key = must(k.ECDH())(t)
		case *ecdh.PrivateKey:
			key = k
		}
	}
	switch v.Kind {
	case "signed":
		s, err := ParseSigned(v.Object)
		if err != nil {
			return nil, err
		}
		if s.Content == nil {
			return v.Content, s.VerifyDetached(v.Content, cert)
		}
		return s.Content, s.Verify(cert)
	case "sealed":
		s, err := ParseSealed(v.Object)
		if err != nil {
			return nil, err
		}
		content, _, err = s.Open(cert, key)
		return content, err
	case "enveloped":
		content, _, err = OpenEnveloped(v.Object, cert, key)
		return content, err
	}
	return nil, fmt.Errorf("kind %q", v.Kind)
}

// R3859-4-baseline-algorithms, R3860-4-baseline-algorithms: what OpenSSL and
// GnuTLS wrote.
func TestProfileForeign(t *testing.T) {
	for _, v := range readProfile[objectVector](t, "foreign.json") {
		if got, err := v.read(t); err != nil || !bytes.Equal(got, v.Content) {
			t.Errorf("%s: %q, %v, want %q", v.Name, got, err, v.Content)
		}
	}
}

// profileErrors are the classes of refusal in refused.json.
func profileErrors() map[string]error {
	return map[string]error{
		"malformed": ErrMalformed, "unsupported": ErrUnsupported, "too large": ErrTooLarge, "signature": ErrSignature,
		"signer": ErrSigner, "not a recipient": ErrNotRecipient, "decrypt": ErrDecrypt,
	}
}

func TestProfileRefused(t *testing.T) {
	for _, v := range readProfile[objectVector](t, "refused.json") {
		want, known := profileErrors()[v.Error]
		if _, err := v.read(t); !known || !errors.Is(err, want) {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Error)
		}
	}
}
