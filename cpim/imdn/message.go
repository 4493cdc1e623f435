package imdn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"strings"

	"github.com/kith-im/kith/cpim"
)

// notification is the Content-Disposition of a notification (section 15.4).
const notification = "notification"

// IsNotification tells whether m is a notification, alone or aggregated, by its
// Content-Disposition and its media type (sections 8.3 and 9). Its payload may
// still be malformed.
func IsNotification(m *cpim.Message) bool {
	c := m.Content()
	mediatype, _, err := c.ContentType()
	return err == nil && disposed(c) && (mediatype == MediaType || mediatype == "multipart/mixed")
}

// looksLikeOne tells whether either mark of a notification is there, the type
// even in a part (section 9): enough not to answer it, nor to ask for answers.
func looksLikeOne(c cpim.Content) bool {
	mediatype, params, _ := c.ContentType()
	if mediatype == MediaType || disposed(c) {
		return true
	}
	if !strings.HasPrefix(mediatype, "multipart/") || params["boundary"] == "" {
		return false
	}
	parts := multipart.NewReader(bytes.NewReader(c.Body), params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return false
		}
		if typ, _, err := fields(part.Header).ContentType(); err == nil && typ == MediaType {
			return true
		}
	}
}

// fields gives the header of a part as that of a content.
func fields(header textproto.MIMEHeader) cpim.Content {
	var c cpim.Content
	for name, values := range header {
		for _, value := range values {
			c.Header = append(c.Header, cpim.MIMEField{Name: name, Value: value})
		}
	}
	return c
}

func disposed(c cpim.Content) bool {
	value, _, _ := strings.Cut(c.Get("Content-Disposition"), ";")
	return strings.EqualFold(strings.Trim(value, " \t"), notification)
}

// Read gives the payloads of a notification, of which an aggregated one
// (section 8.3) has several. It fails as a whole if any of them is malformed,
// and if m is no notification. That m has a Message-ID of its own, as section
// 7.2.1 demands and an example of section 8.1 forgets, is for cpim.CheckProfile.
func Read(m *cpim.Message) ([]*Notification, error) {
	if !IsNotification(m) {
		return nil, errors.New("imdn: not a notification by its media type and disposition")
	}
	c := m.Content()
	mediatype, params, err := c.ContentType()
	if err != nil {
		return nil, fmt.Errorf("imdn: %w", err)
	}
	if mediatype == MediaType {
		n, err := readContent(c)
		if err != nil {
			return nil, err
		}
		return []*Notification{n}, nil
	}
	if e := c.Get("Content-Transfer-Encoding"); e != "" && !unencoded(e) {
		return nil, errors.New("imdn: multipart with a transfer encoding")
	}
	// The reader of the standard library takes a last boundary for the end
	// without the two hyphens that make it so (RFC 2046 section 5.1.1).
	if last := "--" + params["boundary"] + "--"; !bytes.Contains(c.Body, []byte("\n"+last)) {
		return nil, errors.New("imdn: aggregated notification without its last boundary")
	}
	return readParts(multipart.NewReader(bytes.NewReader(c.Body), params["boundary"]))
}

func unencoded(e string) bool {
	return strings.EqualFold(e, "7bit") || strings.EqualFold(e, "8bit") || strings.EqualFold(e, "binary")
}

func readParts(parts *multipart.Reader) ([]*Notification, error) {
	var list []*Notification
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("imdn: aggregated notification: %w", err)
		}
		if len(list) == MaxPayloads {
			return nil, fmt.Errorf("imdn: more than %d payloads", MaxPayloads)
		}
		c := fields(part.Header)
		if c.Body, err = io.ReadAll(part); err != nil {
			return nil, fmt.Errorf("imdn: aggregated notification: %w", err)
		}
		n, err := readContent(c)
		if err != nil {
			return nil, fmt.Errorf("payload %d: %w", len(list)+1, err)
		}
		list = append(list, n)
	}
	if list == nil {
		return nil, errors.New("imdn: aggregated notification without payload")
	}
	return list, nil
}

func readContent(c cpim.Content) (*Notification, error) {
	if mediatype, _, err := c.ContentType(); err != nil || mediatype != MediaType {
		return nil, errors.New("imdn: payload is not of type " + MediaType)
	}
	body, err := c.Decode()
	if err != nil {
		return nil, fmt.Errorf("imdn: payload: %w", err)
	}
	return Parse(body)
}
