package cpim

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// R3862-3.4-e: namespaces are names. Code that imports no network fetches none.
func TestNoNetwork(t *testing.T) {
	allowed := []string{
		"bytes", "crypto/rand", "encoding/base64", "errors", "fmt", "io", "iter", "mime", "mime/quotedprintable",
		"strconv", "strings", "time", "unicode/utf16", "unicode/utf8", "github.com/kith-im/kith/internal/rfc3339",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err != nil || !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", file, spec.Path.Value)
			}
		}
	}
}
