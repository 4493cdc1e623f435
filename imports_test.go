// Package kith_test holds the tests of the source as a whole: who may import
// what, and that packages keep no state.
package kith_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/kith-im/kith/"

// edges is the direction of imports: every package of this module, and the
// packages of this module that it may import. Tests may import more. A new
// row or a new edge needs a page in doc/decisions; the first page there,
// 001-imports.md, says why these are as they are.
var edges = map[string]string{
	// Formats: octets to values and back.
	"internal/rfc3339": "",
	"internal/xmlscan": "",
	"cpim":             "internal/rfc3339",
	"cpim/composing":   "internal/rfc3339 internal/xmlscan",
	"cpim/imdn":        "cpim internal/rfc3339 internal/xmlscan",
	"pidf/rpid":        "",
	"pidf":             "pidf/rpid internal/rfc3339 internal/xmlscan",
	"pidf/diff":        "internal/xmlscan",
	"pidf/senml":       "pidf internal/xmlscan",
	"pidf/winfo":       "internal/xmlscan",

	// People, and the devices they use.
	"identity/cms":        "",
	"identity":            "identity/cms",
	"overlay":             "identity",
	"overlay/overlaytest": "overlay",

	// RFC 2778 as a program. It imports neither overlay nor node/store.
	"node/access":          "identity",
	"node":                 "identity cpim pidf pidf/rpid node/access",
	"node/store":           "node identity",
	"node/store/storetest": "node identity",
	"node/nodetest":        "node node/store identity",

	// What stands on a node, and what joins it all.
	"internal/control": "node identity cpim pidf pidf/rpid",
	"cmd/kith":         "internal/control node node/store node/access overlay identity cpim pidf pidf/rpid",
	"cmd/kith/e2e":     "", // tests only
	"examples/hello":   "node node/store overlay identity",
}

// outside is who may import what this module does not have: each line is
// import paths, a line with a slash at its end standing for all below it, and
// the packages they are for. Everything from another module needs a line. Of
// the standard library only what is named here is restricted.
var outside = []struct{ imports, users string }{
	// The network.
	{"github.com/libp2p/ github.com/multiformats/ github.com/ipfs/go-datastore/ google.golang.org/protobuf/", "overlay overlay/overlaytest"},
	{"net", "overlay overlay/overlaytest internal/control cmd/kith"},
	{"net/http", "internal/control cmd/kith"},
	{"net/rpc/ net/smtp net/http/httptest net/http/httputil net/http/pprof crypto/tls", ""},

	// Private keys and what is done with them. Overlays have the transport key.
	{"crypto/aes crypto/cipher crypto/ecdh crypto/ecdsa crypto/elliptic crypto/rsa crypto/x509/", "identity identity/cms"},
	{"crypto/hpke filippo.io/age/ filippo.io/edwards25519/", "identity"},
	{"crypto/hmac", "identity node"}, // node: by the secret in the code of a link
	{"crypto/hkdf", "identity identity/cms"},
	{"crypto/ed25519", "identity identity/cms overlay overlay/overlaytest node node/store node/store/storetest node/nodetest cmd/kith"}, // outside identity and overlay: public keys as values
	// The list of words of a recovery phrase.
	{"github.com/base/go-bip39/", "identity"},
	// Names keys (RFC 5280 section 4.2.1.2) and opens what bridges bring, secures nothing.
	{"crypto/sha1", "identity/cms"},
	{"crypto/md5 crypto/des crypto/rc4 crypto/dsa", ""},
	{"golang.org/x/crypto/cryptobyte/", "identity identity/cms node"}, // DER

	// The disk.
	{"database/sql/ github.com/ncruces/go-sqlite3/", "node/store"},
	{"os", "identity overlay overlay/overlaytest node/store internal/control cmd/kith examples/hello"},

	// Faces of a running node.
	{"github.com/danielgtaylor/huma/v2/", "internal/control"},
	{"github.com/spf13/cobra/ github.com/mdp/qrterminal/v3 golang.org/x/term github.com/zalando/go-keyring", "cmd/kith"},

	// Ways around what the compiler checks, and other processes.
	{"reflect", "internal/control"},
	{"unsafe C plugin os/exec", ""},

	// Tests, and the packages that are only for them.
	{"testing/", "node/store/storetest node/nodetest"},
	{"github.com/google/go-cmp/", "node/store/storetest"},
	{"github.com/rogpeppe/go-internal/testscript github.com/miekg/dns", ""},
}

// forTests is what any test may import from other modules, beside what its
// package may.
var forTests = []string{"github.com/google/go-cmp/", "github.com/rogpeppe/go-internal/testscript", "github.com/miekg/dns"}

const howTo = "add it to the table in imports_test.go, and a page in doc/decisions that says why"

func TestImports(t *testing.T) {
	packages := parse(t, token.NewFileSet())
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		allowed, ok := edges[dir]
		if !ok && slices.ContainsFunc(packages[dir], func(f file) bool { return !f.test }) {
			t.Errorf("%s: not a known package; %s", dir, howTo)
			continue
		}
		for _, f := range packages[dir] {
			for _, spec := range f.ast.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				switch own, inside := strings.CutPrefix(name, module); {
				case inside && !f.test && !slices.Contains(strings.Fields(allowed), own):
					t.Errorf("%s: %s may not import %s; if it must, %s", f.name, dir, own, howTo)
				case !inside:
					if err := checkOutside(dir, name, f.test); err != nil {
						t.Errorf("%s: %v", f.name, err)
					}
				}
			}
		}
	}
	for dir, row := range edges {
		for _, known := range append(strings.Fields(row), dir) {
			if packages[known] == nil {
				t.Errorf("imports_test.go speaks of %s, which does not exist: delete it", known)
			}
		}
	}
}

// checkOutside says whether the package in dir, or a test of it, may import a
// package from outside this module.
func checkOutside(dir, name string, test bool) error {
	for _, row := range outside {
		if !slices.ContainsFunc(strings.Fields(row.imports), func(p string) bool { return covers(p, name) }) {
			continue
		}
		if slices.Contains(strings.Fields(row.users), dir) {
			return nil
		}
		if test && (standard(name) || slices.ContainsFunc(forTests, func(p string) bool { return covers(p, name) })) {
			return nil
		}
		return fmt.Errorf("%s is only for [%s], not for %s; if it must be, %s", name, row.users, dir, howTo)
	}
	if standard(name) {
		return nil
	}
	return fmt.Errorf("%s is from a module not used so far; %s", name, howTo)
}

// covers says whether a pattern of outside stands for an import path.
func covers(pattern, name string) bool {
	below, tree := strings.CutSuffix(pattern, "/")
	return name == below || tree && strings.HasPrefix(name, pattern)
}

// standard says whether a package is of the standard library.
func standard(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".")
}

// file is a source file of this module.
type file struct {
	name string // from the top of the module, with slashes
	test bool
	ast  *ast.File
}

// parse reads the source of this module, by folder.
func parse(t *testing.T, fset *token.FileSet) map[string][]file {
	t.Helper()
	packages := make(map[string][]file)
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")
			if name != "." && (hidden || d.Name() == "testdata" || d.Name() == "vendor") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		f := file{name: name, test: strings.HasSuffix(name, "_test.go")}
		f.ast, err = parser.ParseFile(fset, filepath.FromSlash(name), nil, parser.ParseComments|parser.SkipObjectResolution)
		packages[path.Dir(name)] = append(packages[path.Dir(name)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}
