package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// referee is another implementation, a command-line tool, with a directory of its
// own.
type referee struct {
	t       *testing.T
	dir     string
	program string
}

func newOpenSSL(t *testing.T) referee {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: it is the referee of this test")
	}
	return referee{t: t, dir: t.TempDir(), program: "openssl"}
}

// run runs the tool in its directory and returns what it printed.
func (o referee) run(args ...string) ([]byte, error) {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), o.program, args...)
	cmd.Dir = o.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		o.t.Logf("%s %q: %v\n%s", o.program, args, err, &stderr)
	}
	return out, err
}

// must is run for a call that may not fail.
func (o referee) must(args ...string) []byte {
	o.t.Helper()
	out, err := o.run(args...)
	if err != nil {
		o.t.FailNow()
	}
	return out
}

func (o referee) write(name string, data []byte) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), data, 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o referee) read(name string) []byte {
	o.t.Helper()
	return must(os.ReadFile(filepath.Join(o.dir, name)))(o.t)
}

// writeCert writes certificate and, unless nil, private key as PEM.
func (o referee) writeCert(name string, cert *x509.Certificate, key crypto.PrivateKey) {
	o.t.Helper()
	o.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	if key != nil {
		der := must(x509.MarshalPKCS8PrivateKey(key))(o.t)
		o.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
}
