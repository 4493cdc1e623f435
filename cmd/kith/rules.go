package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kith-im/kith/node/access"
)

// readRules reads the access rules in a home directory; nil, for the defaults,
// if there are none.
func readRules(home string) (*access.Rules, error) {
	file := filepath.Join(home, rulesFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the access rules: %w", err)
	}
	rules, err := access.Parse(string(text))
	if err != nil {
		return nil, fail("the access rules in "+file+" have a mistake in "+err.Error(), "mend that line, or move the file away to follow the defaults")
	}
	return rules, nil
}
