package pidf

import (
	"fmt"
	"mime"
	"strings"
)

// ContentType is the MIME label of what Marshal writes (RFC 3863 section 3.1).
const ContentType = "application/pidf+xml; charset=UTF-8"

// ParseMedia is Parse for a MIME entity: contentType is its label, of which the
// type must be application/pidf+xml and the charset, if stated, UTF-8 or its
// subset US-ASCII. The charset takes precedence over an encoding declaration
// in the document (RFC 3863 section 4.1).
func ParseMedia(contentType string, b []byte) (*Presence, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("pidf: content type: %w", err)
	}
	if media != "application/pidf+xml" {
		return nil, fmt.Errorf("pidf: content type %s is not application/pidf+xml", media)
	}
	charset, stated := params["charset"]
	if stated && !strings.EqualFold(charset, "UTF-8") && !strings.EqualFold(charset, "US-ASCII") {
		return nil, fmt.Errorf("pidf: charset %q is not supported, only UTF-8", charset)
	}
	return parse(b, false, stated)
}
