package imdn_test

import (
	"errors"
	"testing"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/cpim/imdn"
)

// FuzzMessage takes any message. What Read gives can be written again. What
// Answer gives can be sent, is read as one notification of that message, and is
// not answered in turn; and whatever is read as a notification gets none.
func FuzzMessage(f *testing.F) {
	for _, name := range []string{"rfc5438-7.1.1.3-request.cpim", "rfc5438-7.2.1.1-delivery.cpim", "rfc5438-8.3-aggregated.cpim"} {
		f.Add(file(f, "repaired/"+name))
	}
	f.Add([]byte("NS: i <urn:ietf:params:imdn>\r\nFrom: <im:a@x.example>\r\ni.Message-ID: a\r\nDateTime: 2008-04-04T12:16:49Z\r\nSubject: \\u0007&\r\n" +
		"i.Original-To: <im:c@x.example>\r\ni.IMDN-Record-Route: R <im:r@x.example>\r\ni.Disposition-Notification: positive-delivery\r\n\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := cpim.Parse(b)
		if err != nil {
			return
		}
		list, err := imdn.Read(m)
		if (list == nil) == (err == nil) {
			t.Fatalf("got %v, %v", list, err)
		}
		if len(b) < imdn.MaxSize/16 {
			for _, n := range list {
				stable(t, n)
			}
		}
		r := imdn.Report{Disposition: imdn.Delivered, From: bob, Time: now, Subject: true, Routes: true}
		d, err := imdn.Answer(m, r)
		if err != nil {
			return
		}
		if list != nil {
			t.Fatal("a notification is answered")
		}
		answer, err := cpim.New(d)
		if err != nil {
			t.Fatal(err)
		}
		list, err = imdn.Read(answer)
		if err != nil || len(list) != 1 || list[0].MessageID != m.MessageID() || list[0].DateTime != m.DateTimeRaw() {
			t.Fatalf("got %v, %v", list, err)
		}
		if _, err := imdn.Answer(answer, r); !errors.Is(err, imdn.ErrNotification) {
			t.Fatalf("the answer is answered: %v", err)
		}
	})
}
