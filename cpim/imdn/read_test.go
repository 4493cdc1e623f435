package imdn_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/cpim/imdn"
)

const payload = `<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>a</message-id><datetime>2008-04-04T12:16:49Z</datetime>` +
	"<delivery-notification><status><delivered/></status></delivery-notification></imdn>"

func carrying(tb testing.TB, content string) *cpim.Message {
	tb.Helper()
	m, err := cpim.Parse([]byte("From: <im:bob@example.com>\r\n\r\n" + content))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestRead(t *testing.T) {
	const (
		single = "Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n"
		mixed  = "Content-Type: multipart/mixed; boundary=b\r\nContent-Disposition: notification\r\n"
		part   = "--b\r\nContent-Type: message/imdn+xml\r\n\r\n" + payload + "\r\n"
	)
	encoded := base64.StdEncoding.EncodeToString([]byte(payload))
	tests := []struct {
		name, content string
		want          int // payloads, 0 for an error
	}{
		{"one", single + payload, 1},
		{"case of the fields", "content-TYPE: Message/IMDN+XML; charset=\"utf-8\"\r\ncontent-disposition: NOTIFICATION; handling=optional\r\n\r\n" + payload, 1},
		{"base64", "Content-Transfer-Encoding: base64\r\n" + single + encoded, 1},
		{"two parts", mixed + "\r\n" + part + part + "--b--\r\n", 2},
		{"part in base64", mixed + "\r\n--b\r\nContent-Type: message/imdn+xml\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded + "\r\n--b--", 1},
		{"multipart in 8bit", mixed + "Content-Transfer-Encoding: 8BIT\r\n\r\n" + part + "--b--", 1},
		{"as many parts as may be", mixed + "\r\n" + strings.Repeat(part, imdn.MaxPayloads) + "--b--\r\n", imdn.MaxPayloads},
		{"one part more", mixed + "\r\n" + strings.Repeat(part, imdn.MaxPayloads+1) + "--b--\r\n", 0},
		{"no disposition", "Content-Type: message/imdn+xml\r\n\r\n" + payload, 0},
		{"other disposition", strings.Replace(single, "notification", "inline", 1) + payload, 0},
		{"other type", strings.Replace(single, "imdn+xml", "other", 1) + payload, 0},
		{"malformed", single + "<imdn/>", 0},
		{"malformed base64", "Content-Transfer-Encoding: base64\r\n" + single + "!", 0},
		{"multipart in base64", mixed + "Content-Transfer-Encoding: base64\r\n\r\n" + part + "--b--", 0},
		{"no boundary", strings.Replace(mixed, "; boundary=b", "", 1) + "\r\n" + part + "--b--", 0},
		{"no parts", mixed + "\r\n--b--\r\n", 0},
		{"no part but text", mixed + "\r\nhello\r\n--b--\r\n", 0},
		{"no last boundary", mixed + "\r\n" + part + "--b\r\n", 0},
		{"message among the parts", mixed + "\r\n" + part + "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--", 0},
		{"malformed part", mixed + "\r\n" + part + "--b\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn/>\r\n--b--", 0},
		{"part without type", mixed + "\r\n--b\r\n\r\n" + payload + "\r\n--b--", 0},
	}
	for _, tt := range tests {
		m := carrying(t, tt.content)
		list, err := imdn.Read(m)
		if len(list) != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("%s: %d payloads, %v", tt.name, len(list), err)
		}
	}
}

// TestPartsGetNoAnswer holds a multipart with a notification among its parts
// for one, whatever is written over it.
func TestPartsGetNoAnswer(t *testing.T) {
	const ask = "NS: imdn <urn:ietf:params:imdn>\r\nFrom: <im:a@x.example>\r\nDateTime: 2008-04-04T12:16:49Z\r\nimdn.Message-ID: a\r\n" +
		"imdn.Disposition-Notification: display\r\n\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	const text = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
	for content, want := range map[string]error{
		text + "--b--\r\n": nil,
		"no parts":         nil,
		text + "--b\r\ncontent-type: Message/IMDN+xml\r\n\r\n" + payload + "\r\n--b--\r\n": imdn.ErrNotification,
	} {
		m, err := cpim.Parse([]byte(ask + content))
		if err != nil {
			t.Fatal(err)
		}
		if err := imdn.Check(m, imdn.Report{Disposition: imdn.Displayed}); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", content, err, want)
		}
	}
}

// FuzzParse: nil beside an error, a known section, and what is read is written
// and read again as the same.
func FuzzParse(f *testing.F) {
	for _, v := range verdicts(f) {
		f.Add(file(f, v.file))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := imdn.Parse(b)
		if (n == nil) == (err == nil) {
			t.Fatalf("got %v, %v", n, err)
		}
		if err != nil {
			if e, ok := err.(*imdn.SyntaxError); !ok || !strings.HasPrefix(e.Section, "RFC 5438 1") || e.Line < 1 {
				t.Fatalf("got %#v", err)
			}
			return
		}
		// Escapes and inherited declarations may take more room than before, and
		// a token may hold what XML excludes no more than the source did.
		if len(b) < imdn.MaxSize/16 {
			stable(t, n)
		}
	})
}

// FuzzHeaders: whatever stands in the headers, reading them does not fail in
// other ways than by an error, and a request that is read is written as such.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{" ", " display", ` a;b="c\"d" , e ;f=g`, " A B <im:a@x.example>", `;x=y "A"<im:a@x.example>`, " a,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		m, err := cpim.Parse(fmt.Appendf(nil, "NS: i <urn:ietf:params:imdn>\r\ni.Disposition-Notification:%s\r\ni.Original-To:%[1]s\r\n\r\nContent-Type: text/plain\r\n\r\n", value))
		if err != nil {
			return
		}
		requests, err := imdn.Requests(m)
		if err != nil && requests != nil {
			t.Fatalf("%q: %v beside %v", value, requests, err)
		}
		var names []string
		seen := make(map[string]bool)
		for _, r := range requests {
			if !seen[r.Name] {
				names = append(names, r.Name)
			}
			seen[r.Name] = true
		}
		if names != nil {
			d := draft()
			if err := imdn.AddRequest(&d, names...); err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			if _, err := cpim.New(d); err != nil {
				t.Fatalf("%q: %v", value, err)
			}
		}
		if box, err := imdn.OriginalTo(m); err == nil && box.URI != "" {
			d := draft()
			if err := imdn.AddOriginalTo(&d, box); err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			again, err := cpim.New(d)
			if err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			if got, err := imdn.OriginalTo(again); err != nil || got != box {
				t.Fatalf("%q: %v, %v, want %v", value, got, err, box)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	src := file(b, "accept/delivery-delivered.xml")
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := imdn.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	n, err := imdn.Parse(file(b, "accept/delivery-delivered.xml"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}
