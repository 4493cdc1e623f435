package identity

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// entry is one entry of an archive made by hand.
type entry struct {
	tar.Header
	data string
}

func mustArchive(t testing.TB, list ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range list {
		h := e.Header
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Format == 0 {
			h.Format = tar.FormatUSTAR
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(e.data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil && h.Typeflag == tar.TypeReg {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func named(name, data string) entry { return entry{tar.Header{Name: name}, data} }

// goodEntries are those of a backup of the test account.
func goodEntries(t testing.TB) (manifestEntry, key, chain entry) {
	t.Helper()
	k, err := newKeys("alice", testAccount(), testTime)
	if err != nil {
		t.Fatal(err)
	}
	m, err1 := json.Marshal(manifest{backupFormat, Origin{Address: k.Address(), Device: k.Device(), Made: testTime}})
	pem, err2 := encodeKey(k.account)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return named(backupManifest, string(m)), named(accountKey, string(pem)), named(accountPEM, string(encodeCertificate(k.chain[0])))
}

func TestReadArchive(t *testing.T) {
	m, key, chain := goodEntries(t)
	other, err := newKeys("mallory", mustNew(t, "m").account, testTime)
	if err != nil {
		t.Fatal(err)
	}
	otherChain := named(accountPEM, string(encodeCertificate(other.chain[0])))
	otherKey, err := encodeKey(other.account)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(e entry, old, new string) entry {
		if !strings.Contains(e.data, old) {
			t.Fatalf("no %q in %q", old, e.data)
		}
		e.data = strings.Replace(e.data, old, new, 1)
		return e
	}
	typed := func(kind byte, name, link string) entry {
		return entry{tar.Header{Typeflag: kind, Name: name, Linkname: link}, ""}
	}
	rules := named(BackupRules, "x")
	for name, test := range map[string]struct {
		list []entry
		want string // "": good
	}{
		"good":                {[]entry{m, key, chain}, ""},
		"with parts":          {[]entry{m, key, chain, rules, named(BackupPeers, ""), named(BackupStore, "x")}, ""},
		"empty":               {nil, "manifest.json is missing"},
		"no manifest":         {[]entry{key, chain}, "manifest.json is missing"},
		"no key":              {[]entry{m, chain}, "account.key is missing"},
		"no certificate":      {[]entry{m, key}, "account.pem is missing"},
		"no certificate, but": {[]entry{m, key, rules}, "account.pem is missing"},
		"twice":               {[]entry{m, key, chain, rules, rules}, "does not belong"},
		"other order":         {[]entry{m, key, chain, named(BackupStore, "x"), rules}, "does not belong"},
		"keys again":          {[]entry{m, key, chain, key}, "does not belong"},
		"unknown":             {[]entry{m, key, chain, named("readme", "x")}, "does not belong"},
		"upwards":             {[]entry{m, key, chain, named("../kith.db", "x")}, "does not belong"},
		"absolute":            {[]entry{m, key, chain, named("/etc/passwd", "x")}, "does not belong"},
		"dotted":              {[]entry{m, key, chain, named("./rules", "x")}, "does not belong"},
		"symbolic link":       {[]entry{m, key, chain, typed(tar.TypeSymlink, BackupRules, "/etc/passwd")}, "does not belong"},
		"hard link":           {[]entry{m, key, chain, typed(tar.TypeLink, BackupRules, accountKey)}, "does not belong"},
		"directory":           {[]entry{m, key, chain, typed(tar.TypeDir, BackupRules, "")}, "does not belong"},
		"device":              {[]entry{m, key, chain, typed(tar.TypeChar, BackupRules, "")}, "does not belong"},
		"extended header":     {[]entry{m, key, chain, {tar.Header{Name: BackupRules, Format: tar.FormatPAX, PAXRecords: map[string]string{"KITH.x": "y"}}, "x"}}, "does not belong"},
		"long rules":          {[]entry{m, key, chain, named(BackupRules, strings.Repeat("x", maxText+1))}, "at most"},
		"longest rules":       {[]entry{m, key, chain, named(BackupRules, strings.Repeat("x", maxText))}, ""},
		"long manifest":       {[]entry{named(backupManifest, strings.Repeat(" ", maxManifest+1)), key, chain}, "at most"},
		"newer format":        {[]entry{edit(m, `"format":1`, `"format":2,"more":true`), key, chain}, "newer kith"},
		"no format":           {[]entry{edit(m, `"format":1,`, ``), key, chain}, "damaged"},
		"unknown field":       {[]entry{edit(m, `"format":1`, `"format":1,"more":true`), key, chain}, "damaged"},
		"not JSON":            {[]entry{named(backupManifest, "x"), key, chain}, "damaged"},
		"no address":          {[]entry{edit(m, `"alice@`, `"","program":"@`), key, chain}, "damaged"},
		"another address":     {[]entry{edit(m, `"alice@`, `"bob@`), key, chain}, "account.pem"},
		"another key":         {[]entry{m, named(accountKey, string(otherKey)), chain}, "not the certificate of the account key"},
		"another certificate": {[]entry{m, key, otherChain}, "not the certificate of the account key"},
		"two certificates":    {[]entry{m, key, named(accountPEM, chain.data+otherChain.data)}, "account.pem"},
		"three certificates":  {[]entry{m, key, named(accountPEM, chain.data+chain.data+chain.data)}, "account.pem"},
		"key and more":        {[]entry{m, named(accountKey, key.data+key.data), chain}, "not one whole key"},
		"garbage for a key":   {[]entry{m, named(accountKey, "x"), chain}, "not one whole key"},
	} {
		b, err := readArchive(bytes.NewReader(mustArchive(t, test.list...)))
		if err == nil {
			_, err = readAll(b)
		} else if b != nil {
			t.Errorf("%s: a backup beside an error", name)
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
	behind := append(mustArchive(t, m, key, chain), make([]byte, 512)...)
	if _, err := readArchive(bytes.NewReader(behind)); err == nil {
		t.Error("something behind the archive: read")
	}
}

func FuzzReadArchive(f *testing.F) {
	m, key, chain := goodEntries(f)
	f.Add(mustArchive(f, m, key, chain))
	f.Add(mustArchive(f, m, key, chain, named(BackupRules, "x"), named(BackupStore, "rows")))
	f.Add(mustArchive(f, m, key))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := readArchive(bytes.NewReader(data))
		if err != nil {
			if b != nil {
				t.Fatalf("a backup beside %v", err)
			}
			return
		}
		parts, err := readAll(b)
		if err != nil {
			return
		}
		total := 0
		for name, text := range parts {
			if entryOf(name) < entryOf(BackupRules) {
				t.Fatalf("part %q", name)
			}
			total += len(text)
		}
		if total > len(data) || b.Address.IsZero() || !isKey(b.chain[0], testAccount().Public().(ed25519.PublicKey)) {
			t.Fatalf("parts of %d octets in %d, of %v", total, len(data), b.Address)
		}
	})
}
