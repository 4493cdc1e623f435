package imdn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/cpim/imdn"
)

// with gives a message with these lines among its headers, in which imdn and x
// are prefixes of the namespace.
func with(tb testing.TB, lines ...string) *cpim.Message {
	tb.Helper()
	m, err := cpim.Parse([]byte("NS: imdn <urn:ietf:params:imdn>\r\nNS: x <urn:ietf:params:imdn>\r\n" +
		"From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\nDateTime: 2006-04-04T12:16:49-05:00\r\n" +
		strings.Join(append(lines, ""), "\r\n") + "\r\nContent-Type: text/plain\r\n\r\nHello World"))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestRequests(t *testing.T) {
	req := func(names ...string) (list []imdn.Request) {
		for _, n := range names {
			list = append(list, imdn.Request{Name: n})
		}
		return list
	}
	param := func(name, value string) []cpim.Param { return []cpim.Param{{Name: name, Value: value}} }
	tests := []struct {
		value string // after the colon
		want  []imdn.Request
		good  bool
	}{
		{" ", nil, true},
		{" display", req("display"), true},
		{" positive-delivery, negative-delivery", req("positive-delivery", "negative-delivery"), true},
		{" positive-delivery,negative-delivery", req("positive-delivery", "negative-delivery"), true},
		{" positive-delivery  ,  display ,processing", req("positive-delivery", "display", "processing"), true},
		{" Display, x.y, né", req("Display", "x.y", "né"), true},
		{" display;a=b", []imdn.Request{{Name: "display", Params: param("a", "b")}}, true},
		{" display ; a=b , processing", []imdn.Request{{Name: "display", Params: param("a", "b")}, {Name: "processing"}}, true},
		{` display;a="b, c;d\"e",processing`, []imdn.Request{{Name: "display", Params: param("a", `b, c;d"e`)}, {Name: "processing"}}, true},
		{" ,", nil, false},
		{" display,", nil, false},
		{" ,display", nil, false},
		{" display,,processing", nil, false},
		{" display processing", nil, false},
		{" display;", nil, false},
		{" display;a", nil, false},
		{" display;a=", nil, false},
		{" display;a =b", nil, false},
		{" display;a= b", nil, false},
		{" display;a.b=c", nil, false},
		{" display;é=c", nil, false},
		{` display;a="b`, nil, false},
		{` display;a="b\"`, nil, false},
		{" <display>", nil, false},
		{";a=b display", nil, false},
	}
	for _, tt := range tests {
		got, err := imdn.Requests(with(t, "imdn.Disposition-Notification:"+tt.value))
		if d := cmp.Diff(tt.want, got); d != "" || (err == nil) != tt.good {
			t.Errorf("%q: %v (-want +got):\n%s", tt.value, err, d)
		}
	}
	got, err := imdn.Requests(with(t, "imdn.Disposition-Notification: display", "x.Disposition-Notification: processing", "Disposition-Notification: a",
		"imdn.disposition-notification: b"))
	if d := cmp.Diff(req("display", "processing"), got); d != "" || err != nil {
		t.Errorf("several headers: %v (-want +got):\n%s", err, d)
	}
	many := strings.Repeat("a,", imdn.MaxValues-1) + "a"
	if got, err := imdn.Requests(asking(t, many)); err != nil || len(got) != imdn.MaxValues {
		t.Errorf("as many as may be: %d, %v", len(got), err)
	}
	if got, err := imdn.Requests(asking(t, many+",a")); err == nil || got != nil {
		t.Errorf("one more: %d", len(got))
	}
	if got, err := imdn.Requests(with(t)); got != nil || err != nil {
		t.Errorf("no header: %v, %v", got, err)
	}
}

func TestMailboxes(t *testing.T) {
	one := []cpim.Mailbox{{Name: "A B", URI: "im:a@x.example"}}
	tests := []struct {
		value string
		want  []cpim.Mailbox
	}{
		{" A B <im:a@x.example>", one},
		{` "A B"<im:a@x.example>`, one},
		{` "A B" <im:a@x.example>`, one},
		{" <sip:b@[::1]>", []cpim.Mailbox{{URI: "sip:b@[::1]"}}},
		{" ", nil},
		{" im:a@x.example", nil},
		{" <b>", nil},
		{" A  B <im:a@x.example>", nil},
		{";a=b <im:a@x.example>", nil},
		{" <im:a@x.example>, <im:b@x.example>", nil},
	}
	for _, tt := range tests {
		m := with(t, "imdn.IMDN-Record-Route:"+tt.value, "IMDN-Record-Route: <im:z@x.example>")
		got, err := imdn.RecordRoute(m)
		if d := cmp.Diff(tt.want, got); d != "" || (err == nil) != (tt.want != nil) {
			t.Errorf("%q: %v (-want +got):\n%s", tt.value, err, d)
		}
	}
	for n, good := range map[int]bool{imdn.MaxValues: true, imdn.MaxValues + 1: false} {
		var lines []string
		for range n {
			lines = append(lines, "imdn.IMDN-Route: <im:a@x.example>")
		}
		if got, err := imdn.Route(with(t, lines...)); (err == nil) != good || good && len(got) != n {
			t.Errorf("%d routes: %d, %v", n, len(got), err)
		}
	}
	m := with(t, "imdn.IMDN-Route: <im:a@x.example>", "x.IMDN-Route: <im:b@x.example>", "imdn.Original-To: List <im:list@x.example>")
	routes, err := imdn.Route(m)
	if d := cmp.Diff([]cpim.Mailbox{{URI: "im:a@x.example"}, {URI: "im:b@x.example"}}, routes); d != "" || err != nil {
		t.Errorf("Route: %v (-want +got):\n%s", err, d)
	}
	if box, err := imdn.OriginalTo(m); err != nil || box != (cpim.Mailbox{Name: "List", URI: "im:list@x.example"}) {
		t.Errorf("OriginalTo: %v, %v", box, err)
	}
	if box, err := imdn.OriginalTo(with(t)); err != nil || box != (cpim.Mailbox{}) {
		t.Errorf("no OriginalTo: %v, %v", box, err)
	}
	if _, err := imdn.OriginalTo(with(t, "imdn.Original-To: <im:a@x.example>", "imdn.Original-To: <im:a@x.example>")); err == nil {
		t.Error("two Original-To are read")
	}
	if _, err := imdn.OriginalTo(with(t, "imdn.Original-To: a")); err == nil {
		t.Error("a malformed Original-To is read")
	}
}

func draft() cpim.Draft {
	return cpim.Draft{
		From:     cpim.Mailbox{URI: "im:alice@example.com"},
		To:       []cpim.Mailbox{{URI: "im:bob@example.com"}},
		DateTime: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		Content:  cpim.NewText("hello"),
	}
}

// TestAdd writes each header, makes the message and reads the header back.
func TestAdd(t *testing.T) {
	d := draft()
	a, b := cpim.Mailbox{Name: "Relay, A", URI: "im:a@x.example"}, cpim.Mailbox{Name: "Relay B", URI: "im:b@x.example"}
	for _, err := range []error{
		imdn.AddRequest(&d, imdn.WantDelivered, imdn.WantFailed, imdn.WantDisplayed, "later"),
		imdn.AddOriginalTo(&d, a), imdn.AddRecordRoute(&d, a), imdn.AddRecordRoute(&d, b), imdn.AddRoute(&d, a), imdn.AddRoute(&d, b),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := cpim.New(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := cpim.CheckProfile(m); err != nil {
		t.Error(err)
	}
	requests, err := imdn.Requests(m)
	if err != nil || len(requests) != 4 || requests[3].Name != "later" {
		t.Errorf("Requests: %v, %v", requests, err)
	}
	original, err := imdn.OriginalTo(m)
	if err != nil || original != a {
		t.Errorf("OriginalTo: %v, %v", original, err)
	}
	record, err := imdn.RecordRoute(m)
	if d := cmp.Diff([]cpim.Mailbox{b, a}, record); err != nil || d != "" {
		t.Errorf("RecordRoute: %v (-want +got):\n%s", err, d)
	}
	route, err := imdn.Route(m)
	if d := cmp.Diff([]cpim.Mailbox{a, b}, route); err != nil || d != "" {
		t.Errorf("Route: %v (-want +got):\n%s", err, d)
	}
}

func TestAddRefuses(t *testing.T) {
	asked := draft()
	if err := imdn.AddRequest(&asked, imdn.WantDisplayed); err != nil {
		t.Fatal(err)
	}
	moved := draft()
	if err := imdn.AddOriginalTo(&moved, cpim.Mailbox{URI: "im:a@x.example"}); err != nil {
		t.Fatal(err)
	}
	untimed := draft()
	untimed.DateTime = time.Time{}
	answer := draft()
	answer.Content = cpim.Content{Header: []cpim.MIMEField{{Name: "Content-Type", Value: "text/plain"}, {Name: "content-disposition", Value: "Notification; a=b"}}}
	payload := draft()
	payload.Content = cpim.Content{Header: []cpim.MIMEField{{Name: "Content-Type", Value: "Message/IMDN+xml"}}}
	box := func(name, uri string) func(*cpim.Draft) error {
		return func(d *cpim.Draft) error { return imdn.AddRoute(d, cpim.Mailbox{Name: name, URI: uri}) }
	}
	want := func(names ...string) func(*cpim.Draft) error {
		return func(d *cpim.Draft) error { return imdn.AddRequest(d, names...) }
	}
	tests := []struct {
		name string
		d    cpim.Draft
		add  func(*cpim.Draft) error
	}{
		{"request for nothing", draft(), want()},
		{"request that is no token", draft(), want("display, processing")},
		{"request twice", draft(), want("display", "display")},
		{"second request", asked, want("display")},
		{"request without a time", untimed, want("display")},
		{"request in a notification", answer, want("display")},
		{"request in a payload", payload, want("display")},
		{"second original", moved, func(d *cpim.Draft) error { return imdn.AddOriginalTo(d, cpim.Mailbox{URI: "im:b@x.example"}) }},
		{"record in a notification", answer, func(d *cpim.Draft) error { return imdn.AddRecordRoute(d, cpim.Mailbox{URI: "im:b@x.example"}) }},
		{"no address", draft(), box("", "")},
		{"relative address", draft(), box("", "bob")},
		{"address that ends its line", draft(), box("", "im:a@x.example>\r\nFrom: <im:b@x.example")},
		{"address with a bracket", draft(), box("", "im:a@x.example> <im:b@x.example")},
		{"name not UTF-8", draft(), box("\xff", "im:a@x.example")},
	}
	for _, tt := range tests {
		d := tt.d
		if err := tt.add(&d); err == nil {
			t.Errorf("%s: no error", tt.name)
		} else if diff := cmp.Diff(tt.d, d); diff != "" {
			t.Errorf("%s: draft changed (-want +got):\n%s", tt.name, diff)
		}
	}
}
