package main

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kith-im/kith/cpim"
)

// cpimFields is what is shown of a message. Absent values are null.
type cpimFields struct {
	From        *mailboxField  `json:"from"`
	To          []mailboxField `json:"to"`
	Cc          []mailboxField `json:"cc"`
	DateTime    *string        `json:"datetime"` // as written
	UTC         *string        `json:"datetime_utc"`
	Subject     []textField    `json:"subject"`
	NS          []nsField      `json:"ns"`
	Require     []nameField    `json:"require"`
	Ext         []extField     `json:"ext"` // every header that is not a core one
	ContentType *string        `json:"content_type"`
	ContentID   *string        `json:"content_id"`
	contentField
}

// contentField is the content: text, or base 64 if it is not UTF-8.
type contentField struct {
	Body   *string `json:"body"`
	Base64 *string `json:"body_base64,omitempty"`
}

type mailboxField struct {
	Name *string `json:"name"`
	URI  string  `json:"uri"`
}

type textField struct {
	Lang *string `json:"lang"`
	Text string  `json:"text"`
}

type nsField struct {
	Prefix *string `json:"prefix"`
	URI    string  `json:"uri"`
}

type nameField struct {
	NS   string `json:"ns"`
	Name string `json:"name"`
}

type extField struct {
	NS    string `json:"ns"`
	Name  string `json:"name"`
	Value string `json:"value"` // raw
}

// optional is null for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// coreHeaders are those that RFC 3862 section 4 defines.
var coreHeaders = [...]string{"From", "To", "cc", "DateTime", "Subject", "NS", "Require"}

func (in inspector) cpim(b []byte) (any, error) {
	parse := cpim.Parse
	if strings.HasPrefix(strings.ToLower(mimeField(b, "content-type")), "message/cpim") {
		parse = cpim.ParseEntity
	}
	m, err := parse(b)
	if err != nil {
		return nil, err
	}
	if in.profile {
		if err := cpim.CheckProfile(m); err != nil {
			return nil, err
		}
		understood := func(ns, name string) bool { return ns == cpim.NSIMDN && name == "Message-ID" }
		if err := cpim.CheckRequire(m, understood); err != nil {
			return nil, err
		}
	}
	return describeMessage(m), nil
}

func describeMessage(m *cpim.Message) cpimFields {
	f := cpimFields{
		To: mailboxes(m.To()), Cc: mailboxes(m.Cc()), DateTime: optional(m.DateTimeRaw()),
		Subject: []textField{}, NS: []nsField{}, Require: []nameField{}, Ext: []extField{},
	}
	if from := mailboxes(m.From()); len(from) > 0 {
		f.From = &from[0]
	}
	if t, ok := m.DateTime(); ok {
		f.UTC = optional(t.UTC().Format(time.RFC3339Nano))
	}
	for _, s := range m.Subjects() {
		f.Subject = append(f.Subject, textField{optional(s.Lang), s.Text})
	}
	for _, ns := range m.NS() {
		f.NS = append(f.NS, nsField{optional(ns.Prefix), ns.URI})
	}
	for _, name := range m.Require() {
		f.Require = append(f.Require, nameField{name.NS, name.Local})
	}
	for h := range m.Headers() {
		if h.NS != cpim.NSCore || !slices.Contains(coreHeaders[:], h.Local) {
			f.Ext = append(f.Ext, extField{h.NS, h.Local, h.Raw})
		}
	}
	content := m.Content()
	f.ContentType, f.ContentID = optional(content.Get("Content-Type")), optional(content.ContentID())
	body, err := content.Decode()
	if err != nil {
		body = content.Body
	}
	f.contentField = describeContent(body)
	return f
}

func describeContent(body []byte) contentField {
	if !utf8.Valid(body) {
		return contentField{Base64: optional(base64.StdEncoding.EncodeToString(body))}
	}
	text := string(body)
	return contentField{Body: &text}
}

func mailboxes(list []cpim.Mailbox) []mailboxField {
	fields := []mailboxField{}
	for _, box := range list {
		fields = append(fields, mailboxField{optional(box.Name), box.URI})
	}
	return fields
}
