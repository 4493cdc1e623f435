package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func TestDomainFile(t *testing.T) {
	for _, test := range []struct{ dns, pass, want string }{
		{"", "", overlaySuffix},
		{"Example.COM", "open sesame", "example.com"},
	} {
		path := filepath.Join(t.TempDir(), "domain")
		d, err := createDomain(path, test.dns, []byte(test.pass), 2)
		if err != nil {
			t.Fatal(err)
		}
		mustMember(t, d, "fred")
		mustMember(t, d, "anna")
		if _, err := d.Expire("fred", testTime); err != nil {
			t.Fatal(err)
		}
		name, key, members := d.Name(), d.Key(), fmt.Sprint(d.Members())
		if !strings.HasSuffix(name, test.want) || !strings.HasPrefix(members, "[{anna@") {
			t.Errorf("domain %s with %s", name, members)
		}
		asked := 0
		pass := func() ([]byte, error) { asked++; return []byte(test.pass), nil }
		if _, err := OpenDomain(path, pass); !errors.Is(err, ErrDomainBusy) {
			t.Errorf("opened twice at a time: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.key, make([]byte, len(d.key))) {
			t.Error("the key is still in memory")
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
			t.Fatalf("%v, %v", info, err)
		}
		again, err := OpenDomain(path, pass)
		if err != nil {
			t.Fatal(err)
		}
		if again.Name() != name || !again.Key().Equal(key) || fmt.Sprint(again.Members()) != members || (asked > 0) != (test.pass != "") {
			t.Errorf("read %s: %v, asked %d times", again.Name(), again.Members(), asked)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := CreateDomain(path, "", nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a domain over another: %v", err)
		}
		if test.pass == "" {
			continue
		}
		if data := mustRead(t, path); bytes.Contains(data, []byte(pemDomain)) {
			t.Error("the file is not encrypted")
		}
		for _, wrong := range []func() ([]byte, error){
			nil,
			func() ([]byte, error) { return nil, nil },
			func() ([]byte, error) { return []byte("Open sesame"), nil },
		} {
			if d, err := OpenDomain(path, wrong); !errors.Is(err, ErrPassphrase) || d != nil {
				t.Errorf("wrong passphrase: %v", err)
			}
		}
		if d, err := OpenDomain(path, func() ([]byte, error) { return nil, os.ErrDeadlineExceeded }); !errors.Is(err, os.ErrDeadlineExceeded) || d != nil {
			t.Errorf("no passphrase: %v", err)
		}
	}
}

// TestDomainCertificate holds the certificate to follow from the key, so that a restored key has the same.
func TestDomainCertificate(t *testing.T) {
	a, err := domainCertificate(testDomain())
	if err != nil {
		t.Fatal(err)
	}
	b, err := domainCertificate(testDomain())
	if err != nil || !a.Equal(b) {
		t.Errorf("two certificates of one key: %v", err)
	}
	if !a.IsCA || a.MaxPathLen != 1 || a.KeyUsage != x509.KeyUsageCertSign || len(a.URIs) != 0 || a.CheckSignatureFrom(a) != nil {
		t.Errorf("%+v", a)
	}
	d := mustDomain(t, "", "")
	name, err := d.KeyName()
	if err != nil || name+overlaySuffix != d.Name() || d.Certificate().Subject.CommonName != name {
		t.Errorf("key name %s, %v", name, err)
	}
}

func TestCreateDomainRefused(t *testing.T) {
	own, err := overlayDomain(testDomain().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, dns := range map[string]string{
		"overlay domain": own,
		"one label":      "localhost",
		"not a name":     "exa mple.com",
		"an address":     "fred@example.com",
		"other .alt":     "example.alt",
		"IP address":     "127.0.0.1",
	} {
		path := filepath.Join(dir, "domain")
		if d, err := CreateDomain(path, dns, nil); err == nil || d != nil {
			t.Errorf("%s: made", name)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: left a file", name)
		}
	}
	if _, err := CreateDomain(filepath.Join(dir, "nowhere", "domain"), "", nil); err == nil {
		t.Error("made in no directory")
	}
	if _, err := OpenDomain(filepath.Join(dir, "nothing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened nothing: %v", err)
	}
}

// TestDomainFileUnwritable keeps members and serials as they are when the file cannot be written: no grant leaves that the file does not know of.
func TestDomainFileUnwritable(t *testing.T) {
	d := mustDomain(t, "", "")
	mustMember(t, d, "fred")
	path := d.path
	before, kept := fmt.Sprint(d.Members()), mustRead(t, path)
	d.path = filepath.Join(filepath.Dir(path), "nowhere", "domain")
	if grant, err := d.Enrol(nil, Enrolment{Local: "fred", Until: testTime.Add(day)}, testTime); err == nil || grant != nil {
		t.Error("a grant that is not on disk")
	}
	if records, err := d.Expire("fred", testTime); err == nil || records != nil {
		t.Error("an expiry that is not on disk")
	}
	if after := fmt.Sprint(d.Members()); after != before || !bytes.Equal(mustRead(t, path), kept) {
		t.Errorf("members %s; want %s", after, before)
	}
	if err := os.WriteFile(path+".new", []byte("what a crash left"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.path = path
	if _, err := d.Enrol(nil, Enrolment{Local: "fred", Until: testTime.Add(day)}, testTime); err != nil {
		t.Errorf("after a crash: %v", err)
	}
}

// TestDomainFileHostile offers files that are not a domain's, each of which fails to open and leaves no lock behind.
func TestDomainFileHostile(t *testing.T) {
	d := mustDomain(t, "", "")
	mustMember(t, d, "fred")
	good, err := d.marshal(d.members)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(d *Domain)) []byte {
		other := &Domain{name: d.name, key: d.key, members: d.Members()}
		change(other)
		der, err := other.marshal(other.members)
		if err != nil {
			t.Fatal(err)
		}
		return encodeArmour(pemDomain, der)
	}
	cases := map[string][]byte{
		"empty":             nil,
		"text":              []byte("a domain\n"),
		"other kind of PEM": encodeArmour(pemGrant, good),
		"two":               append(encodeArmour(pemDomain, good), encodeArmour(pemDomain, good)...),
		"octets behind":     encodeArmour(pemDomain, append(bytes.Clone(good), 0)),
		"cut off":           encodeArmour(pemDomain, good[:len(good)-1]),
		"key of another":    with(func(d *Domain) { d.key = testDomain() }),
		"bad name":          with(func(d *Domain) { d.name = "nowhere" }),
		"upper case name":   with(func(d *Domain) { d.name = "Example.com"; d.members = nil }),
		"member twice":      with(func(d *Domain) { d.members = append(d.members, d.members[0]) }),
		"members out of order": with(func(d *Domain) {
			m := d.members[0]
			m.Address.local = "anna"
			d.members = append(d.members, m)
		}),
		"bad local part":  with(func(d *Domain) { d.members[0].Address.local = "fr ed" }),
		"bad account key": with(func(d *Domain) { d.members[0].key = make([]byte, 32) }),
		"huge":            make([]byte, maxDomainFile+1),
	}
	path := filepath.Join(t.TempDir(), "domain")
	for name, data := range cases {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if d, err := OpenDomain(path, nil); err == nil || d != nil || errors.Is(err, ErrDomainBusy) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := os.WriteFile(path, encodeArmour(pemDomain, good), 0o600); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenDomain(path, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opened, err := OpenDomain(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
}

// TestDomainLimits fills a domain, and uses up the serials of a member.
func TestDomainLimits(t *testing.T) {
	d := mustDomain(t, "", "")
	_, request := mustRequest(t, d, "zoe", "")
	for i := range maxMembers - 1 {
		a, err := addressIn(fmt.Sprintf("m%06d", i), d.Name())
		if err != nil {
			t.Fatal(err)
		}
		key := make(ed25519.PublicKey, 32)
		copy(key, fmt.Sprint(i)) // no point of the curve: nothing looks at it here
		d.members = append(d.members, Member{Address: a, key: key, Serial: 1, Enrolled: testTime, issued: testTime, Until: noExpiry, Signed: testTime})
	}
	e := Enrolment{Until: testTime.Add(day), Days: 1}
	if _, err := d.Enrol(request, e, testTime); err != nil {
		t.Fatalf("member 10000: %v", err)
	}
	_, more := mustRequest(t, d, "zachary", "")
	if _, err := d.Enrol(more, e, testTime); err == nil {
		t.Error("member 10001")
	}
	if size := len(mustRead(t, d.path)); size > maxDomainFile/2 {
		t.Errorf("the file has %d octets", size)
	}
	d.members = d.members[maxMembers-1:]
	d.members[0].Serial = maxNameSerial - 1
	if _, err := d.Enrol(nil, Enrolment{Local: "zoe", Until: e.Until, Days: 1}, testTime); err != nil {
		t.Errorf("serial 3600: %v", err)
	}
	if _, err := d.Enrol(nil, Enrolment{Local: "zoe", Until: e.Until, Days: 1}, testTime); err == nil {
		t.Error("serial 3601")
	}
}

func FuzzParseDomain(f *testing.F) {
	n := testName(f, "alice")
	n.Address.domain = "example.com"
	d := &Domain{name: "example.com", key: testDomain()}
	good, err := d.marshal([]Member{{Address: n.Address, key: n.Account, Serial: 1, Enrolled: n.Issued, issued: n.Issued, Until: n.Until, Signed: n.Until}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(1) })
	f.Add(b.BytesOrPanic())
	f.Fuzz(func(t *testing.T, der []byte) {
		d := new(Domain)
		if err := d.parse(der); err != nil {
			return
		}
		again, err := d.marshal(d.members)
		if err != nil || !bytes.Equal(again, der) {
			t.Fatalf("%x, %v", again, err)
		}
	})
}

// FuzzDecodeArmour reads text that was mailed.
func FuzzDecodeArmour(f *testing.F) {
	f.Add(encodeArmour(pemRequest, []byte("request")))
	f.Add([]byte("-----BEGIN KITH ACCOUNT REQUEST-----\nheader: x\n\nAAAA\n-----END KITH ACCOUNT REQUEST-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		der, err := decodeArmour(text, pemRequest, maxAsk)
		if err != nil {
			if der != nil {
				t.Fatal("octets beside an error")
			}
			return
		}
		block, rest := pem.Decode(encodeArmour(pemRequest, der))
		if block == nil || len(rest) > 0 || !bytes.Equal(block.Bytes, der) || len(text) > maxAsk {
			t.Fatalf("%q", text)
		}
	})
}

// TestDomainTime holds times that are not whole seconds in UTC to be written as such.
func TestDomainTime(t *testing.T) {
	d := mustDomain(t, "", "")
	_, request := mustRequest(t, d, "fred", "")
	zone := time.FixedZone("east", 5*3600)
	if _, err := d.Enrol(request, Enrolment{Until: testTime.Add(day + 5).In(zone), Days: 1}, testTime.Add(7).In(zone)); err != nil {
		t.Fatal(err)
	}
	der, err := d.marshal(d.members)
	if err != nil {
		t.Fatal(err)
	}
	if err := new(Domain).parse(der); err != nil {
		t.Error(err)
	}
}

// TestDomainPassphraseOverwritten: who gave the passphrase may overwrite it at once, and the file is still saved under it.
func TestDomainPassphraseOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "domain")
	made, err := createDomain(path, "", []byte("bridge"), 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	word := []byte("bridge")
	d, err := openDomain(path, func() ([]byte, error) { return word, nil }, 10)
	if err != nil {
		t.Fatal(err)
	}
	clear(word)
	if err := d.save(nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openDomain(path, func() ([]byte, error) { return []byte("bridge"), nil }, 10)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
