package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
)

// secrets are what no output may have in it, by what it is.
type secrets map[string]string

// add puts in a secret in the forms that a slip would show it in.
func (s secrets) add(what string, secret []byte) {
	s[what] = string(secret)
	s[what+" in hexadecimal"] = hex.EncodeToString(secret)
	s[what+" in upper case hexadecimal"] = strings.ToUpper(hex.EncodeToString(secret))
	for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for at := range 3 { // within something longer, an octet begins at any of three places
			coded := enc.EncodeToString(append(make([]byte, at), secret...))
			s[what+" in "+name+" at "+string(rune('0'+at))] = coded[4 : len(coded)-4]
		}
	}
}

func (s secrets) check(t *testing.T, what, text string) {
	t.Helper()
	for name, secret := range s {
		if strings.Contains(text, secret) {
			t.Errorf("%s: %s is in the output", what, name)
		}
	}
	if strings.Contains(text, "PRIVATE KEY") {
		t.Errorf("%s: a PEM key is in the output", what)
	}
}

// TestSecretsStaySecret runs all commands that meet a key or a passphrase, with
// success and without, and looks for those in what they say.
func TestSecretsStaySecret(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	known := secrets{}
	for _, name := range []string{"first", "second", "third"} {
		word := "nobody may read the " + name + " one"
		known.add("the "+name+" passphrase", []byte(word))
		if err := os.WriteFile(path(name), []byte(word+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var words bytes.Buffer // the phrase
	run := func(in string, args ...string) (stdout, stderr string, code int) {
		var out, errs bytes.Buffer
		code = kith(args, strings.NewReader(in), &out, &errs)
		return out.String(), errs.String(), code
	}
	try := func(want int, in string, args ...string) {
		t.Helper()
		out, errs, code := run(in, args...)
		if code != want {
			t.Errorf("kith %v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
		}
		known.check(t, strings.Join(args, " "), out+errs)
	}

	if _, err := identity.Create(path("alice"), "alice", nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	out, errs, code := run("", "--home", path("alice"), "recovery", "--yes", "--json")
	var shown recovered
	if err := json.Unmarshal([]byte(out), &shown); err != nil || code != 0 || errs != "" {
		t.Fatalf("recovery: %v, code %d\n%s%s", err, code, out, errs)
	}
	words.WriteString(strings.Join(shown.Words, " "))
	seed, err := identity.ParsePhrase(words.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	known.add("the seed", seed)
	for i := range len(shown.Words) - 2 {
		run := shown.Words[i : i+3]
		known["the words "+string(rune('a'+i))] = strings.Join(run, " ")
	}
	mistyped := strings.Replace(words.String(), shown.Words[11], "xyzzyx", 1)
	swapped := strings.Join(append(shown.Words[1:], shown.Words[0]), " ")

	try(0, "", "--home", path("alice"), "passwd", "--new-passphrase-file", path("first"), "--json")
	try(1, "", "--home", path("alice"), "passwd", "--passphrase-file", path("second"), "--new-passphrase-file", path("third"))
	try(0, "", "--home", path("alice"), "passwd", "--passphrase-file", path("first"), "--new-passphrase-file", path("second"))
	try(1, "", "--home", path("alice"), "passwd", "--keyring", "--passphrase-file", path("first"))
	try(1, "", "--home", path("alice"), "recovery")
	try(1, "", "--home", path("alice"), "recovery", "--yes", "--passphrase-file", path("first"))
	try(1, "", "--home", path("alice"), "up", "--passphrase-file", path("third"), "--log-level", "debug")
	try(0, "", "--home", path("alice"), "backup", path("file"), "--passphrase-file", path("second"), "--backup-passphrase-file", path("third"))
	try(1, "", "--home", path("alice"), "backup", path("file2"), "--passphrase-file", path("second"))
	try(0, "", "restore", "--check", path("file"), "--backup-passphrase-file", path("third"))
	try(1, "", "restore", "--check", path("file"), "--backup-passphrase-file", path("second"))
	try(1, "", "restore", "--check", path("first"), "--backup-passphrase-file", path("second"))
	try(0, "", "--home", path("two"), "restore", path("file"), "--backup-passphrase-file", path("third"), "--json")
	try(0, words.String(), "--home", path("three"), "restore", "--words", "alice", "--passphrase-file", path("first"))
	try(1, words.String(), "--home", path("four"), "restore", "--words", "alice@example.org")
	try(1, mistyped, "--home", path("four"), "restore", "--words", "alice")
	if _, err := identity.ParsePhrase([]byte(swapped)); err != nil { // else the checksum fits by chance, once in 256 times
		try(1, swapped, "--home", path("four"), "restore", "--words", "alice")
	}
	try(2, "", append([]string{"--home", path("four"), "restore", "--words", "alice"}, strings.Fields(mistyped)...)...)
	key := filepath.Join(path("three"), "keys", "account.key")
	if err := os.WriteFile(key, []byte("-----BEGIN PRIVATE"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"passwd", "recovery", "backup"} {
		args := []string{"--home", path("three"), command}
		switch command {
		case "backup":
			args = append(args, path("file3"), "--backup-passphrase-file", path("third"))
		case "recovery":
			args = append(args, "--yes")
		default:
			args = append(args, "--new-passphrase-file", path("first"))
		}
		try(1, "", args...)
	}

	var log bytes.Buffer
	i, err := open(t.Context(), settings{
		home: path("two"), listen: []string{"/ip4/127.0.0.1/tcp/0"}, lease: time.Minute,
		log:    slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		unlock: func(f func(func() ([]byte, error)) error) error { return f(backupPass(path("third")).must(t)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.close(); err != nil {
		t.Error(err)
	}
	known.check(t, "the log", log.String())
}

// must gives the passphrase in a file.
func (s source) must(t *testing.T) func() ([]byte, error) {
	return func() ([]byte, error) {
		word, ok, err := s.given()
		if !ok || err != nil {
			t.Errorf("no passphrase: %v", err)
		}
		return word, err
	}
}
