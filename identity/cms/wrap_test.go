package cms

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// readVectors reads a file of "name = hex" lines in blocks divided by empty
// lines; # starts a comment.
func readVectors(t *testing.T, path string) []map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []map[string][]byte
	block := map[string][]byte{}
	end := func() {
		if len(block) > 0 {
			all = append(all, block)
			block = map[string][]byte{}
		}
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " = ")
		switch {
		case ok:
			block[name] = must(hex.DecodeString(value))(t)
		case lines.Text() == "":
			end()
		}
	}
	end()
	return all
}

func TestWrapVectors(t *testing.T) {
	for _, v := range readVectors(t, "testdata/rfc3394.txt") {
		got, err := wrap(v["KEK"], v["Key"])
		if err != nil || !bytes.Equal(got, v["Wrapped"]) {
			t.Errorf("wrap: %x, %v, want %x", got, err, v["Wrapped"])
		}
		got, err = unwrap(v["KEK"], v["Wrapped"])
		if err != nil || !bytes.Equal(got, v["Key"]) {
			t.Errorf("unwrap: %x, %v, want %x", got, err, v["Key"])
		}
		for i := range v["Wrapped"] {
			bad := bytes.Clone(v["Wrapped"])
			bad[i] ^= 0x80
			if got, err := unwrap(v["KEK"], bad); err == nil || got != nil {
				t.Errorf("unwrap with octet %d altered: %x", i, got)
			}
		}
	}
}

func TestWrapSizes(t *testing.T) {
	kek := make([]byte, 32)
	for n := range 64 {
		_, err := wrap(kek, make([]byte, n))
		if want := n == 16 || n == 32; (err == nil) != want {
			t.Errorf("wrap %d octets: %v", n, err)
		}
		if got, err := unwrap(kek, make([]byte, n)); err == nil {
			t.Errorf("unwrap %d zeros: %x", n, got)
		}
	}
	if _, err := wrap(make([]byte, 5), make([]byte, 16)); err == nil {
		t.Error("wrap with a key of 5 octets")
	}
	if _, err := unwrap(make([]byte, 5), make([]byte, 24)); err == nil {
		t.Error("unwrap with a key of 5 octets")
	}
}

func TestDeriveVectors(t *testing.T) {
	for _, v := range readVectors(t, "testdata/x963.txt") {
		k := kdfSHA256
		if v["Hash"][0] == 1 {
			k = kdfSHA1
		}
		if got := k.derive(v["Z"], v["Info"], len(v["Key"])); !bytes.Equal(got, v["Key"]) {
			t.Errorf("%x, want %x", got, v["Key"])
		}
	}
}
