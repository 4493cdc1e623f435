package identity

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strings"
)

// Limits of an entity.
const (
	maxEntity = 256 << 10 // octets, header and body
	maxFields = 32        // besides Content-Type
	maxLine   = 998       // octets of a header line without CRLF (RFC 5322, 2.1.1)
)

// Entity is the MIME entity that devices sign: a Content-Type, further header fields in order, and a body of any octets. In its one
// written form lines end in CRLF, Content-Type comes first, and nothing is folded (doc/spec/objects.md, 1).
type Entity struct {
	Type   string // value of Content-Type
	Fields []Field
	Body   []byte
}

// Field is a header field: a name of letters, digits and hyphens, and a value of printable ASCII without space at its ends.
type Field struct{ Name, Value string }

// Field gives the value of the header field of that name, in any case; "" if there is none.
func (e Entity) Field(name string) string {
	for _, f := range e.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Marshal writes the octets to sign. It refuses what [ParseEntity] would.
func (e Entity) Marshal() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("entity: %w", err)
	}
	var b bytes.Buffer
	b.Grow(512 + len(e.Body))
	fmt.Fprintf(&b, "Content-Type: %s\r\n", e.Type)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	b.WriteString("\r\n")
	b.Write(e.Body)
	if b.Len() > maxEntity {
		return nil, fmt.Errorf("entity of %d octets: at most %d", b.Len(), maxEntity)
	}
	return b.Bytes(), nil
}

// ParseEntity reads what [Entity.Marshal] writes and nothing else, so that marshalling again gives the same octets. Limits: 256 KiB,
// 32 fields, lines of 998 octets. The body shares memory with b.
func ParseEntity(b []byte) (Entity, error) {
	if len(b) > maxEntity {
		return Entity{}, fmt.Errorf("entity of %d octets: at most %d", len(b), maxEntity)
	}
	var e Entity
	for first := true; ; first = false {
		line, rest, found := bytes.Cut(b, []byte("\r\n"))
		if !found || len(line) > maxLine {
			return Entity{}, errors.New("entity: header without end, or line too long")
		}
		b = rest
		if len(line) == 0 {
			break
		}
		name, value, found := strings.Cut(string(line), ": ")
		switch {
		case !found:
			return Entity{}, errors.New("entity: header line without name")
		case first && name == "Content-Type":
			e.Type = value
		case first:
			return Entity{}, errors.New("entity: Content-Type must come first")
		case len(e.Fields) == maxFields:
			return Entity{}, fmt.Errorf("entity: more than %d fields", maxFields)
		default:
			e.Fields = append(e.Fields, Field{name, value})
		}
	}
	e.Body = b
	if err := e.check(); err != nil {
		return Entity{}, fmt.Errorf("entity: %w", err)
	}
	return e, nil
}

func (e Entity) check() error {
	if _, err := e.mediaType(); err != nil {
		return err
	}
	if len(e.Fields) > maxFields {
		return fmt.Errorf("more than %d fields", maxFields)
	}
	seen := map[string]bool{"content-type": true}
	for _, f := range append([]Field{{"Content-Type", e.Type}}, e.Fields...) {
		if strings.Trim(f.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" || f.Name == "" {
			return fmt.Errorf("field name %.40q", f.Name)
		}
		if f.Value == "" || !printable(f.Value) || strings.Trim(f.Value, " ") != f.Value || len(f.Name)+2+len(f.Value) > maxLine {
			return fmt.Errorf("value of field %s", f.Name)
		}
	}
	for _, f := range e.Fields {
		name := strings.ToLower(f.Name)
		if seen[name] {
			return fmt.Errorf("field %s twice", f.Name)
		}
		seen[name] = true
	}
	return nil
}

// mediaType gives type/subtype in lower case.
func (e Entity) mediaType() (string, error) {
	typ, _, err := mime.ParseMediaType(e.Type)
	if err != nil || !strings.Contains(typ, "/") {
		return "", fmt.Errorf("content type %.80q", e.Type)
	}
	return typ, nil
}
