package identity

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/kith-im/kith/identity/cms"
)

// TestBridgeFormsStayOut: what openssl encrypts by default to our own sealing certificate, with a good signature of our own inside, opens for a bridge and
// never as a [Sealed].
func TestBridgeFormsStayOut(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: it makes the objects of this test")
	}
	dir := t.TempDir()
	k := mustNew(t, "alice")
	_, signed := writeForOpenSSL(t, dir, k)
	for _, test := range []struct {
		cipher string
		args   []string
		good   bool
	}{
		{"-aes-256-gcm", []string{"-keyopt", "ecdh_kdf_md:sha256", "-aes256-wrap"}, true},
		{"-aes-256-gcm", nil, false}, // SHA-1 in the key derivation
		{"-aes-256-cbc", nil, false},
		{"-aes-256-cbc", []string{"-keyopt", "ecdh_kdf_md:sha256", "-aes256-wrap"}, false},
	} {
		der, err := openssl(t, dir, append([]string{"cms", "-encrypt", "-binary", "-in", "signed.der", "-outform", "DER", test.cipher, "-keyid", "-recip", "sealing.pem"}, test.args...)...)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := cms.OpenEnveloped(der, k.sealing[0].certificate, k.sealing[0].key); err != nil || string(got) != string(signed.Bytes()) {
			t.Errorf("%s %q for a bridge: %v", test.cipher, test.args, err)
		}
		sealed, err := ParseSealed(der)
		var o *Opened
		if err == nil {
			o, err = k.Open(sealed, Known{}, testTime)
		}
		if (err == nil) != test.good || (o != nil) != test.good || !test.good && !errors.Is(err, cms.ErrUnsupported) {
			t.Errorf("%s %q: %v, want good: %v", test.cipher, test.args, err, test.good)
		}
	}
}
