package imdn

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/rfc3339"
	"github.com/kith-im/kith/internal/xmlscan"
)

// Marshal writes the payload, valid by the schema of section 11.1.9, in UTF-8
// and without white space that means nothing. Equal values give equal octets.
// It fails if n is not what Parse could return, has a SubjectLang, or exceeds
// MaxSize. What an extension says inside is written as it is.
func (n *Notification) Marshal() ([]byte, error) {
	if err := n.check(); err != nil {
		return nil, fmt.Errorf("imdn: marshal: %w", err)
	}
	b := make([]byte, 0, 512)
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\r\n"+`<imdn xmlns="`+Namespace+`">`...)
	b = element(b, "message-id", n.MessageID)
	b = element(b, "datetime", n.DateTime)
	if n.Recipient != "" {
		b = element(b, "recipient-uri", n.Recipient)
		b = element(b, "original-recipient-uri", n.OriginalRecipient)
		if n.Subject != "" {
			b = element(b, "subject", n.Subject)
		}
	}
	if n.Disposition != 0 {
		d := dispositions[n.Disposition]
		b = fmt.Appendf(b, "<%s><status><%s/>", d.typ, d.status)
		for _, x := range n.StatusExt {
			b = append(b, x.Raw...)
		}
		b = fmt.Appendf(b, "</status></%s>", d.typ)
	}
	for _, x := range n.Ext {
		b = append(b, x.Raw...)
	}
	if b = append(b, "</imdn>"...); len(b) > MaxSize {
		return nil, errors.New("imdn: marshal: payload is too large")
	}
	return b, nil
}

func element(b []byte, name, text string) []byte {
	b = append(append(append(b, '<'), name...), '>')
	b = xmlscan.AppendEscaped(b, text, false)
	return append(append(append(b, "</"...), name...), '>')
}

func (n *Notification) check() error {
	if _, err := rfc3339.ParseFold(n.DateTime); err != nil {
		return errors.New("DateTime is not an RFC 3339 date-time")
	}
	switch {
	case !isToken(n.MessageID) || !utf8.ValidString(n.MessageID) || !xmlscan.IsText(n.MessageID):
		return errors.New("MessageID is not a token")
	case (n.Recipient == "") != (n.OriginalRecipient == ""):
		return errors.New("one of recipient and original recipient is missing")
	case n.Recipient != "" && (!isURI(n.Recipient) || !isURI(n.OriginalRecipient)):
		return errors.New("recipient is not an absolute URI")
	case n.Subject != "" && n.Recipient == "":
		return errors.New("subject without recipient")
	case n.SubjectLang != "":
		return errors.New("subject with a language, for which the schema has no place")
	case !xmlscan.IsText(n.Subject):
		return errors.New("subject holds characters that XML excludes")
	case n.Disposition != 0 && !n.Disposition.known():
		return errors.New("unknown disposition")
	case n.Disposition == 0 && (n.StatusExt != nil || len(n.Ext) == 0):
		return errors.New("no disposition")
	}
	if err := checkExtensions(n.StatusExt, 3); err != nil {
		return err
	}
	return checkExtensions(n.Ext, 1)
}

// checkExtensions holds elements that stand in level others to their names.
func checkExtensions(list []Extension, level int) error {
	for _, x := range list {
		doc, err := xmlscan.Parse(x.Raw, xmlscan.Options{MaxSize: MaxSize, Fragment: true})
		if err != nil {
			return fmt.Errorf("extension %s: %w", x.Name, err)
		}
		root := doc.Root()
		switch {
		case root.Space != x.NS || root.Name != x.Name:
			return fmt.Errorf("extension %s: octets are those of another element", x.Name)
		case x.NS == "" || x.NS == Namespace:
			return fmt.Errorf("extension %s: not in a namespace of its own", x.Name)
		case doc.Unbound():
			return fmt.Errorf("extension %s: an element without namespace would take that of IMDN", x.Name)
		case level+doc.Depth(root) > xmlscan.MaxDepth:
			return fmt.Errorf("extension %s: elements are nested too deeply", x.Name)
		}
	}
	return nil
}
