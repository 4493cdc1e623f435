package main

import (
	"bytes"
	"encoding/hex"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
)

// smimeFields is what is shown of a signed object whose signature, chain and
// address were verified.
type smimeFields struct {
	From    string `json:"from"`
	Device  string `json:"device"`
	Signed  string `json:"signing_time"`
	Digest  string `json:"sha256"` // of the octets signed
	Type    string `json:"content_type"`
	Kind    string `json:"kind,omitempty"` // of the content, if it is one of ours
	Content any    `json:"content"`
}

func (in inspector) smime(b []byte) (any, error) {
	o, err := verify(b)
	if err != nil {
		return nil, err
	}
	f := smimeFields{
		From: o.From.String(), Device: o.Device.String(), Signed: o.Time.UTC().Format(time.RFC3339),
		Digest: hex.EncodeToString(o.Digest[:]), Type: o.Entity.Type, Content: describeContent(o.Entity.Body),
	}
	switch mediatype, _, _ := strings.Cut(strings.ToLower(o.Entity.Type), ";"); strings.TrimSpace(mediatype) {
	case "message/cpim":
		f.Kind = "cpim"
	case "application/pidf+xml":
		f.Kind = "pidf"
	default:
		return f, nil
	}
	f.Content, err = in.read(f.Kind, o.Entity.Body)
	return f, err
}

// verify opens a multipart/signed object or a signed-data in DER.
func verify(b []byte) (*identity.Opened, error) {
	if !bytes.HasPrefix(b, []byte{0x30}) {
		m, err := identity.ParseMultipartSigned(b)
		if err != nil {
			return nil, err
		}
		return m.Verify(identity.Known{}, time.Now())
	}
	s, err := identity.ParseSigned(b)
	if err != nil {
		return nil, err
	}
	return identity.Verify(s, identity.Known{}, time.Now())
}
