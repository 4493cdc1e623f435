package imdn_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/cpim/imdn"
)

var (
	bob = cpim.Mailbox{Name: "Bob", URI: "im:bob@example.com"}
	now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
)

const id = "imdn.Message-ID: 34jk324j"

func asking(tb testing.TB, value string) *cpim.Message {
	return with(tb, id, "imdn.Disposition-Notification: "+value)
}

// TestCheck tries every disposition against every request, in both roles.
func TestCheck(t *testing.T) {
	requests := []string{imdn.WantDelivered, imdn.WantFailed, imdn.WantDisplayed, imdn.WantProcessed, "later"}
	const p, n, d, c = 1, 2, 4, 8 // as in requests
	tests := []struct {
		d            imdn.Disposition
		fits         int
		recipient    bool
		intermediary bool
	}{
		{imdn.Delivered, p, true, false},
		{imdn.Failed, n, true, true},
		{imdn.DeliveryForbidden, p | n, true, true},
		{imdn.DeliveryError, p | n, true, true},
		{imdn.Displayed, d, true, false},
		{imdn.DisplayForbidden, d, true, false},
		{imdn.DisplayError, d, true, false},
		{imdn.Processed, c, false, true},
		{imdn.Stored, c, false, true},
		{imdn.ProcessingForbidden, c, false, true},
		{imdn.ProcessingError, c, false, true},
	}
	for _, tt := range tests {
		for i, request := range requests {
			m := asking(t, request)
			for _, intermediary := range []bool{false, true} {
				var want error
				if role := tt.recipient && !intermediary || tt.intermediary && intermediary; !role {
					want = imdn.ErrRole
				} else if tt.fits&(1<<i) == 0 {
					want = imdn.ErrNotRequested
				}
				r := imdn.Report{Disposition: tt.d, Intermediary: intermediary}
				if err := imdn.Check(m, r); !errors.Is(err, want) {
					t.Errorf("%s for %s, intermediary %v: got %v, want %v", tt.d, request, intermediary, err, want)
				}
				r.Sent = r.Sent.With(tt.d.Type())
				if err := imdn.Check(m, r); !errors.Is(err, imdn.ErrSent) {
					t.Errorf("%s a second time: got %v", tt.d, err)
				}
			}
		}
	}
	for name, m := range map[string]*cpim.Message{"no header": with(t, id), "empty header": with(t, id, "imdn.Disposition-Notification: ")} {
		if err := imdn.Check(m, imdn.Report{Disposition: imdn.Displayed}); !errors.Is(err, imdn.ErrNotRequested) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, d := range []imdn.Disposition{0, 12, 255} {
		if imdn.Check(asking(t, "display"), imdn.Report{Disposition: d}) == nil || d.Type() != 0 || d.String() != "unknown disposition" {
			t.Errorf("disposition %d is known", d)
		}
	}
	if imdn.Check(asking(t, "display,"), imdn.Report{Disposition: imdn.Displayed}) == nil {
		t.Error("a malformed request is answered")
	}
}

func TestSent(t *testing.T) {
	var s imdn.Sent
	s = s.With(imdn.Display)
	if !s.Has(imdn.Display) || s.Has(imdn.Delivery) || s.Has(imdn.Processing) {
		t.Errorf("got %b", s)
	}
	if s = s.With(imdn.Display).With(imdn.Delivery); !s.Has(imdn.Display) || !s.Has(imdn.Delivery) || s.Has(imdn.Processing) {
		t.Errorf("got %b", s)
	}
}

// TestAnswer makes the answer, sends it and reads it, and finds that it gets no
// answer itself, even where it asks for one.
func TestAnswer(t *testing.T) {
	m := with(t, id, "imdn.Disposition-Notification: display", "Subject:;lang=fr Thé", "Subject: Tea \\u0007", "Subject: "+strings.Repeat("T", 1025), "Subject: Tea & cake",
		"imdn.IMDN-Record-Route: Relay <im:relay@x.example>", "imdn.Original-To: <im:list@x.example>")
	d, err := imdn.Answer(m, imdn.Report{Disposition: imdn.Displayed, From: bob, Time: now, MessageID: "q1", Subject: true})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := cpim.New(d)
	if err != nil {
		t.Fatal(err)
	}
	b, err := answer.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	const want = "NS: imdn <urn:ietf:params:imdn>\r\nFrom: Bob <im:bob@example.com>\r\nTo: Alice <im:alice@example.com>\r\n" +
		"DateTime: 2026-11-20T10:00:00Z\r\nimdn.Message-ID: q1\r\n\r\nContent-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n" +
		`<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" + `<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>34jk324j</message-id>` +
		"<datetime>2006-04-04T12:16:49-05:00</datetime><recipient-uri>im:bob@example.com</recipient-uri>" +
		"<original-recipient-uri>im:list@x.example</original-recipient-uri><subject>Tea &amp; cake</subject>" +
		"<display-notification><status><displayed/></status></display-notification></imdn>"
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := cpim.CheckProfile(answer); err != nil {
		t.Error(err)
	}
	if !imdn.IsNotification(answer) || imdn.IsNotification(m) {
		t.Error("IsNotification is wrong")
	}
	asking := strings.Replace(string(b), "\r\n\r\n", "\r\nimdn.Disposition-Notification: display\r\n\r\n", 1)
	for _, text := range []string{asking, strings.Replace(asking, "Content-Disposition: notification\r\n", "", 1), strings.Replace(asking, "message/imdn+xml", "text/plain", 1)} {
		again, err := cpim.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := imdn.Answer(again, imdn.Report{Disposition: imdn.Displayed, From: bob, Time: now}); !errors.Is(err, imdn.ErrNotification) {
			t.Errorf("a notification is answered: %v", err)
		}
	}
}

// TestAnswerWritesNoRoutes looks at what is written when nothing is asked for,
// and when it is.
func TestAnswerWritesNoRoutes(t *testing.T) {
	m := with(t, id, "imdn.Disposition-Notification: processing", "Subject:;lang=fr Thé",
		"imdn.IMDN-Record-Route: <im:two@x.example>", "imdn.IMDN-Record-Route: <im:one@x.example>")
	r := imdn.Report{Disposition: imdn.Stored, From: cpim.Mailbox{URI: "im:mirror@x.example"}, Recipient: bob.URI, Time: now, Intermediary: true}
	d, err := imdn.Answer(m, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Extra) != 0 || d.MessageID == "" {
		t.Errorf("got headers %v and id %q", d.Extra, d.MessageID)
	}
	n, err := imdn.Parse(d.Content.Body)
	want := &imdn.Notification{MessageID: "34jk324j", DateTime: "2006-04-04T12:16:49-05:00", Recipient: bob.URI, OriginalRecipient: bob.URI, Disposition: imdn.Stored}
	if diff := cmp.Diff(want, n); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	r.Routes, r.Subject = true, true
	if d, err = imdn.Answer(m, r); err != nil {
		t.Fatal(err)
	}
	answer, err := cpim.New(d)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := imdn.Route(answer)
	if diff := cmp.Diff([]cpim.Mailbox{{URI: "im:two@x.example"}, {URI: "im:one@x.example"}}, routes); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if record, err := imdn.RecordRoute(answer); record != nil || err != nil {
		t.Errorf("record routes in an answer: %v, %v", record, err)
	}
	if n, err = imdn.Parse(d.Content.Body); err != nil || n.Subject != "" {
		t.Errorf("a subject with a language is repeated: %+v, %v", n, err)
	}
}

func TestAnswerRefuses(t *testing.T) {
	const ask = "imdn.Disposition-Notification: display"
	good := imdn.Report{Disposition: imdn.Displayed, From: bob, Time: now}
	tests := []struct {
		name string
		m    *cpim.Message
		r    imdn.Report
	}{
		{"no id", with(t, ask), good},
		{"id that is no token", with(t, ask, "imdn.Message-ID: <a@b>"), good},
		{"two senders", with(t, id, ask, "From: <im:c@x.example>"), good},
		{"two originals", with(t, id, ask, "imdn.Original-To: <im:c@x.example>", "imdn.Original-To: <im:c@x.example>"), good},
		{"malformed record", with(t, id, ask, "imdn.IMDN-Record-Route: c"), imdn.Report{Disposition: imdn.Displayed, From: bob, Time: now, Routes: true}},
		{"nobody answers", with(t, id, ask), imdn.Report{Disposition: imdn.Displayed, Time: now}},
		{"no time", with(t, id, ask), imdn.Report{Disposition: imdn.Displayed, From: bob}},
		{"recipient is no URI", with(t, id, ask), imdn.Report{Disposition: imdn.Displayed, From: bob, Time: now, Recipient: "bob"}},
	}
	for _, tt := range tests {
		if d, err := imdn.Answer(tt.m, tt.r); err == nil || d.Content.Body != nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	m, err := cpim.Parse([]byte("NS: imdn <urn:ietf:params:imdn>\r\nFrom: <im:a@x.example>\r\n" + id + "\r\n" + ask + "\r\n\r\nContent-Type: text/plain\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := imdn.Answer(m, good); err == nil {
		t.Error("a message without DateTime is answered")
	}
}
